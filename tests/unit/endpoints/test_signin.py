"""The pages around a sign-in, as a browser sees them: the cookie, clean addresses, headers, and hostile queries."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from pillarbox.admin.sign_in_plan import Plan
from pillarbox.admin.sign_in_words import Result, Return
from pillarbox.core.errors import PillarboxError
from pillarbox.endpoints import signin, signin_pages
from pillarbox.endpoints.signin_browser import cookie_header, returned
from pillarbox.endpoints.web import HttpListener
from tests.sign_ins import ALICE, BOB, Desk, desk
from tests.unit.emulator.visitor import Page

__all__ = ["desk"]  # a fixture

HTML = '<script>alert(1)</script><img src=x onerror="alert(2)">'
COOKIE = "pillarbox-signin"


@dataclass
class Site:
    """The listener, and one browser."""

    desk: Desk
    session: aiohttp.ClientSession

    async def open(self, path: str, method: str = "GET", **headers: str) -> Page:
        """An answer, redirects not followed."""
        url = path if path.startswith("http") else self.desk.public_url + path
        async with self.session.request(method, url, allow_redirects=False, headers=headers) as answer:
            return Page(url, answer.status, answer.headers, await answer.text())

    async def link(self, plan: Plan = Plan(), address: str = ALICE) -> str:  # noqa: B008 - it is frozen
        return (await self.desk.link(await self.desk.mailbox(address), plan)).url

    async def sign_in(self, link: str, user: str = ALICE, *, accept: bool = True) -> Page:
        """Open the link and sign in; where Microsoft sends the browser."""
        first = await self.open(link)
        page = await self.desk.at_microsoft(first.location, user, accept=accept)
        return await self.open(page.location)


@pytest.fixture
async def site(desk: Desk) -> AsyncIterator[Site]:
    app = signin.build(lambda: desk.connect, desk.logger)
    listener = HttpListener(app, 1)
    _, port = await listener.start("127.0.0.1", 0)
    desk.public_url = f"http://localhost:{port}"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Site(desk, session)
    await listener.stop()


@pytest.mark.parametrize("permissions", [("send",), ("mail",), ("exchange",)], ids="+".join)
async def test_a_person_opens_the_link_signs_in_and_reads_that_it_worked(
    site: Site, permissions: tuple[str, ...]
) -> None:
    back = await site.sign_in(await site.link(Plan(permissions)))
    assert (back.status, back.location, back.html) == (303, "done", "")
    done = await site.open("/signin/" + back.location)
    assert done.status == 200
    assert "Signed in" in done.title
    assert f"{ALICE} is connected" in done.text
    mailbox = await site.desk.accounts.mailbox(ALICE)
    assert mailbox
    assert mailbox.sign_in


async def test_a_failure_says_what_happened_what_helps_and_who_can(site: Site) -> None:
    back = await site.sign_in(await site.link(), BOB)
    assert (back.status, back.location) == (303, "done")
    done = await site.open("/signin/" + back.location)
    assert done.status == 400
    assert ALICE in done.text
    assert BOB in done.text
    assert "What helps" in done.text
    assert "Who can help" in done.text


async def test_the_cookie_is_for_this_host_and_out_of_reach_of_scripts(site: Site) -> None:
    first = await site.open(await site.link())
    name, _, rest = first.headers["Set-Cookie"].partition("=")
    value, *flags = rest.split("; ")
    assert (name, len(value)) == (COOKIE, 43)
    assert set(flags) == {"Path=/", "Max-Age=600", "HttpOnly", "SameSite=Lax"}


async def test_with_https_no_other_host_can_plant_the_cookie(site: Site) -> None:
    link = await site.link()
    here = site.desk.public_url
    site.desk.public_url = "https://mail.contoso.example"
    first = await site.open(link)
    site.desk.public_url = here
    assert first.headers["Set-Cookie"].startswith("__Host-pillarbox-signin=")
    assert first.headers["Set-Cookie"].endswith("; Secure")
    assert "Domain" not in cookie_header("x", secure=True)


async def test_without_the_cookie_no_token_is_asked_for(site: Site) -> None:
    first = await site.open(await site.link())
    page = await site.desk.at_microsoft(first.location)
    site.session.cookie_jar.clear()
    back = await site.open(page.location)
    assert (back.status, back.location) == (303, "done")
    done = await site.open("/signin/" + back.location)
    assert (done.status, done.title) == (400, "No sign-in was finished here - Pillarbox")
    assert site.desk.token_requests == 0


async def test_the_cookie_of_another_sign_in_does_not_do(site: Site) -> None:
    first = await site.open(await site.link())
    page = await site.desk.at_microsoft(first.location)
    await site.open(await site.link(address=BOB))
    await site.open(page.location)
    assert (await site.open("/signin/done")).status == 400
    assert site.desk.token_requests == 0


async def test_a_callback_loaded_twice_shows_the_same_end(site: Site) -> None:
    first = await site.open(await site.link())
    page = await site.desk.at_microsoft(first.location)
    for _ in range(2):
        await site.open(page.location)
        assert "is connected" in (await site.open("/signin/done")).text
    assert site.desk.token_requests == 1


async def test_a_link_opens_once(site: Site) -> None:
    link = await site.link()
    assert (await site.open(link)).status == 303
    again = await site.open(link)
    assert (again.status, again.location) == (404, "")
    assert "used before" in again.text


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["start", "callback", "done"])
async def test_no_other_method_is_answered_and_a_preview_uses_no_link_up(site: Site, method: str, path: str) -> None:
    link = await site.link()
    answer = await site.open(link if path == "start" else f"/signin/{path}", method)
    assert answer.status == 405
    assert "Set-Cookie" not in answer.headers
    assert (await site.open(link)).status == 303


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/signin", "/signin/", "/signin/start", "/signin/start/", "/signin/done/", "/docs", "/openapi.json"),
        *("/api/v1/status", "/signin/start/x/y", "/signin/callback/", "/%00", "/favicon.ico"),
        "/signin/../../etc/passwd",
    ],
)
async def test_nothing_else_is_there(site: Site, path: str) -> None:
    answer = await site.open(path)
    assert answer.status == 404
    assert_safe(answer)


@pytest.mark.parametrize("path", ["/nowhere", "/signin/done", "/signin/callback", "/signin/start/x", "link"])
async def test_every_answer_is_kept_nowhere_and_lets_nothing_run(site: Site, path: str) -> None:
    assert_safe(await site.open(await site.link() if path == "link" else path))


def assert_safe(answer: Page) -> None:
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'none'" in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "server" not in {name.lower() for name in answer.headers}
    assert "<script" not in answer.html


HOSTILE = {
    "long": "state=" + "x" * 50_000,
    "repeated state": "state={state}&state={state}&code=1",
    "repeated code": "state={state}&code=1&code=2",
    "NUL": "state={state}&code=%00",
    "no UTF-8": "state={state}&code=%ff%fe",
    "many": "&".join(f"a{n}=1" for n in range(1000)),
    "next": "state={state}&code=x&next=https://evil.example&redirect_uri=//evil.example",
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_hostile_query_ends_on_our_own_clean_page(site: Site, what: str) -> None:
    first = await site.open(await site.link())
    state = returned(first.location.partition("?")[2]).state
    back = await site.open("/signin/callback?" + HOSTILE[what].replace("{state}", state))
    if what == "long":
        assert back.status in (303, 400, 431)
    else:
        assert (back.status, back.location) == (303, "done")
    done = await site.open("/signin/done")
    assert done.status == 400
    assert_safe(done)
    assert "evil" not in done.html


async def test_what_a_stranger_wrote_into_the_answer_is_shown_as_text(site: Site) -> None:
    first = await site.open(await site.link())
    state = returned(first.location.partition("?")[2]).state
    told = urlencode({"state": state, "error": "access_denied", "error_description": f"AADSTS65004: {HTML}\x00\u202e"})
    await site.open(f"/signin/callback?{told}")
    done = await site.open("/signin/done")
    assert_safe(done)
    assert HTML in done.text
    assert "<img" not in done.html
    assert "\u202e" not in done.html


async def test_the_log_holds_no_query(site: Site) -> None:
    first = await site.open(await site.link())
    page = await site.desk.at_microsoft(first.location)
    await site.open(page.location)
    said = site.desk.log.getvalue()
    back = returned(page.location.partition("?")[2])
    assert said
    assert back.code not in said
    assert back.state not in said


async def test_what_nobody_foresaw_shows_a_page_and_no_query_in_the_log(desk: Desk) -> None:
    class Broken:
        def public_url(self) -> str:
            return ""

        async def callback(self, *_: Any) -> None:
            raise ZeroDivisionError

    app = signin.build(lambda: Broken(), desk.logger)  # type: ignore[arg-type,return-value]
    answer = await asgi(app, "/signin/callback", b"state=secret&code=secret")
    assert answer[0] == 500
    assert b"unforeseen" in answer[1]
    assert desk.log.lines("unexpected")
    assert "secret" not in desk.log.getvalue()


async def asgi(app: Any, path: str, query: bytes) -> tuple[int, bytes]:
    """A call without a network. A server would close the connection on what the application raises."""
    status, pieces = 0, []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)
        pieces.append(message.get("body", b""))

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": [], "scheme": "http"}
    with pytest.raises(ZeroDivisionError):
        await app(scope, receive, send)
    return status, b"".join(pieces)


@pytest.mark.parametrize(
    "query", ["state=a&state=a&code=x", "state=a&code=x&code=x", "code=x&state=" + "a" * 50_000, "a&" * 51 + "state=a"]
)
def test_nothing_is_taken_of_a_query_that_microsoft_cannot_have_sent(query: str) -> None:
    assert returned(query) == Return()


def test_pages_escape_what_they_show() -> None:
    pages = [
        signin_pages.connected(Result(HTML, HTML)),
        signin_pages.failed(HTML, HTML),
        signin_pages.failure(PillarboxError("mailbox.bad_address", address=HTML)),
    ]
    for page in pages:
        assert "<script>" not in page
        assert "<img" not in page
        assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("number", "who"),
    [("53003", "An administrator of Microsoft 365"), ("50126", "You yourself"), ("", "Whoever sent you")],
)
def test_a_failure_names_who_can_mend_it(number: str, who: str) -> None:
    assert who in signin_pages.failed(
        f"Microsoft did not let the sign-in through: {number and 'AADSTS'}{number}: words", ""
    )


def test_pages_load_nothing() -> None:
    for page in (signin_pages.unknown(), signin_pages.nothing_here(), signin_pages.connected(Result(ALICE, ALICE))):
        assert "http" not in page
        assert "src=" not in page
        assert "url(" not in page
        assert "viewport" in page
        assert '<html lang="en">' in page
