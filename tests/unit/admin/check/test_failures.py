"""What a person reads first when something is wrong, and the cure that stands below it."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from pillarbox.admin.check.steps import Report, Status
from pillarbox.core.errors import InvalidInput, NotFound
from pillarbox.emulator import App
from pillarbox.emulator.world.rbac import ExchangeAssignment, Scope
from tests.unit.admin.check.conftest import ALICE, SCANNER, Bench, first_failure, statuses, step

MINUTE = 60


def says(report: Report, name: str, *, first: tuple[str, ...], cure: tuple[str, ...]) -> None:
    """The first failure is this step; its sentence and its cure hold these words."""
    failed = first_failure(report)
    assert failed.name == name
    assert [words for words in first if words not in failed.sentence] == [], failed.sentence
    assert [words for words in cure if words not in failed.cure] == [], failed.cure
    assert not report.ok


def skipped_after(report: Report, name: str) -> None:
    """Every step behind this one was left out because of it."""
    names = [one.name for one in report.steps]
    behind = [one for one in report.steps[names.index(name) + 1 : -1] if one.name not in ("smtp", "imap")]
    assert behind
    for one in behind:
        assert (one.status, one.sentence) == (Status.SKIP, f"Not tried, as '{name}' failed.")


# ---- the app registration


async def test_wrong_secret(bench: Bench) -> None:
    await bench.app(secret="8Q~not-the-right-value")
    report = await bench.press_app()
    says(report, "token", first=("AADSTS7000215",), cure=("`pillarbox app secret contoso`", "Secret ID"))
    assert statuses(report) == {
        "addresses": "ok",
        "tls": "ok",
        "clock": "ok",
        "token": "fail",
        "rights": "skip",
        "verdict": "fail",
    }
    assert report.steps[-1].sentence == "contoso is not ready: 'token' failed."


async def test_secret_id_in_the_place_of_its_value(bench: Bench) -> None:
    await bench.app(secret=bench.seed.gateway.secrets[0].id)
    says(await bench.press_app(), "token", first=("AADSTS7000215",), cure=("The column Secret ID is not it",))


async def test_expired_secret(bench: Bench) -> None:
    await bench.app(secret=bench.emulator.world.add_secret(bench.seed.gateway, time.time() - 1))
    says(
        await bench.press_app(),
        "token",
        first=("AADSTS7000222",),
        cure=("The client secret has expired", "make a new one"),
    )


async def test_unknown_app(bench: Bench) -> None:
    await bench.app(App(str(uuid4()), str(uuid4()), "Stranger"), secret="8Q~any")
    says(await bench.press_app(), "token", first=("AADSTS700016",), cure=("Application (client) ID",))


async def test_wrong_tenant(bench: Bench) -> None:
    await bench.app(tenant=str(uuid4()))
    says(await bench.press_app(), "token", first=("AADSTS90002",), cure=("Directory (tenant) ID",))


async def test_steps_that_need_the_token_say_why_they_were_left_out(bench: Bench) -> None:
    await bench.app(secret="8Q~not-the-right-value")
    app = await bench.accounts.app("contoso")
    assert app is not None
    await bench.accounts.add_mailbox(SCANNER, app)
    report = await bench.press()
    skipped_after(report, "token")
    assert report.steps[-1].sentence == f"{SCANNER} cannot send yet: 'token' failed."
    assert await bench.assurance() == ""


async def test_app_that_serves_sign_ins_passes_as_far_as_it_can(bench: Bench) -> None:
    await bench.app_without_credential()
    report = await bench.press_app()
    assert report.ok
    assert statuses(report) == {
        "addresses": "ok",
        "tls": "ok",
        "clock": "ok",
        "tenant": "ok",
        "token": "skip",
        "verdict": "ok",
    }
    assert "it serves mailboxes that people sign in for" in step(report, "token").sentence
    assert "pillarbox mailbox sign-in ADDRESS --app contoso" in report.steps[-1].sentence


async def test_mailbox_of_an_app_that_serves_sign_ins_is_to_be_signed_in(bench: Bench) -> None:
    await bench.accounts.add_mailbox(ALICE, await bench.app_without_credential())
    first = (f"contoso has no credential, and nobody has signed in for {ALICE}",)
    says(await bench.press(ALICE), "token", first=first, cure=(f"pillarbox mailbox sign-in {ALICE}",))


async def test_app_that_serves_sign_ins_in_no_tenant(bench: Bench) -> None:
    await bench.app_without_credential(tenant=str(uuid4()))
    says(await bench.press_app(), "tenant", first=("AADSTS90002",), cure=("Directory (tenant) ID",))


async def test_entra_id_that_asks_for_a_pause_is_told_as_a_test_tells_it(bench: Bench) -> None:
    await bench.app()
    bench.emulator.faults.add(path="/oauth2/v2.0/token", status=429, retry_after=42)
    report = await bench.press_app()
    says(report, "token", first=("asks for a pause",), cure=("Test again in 42 seconds.",))
    assert step(report, "token").evidence["retry_after"] == 42
    # While it runs nobody asks; and a test that is repeated says how long it is still.
    asked = bench.emulator.ledger.token_requests
    again = step(await bench.press_app(), "token")
    assert again.code == "check.entra_pause"
    assert bench.emulator.ledger.token_requests == asked


async def test_entra_id_that_is_down_is_told_as_a_test_tells_it(bench: Bench) -> None:
    await bench.app()
    bench.emulator.faults.add(path="/oauth2/v2.0/token", status=503)
    says(await bench.press_app(), "token", first=("gives no token now",), cure=("Test again in some minutes.",))


# ---- the right to send


async def test_no_consent(bench: Bench) -> None:
    await bench.mailbox(app=bench.seed.unconsented)
    report = await bench.press()
    words = f"contoso has no right to send as {SCANNER}: its token does not name Mail.Send (it names none)"
    says(report, "send", first=(words,), cure=("Grant admin consent", "RBAC for Applications", "2 hours"))
    rights = step(report, "rights")
    assert (rights.status, rights.sentence) == (Status.WARN, "No permission is granted to the app registration.")
    assert "'Grant admin consent'" in rights.cure
    assert report.steps[-1].sentence == f"{SCANNER} cannot send yet: 'send' failed."


async def test_failure_is_kept_until_a_test_is_good(bench: Bench) -> None:
    app = bench.seed.unconsented
    assert app.principal
    mailbox = await bench.mailbox(app=app)
    await bench.press()
    assert (await bench.accounts.mailbox_by_id(mailbox.id)).test_failed.startswith("contoso has no right to send")
    bench.emulator.world.consent(app, "Mail.Send")
    await bench.press()
    assert (await bench.accounts.mailbox_by_id(mailbox.id)).test_failed == ""
    # What could send once is not called broken by what one test meets with.
    app.principal.roles.clear()
    await bench.press()
    assert (await bench.accounts.mailbox_by_id(mailbox.id)).test_failed == ""


async def test_consent_but_no_licence(bench: Bench) -> None:
    await bench.mailbox("unlicensed@contoso.example")
    report = await bench.press("unlicensed@contoso.example")
    first = ("Microsoft Graph answers 404 MailboxNotEnabledForRESTAPI", "no mailbox in Exchange Online")
    says(report, "mailbox", first=first, cure=("Give the account a licence",))
    skipped_after(report, "mailbox")


async def test_mailbox_that_microsoft_does_not_know(bench: Bench) -> None:
    await bench.mailbox("nobody@contoso.example")
    report = await bench.press("nobody@contoso.example")
    first = ("Microsoft Graph answers 404 ErrorInvalidUser",)
    says(report, "mailbox", first=first, cure=("Compare the address with 'Active users'",))


async def test_mailbox_out_of_the_rbac_scope(bench: Bench) -> None:
    _limit_to(bench, bench.seed.unconsented, ALICE)
    await bench.mailbox(app=bench.seed.unconsented)
    report = await bench.press()
    says(report, "send", first=(f"no right to send as {SCANNER}",), cure=("add this one to its scope", "2 hours"))


async def test_a_mail_is_not_handed_in_where_the_right_is_missing(bench: Bench) -> None:
    await bench.mailbox(app=bench.seed.unconsented)
    says(await bench.press(to=ALICE), "send", first=("no right to send",), cure=("Grant admin consent",))
    assert await bench.outbox.count() == {}


async def test_a_full_mailbox_is_no_missing_right(bench: Bench) -> None:
    await bench.mailbox(app=bench.seed.writer)
    bench.emulator.world.mailbox(SCANNER).full = True
    report = await bench.press()
    assert step(report, "drafts").code == "check.graph_refused"
    assert "ErrorQuotaExceeded" in step(report, "drafts").sentence
    assert report.steps[-1].code == "check.mode_open"


async def test_app_that_may_read_and_write_and_not_send(bench: Bench) -> None:
    app = bench.emulator.world.add_app("Reader", ["Mail.ReadWrite"], tenant=bench.seed.tenant)
    bench.seed.secrets[app.client_id] = bench.emulator.world.add_secret(app)
    await bench.mailbox(app=app)
    report = await bench.press()
    rights = step(report, "rights")
    assert rights.sentence.startswith("The token names Mail.ReadWrite, and not Mail.Send: only Exchange's RBAC")
    assert "Grant admin consent" in rights.cure
    first = (f"no right to send as {SCANNER}: its token does not name Mail.Send (it names Mail.ReadWrite)",)
    says(report, "send", first=first, cure=("Grant admin consent", "RBAC for Applications"))


async def test_item_that_is_not_found_for_an_app_is_no_lost_message(bench: Bench) -> None:
    """A mailbox that is just being made answers so; nothing was looked for in it."""
    await bench.mailbox()
    bench.emulator.faults.add(path="/sendMail", status=404, code="ErrorItemNotFound")
    report = await bench.press()
    first = (f"404 ErrorItemNotFound: it does not find the mailbox {SCANNER}, or not yet.",)
    says(report, "mailbox", first=first, cure=("test again", "spelling"))


async def test_own_mailbox_that_is_anothers(bench: Bench) -> None:
    """Connected as their own by a person whom it does not belong to: Exchange says 404, and it is the right."""
    await bench.signed_in("send")
    bench.emulator.faults.add(path="/sendMail", status=404, code="ErrorItemNotFound")
    report = await bench.press(ALICE)
    says(report, "send", first=(f"{ALICE} may not send as {ALICE}, or there is no such mailbox.",), cure=("'Send as'",))


async def test_shared_mailbox_without_send_as(bench: Bench) -> None:
    bench.emulator.world.consent(bench.seed.desktop, scopes=["Mail.Send.Shared"])
    await bench.signed_in("send", address=SCANNER, shared=True)
    report = await bench.press()
    words = f"{ALICE} may not send as {SCANNER}, or there is no such mailbox."
    says(report, "send", first=(words,), cure=("'Delegation'", "'Send as'"))
    assert "outbox" not in step(report, "send").cure


async def test_mail_of_a_person_without_the_right_is_held(bench: Bench) -> None:
    """Time does not mend it: a mail that came by any other way waits for a person, who is told what to do."""
    bench.emulator.world.consent(bench.seed.desktop, scopes=["Mail.Send.Shared"])
    mailbox = await bench.signed_in("send", address=SCANNER, shared=True)
    running = asyncio.create_task(bench.make_worker().run())
    row = await bench.trial.send(mailbox, ALICE)
    running.cancel()
    assert (row["state"], row["code"]) == ("held", "ErrorItemNotFound")
    assert row["reason"].startswith(f"{ALICE} may not send as {SCANNER}, or there is no such mailbox.")
    assert "'Send as'" in row["cure"]


def _limit_to(bench: Bench, app: App, address: str) -> None:
    """Let Exchange's RBAC give an app Mail.Send on one mailbox."""
    assert app.principal
    roles = bench.seed.tenant.exchange_roles
    roles.scopes["s"] = Scope("s", "Senders", f"PrimarySmtpAddress -eq '{address}'")
    roles.assignments["a"] = ExchangeAssignment("a", app.principal.id, "Application Mail.Send", "s", None)


