"""The feed of events: in order, from a cursor on, waited for, and of nobody else's mailboxes."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from pillarbox.endpoints.api.paging import encode
from pillarbox.store.events import happened
from tests.conftest import House
from tests.unit.endpoints.test_apps import ask

PATH = "/api/v1/events"
SCANNER, ERP = "scanner@contoso.example", "erp@contoso.example"
MAIL = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\nSubject: scan\r\n\r\npage\r\n"


@dataclass
class Reader:
    """A program with a key at the HTTP listener."""

    house: House
    session: aiohttp.ClientSession

    async def key(self, name: str, **more: Any) -> str:
        """The text of a new key."""
        new = {"name": name, "scopes": ["events.read", "mailboxes.connect", "outbox.decide"], **more}
        status, text = await ask(self.house, "POST", "/api/v1/api-keys", new)
        assert status == 201, text
        return str(json.loads(text)["key"])

    async def call(self, key: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of an answer to a key."""
        headers = {"Authorization": f"Bearer {key}"}
        url = self.house.gateway.public_url + path
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def page(self, key: str, query: str = "") -> dict[str, Any]:
        """A page of the feed."""
        status, page = await self.call(key, "GET", f"{PATH}?{query}")
        assert status == 200, page
        return dict(page)


@pytest.fixture
async def reader(house: House) -> AsyncIterator[Reader]:
    async with aiohttp.ClientSession() as session:
        yield Reader(house, session)


async def page(house: House, query: str = "") -> dict[str, Any]:
    """A page of the feed at the local socket."""
    status, text = await ask(house, "GET", f"{PATH}?{query}")
    assert status == 200, text
    return dict(json.loads(text))


async def happens(house: House, type: str, subject: str, address: str | None = None) -> None:
    mailbox = await house.gateway.accounts.mailbox(address) if address else None
    await house.gateway.database.write(happened(type, subject, {}, 1.0, mailbox.id if mailbox else None))


async def somebody_waits(house: House) -> None:
    """Until somebody waits for an event."""
    while house.gateway.watch.waiting == 0:  # noqa: ASYNC110 - it tells nobody when it begins
        await asyncio.sleep(0)


async def test_what_became_of_a_message_is_told(house: House) -> None:
    queue_id = await house.accept(MAIL, "alice@contoso.example")
    found = await page(house, "type=send.sent&type=send.failed&wait=30")
    (event,) = found["data"]
    assert (event["type"], event["subject"]) == ("send.sent", queue_id)
    assert event["data"]["mailbox"] == SCANNER
    assert event["at"] > 1e9


async def test_the_cursor_goes_on_behind_what_was_shown_and_is_always_there(house: House) -> None:
    empty = await page(house)
    assert empty["data"] == []
    for name in ("A", "B", "C"):
        await happens(house, "send.sent", name)
    first = await page(house, f"limit=2&cursor={empty['next']}")
    second = await page(house, f"limit=2&cursor={first['next']}")
    third = await page(house, f"limit=2&cursor={second['next']}")
    assert [[event["subject"] for event in one["data"]] for one in (first, second, third)] == [["A", "B"], ["C"], []]
    assert third["next"] == second["next"]


async def test_every_event_knows_where_to_go_on(house: House) -> None:
    for subject in "ABC":
        await happens(house, "send.sent", subject)
    everything = (await page(house))["data"]
    behind = [await page(house, f"cursor={event['cursor']}") for event in everything]
    assert [[event["subject"] for event in one["data"]] for one in behind] == [["B", "C"], ["C"], []]


async def test_who_begins_with_the_newest_goes_on_behind_them(house: House) -> None:
    for name in ("A", "B", "C"):
        await happens(house, "send.sent", name)
    first = await page(house, "newest=true&limit=2")
    assert [event["subject"] for event in first["data"]] == ["B", "C"]
    waiting = asyncio.create_task(page(house, f"newest=true&wait=30&cursor={first['next']}"))
    await somebody_waits(house)
    await happens(house, "send.sent", "D")
    assert [event["subject"] for event in (await waiting)["data"]] == ["D"]


