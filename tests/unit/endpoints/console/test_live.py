"""A page hears that something happened, and ends with the service."""

import asyncio

import aiohttp

from tests.unit.endpoints.console.conftest import Site, Visitor

MIME = b"From: scanner@contoso.example\r\nTo: bob@fabrikam.example\r\nSubject: Hello\r\n\r\nHello\r\n"


async def listen(visitor: Visitor) -> aiohttp.ClientResponse:
    """The stream, once it has begun."""
    headers = {"Cookie": f"pillarbox={visitor.cookies['pillarbox']}"}
    answer = await visitor.session.get(f"{visitor.url}/live", headers=headers)
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


async def test_strangers_hear_nothing(site: Site) -> None:
    async with site.session.get(f"{site.visitor().url}/live", allow_redirects=False) as answer:
        assert answer.status == 303