async def test_rbac_scoped_token_without_roles_passes(bench: Bench) -> None:
    _limit_to(bench, bench.seed.unconsented, SCANNER)
    await bench.mailbox(app=bench.seed.unconsented)
    report = await bench.press()
    assert report.ok
    assert step(report, "rights").code == "check.rights_none"
    assert (step(report, "send").code, report.assurance) == ("check.may_send", "send-only")


# ---- the sign-in


async def test_mailbox_that_needs_a_new_sign_in_is_told_at_once(bench: Bench) -> None:
    mailbox = await bench.signed_in("mail")
    await bench.accounts.needs_sign_in(mailbox, "AADSTS700082")
    asked = bench.emulator.ledger.token_requests
    report = await bench.press(ALICE)
    first = (f"The sign-in of {ALICE} is at its end.",)
    says(report, "sign-in", first=first, cure=(f"pillarbox mailbox sign-in {ALICE}",))
    skipped_after(report, "sign-in")
    assert step(report, "sign-in").evidence == {"code": "AADSTS700082"}
    assert bench.emulator.ledger.token_requests == asked


async def test_mailbox_that_waits_for_its_first_sign_in_is_told_at_once(bench: Bench) -> None:
    mailbox = await bench.mailbox(ALICE)
    await bench.accounts.needs_sign_in(mailbox, "")
    report = await bench.press(ALICE)
    first = (f"Nobody has signed in for {ALICE} yet.",)
    says(report, "sign-in", first=first, cure=(f"pillarbox mailbox sign-in {ALICE}",))
    skipped_after(report, "sign-in")
    assert bench.emulator.ledger.token_requests == 0