async def test_who_waits_for_the_newest_where_there_are_none_is_answered_by_the_first(house: House) -> None:
    waiting = asyncio.create_task(page(house, "newest=true&wait=30"))
    await somebody_waits(house)
    await happens(house, "send.sent", "A")
    assert [event["subject"] for event in (await waiting)["data"]] == ["A"]


async def test_nobody_waits_for_a_client_that_has_gone(house: House, reader: Reader) -> None:
    key = await reader.key("mine")
    waiting = [asyncio.create_task(reader.page(key, "wait=60")) for _ in range(3)]
    while house.gateway.watch.waiting < 3:  # noqa: ASYNC110 - it tells nobody when it begins
        await asyncio.sleep(0)
    await reader.session.close()
    while house.gateway.watch.waiting:  # noqa: ASYNC110 - nor when it ends
        await asyncio.sleep(0)
    await asyncio.gather(*waiting, return_exceptions=True)
    assert "unexpected" not in house.log.getvalue()
    assert not [task for task in asyncio.all_tasks() if "_leaves" in repr(task)]


async def test_many_who_wait_are_all_answered_by_one_event(house: House, reader: Reader) -> None:
    key = await reader.key("mine")
    waiting = [asyncio.create_task(reader.page(key, "wait=60&type=send.failed")) for _ in range(40)]
    while house.gateway.watch.waiting < 40:  # noqa: ASYNC110 - it tells nobody when it begins
        await asyncio.sleep(0)
    await happens(house, "send.failed", "A")
    assert [one["data"][0]["subject"] for one in await asyncio.gather(*waiting)] == ["A"] * 40


async def test_who_waits_is_answered_by_the_event(house: House) -> None:
    waiting = asyncio.create_task(page(house, "wait=30"))
    await somebody_waits(house)
    await happens(house, "send.sent", "A")
    assert [event["subject"] for event in (await waiting)["data"]] == ["A"]


async def test_who_waits_for_something_else_is_not(house: House) -> None:
    waiting = asyncio.create_task(page(house, "wait=30&type=send.failed"))
    await somebody_waits(house)
    await happens(house, "send.sent", "A")
    await happens(house, "send.failed", "B")
    assert [event["subject"] for event in (await waiting)["data"]] == ["B"]


async def test_nothing_in_time_is_an_empty_page(house: House) -> None:
    assert (await page(house, "wait=0.01"))["data"] == []


async def test_a_stop_answers_who_waits(house: House) -> None:
    waiting = asyncio.create_task(page(house, "wait=60"))
    await somebody_waits(house)
    house.gateway.watch.stop()
    assert (await waiting)["data"] == []


async def test_a_cursor_of_what_is_not_kept_any_more_is_told(house: House) -> None:
    start = (await page(house))["next"]
    for name in ("A", "B", "C"):
        await happens(house, "send.sent", name)
    end = (await page(house))["next"]
    assert await house.gateway.events.forget(1000.0, 100) == 2
    status, text = await ask(house, "GET", f"{PATH}?cursor={start}")
    assert (status, json.loads(text)["code"]) == (410, "events.gone")
    assert (await page(house, f"cursor={end}"))["data"] == []
    assert [event["subject"] for event in (await page(house))["data"]] == ["C"]


async def test_a_cursor_of_another_store_is_told(house: House) -> None:
    for _ in range(3):
        await happens(house, "send.sent", "A")
    ahead = (await page(house))["next"]
    # As where a backup was put back.
    await house.gateway.database.write(happened("send.sent", "A", {}, 1.0, None))
    await house.gateway.events.forget(1000.0, 100)
    status, _ = await ask(house, "GET", f"{PATH}?cursor={encode(PATH, '999 1.5')}")
    assert status == 410
    assert ahead


@pytest.mark.parametrize(
    "query",
    [
        "type=send.gone",
        "wait=61",
        "wait=-1",
        "wait=nan",
        "limit=0",
        "cursor=!",
        f"cursor={encode(PATH, 's')}",
        f"cursor={encode(PATH, 999)}",
        "newest=x",
    ],
)
async def test_what_cannot_be_meant_is_refused(house: House, query: str) -> None:
    status, text = await ask(house, "GET", f"{PATH}?{query}")
    assert 400 <= status < 500
    assert "code" in json.loads(text)


