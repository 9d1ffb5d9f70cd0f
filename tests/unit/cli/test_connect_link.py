"""pillarbox connect-link and pillarbox events: for scripts and at a terminal."""

import asyncio
import json
import os
import signal
import sys
from typing import Any

from pillarbox.cli.inprocess import ask
from pillarbox.store.events import happened
from tests.conftest import House, MakeHouse
from tests.service import STARTED, pillarbox
from tests.terminal import at_terminal

BOX, NEW = "scanner@contoso.example", "alice@contoso.example"


def place(house: House) -> dict[str, str]:
    return {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}


async def done(house: House, *words: str) -> Any:
    """The JSON of a command that succeeds."""
    code, output, errors = await pillarbox(*words, "--json", environ=place(house))
    assert (code, errors) == (0, "")
    return json.loads(output)


async def test_a_link_is_made_shown_listed_and_taken_back(house: House) -> None:
    options = ("--permission", "send", "--permission", "mail", "--expires-in", "2h", "--note", "for Alice")
    made = await done(house, "connect-link", "add", NEW, "--app", "contoso", *options)
    assert made["url"].startswith(house.gateway.public_url + "/signin/start/")
    assert (made["permissions"], made["note"]) == (["send", "mail"], "for Alice")
    assert round(made["expires_at"] - made["created_at"]) == 7200
    (listed,) = await done(house, "connect-link", "list", "--state", "pending")
    assert listed == made | {"url": None}
    assert await done(house, "connect-link", "show", made["id"]) == listed
    assert (await done(house, "connect-link", "revoke", made["id"]))["state"] == "canceled"
    assert await done(house, "connect-link", "list", "--state", "pending") == []


async def test_at_a_terminal_the_address_is_shown_once(house: House) -> None:
    words = ("connect-link", "add", NEW, "--mailbox", BOX, "--app", "contoso")
    code, shown = await at_terminal(words, [], place(house))
    assert code == 0, shown
    assert "/signin/start/" in shown
    assert f"Good for one sign-in of {NEW}" in shown
    code, shown = await at_terminal(("connect-link", "list"), [], place(house))
    assert BOX in shown
    assert "/signin/start/" not in shown


async def test_an_unknown_link_is_told(house: House) -> None:
    code, _, errors = await pillarbox("connect-link", "show", "none", environ=place(house))
    assert code == 3
    assert "There is no connect link 'none'" in errors


async def tell(house: House, type: str, subject: str) -> None:
    await house.gateway.database.write(happened(type, subject, {"code": "why"}, 1.0, None))


async def test_events_are_listed_from_a_cursor_on(house: House) -> None:
    await tell(house, "send.failed", "A")
    await tell(house, "send.sent", "B")
    assert [event["subject"] for event in (await done(house, "events", "--limit", "1"))["data"]] == ["B"]
    first = await done(house, "events", "--limit", "1", "--oldest")
    assert [event["subject"] for event in first["data"]] == ["A"]
    second = await done(house, "events", "--cursor", first["next"], "--type", "send.sent", "--type", "send.failed")
    assert [event["subject"] for event in second["data"]] == ["B"]
    code, shown = await at_terminal(("events",), [], place(house))
    assert code == 0
    assert shown.splitlines()[0] == "1970-01-01 00:00:01  send.failed              A  code=why"


async def test_who_follows_sees_what_happens_until_they_stop(house: House) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pillarbox", "events", "--follow", "--json"),
        env={**os.environ, **place(house)},
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    STARTED.append(process)
    assert process.stdout is not None
    for subject in ("A", "B"):
        await tell(house, "send.sent", subject)
        page = json.loads(await process.stdout.readline())
        assert [event["subject"] for event in page["data"]] == [subject]
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 130


async def test_without_a_service_nobody_waits(make_house: MakeHouse) -> None:
    house = await make_house(start=False)
    await tell(house, "send.sent", "A")
    first = await page_in_process(house, "")
    before = asyncio.get_running_loop().time()
    assert (await page_in_process(house, f"?wait=60&cursor={first['next']}"))["data"] == []
    assert asyncio.get_running_loop().time() - before < 30


async def page_in_process(house: House, query: str) -> Any:
    """A page of the feed as a command gets it where no service runs."""
    await house.gateway.stop()
    status, answer = await asyncio.to_thread(ask, house.gateway.settings, "GET", f"/api/v1/events{query}", b"", {})
    assert status == 200, answer
    return json.loads(answer)
