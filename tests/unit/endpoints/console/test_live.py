"""A page hears that something happened, and ends with the service."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from pillarbox.access.key_rules import Wanted
from pillarbox.access.people import People
from pillarbox.core.caller import Caller, Role, Scope
from pillarbox.endpoints.console.page import Page
from pillarbox.endpoints.console.pages.live import lines
from tests.unit.endpoints.console.conftest import Site, Visitor

MIME = b"From: scanner@contoso.example\r\nTo: bob@fabrikam.example\r\nSubject: Hello\r\n\r\nHello\r\n"


async def listen(visitor: Visitor, query: str = "") -> aiohttp.ClientResponse:
    """The stream, once it has begun."""
    headers = {"Cookie": f"pillarbox={visitor.cookies['pillarbox']}"}
    answer = await visitor.session.get(f"{visitor.url}/live{query}", headers=headers)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert await answer.content.readline() == b": here\n"
    await answer.content.readline()
    return answer


async def waiting(site: Site, count: int) -> None:
    """Until so many wait for events."""
    while site.house.gateway.watch.waiting != count:  # noqa: ASYNC110 - it tells nobody when it changes
        await asyncio.sleep(0)


async def test_a_line_comes_when_something_happened(site: Site, admin: Visitor) -> None:
    await site.house.settled(await site.house.accept(MIME, "bob@fabrikam.example"))
    stream = await listen(admin)
    await waiting(site, 1)
    queue_id = await site.house.accept(MIME, "bob@fabrikam.example")
    assert await stream.content.readline() == b"data: news\n"
    await site.house.settled(queue_id)
    stream.close()


@pytest.mark.parametrize(("ago", "told"), [(3600.0, b"data: news\n"), (-3600.0, None)])
async def test_what_happened_since_the_page_was_made_is_told_at_once(
    site: Site, admin: Visitor, ago: float, told: bytes | None
) -> None:
    await site.house.settled(await site.house.accept(MIME, "bob@fabrikam.example"))
    stream = await listen(admin, f"?since={site.house.gateway._clock() - ago}")
    if told:
        assert await stream.content.readline() == told
    else:
        await waiting(site, 1)
        assert not stream.content.total_bytes - len(b": here\n\n")
    stream.close()


async def test_a_page_says_when_it_was_made(site: Site, admin: Visitor) -> None:
    before = time.time()
    said = re.search(r'data-live-from="(/live\?since=([0-9.]+))"', (await admin.look("/outbox")).html)
    assert said is not None
    assert before - 0.001 <= float(said[2]) <= time.time()


@pytest.mark.parametrize("said", ["", "soon", "nan", "1e999"])
async def test_who_says_no_time_is_told_of_what_is_to_come(site: Site, admin: Visitor, said: str) -> None:
    await site.house.settled(await site.house.accept(MIME, "bob@fabrikam.example"))
    stream = await listen(admin, f"?since={said}")
    await waiting(site, 1)
    stream.close()


async def test_nobody_is_waited_for_who_has_gone(site: Site, admin: Visitor) -> None:
    stream = await listen(admin)
    await waiting(site, 1)
    stream.close()
    await waiting(site, 0)


async def test_it_ends_with_the_service(site: Site, admin: Visitor) -> None:
    stream = await listen(admin)
    await waiting(site, 1)
    await site.house.gateway.stop()
    assert await stream.content.read() == b""


async def signs_out(site: Site, _people: People) -> None:
    household = site.house.gateway.household
    await household.sessions.end_all((await household.people.get("otto")).id)


async def is_kept_out(_site: Site, people: People) -> None:
    await people.change("otto", enabled=False)


async def gets_another_role(_site: Site, people: People) -> None:
    await people.change("otto", roles=[Role.AUDITOR])


@pytest.mark.parametrize("ends", [signs_out, is_kept_out, gets_another_role])
async def test_of_what_happens_after_its_session_nothing_is_told(
    site: Site, ends: Callable[[Site, People], Awaitable[None]]
) -> None:
    stream = await listen(await site.signed_in("otto"))
    await waiting(site, 1)
    await ends(site, site.house.gateway.household.people)
    await site.house.settled(await site.house.accept(MIME, "bob@fabrikam.example"))
    assert await stream.content.read() == b""


async def test_it_ends_with_its_session_where_nothing_happens() -> None:
    otto = Caller("person", "1", "otto", frozenset())
    who = [otto, otto, None]

    async def get(*_: object, **__: object) -> dict[str, Any]:
        return {"data": [], "next": "here"}

    async def enter(_: object) -> SimpleNamespace:
        return SimpleNamespace(caller=who.pop(0))

    page = SimpleNamespace(caller=otto, request=None, calls=SimpleNamespace(get=get), door=SimpleNamespace(enter=enter))
    heard = [line async for line in lines(cast(Page, page), tick=0.0)]
    assert heard == [b": here\n\n", b"data: tick\n\n", b"data: tick\n\n"]


async def test_a_key_is_no_session(site: Site) -> None:
    _, secret = await site.house.gateway.keys.add("feed", Wanted(scopes=[Scope.EVENTS_READ]))
    headers = {"Authorization": f"Bearer {secret.reveal()}"}
    async with site.session.get(f"{site.visitor().url}/live", headers=headers, allow_redirects=False) as answer:
        assert answer.status == 303


async def test_strangers_hear_nothing(site: Site) -> None:
    async with site.session.get(f"{site.visitor().url}/live", allow_redirects=False) as answer:
        assert answer.status == 303
