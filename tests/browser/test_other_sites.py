"""What other sites and other people try: forms from elsewhere, redirects, planted sessions, one link for many."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape
from typing import Any, Final
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
from aiohttp import web
from playwright.async_api import Cookie, Page

from tests.browser.conftest import OpenSite
from tests.browser.pages import sends
from tests.browser.site import NOBODY, PASSWORD, Site
from tests.browser.test_every_page import paths_of

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

ELSEWHERE: Final = (
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "\x00//evil.example",
    "/%09/evil.example",
    "/%5cevil.example",
    "/%2f%2fevil.example",
    "/..//evil.example",
    "/.//evil.example",
    "/outbox/..//evil.example",
    "https://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "HTTPS://evil.example",
    "http://localhost@evil.example",
    "http://localhost:80@evil.example/",
    "http://localhost.evil.example",
    "evil.example",
    ".evil.example",
    "@evil.example",
    ":80@evil.example",
    "javascript:__xss()",
    "java\tscript:__xss()",
    "data:text/html,<script>__xss()</script>",
    "/\u2028/evil.example",
    "/\uff0fevil.example",
    "\uff0f\uff0fevil.example",
    "//evil.example/%2e%2e",
    "//[::1]/",
    "/\r\nLocation: https://evil.example",
)


def host_of(page: Page) -> str:
    return urlsplit(page.url).netloc


# ---- redirects


async def test_no_sign_in_leads_elsewhere(site: Site) -> None:
    async with site.visitor() as page:
        for address in ELSEWHERE:
            await page.goto(f"{site.url}/sign-in?next={quote(address, safe='')}")
            assert host_of(page) == urlsplit(site.url).netloc, address


@pytest.mark.parametrize(
    ("path", "form", "field"),
    [("/about", "/language", "next"), ("/outbox", "/outbox/decide", "back")],
)
async def test_no_form_leads_elsewhere(site: Site, path: str, form: str, field: str) -> None:
    async with site.visitor() as page:
        for address in ELSEWHERE:
            await page.goto(site.url + path)
            await sends(form, **{field: address})(page)
            assert host_of(page) == urlsplit(site.url).netloc, address


# ---- forms of other sites


@asynccontextmanager
async def other_site(host: str) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """A site of somebody else on another port, and its pages by path, to be filled in."""
    pages: dict[str, str] = {}

    async def show(request: web.Request) -> web.Response:
        return web.Response(text=pages.get(request.path, ""), content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", show)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://{host}:{runner.addresses[0][1]}", pages
    finally:
        await runner.cleanup()


_STEAL: Final = '<form method="post" action="{action}"{encoding}>{fields}</form>'
_FIELDS: Final = {
    "name": "mallory",
    "password": PASSWORD,
    "roles": "admin",
    "scopes": "admin",
    "enabled": "no",
    "act": "approve",
    "address": "mallory@contoso.example",
    "form_token": "0" * 32,
}


async def _state(site: Site) -> list[Any]:
    """What a form could have changed."""
    paths = ("people", "submitters", "api-keys", "mailboxes", "apps", "connect-links", "outbox", "sends")
    found = [await site.api("get", f"/api/v1/{path}") for path in paths]
    for person in found[0]["data"]:
        person.pop("last_seen_at")
    return found


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"], ids=["same site", "another site"])
async def test_no_form_of_another_site_does_anything(site: Site, host: str) -> None:
    names = {"queue_id": site.names["held"], "id": site.names["credential"], "address": "erp@contoso.example"}
    names |= {"app": "contoso", "door": "devices", "token": "0000"}
    of_name = {"people": "otto", "keys": "crm", "apps": "contoso", "submitters": "printer", "start": "printer"}
    async with other_site(host) as (elsewhere, pages), site.context() as (context, watch):
        await context.add_cookies((await _session(site)).get("cookies", []))
        page = await context.new_page()
        before = await _state(site)
        for path in paths_of("post"):
            known = {**names, "name": of_name.get(path.split("/")[1], "printer")}
            fields = "".join(f'<input name="{name}" value="{escape(value)}">' for name, value in _FIELDS.items())
            for encoding in ("", ' enctype="text/plain"', ' enctype="multipart/form-data"'):
                action = site.url + path.format_map({key: quote(value, safe="") for key, value in known.items()})
                pages["/steal"] = _STEAL.format(action=action, fields=fields, encoding=encoding)
                await page.goto(f"{elsewhere}/steal")
                async with page.expect_response(action) as answering, page.expect_navigation(wait_until="commit"):
                    await page.evaluate("document.forms[0].submit()")
                answer = await answering.value
                refused = answer.status in (403, 413, 415, 422)
                # Whoever is not known here is sent to the sign-in: the cookie did not come along.
                away = answer.status == 303 and "/sign-in" in answer.headers["location"]
                assert refused or away, (path, encoding, answer.status)
        assert await _state(site) == before
        watch.wrong.clear()


async def test_another_site_neither_frames_nor_reads_a_page(site: Site) -> None:
    async with other_site("localhost") as (elsewhere, pages), site.context() as (context, watch):
        await context.add_cookies((await _session(site)).get("cookies", []))
        page = await context.new_page()
        pages["/frame"] = f'<iframe src="{site.url}/outbox"></iframe>'
        await page.goto(f"{elsewhere}/frame")
        assert all(site.url not in frame.url for frame in page.frames)
        for path in ("/outbox", "/api/v1/people", "/live"):
            read = f"fetch('{site.url}{path}', {{credentials: 'include'}}).then((one) => one.text(), () => 'not read')"
            assert await page.evaluate(read) == "not read"
        watch.wrong.clear()


async def _session(site: Site) -> Any:
    """anna's browser, signed in."""
    async with site.visitor() as page:
        return await page.context.storage_state()


