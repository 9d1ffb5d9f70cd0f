"""What can be mended after a mistake: a wrong secret, a submitter."""

import asyncio
import base64
import smtplib

from pillarbox.store.limits import mailbox_scope
from tests.conftest import House
from tests.service import pillarbox

MAIL = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\n\r\nhello\r\n"


async def _command(house: House, *words: str, environ: dict[str, str] | None = None) -> tuple[int, str, str]:
    place = {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}
    return await pillarbox(*words, environ={**place, **(environ or {})})


async def test_with_a_new_secret_what_was_held_for_a_wrong_one_leaves_by_itself(house: House) -> None:
    app = house.microsoft.seed.gateway
    app.secrets.clear()
    ids = [await house.accept(MAIL, "alice@contoso.example") for _ in range(5)]
    assert "AADSTS7000215" in (await house.settled(ids[0], "held"))["reason"]
    renewed = {"PILLARBOX_CLIENT_SECRET": house.microsoft.emulator.world.add_secret(app)}
    assert (await _command(house, "app", "secret", "contoso", environ=renewed))[0] == 0
    for queue_id in ids:
        await house.settled(queue_id)


async def test_what_is_put_back_into_the_queue_is_counted(house: House) -> None:
    canceled = await _canceled(house)
    backlog = house.gateway.submission.backlog
    assert backlog._settled == backlog._doubts
    assert (await _command(house, "outbox", "retry", canceled))[0] == 0
    assert backlog._settled != backlog._doubts, "what is put back is not counted"
    await house.settled(canceled)


async def _canceled(house: House) -> str:
    """A message that a person has given up."""
    scope = mailbox_scope(1)
    await house.gateway.governors.pause(scope, "a test")
    queue_id = await house.accept(MAIL, "alice@contoso.example")
    assert (await _command(house, "outbox", "cancel", queue_id))[0] == 0
    await house.gateway.governors.resume(scope)
    return queue_id


async def test_a_removed_submitter_cannot_log_in_and_its_mail_still_leaves(house: House) -> None:
    queue_id = await house.accept(MAIL, "alice@contoso.example")
    assert (await _command(house, "submitter", "remove", "printer"))[0] == 0
    assert (await _command(house, "submitter", "remove", "printer"))[0] == 3

    def log_in() -> int:
        with smtplib.SMTP(*house.smtp) as client:
            client.ehlo()
            return client.docmd("AUTH", "PLAIN " + _plain(house.passwords["printer"]))[0]

    assert await asyncio.to_thread(log_in) == 535
    await house.settled(queue_id)


async def test_another_app_registration_acts_for_a_mailbox_at_once(house: House) -> None:
    seed = house.microsoft.seed
    await house.settled(await house.accept(MAIL, "alice@contoso.example"))
    secret = {"PILLARBOX_CLIENT_SECRET": seed.secrets[seed.unconsented.client_id]}
    ids = ("--tenant-id", seed.tenant.id, "--client-id", seed.unconsented.client_id)
    assert (await _command(house, "app", "add", "other", *ids, environ=secret))[0] == 0
    changed = await _command(house, "mailbox", "change", "scanner@contoso.example", "--app", "other")
    assert changed == (0, "other acts for scanner@contoso.example now.\n", "")
    held = await house.settled(await house.accept(MAIL, "alice@contoso.example"), "held")
    assert held["code"] == "ErrorAccessDenied"


async def test_a_mailbox_that_is_named_stays_and_another_can_be_removed(house: House) -> None:
    code, _, errors = await _command(house, "mailbox", "remove", "scanner@contoso.example")
    assert (code, "a submitter or an API key names" in errors) == (1, True)
    assert (await _command(house, "mailbox", "add", "typo@contoso.example", "--app", "contoso"))[0] == 0
    assert (await _command(house, "mailbox", "remove", "typo@contoso.example"))[0] == 0
    assert "typo@contoso.example" not in (await _command(house, "mailbox", "list"))[1]
    assert (await _command(house, "mailbox", "remove", "typo@contoso.example"))[0] == 3


def _plain(password: str) -> str:
    return base64.b64encode(f"\0printer\0{password}".encode()).decode()


async def test_a_new_secret_that_is_wrong_shows_at_once_and_the_last_one_keeps_mail_going(house: House) -> None:
    await house.settled(await house.accept(MAIL, "alice@contoso.example"))
    wrong = {"PILLARBOX_CLIENT_SECRET": "not-the-secret"}
    assert (await _command(house, "app", "secret", "contoso", environ=wrong))[0] == 0
    await house.settled(await house.accept(MAIL, "alice@contoso.example"))
    (line,) = house.log.lines("credential.refused")
    assert "AADSTS7000215" in line
