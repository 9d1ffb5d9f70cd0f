"""What passes, with which rights, and the mode that follows."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from pillarbox.admin.check.steps import Status
from pillarbox.core.accounts import Account, MailboxChoice, SignIn
from tests.unit.admin.check.conftest import ALICE, BOB, SCANNER, Bench, statuses, step

WAY = {"addresses": "ok", "tls": "ok", "clock": "ok", "token": "ok", "rights": "ok"}


@pytest.fixture
async def sending(bench: Bench) -> AsyncIterator[Bench]:
    """A bench whose mail leaves."""
    work: list[asyncio.Task[None]] = []

    async def start() -> None:
        worker = bench.make_worker()
        work.append(asyncio.create_task(worker.run()))

    await start()
    yield bench
    for task in work:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)


async def test_app_that_gets_tokens_passes(bench: Bench) -> None:
    await bench.app()
    report = await bench.press_app()
    assert statuses(report) == WAY | {"verdict": "ok"}
    assert report.assurance == ""


async def test_mail_send_alone_passes_and_what_it_does_not_allow_is_skipped(bench: Bench) -> None:
    await bench.mailbox()
    report = await bench.press()
    assert report.ok
    assert statuses(report) == WAY | {
        "mailbox": "ok",
        "send": "ok",
        "sent-items": "skip",
        "drafts": "skip",
        "smtp": "skip",
        "imap": "skip",
        "message-id": "skip",
        "mode": "ok",
    }
    assert "With Mail.ReadBasic.All" in step(report, "sent-items").sentence
    assert "With Mail.ReadWrite" in step(report, "drafts").sentence
    assert step(report, "mode").sentence.startswith(f"{SCANNER} can send. Mode: send-only.")
    assert (report.assurance, await bench.assurance()) == ("send-only", "send-only")
    assert len(bench.emulator.ledger) == 0


async def test_without_an_address_the_limits_of_the_probe_are_told(bench: Bench) -> None:
    await bench.mailbox()
    send = step(await bench.press(), "send")
    assert "refused for want of a recipient" in send.sentence
    assert send.cure.startswith("That does not prove that a mail arrives.")


async def test_all_rights_make_the_mode_draft_and_no_draft_is_left(bench: Bench) -> None:
    await bench.mailbox(app=bench.seed.writer)
    report = await bench.press()
    assert report.ok
    assert (step(report, "sent-items").status, step(report, "drafts").status) == (Status.OK, Status.OK)
    assert (report.assurance, await bench.assurance()) == ("draft", "draft")
    assert bench.left_behind == []


async def test_more_rights_than_needed_are_told_with_the_way_to_limit_them(bench: Bench) -> None:
    app = bench.emulator.world.add_app("Wide", ["Mail.Send", "Mail.Read"], tenant=bench.seed.tenant)
    bench.seed.secrets[app.client_id] = bench.emulator.world.add_secret(app)
    await bench.mailbox(app=app)
    rights = step(await bench.press(), "rights")
    assert rights.status is Status.OK
    assert "for every mailbox of the tenant; Mail.Read is more than sending needs" in rights.sentence
    assert "docs/how-to/limit-an-app-to-some-mailboxes.md" in rights.cure


async def test_right_that_a_mode_uses_is_not_to_be_removed(bench: Bench) -> None:
    await bench.mailbox(app=bench.seed.writer)
    report = await bench.press()
    assert (step(report, "rights").code, report.assurance) == ("check.rights_app", "draft")
    assert "Remove" not in step(report, "rights").cure


async def test_chosen_mode_that_takes_more_than_was_found_fails(bench: Bench) -> None:
    mailbox = await bench.mailbox()
    await bench.accounts.choose(mailbox, MailboxChoice("draft"))
    report = await bench.press()
    verdict = report.steps[-1]
    assert (verdict.status, verdict.code, await bench.assurance()) == (Status.FAIL, "mailbox.cannot_draft", "send-only")
    assert "takes Mail.ReadWrite" in verdict.sentence
    await bench.accounts.choose(mailbox, MailboxChoice("send-only"))
    assert (await bench.press()).ok


async def test_chosen_mode_that_was_found_is_well(bench: Bench) -> None:
    await bench.accounts.choose(await bench.mailbox(app=bench.seed.writer), MailboxChoice("draft"))
    assert (await bench.press()).ok


async def test_reading_basics_makes_the_mode_verify_once_a_copy_was_found_by_its_message_id(sending: Bench) -> None:
    app = sending.emulator.world.add_app("Verifier", ["Mail.Send", "Mail.ReadBasic.All"], tenant=sending.seed.tenant)
    sending.seed.secrets[app.client_id] = sending.emulator.world.add_secret(app)
    await sending.mailbox(app=app)
    report = await sending.press()
    assert (report.assurance, await sending.assurance()) == ("send-only", "send-only")
    assert "--to ADDRESS" in report.steps[-1].sentence
    assert (await sending.press(to=ALICE)).assurance == await sending.assurance() == "verify"
    # What was proved once need not be proved by each test.
    assert (await sending.press()).assurance == await sending.assurance() == "verify"


async def test_delegated_mailbox_with_all_permissions(bench: Bench) -> None:
    await bench.signed_in("mail", "exchange")
    report = await bench.press(ALICE)
    assert report.ok
    assert statuses(report)["sign-in"] == statuses(report)["smtp"] == statuses(report)["imap"] == "ok"
    rights = step(report, "rights")
    assert rights.code == "check.rights_delegated"
    assert rights.sentence.startswith(f"The token is of {ALICE} and names Mail.ReadWrite, Mail.Send")
    assert "for Exchange IMAP.AccessAsUser.All, SMTP.Send" in rights.sentence
    assert (report.assurance, await bench.assurance(ALICE)) == ("draft", "draft")


async def test_delegated_mailbox_that_may_only_send(bench: Bench) -> None:
    await bench.signed_in("send")
    report = await bench.press(ALICE)
    assert report.ok
    assert step(report, "smtp").sentence == (
        f"Not tried: sending needs it not, and {ALICE} was connected without permissions for it."
    )
    # Entra ID gives all that was consented to: what was not asked for is found and used too, and told.
    assert report.assurance == "draft"
    rights = step(report, "rights")
    assert "Mail.ReadWrite is more than the mailbox was connected for" in rights.sentence


async def test_mailbox_connected_for_exchange_alone_cannot_send_by_graph(bench: Bench) -> None:
    await bench.signed_in("exchange")
    report = await bench.press(ALICE)
    assert (step(report, "smtp").status, step(report, "send").code) == (Status.OK, "check.no_graph")
    verdict = report.steps[-1]
    assert (verdict.status, verdict.code, report.ok) == (Status.FAIL, "check.mode_no_graph", False)
    assert f"`pillarbox mailbox sign-in {ALICE} --permissions send --permissions exchange`" in verdict.cure
    assert report.assurance == ""


async def test_shared_mailbox_of_somebody_who_may_send_as_it(bench: Bench) -> None:
    bench.emulator.world.consent(bench.seed.desktop, scopes=["Mail.Send.Shared"])
    bench.emulator.world.mailbox(SCANNER).send_as.add(bench.seed.user("alice").id)
    await bench.signed_in("send", address=SCANNER, shared=True)
    report = await bench.press()
    assert report.ok
    assert (step(report, "send").status, report.assurance) == (Status.OK, "send-only")
    # Mail.Send is for mailboxes of their own.
    assert "; Mail.ReadWrite is more than" in step(report, "rights").sentence


async def test_app_asks_for_no_token_that_nothing_uses(bench: Bench) -> None:
    app = bench.emulator.world.add_app("Both", ["Mail.Send", "exchange:SMTP.SendAsApp"], tenant=bench.seed.tenant)
    bench.seed.secrets[app.client_id] = bench.emulator.world.add_secret(app)
    await bench.mailbox(app=app)
    report = await bench.press()
    assert step(report, "token").evidence == {"resources": ["Graph"]}
    assert "resource=exchange" not in bench.lines.getvalue()
    assert step(report, "smtp").sentence == "Not tried: sending through Graph needs no SMTP; --exchange tries it."
    report = await bench.press(exchange=True)
    assert step(report, "token").evidence == {"resources": ["Graph", "Exchange Online"]}
    # Without its role IMAP cannot pass; SMTP can, by Exchange's RBAC.
    assert step(report, "imap").sentence == (
        "Not tried: for Exchange the token names SMTP.SendAsApp, and IMAP needs IMAP.AccessAsApp."
    )
    assert step(report, "smtp").code == "check.smtp_refuses_app"


async def test_exchange_is_tried_when_somebody_asks_for_it(bench: Bench) -> None:
    await bench.mailbox()
    report = await bench.press(exchange=True)
    assert (step(report, "smtp").code, step(report, "imap").code) == (
        "check.smtp_refuses_app",
        "check.imap_refuses_app",
    )


async def test_exchange_without_a_host_is_left_out(bench: Bench) -> None:
    bench.cloud = replace(bench.cloud, smtp_host="", imap_host="")
    await bench.mailbox()
    report = await bench.press(exchange=True)
    assert report.ok
    assert step(report, "smtp").sentence == "Not tried: no host is set for SMTP."
    assert step(report, "imap").sentence == "Not tried: no host is set for IMAP."


async def test_exchange_without_a_url_is_asked_for_no_token(bench: Bench) -> None:
    bench.cloud = replace(bench.cloud, exchange_url="")
    await bench.mailbox()
    report = await bench.press(exchange=True)
    assert report.ok
    assert step(report, "smtp").sentence == "Not tried: no host is set for Exchange Online."


async def test_sessions_are_closed_whatever_came_of_them(bench: Bench) -> None:
    await bench.mailbox()
    await bench.press(exchange=True)
    await bench.signed_in("exchange", user=BOB, address=BOB, name="people")
    await bench.press(BOB)
    await bench.no_session_left()


# ---- with a real mail


async def test_real_mail_is_sent_as_all_mail_is(sending: Bench) -> None:
    await sending.mailbox()
    report = await sending.press(to=ALICE)
    send = step(report, "send")
    assert send.sentence == f"Microsoft took the test mail {send.evidence['id']} to {ALICE}. Look whether it arrives."
    (entry,) = sending.emulator.ledger.entries
    assert (entry.mailbox, entry.recipients) == (SCANNER, [ALICE])
    row = await sending.outbox.get(str(send.evidence["id"]))
    assert row is not None
    assert (row["state"], row["purpose"]) == ("sent", "test")
    assert step(report, "message-id").code == "check.message_id_closed"


async def test_message_id_survives(sending: Bench) -> None:
    await sending.mailbox(app=sending.seed.writer)
    report = await sending.press(to=ALICE)
    assert step(report, "message-id").code == "check.message_id"
    assert sending.waited == []


async def test_message_id_that_microsoft_replaces_is_found_by_our_own_header(sending: Bench) -> None:
    sending.emulator.world.rewrites_message_ids = True
    await sending.mailbox(app=sending.seed.writer)
    report = await sending.press(to=ALICE)
    found = step(report, "message-id")
    assert (found.status, found.code) == (Status.OK, "check.message_id_other")
    assert found.evidence["given"] != found.evidence["kept"]
    assert step(report, "drafts").code == "check.drafts_other_id"


async def test_where_a_draft_is_taken_in_json_alone_that_is_told_and_the_mode_is_not_draft(bench: Bench) -> None:
    bench.emulator.faults.add(pattern="POST .*/messages$", status=400, code="ErrorMimeContentInvalid", times=1)
    await bench.mailbox(app=bench.seed.writer)
    report = await bench.press()
    found = step(report, "drafts")
    assert (found.status, found.code) == (Status.SKIP, "check.drafts_in_json")
    assert "400 ErrorMimeContentInvalid" in found.sentence
    assert (report.assurance, report.steps[-1].code) == ("send-only", "check.mode_unproved")
    requests = bench.emulator.ledger.requests
    assert requests["DELETE /v1.0/users/{user}/messages/{message}"] == 2


async def test_where_neither_form_of_a_draft_is_taken_the_first_refusal_is_told(bench: Bench) -> None:
    bench.emulator.faults.add(pattern="POST .*/messages$", status=400, code="ErrorMimeContentInvalid")
    await bench.mailbox(app=bench.seed.writer)
    found = step(await bench.press(), "drafts")
    assert (found.status, found.code) == (Status.FAIL, "check.graph_refused")
    assert "ErrorMimeContentInvalid" in found.sentence


async def test_where_microsoft_replaces_message_ids_the_mode_is_not_verify(sending: Bench) -> None:
    sending.emulator.world.rewrites_message_ids = True
    app = sending.emulator.world.add_app("Verifier", ["Mail.Send", "Mail.ReadBasic.All"], tenant=sending.seed.tenant)
    sending.seed.secrets[app.client_id] = sending.emulator.world.add_secret(app)
    await sending.mailbox(app=app)
    assert (await sending.press(to=ALICE)).assurance == "send-only"
    sending.emulator.world.rewrites_message_ids = False
    assert (await sending.press(to=ALICE)).assurance == "verify"


async def test_copy_in_sent_items_that_is_late_is_waited_for_and_then_told(sending: Bench) -> None:
    sending.emulator.world.sent_copy_delay = 3600
    await sending.mailbox(app=sending.seed.writer)
    report = await sending.press(to=ALICE)
    assert step(report, "message-id").code == "check.message_id_late"
    assert sending.waited == [1.0] * 10
    assert report.ok


async def test_test_mail_that_is_not_sent_shows_why(sending: Bench) -> None:
    await sending.mailbox()
    # The probe passes, the mail does not.
    sending.emulator.faults.add(path="/sendMail", nth=2, status=400, code="ErrorInvalidRecipients")
    report = await sending.press(to=ALICE)
    send = step(report, "send")
    assert (send.status, send.code) == (Status.FAIL, "check.not_sent")
    assert "did not take the test mail" in send.sentence
    assert report.assurance == ""


async def test_test_mail_that_must_wait_says_so(sending: Bench) -> None:
    await sending.mailbox()
    sending.emulator.faults.add(path="/sendMail", nth=2, status=429, code="ApplicationThrottled", retry_after=60)
    send = step(await sending.press(to=ALICE), "send")
    assert (send.status, send.code, send.evidence["state"]) == (Status.FAIL, "check.not_sent", "deferred")
    assert "and it is not sent again: Application is over its MailboxConcurrency limit." in send.sentence
    assert send.cure == "Test again in some minutes."
    assert await sending.outbox.count() == {"canceled": 1}


async def test_test_mail_that_is_held_is_not_sent_when_held_mail_is(sending: Bench) -> None:
    await sending.mailbox()
    sending.emulator.faults.add(path="/sendMail", nth=2, status=403, code="ErrorAccessDenied")
    send = step(await sending.press(to=ALICE), "send")
    assert (send.code, send.evidence["state"]) == ("check.not_sent", "held")
    assert "outbox" not in send.cure
    assert send.cure.endswith("hen test again.")
    assert await sending.outbox.count() == {"canceled": 1}


async def test_test_mail_of_which_nothing_is_known_stays_in_doubt(sending: Bench) -> None:
    """It may have gone out: to call it canceled would not be true."""
    await sending.mailbox()
    sending.emulator.faults.add(path="/sendMail", nth=2, cut=True)
    send = step(await sending.press(to=ALICE), "send")
    assert (send.status, send.code) == (Status.FAIL, "check.sent_unclear")
    assert f"to {ALICE} went out is not known" in send.sentence
    assert "Look whether it arrived" in send.cure
    assert await sending.outbox.count() == {"uncertain": 1}


async def test_test_mail_that_nobody_takes_up_is_canceled(bench: Bench) -> None:
    mailbox = await bench.mailbox()
    row = await bench.trial.send(mailbox, ALICE, seconds=0.1)
    assert row["state"] == "queued"
    assert await bench.outbox.count() == {"canceled": 1}


# ---- drafts


async def test_draft_that_cannot_be_deleted_is_named(bench: Bench) -> None:
    await bench.mailbox(app=bench.seed.writer)
    bench.emulator.faults.add(method="DELETE", status=503, code="ErrorServerBusy")
    drafts = step(await bench.press(), "drafts")
    assert (drafts.status, drafts.code) == (Status.FAIL, "check.draft_left")
    assert drafts.cure == f"Delete it by hand in Drafts of {SCANNER}."


async def test_mode_is_not_kept_for_a_mailbox_that_was_connected_anew_meanwhile(bench: Bench) -> None:
    """What was found with the app's rights must not be believed of the person who has signed in since."""
    mailbox = await bench.mailbox(app=bench.seed.writer)

    async def connect(_mailbox: object, _to: str) -> dict[str, object]:
        sign_in = SignIn(("send",), True, False, Account("t", "o", ALICE))
        await bench.accounts.signed_in(mailbox, sign_in, b"")
        return {"id": "q", "state": "sent", "code": "", "request_id": "", "message_id": "<m@x>"}

    report = await replace(bench.check, submit_and_wait=connect).check_mailbox(SCANNER, ALICE)
    assert step(report, "mode").code == "check.mode_changed"
    assert (report.assurance, await bench.assurance()) == ("", "")