async def test_sign_in_that_ends_while_it_is_tested(bench: Bench) -> None:
    await bench.signed_in("mail")
    bench.seed.user("alice").refusal = 50173
    says(await bench.press(ALICE), "token", first=("AADSTS50173",), cure=("pillarbox mailbox sign-in ADDRESS",))


# ---- Exchange's old protocols


async def _both(bench: Bench) -> App:
    """An app that may send by Graph and sign in by SMTP and IMAP."""
    roles = ["Mail.Send", "exchange:SMTP.SendAsApp", "exchange:IMAP.AccessAsApp"]
    app = bench.emulator.world.add_app("Both", roles, tenant=bench.seed.tenant)
    bench.seed.secrets[app.client_id] = bench.emulator.world.add_secret(app)
    assert app.principal
    bench.seed.tenant.exchange_principals[app.client_id] = app.principal.id
    bench.emulator.world.mailbox(SCANNER).full_access.add(app.principal.id)
    await bench.mailbox(app=app)
    return app


async def test_smtp_is_tried_where_mail_may_leave_by_it_and_imap_is_not(bench: Bench) -> None:
    await _both(bench)
    assert step(await bench.press(), "smtp").status is Status.SKIP
    bench.sends_by_smtp = True
    report = await bench.press()
    assert (step(report, "smtp").code, step(report, "imap").code) == ("check.smtp", "check.imap_unused")
    bench.emulator.world.mailbox(SCANNER).smtp_auth = False
    says(await bench.press(), "smtp", first=("switched off for this mailbox", "5.7.139"), cure=())


