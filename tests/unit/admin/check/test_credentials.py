"""Each credential of an app is tried by itself, so that the old one is taken away only when the new one is good."""

import time

from pillarbox.admin.check.steps import Status
from pillarbox.core.accounts import AppRegistration, CredentialKind
from pillarbox.core.vault import Secret
from tests.unit.admin.check.conftest import SCANNER, Bench, first_failure, statuses, step


async def _further(bench: Bench, app: AppRegistration, secret: str) -> str:
    """Give an app a further secret; the id of the credential."""
    await bench.accounts.add_credential(app, CredentialKind.SECRET, Secret(secret))
    return (await bench.accounts.credentials(app))[0].id


async def test_single_credential_is_told_by_the_token(bench: Bench) -> None:
    await bench.app()
    report = await bench.press_app()
    assert "credentials" not in statuses(report)
    assert step(report, "token").sentence == "Microsoft gives a new token for Graph."


async def test_rotation_is_verified_before_the_old_one_is_taken_away(bench: Bench) -> None:
    app = await bench.app()
    (old,) = await bench.accounts.credentials(app)
    new = await _further(bench, app, bench.emulator.world.add_secret(bench.seed.gateway))
    report = await bench.press_app()
    assert report.ok
    tried = step(report, "credentials")
    assert (
        tried.sentence
        == f"Microsoft takes each credential of contoso, the newest first: secret {new}, secret {old.id}."
    )
    assert f"`pillarbox app credential remove contoso {old.id}`" in tried.cure
    assert step(report, "token").sentence == f"Microsoft gives a new token for Graph, by the secret {new}."


async def test_new_credential_that_is_refused_does_not_hide_behind_the_old_one(bench: Bench) -> None:
    app = await bench.app()
    (old,) = await bench.accounts.credentials(app)
    new = await _further(bench, app, "8Q~not-the-right-value")
    report = await bench.press_app()
    failed = first_failure(report)
    assert (failed.name, failed.code) == ("credentials", "check.credentials")
    assert f"Taken: secret {old.id}. Not taken: secret {new}: AADSTS7000215" in failed.sentence
    assert "`pillarbox app secret contoso`" in failed.cure
    assert f"`pillarbox app credential remove contoso {new}`" in failed.cure
    assert [(one["id"], one["taken"]) for one in failed.evidence["credentials"]] == [(new, False), (old.id, True)]  # type: ignore[attr-defined]
    # What works in spite of it is told too, and by which of them.
    assert step(report, "token").sentence == f"Microsoft gives a new token for Graph, by the secret {old.id}."
    assert report.steps[-1].sentence == "contoso gets tokens, but not all is well: 'credentials' failed."


async def test_old_credential_that_has_expired_is_to_be_removed(bench: Bench) -> None:
    app = await bench.app(secret=bench.emulator.world.add_secret(bench.seed.gateway, time.time() - 1))
    (old,) = await bench.accounts.credentials(app)
    await _further(bench, app, bench.seed.secrets[bench.seed.gateway.client_id])
    report = await bench.press_app()
    tried = step(report, "credentials")
    # What replaced it works: it stands in the way of nothing.
    assert (tried.status, report.ok) == (Status.WARN, True)
    assert f"Microsoft takes an older one no more: secret {old.id}: AADSTS7000222" in tried.sentence
    assert tried.cure == f"Remove the older one: `pillarbox app credential remove contoso {old.id}`."


async def test_credential_that_another_one_makes_up_for_is_not_why_a_mailbox_cannot_send(bench: Bench) -> None:
    await bench.mailbox("nobody@contoso.example")
    app = await bench.accounts.app("contoso")
    assert app is not None
    await _further(bench, app, "8Q~not-the-right-value")
    report = await bench.press("nobody@contoso.example")
    assert (first_failure(report).name, step(report, "mailbox").status) == ("credentials", Status.FAIL)
    assert report.steps[-1].sentence == "nobody@contoso.example cannot send yet: 'mailbox' failed."


async def test_app_of_which_no_credential_is_taken_asks_no_more(bench: Bench) -> None:
    app = await bench.app(secret="8Q~wrong")
    await _further(bench, app, "8Q~wrong-too")
    report = await bench.press_app()
    assert "Taken: none." in first_failure(report).sentence
    assert step(report, "token").sentence == "Not tried, as 'credentials' failed."
    assert report.steps[-1].sentence == "contoso is not ready: 'credentials' failed."


async def test_what_is_no_fault_of_a_credential_is_told_once(bench: Bench) -> None:
    app = await bench.app()
    await _further(bench, app, "8Q~any")
    await bench.accounts.change_app(app, bench.seed.tenant.id, "00000000-0000-4000-8000-000000000000")
    failed = first_failure(await bench.press_app())
    assert (failed.name, failed.code) == ("credentials", "microsoft.token_refused")
    assert "AADSTS700016" in failed.sentence
    assert "credential remove" not in failed.cure


async def test_each_credential_is_asked_for_anew(bench: Bench) -> None:
    """A token that one got before says nothing of what is taken now."""
    app = await bench.app()
    await _further(bench, app, bench.emulator.world.add_secret(bench.seed.gateway))
    assert (await bench.press_app()).ok
    bench.seed.gateway.secrets.clear()
    failed = first_failure(await bench.press_app())
    assert (failed.name, len(failed.evidence["credentials"])) == ("credentials", 2)  # type: ignore[arg-type]


async def test_mailbox_by_an_app_tries_each_too(bench: Bench) -> None:
    await bench.mailbox()
    app = await bench.accounts.app("contoso")
    assert app is not None
    await _further(bench, app, "8Q~not-the-right-value")
    report = await bench.press()
    assert (first_failure(report).name, step(report, "send").status) == ("credentials", Status.OK)
    # It can send all the same.
    assert report.steps[-1].sentence.startswith(f"{SCANNER} can send.")
    assert not report.ok