async def test_old_events_are_forgotten(house: House) -> None:
    for name in ("A", "B", "C"):
        await happens(house, "send.sent", name)
    await house.gateway.housekeeping.round()
    assert [event["subject"] for event in (await page(house))["data"]] == ["C"]


# ---- keys with mailboxes


async def test_a_key_reads_of_its_own_mailboxes_alone(house: House, reader: Reader) -> None:
    for subject, address in (("A", SCANNER), ("B", ERP), ("C", None)):
        await happens(house, "send.sent", subject, address)
    mine, all_ = await reader.key("mine", mailboxes=[ERP]), await reader.key("all")
    assert [event["subject"] for event in (await reader.page(mine))["data"]] == ["B"]
    assert [event["subject"] for event in (await reader.page(all_))["data"]] == ["A", "B", "C"]


async def test_a_key_is_not_woken_by_the_mail_of_others(house: House, reader: Reader) -> None:
    mine = await reader.key("mine", mailboxes=[ERP])
    waiting = asyncio.create_task(reader.page(mine, "wait=30"))
    await somebody_waits(house)
    await happens(house, "send.sent", "A", SCANNER)
    await happens(house, "send.sent", "B", ERP)
    assert [event["subject"] for event in (await waiting)["data"]] == ["B"]


async def test_a_key_makes_links_for_its_own_mailboxes_alone(house: House, reader: Reader) -> None:
    mine = await reader.key("mine", mailboxes=[ERP])
    path = "/api/v1/connect-links"
    status, made = await reader.call(mine, "POST", path, {"app": "contoso", "address": ERP})
    assert status == 201
    answers = [
        await reader.call(mine, "POST", path, {"app": "contoso", "address": address})
        for address in (SCANNER, "unknown@contoso.example")
    ]
    assert [(status, problem["code"]) for status, problem in answers] == [(404, "mailbox.not_found")] * 2
    assert await house.gateway.accounts.mailbox("unknown@contoso.example") is None
    status, text = await ask(house, "POST", path, {"app": "contoso", "address": SCANNER})
    other = json.loads(text)
    for method in ("GET", "DELETE"):
        status, problem = await reader.call(mine, method, f"{path}/{other['id']}")
        assert (status, problem["code"]) == (404, "connect_link.not_found")
    status, page = await reader.call(mine, "GET", path)
    assert [one["id"] for one in page["data"]] == [made["id"]]
    assert json.loads((await ask(house, "GET", f"{path}/{other['id']}"))[1])["state"] == "pending"


# ---- pauses


async def test_a_mailbox_is_paused_and_resumed_and_both_are_told(house: House) -> None:
    status, text = await ask(house, "POST", f"/api/v1/mailboxes/{SCANNER}:pause", {"reason": "a move"})
    assert (status, json.loads(text)["paused"]) == (200, True)
    await house.accept(MAIL, "alice@contoso.example")
    status, text = await ask(house, "POST", f"/api/v1/mailboxes/{SCANNER}:resume")
    assert (status, json.loads(text)) == (200, {"mailbox": SCANNER, "paused": False, "still": []})
    found = (await page(house, "type=mailbox.paused&type=mailbox.resumed"))["data"]
    assert [(event["type"], event["subject"]) for event in found] == [
        ("mailbox.paused", SCANNER),
        ("mailbox.resumed", SCANNER),
    ]
    assert found[0]["data"]["reason"] == "a move"
    assert (await page(house, "type=send.sent&wait=30"))["data"]


async def test_a_key_pauses_its_own_mailboxes_alone(house: House, reader: Reader) -> None:
    mine = await reader.key("mine", mailboxes=[ERP])
    assert (await reader.call(mine, "POST", f"/api/v1/mailboxes/{ERP}:pause"))[0] == 200
    for act in ("pause", "resume"):
        for address in (SCANNER, "unknown@contoso.example"):
            status, problem = await reader.call(mine, "POST", f"/api/v1/mailboxes/{address}:{act}")
            assert (status, problem["code"]) == (404, "mailbox.not_found")