async def test_smtp_auth_off_for_the_tenant(bench: Bench) -> None:
    await _both(bench)
    bench.seed.tenant.smtp_auth = False
    report = await bench.press(exchange=True)
    first = ("SMTP sign-in (SMTP AUTH) is switched off for the whole organisation", "535 5.7.139")
    says(report, "smtp", first=first, cure=("Send through Graph",))
    assert (step(report, "imap").status, report.assurance) == (Status.OK, "send-only")


async def test_smtp_auth_off_for_the_mailbox(bench: Bench) -> None:
    await _both(bench)
    bench.emulator.world.mailbox(SCANNER).smtp_auth = False
    says(
        await bench.press(exchange=True),
        "smtp",
        first=("switched off for this mailbox", "5.7.139"),
        cure=("'Authenticated SMTP'",),
    )


async def test_imap_authenticated_but_not_connected(bench: Bench) -> None:
    app = await _both(bench)
    assert app.principal
    mailbox = bench.emulator.world.mailbox(SCANNER)
    mailbox.full_access.discard(app.principal.id)
    mailbox.send_as.add(app.principal.id)
    report = await bench.press(exchange=True)
    first = ("The token is good, but it gives no right to this mailbox.", "User is authenticated but not connected")
    says(report, "imap", first=first, cure=("Add-MailboxPermission", "enterprise application"))
    assert step(report, "smtp").status is Status.OK