# ---- sessions


async def _cookie(page: Page) -> Cookie:
    """The cookie of a session."""
    (found,) = [one for one in await page.context.cookies() if "language" not in one["name"]]
    return found


async def test_a_session_that_was_planted_is_not_taken_over(site: Site) -> None:
    """Neither one that nobody has, nor one of somebody else."""
    async with site.visitor(NOBODY) as attacker:
        await site.sign_in(attacker, "otto")
        planted = await _cookie(attacker)
        for value in (planted["value"], "0" * len(planted["value"]), "x"):
            async with site.visitor(NOBODY) as victim:
                await victim.context.add_cookies([{"name": planted["name"], "value": value, "url": site.url}])
                await _sign_in_over(victim, site)
                assert (await _cookie(victim))["value"] != value
        await attacker.goto(f"{site.url}/people")
        assert "anna" not in await attacker.locator("header").inner_text()


async def _sign_in_over(page: Page, site: Site) -> None:
    """As the browser of somebody whom a stranger has signed in: by a form, whatever page would be shown."""
    answer = await page.request.post(
        f"{site.url}/sign-in", form={"name": "anna", "password": PASSWORD}, headers={"Origin": site.url}
    )
    if answer.status == 403:  # The stranger's session wants its own form: it is left first.
        await page.goto(site.url)
        await page.locator("header form button").click()
        await site.sign_in(page)


async def test_a_new_password_begins_a_new_session(new_site: OpenSite) -> None:
    site = await new_site()
    await site.api("post", "/api/v1/people", {"name": "anna", "roles": ["admin"], "password": PASSWORD})
    async with site.visitor(NOBODY) as page, site.visitor(NOBODY) as other:
        await site.sign_in(page)
        await site.sign_in(other)
        before = await _cookie(page)
        assert before["httpOnly"]
        assert before["sameSite"] in ("Lax", "Strict")
        await page.goto(f"{site.url}/account/password")
        names = [await one.get_attribute("name") for one in await page.locator("main input[type=password]").all()]
        new = "another horse battery"
        values = {str(name): PASSWORD if number == 0 else new for number, name in enumerate(names)}
        await sends("/account/password", **values)(page)
        assert (await _cookie(page))["value"] != before["value"]
        await other.goto(f"{site.url}/people")
        assert "/sign-in" in other.url


# ---- the first administrator


async def test_of_fifty_who_open_the_first_link_at_once_one_comes_in(new_site: OpenSite) -> None:
    site = await new_site()
    link = (site.folder / "state" / "first-admin").read_text().strip()

    async def claim(session: aiohttp.ClientSession, number: int) -> tuple[int, str]:
        fields = {"name": f"admin-{number}", "password": PASSWORD, "again": PASSWORD}
        async with session.post(link, data=fields, headers={"Origin": site.url}, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("Location", "")

    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        came = await asyncio.gather(*(claim(session, number) for number in range(50)))
    assert [one for one in came if one[0] == 303] == [(303, "/start")]
    people = await site.api("get", "/api/v1/people")
    assert len(people["data"]) == 1
    assert re.fullmatch(r"admin-\d+", people["data"][0]["name"])
