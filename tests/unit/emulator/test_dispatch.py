"""The limits as a client meets them: Microsoft's answer, Retry-After, and later mail."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import MIME, Client, Clock, Reply

TO_MANY = b"From: alice@contoso.example\r\nTo: %s\r\n\r\n" % b",".join(b"r%d@fabrikam.example" % n for n in range(400))


@contextlib.asynccontextmanager
async def five_at_once(client: Client, emulator: Emulator, *names: str) -> AsyncIterator[Reply]:
    """Reads of five mailboxes, held by a rule: the one that is refused is answered first."""
    emulator.faults.add(path="/mailFolders/inbox/messages", delay=3600)
    headers = {"Authorization": f"Bearer {client.app_token(client.planted.reader)}"}
    paths = [f"/v1.0/users/{name}@contoso.example/mailFolders/inbox/messages" for name in names]
    tasks = [asyncio.create_task(client.request("GET", path, headers=headers)) for path in paths]
    done, held = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    yield done.pop().result()
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)


async def test_the_fifth_request_at_once_is_refused_in_microsofts_words(client: Client, emulator: Emulator) -> None:
    async with five_at_once(client, emulator, *["bob"] * 5) as refused:
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        error = refused.json["error"]
        assert error["code"] == "ApplicationThrottled"
        assert error["message"] == "Application is over its MailboxConcurrency limit."
        assert error["innerError"]["request-id"] == refused.headers["request-id"]


async def test_names_of_one_mailbox_share_its_limit(client: Client, emulator: Emulator, planted: Seed) -> None:
    emulator.world.add_user(planted.tenant, "dave", aliases=["david@contoso.example"])
    async with five_at_once(client, emulator, *["dave", "david"] * 2, "dave") as refused:
        assert refused.status == 429


async def test_other_mailboxes_have_their_own_limit(client: Client, emulator: Emulator) -> None:
    async with five_at_once(client, emulator, *["bob"] * 5):
        assert (await client.read("/messages", "bob@contoso.example")).status == 429
        assert (await client.read("/messages", "carol@contoso.example")).status == 200


async def test_other_apps_have_their_own_limit(client: Client, emulator: Emulator, planted: Seed) -> None:
    async with five_at_once(client, emulator, *["bob"] * 5):
        assert (await client.graph("GET", "/users/bob@contoso.example/messages", planted.writer)).status == 200


async def test_requests_that_ended_make_room(client: Client) -> None:
    assert [(await client.send()).status for _ in range(6)] == [202] * 6


async def test_a_request_that_was_cut_makes_room_too(client: Client, emulator: Emulator) -> None:
    emulator.world.limits.concurrent_requests = 1
    emulator.faults.add(path="/sendMail", cut=True, times=1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.send()
    assert (await client.send()).status == 202


LIMITS: list[tuple[dict[str, int], str]] = [
    ({"requests_per_10_minutes": 2}, "RequestCount"),
    ({"upload_bytes_per_5_minutes": 300}, "IncomingBytes"),
]


@pytest.mark.parametrize(("limits", "name"), LIMITS)
async def test_a_limit_in_time_opens_again(
    client: Client, emulator: Emulator, clock: Clock, limits: dict[str, int], name: str
) -> None:
    emulator.world.limits.set(limits)
    while (answer := await client.send()).status == 202:
        clock.now += 1
    assert answer.json["error"]["message"] == f"Application is over its {name} limit."
    clock.now += int(answer.headers["Retry-After"])
    assert (await client.send()).status == 202
    assert emulator.ledger.too_early == []


async def test_reading_uploads_nothing(client: Client, emulator: Emulator) -> None:
    emulator.world.limits.upload_bytes_per_5_minutes = 1
    assert [(await client.read("/messages")).status for _ in range(3)] == [200] * 3


async def test_the_token_endpoint_has_no_limit_of_a_mailbox(client: Client, emulator: Emulator) -> None:
    emulator.world.limits.set({"requests_per_10_minutes": 1, "concurrent_requests": 1})
    assert [(await client.ask_token()).status for _ in range(3)] == [200] * 3


async def test_the_recipients_of_a_day(client: Client, emulator: Emulator, clock: Clock) -> None:
    emulator.world.limits.recipients_per_day = 800
    assert [(await client.send(TO_MANY)).status for _ in range(2)] == [202, 202]
    answer = await client.send()
    assert (answer.status, answer.code) == (400, "ErrorExceededMessageLimit")
    assert "submission quota was exceeded" in answer.json["error"]["message"]
    other = await client.send(MIME.replace(b"alice", b"carol"), "carol@contoso.example")
    assert other.status == 202
    clock.now += 24 * 3600
    assert ((await client.send()).status, len(emulator.ledger)) == (202, 4)


async def test_the_31st_message_of_a_minute_comes_a_minute_later(
    client: Client, emulator: Emulator, clock: Clock
) -> None:
    for _ in range(31):
        assert (await client.send()).status == 202

    def seen(user: str, folder: str) -> int:
        mailbox = emulator.world.mailbox(f"{user}@contoso.example")
        return sum(1 for _ in mailbox.messages(clock.now, mailbox.folder(folder)))

    assert (len(emulator.ledger), seen("bob", "inbox"), seen("alice", "sentitems")) == (31, 30, 30)
    clock.now += 60
    assert (seen("bob", "inbox"), seen("alice", "sentitems")) == (31, 31)


async def test_without_limits_all_go_through(client: Client, emulator: Emulator) -> None:
    emulator.world.limits.switch_off()
    emulator.faults.add(path="/messages", delay=0.05)
    answers = await asyncio.gather(*(client.read("/messages") for _ in range(8)))
    assert {answer.status for answer in answers} == {200}


async def test_a_refusal_by_a_limit_counts_as_told_to_wait(client: Client, emulator: Emulator, clock: Clock) -> None:
    emulator.world.limits.requests_per_10_minutes = 1
    for _ in range(3):
        await client.send()
    assert [early.early for early in emulator.ledger.too_early] == [600]


@pytest.mark.parametrize("form", ["seconds", "decimal", "date"])
async def test_who_comes_back_too_early_is_noted(
    client: Client, emulator: Emulator, planted: Seed, clock: Clock, form: Any
) -> None:
    emulator.faults.add(path="/sendMail", status=429, retry_after=30, retry_form=form, times=1)
    await client.send()
    clock.now += 12
    await client.send()
    await client.send(MIME.replace(b"alice", b"carol"), "carol@contoso.example")
    clock.now += 18
    await client.send()
    (early,) = emulator.ledger.too_early
    assert (early.app_id, early.mailbox, early.early) == (planted.gateway.client_id, "alice@contoso.example", 18)


async def test_a_delayed_answer_starts_the_wait_when_it_leaves(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(path="/sendMail", status=503, retry_after=30, delay=0.25, times=1)
    await client.send()
    await client.send()
    assert [early.early for early in emulator.ledger.too_early] == [30.25]


async def test_the_token_endpoint_can_tell_to_wait_too(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(path="/token", status=429, retry_after=5, times=1)
    for _ in range(2):
        await client.ask_token()
    (early,) = emulator.ledger.too_early
    assert (early.mailbox, early.early) == (None, 5)


@pytest.mark.parametrize("rule", [{"status": 429}, {"status": 202, "when": "after"}, {"status": 429, "when": "after"}])
@pytest.mark.parametrize("told", [{"headers": {"retry-AFTER": "30"}}, {"retry_after": 30}])
async def test_retry_after_counts_however_it_was_told(
    client: Client, emulator: Emulator, rule: dict[str, Any], told: dict[str, Any]
) -> None:
    emulator.faults.add(path="/sendMail", times=1, **rule, **told)
    first = await client.send()
    assert (first.status, first.headers["Retry-After"]) == (rule["status"], "30")
    await client.send()
    assert [early.early for early in emulator.ledger.too_early] == [30]


async def test_a_retry_after_in_the_headers_wins(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(path="/sendMail", status=429, retry_after=5, headers={"retry-after": "30"})
    assert (await client.send()).headers.getall("Retry-After") == ["30"]  # type: ignore[attr-defined]