async def test_token_that_exchange_does_not_take(bench: Bench) -> None:
    await _both(bench)
    bench.seed.tenant.exchange_principals.clear()
    report = await bench.press(exchange=True)
    first = (f"Exchange lets contoso not into {SCANNER}", "535 5.7.3 Authentication unsuccessful")
    cure = ("New-ServicePrincipal -AppId", "not of the app registration", f"Add-MailboxPermission -Identity {SCANNER}")
    says(report, "smtp", first=first, cure=cure)
    # By Exchange's RBAC there is a second way, for SMTP alone.
    rbac = "-Role 'Application SMTP.SendAsApp' -CustomResourceScope"
    assert rbac in step(report, "smtp").cure
    assert [words for words in cure if words not in step(report, "imap").cure] == []
    assert "Application SMTP.SendAsApp" not in step(report, "imap").cure
    assert "NO AUTHENTICATE failed" in step(report, "imap").sentence
    # The cure of a test is not to test.
    assert "mailbox test" not in step(report, "smtp").cure + step(report, "imap").cure


async def test_person_who_may_not_into_a_mailbox(bench: Bench) -> None:
    bench.emulator.world.consent(bench.seed.desktop, scopes=["Mail.Send.Shared"])
    bench.emulator.world.mailbox(SCANNER).full_access.add(bench.seed.user("alice").id)
    await bench.signed_in("exchange", address=SCANNER, shared=True)
    report = await bench.press()
    says(report, "smtp", first=(f"Exchange lets {ALICE} not into {SCANNER}", "535 5.7.3"), cure=("'Send as'",))
    assert step(report, "imap").status is Status.OK


async def test_smtp_port_that_is_closed(bench: Bench) -> None:
    await _both(bench)
    bench.cloud = replace(bench.cloud, smtp_port=1)
    says(
        await bench.press(exchange=True),
        "smtp",
        first=("localhost:1 cannot be reached: Connection refused.",),
        cure=("firewall",),
    )


# ---- the way there


@pytest.mark.parametrize(("ahead", "words"), [(7 * MINUTE, "7 minutes fast"), (-7 * MINUTE, "7 minutes slow")])
async def test_clock_7_minutes_off(bench: Bench, ahead: float, words: str) -> None:
    await bench.mailbox()
    bench.ahead = ahead
    report = await bench.press()
    says(report, "clock", first=(f"The clock of this machine is {words}.",), cure=("NTP", "5 minutes"))
    # The clock is told; what works in spite of it is told too.
    assert step(report, "send").status is Status.OK


@pytest.mark.parametrize("ahead", [4 * MINUTE, -4 * MINUTE])
async def test_clock_4_minutes_off_is_no_failure(bench: Bench, ahead: float) -> None:
    await bench.app()
    bench.ahead = ahead
    report = await bench.press_app()
    assert report.ok
    assert step(report, "clock").sentence == "The clock of this machine is right (4 minutes from Microsoft's)."


async def test_graph_throttles(bench: Bench) -> None:
    await bench.mailbox()
    bench.emulator.faults.add(path="/sendMail", status=429, code="ApplicationThrottled", retry_after=7)
    report = await bench.press()
    first = ("Microsoft asks for a pause of 7 seconds (429 ApplicationThrottled).",)
    says(report, "mailbox", first=first, cure=("Wait as long as that",))
    assert await bench.assurance() == ""


async def test_graph_is_down(bench: Bench) -> None:
    await bench.mailbox()
    bench.emulator.faults.add(path="/sendMail", status=503, code="ErrorServerBusy")
    report = await bench.press()
    first = ("Microsoft Graph answers 503 ErrorServerBusy",)
    says(report, "mailbox", first=first, cure=("A fault at Microsoft", "test again in some minutes"))