OF_ALICE = SignIn(("send",), account=Account("t", "o", ALICE))
OF_BOB = SignIn(("send",), account=Account("t", "p", BOB))


@pytest.mark.parametrize("since", [OF_BOB, replace(OF_ALICE, permissions=("mail",)), None])
async def test_mode_is_kept_for_the_sign_in_that_was_tested_alone(bench: Bench, since: SignIn | None) -> None:
    tested = replace(await bench.mailbox(ALICE), sign_in=OF_ALICE)
    await bench.accounts.signed_in(tested, OF_ALICE, b"")
    assert await bench.accounts.set_assurance(tested, "draft")
    if since:
        await bench.accounts.signed_in(tested, since, b"")
    else:
        await bench.accounts.change_mailbox(tested, tested.app)
    assert not await bench.accounts.set_assurance(tested, "draft")
    assert await bench.assurance(ALICE) == ""


async def test_mode_is_kept_for_the_app_registration_that_was_tested_alone(bench: Bench) -> None:
    tested = await bench.mailbox()
    await bench.accounts.change_mailbox(tested, await bench.app(bench.seed.writer, name="other"))
    assert not await bench.accounts.set_assurance(tested, "draft")
    assert await bench.assurance() == ""


async def test_passing_fault_does_not_take_away_the_mode_that_was_found(bench: Bench) -> None:
    await bench.mailbox(app=bench.seed.writer)
    await bench.press()
    bench.emulator.faults.add(path="/mailFolders/sentitems", status=503, code="ErrorServerBusy")
    report = await bench.press()
    assert step(report, "mode").code == "check.mode_open"
    assert (report.assurance, await bench.assurance()) == ("draft", "draft")