async def test_answer_of_graph_that_does_not_come(bench: Bench) -> None:
    await bench.mailbox()
    bench.emulator.faults.add(path="/sendMail", cut=True)
    says(await bench.press(), "mailbox", first=("its answer did not come",), cure=("look whether it was done",))


async def test_graph_that_cannot_be_reached_leaves_the_token_tested(bench: Bench) -> None:
    await bench.mailbox()
    bench.cloud = replace(bench.cloud, graph_url="https://localhost:1")
    report = await bench.press()
    first = ("localhost:1 cannot be reached: Connection refused.",)
    says(report, "addresses", first=first, cure=("DNS, firewall and proxy",))
    # The token of a Graph that is not Microsoft's is another matter; it was asked for.
    assert step(report, "token").status is not Status.SKIP
    assert step(report, "mailbox").sentence == "Not tried, as 'addresses' failed."


async def test_login_host_that_cannot_be_reached(bench: Bench) -> None:
    await bench.mailbox()
    bench.cloud = replace(bench.cloud, authority_url="https://localhost:1")
    report = await bench.press()
    says(report, "addresses", first=("localhost:1 cannot be reached",), cure=("microsoft.proxy",))
    skipped_after(report, "addresses")


async def test_hosts_that_cannot_be_reached_are_named_together(bench: Bench) -> None:
    await bench.mailbox()
    bench.cloud = replace(bench.cloud, authority_url="https://localhost:1", graph_url="https://localhost:2")
    first = ("localhost:1 and localhost:2 cannot be reached: Connection refused.",)
    says(await bench.press(), "addresses", first=first, cure=("firewall",))


@pytest.mark.parametrize("status", [400, 403, 407])
async def test_proxy_page_in_the_place_of_graph(bench: Bench, status: int) -> None:
    """A refusal that Graph did not write has no code, and tells nothing of the mailbox."""
    await bench.mailbox()
    bench.emulator.faults.add(path="/sendMail", status=status, empty_body=True)
    report = await bench.press()
    says(report, "mailbox", first=(f"Microsoft Graph answers {status}:",), cure=("",))
    skipped_after(report, "mailbox")


async def test_login_host_that_is_no_name(bench: Bench) -> None:
    await bench.app()
    bench.cloud = replace(bench.cloud, authority_url="https://login.contoso.invalid")
    first = ("login.contoso.invalid cannot be reached: its name cannot be resolved (DNS).",)
    says(await bench.press_app(), "addresses", first=first, cure=("DNS",))


# ---- what is refused before anything is tried


async def test_mailbox_that_we_do_not_know_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound, match="There is no mailbox"):
        await bench.press()


async def test_app_that_we_do_not_know_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound, match="There is no app registration"):
        await bench.press_app()


async def test_recipient_that_is_no_address_is_refused(bench: Bench) -> None:
    await bench.mailbox()
    with pytest.raises(InvalidInput, match="is not a mail address"):
        await bench.press(to="alice")


# ---- whatever happens


async def test_nothing_that_happens_ends_the_test(bench: Bench, tmp_path: Path) -> None:
    """An error of ours in one step is logged, and the others go on."""
    await bench.mailbox()

    async def broken(*_: object) -> dict[str, object]:
        raise RuntimeError("a mistake of ours")

    report = await replace(bench.check, submit_and_wait=broken).check_mailbox(SCANNER, ALICE)
    assert (step(report, "send").status, step(report, "send").code) == (Status.FAIL, "internal")
    assert step(report, "sent-items").status is Status.SKIP
    assert "a mistake of ours" in bench.lines.getvalue()


async def test_no_token_stands_in_the_report_or_in_the_log(bench: Bench) -> None:
    await _both(bench)
    report = await bench.press()
    told = repr([(one.sentence, one.cure, one.params, one.evidence) for one in report.steps]) + bench.lines.getvalue()
    for resource in ("graph", "exchange"):
        assert resource in told
    assert "eyJ" not in told
