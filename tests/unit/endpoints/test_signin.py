"""The pages around a sign-in, as a browser sees them: the cookie, clean addresses, headers, and hostile queries."""

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from html import unescape
from typing import Any
from urllib.parse import urlencode, urljoin

import aiohttp
import pytest

from pillarbox.access.audit import Audit
from pillarbox.admin.sign_in_plan import Options
from pillarbox.admin.sign_in_words import Invitation, Note, Result, Return
from pillarbox.core.errors import PillarboxError, Unavailable
from pillarbox.core.vault import Vault
from pillarbox.endpoints import signin, signin_pages
from pillarbox.endpoints.console.by_link import Reader
from pillarbox.endpoints.console.languages import NAMES, language
from pillarbox.endpoints.signin_browser import consented, cookie_header, returned
from pillarbox.endpoints.web import HttpListener
from pillarbox.store.audit import AuditLog
from pillarbox.store.sign_ins import SignIns
from tests.sign_ins import ALICE, BOB, Desk, desk
from tests.unit.emulator.visitor import Page

__all__ = ["desk"]  # a fixture

HTML = '<script>alert(1)</script><img src=x onerror="alert(2)">'
COOKIE = "pillarbox-signin"
KEPT = (Vault(bytes(32)), time.time)
OURS = '<script type="module" src="/static//console.js">'
READER = Reader(language("en"))


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

    async def begin(self, link: str) -> Page:
        """Open a link and press its button."""
        page = await self.open(link)
        assert [(form.action, form.fields) for form in page.forms] == [("", {})], page.text
        return await self.open(link, "POST")

    async def link(self, options: Options = Options(), address: str = ALICE) -> str:  # noqa: B008 - it is frozen
        return (await self.desk.link(await self.desk.mailbox(address), options)).url

    async def sign_in(self, link: str, user: str = ALICE, *, accept: bool = True) -> Page:
        """Open the link and sign in; where Microsoft sends the browser."""
        first = await self.begin(link)
        page = await self.desk.at_microsoft(first.location, user, accept=accept)
        return await self.open(page.location)


def audit_of(desk: Desk) -> Audit:
    return Audit(AuditLog(desk.database, desk.clock), desk.logger)


@pytest.fixture
async def site(desk: Desk) -> AsyncIterator[Site]:
    app = signin.build(lambda: desk.connect, audit_of(desk), desk.logger)
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
    back = await site.sign_in(await site.link(Options(permissions)))
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


async def test_who_connected_what_or_was_refused_is_in_the_audit_log(site: Site) -> None:
    await site.sign_in(await site.link(), BOB)
    await site.sign_in(await site.link())
    rows = await audit_of(site.desk).list(limit=10)
    assert [(row.action, row.subject, row.actor_name, row.outcome) for row in rows] == [
        ("connect_mailbox", ALICE, ALICE, "done"),
        ("connect_mailbox", ALICE, "", "refused"),
    ]
    assert rows[1].code == "sign_in.wrong_account"


async def test_the_cookie_is_for_this_host_and_out_of_reach_of_scripts(site: Site) -> None:
    first = await site.begin(await site.link())
    name, _, rest = first.headers["Set-Cookie"].partition("=")
    value, *flags = rest.split("; ")
    assert (name, len(value)) == (COOKIE, 43)
    assert set(flags) == {"Path=/", "Max-Age=600", "HttpOnly", "SameSite=Lax"}


async def test_with_https_no_other_host_can_plant_the_cookie(site: Site) -> None:
    link = await site.link()
    here = site.desk.public_url
    site.desk.public_url = "https://mail.contoso.example"
    first = await site.open(link, "POST")
    site.desk.public_url = here
    assert first.headers["Set-Cookie"].startswith("__Host-pillarbox-signin=")
    assert first.headers["Set-Cookie"].endswith("; Secure")
    assert "Domain" not in cookie_header("x", secure=True)


async def test_without_the_cookie_no_token_is_asked_for(site: Site) -> None:
    first = await site.begin(await site.link())
    page = await site.desk.at_microsoft(first.location)
    site.session.cookie_jar.clear()
    back = await site.open(page.location)
    assert (back.status, back.location) == (303, "done")
    done = await site.open("/signin/" + back.location)
    assert (done.status, done.title) == (400, "No sign-in was finished here - Pillarbox")
    assert site.desk.token_requests == 0


async def test_the_cookie_of_another_sign_in_does_not_do(site: Site) -> None:
    first = await site.begin(await site.link())
    page = await site.desk.at_microsoft(first.location)
    await site.begin(await site.link(address=BOB))
    await site.open(page.location)
    assert (await site.open("/signin/done")).status == 400
    assert site.desk.token_requests == 0


async def test_a_callback_loaded_twice_shows_the_same_end(site: Site) -> None:
    first = await site.begin(await site.link())
    page = await site.desk.at_microsoft(first.location)
    for _ in range(2):
        await site.open(page.location)
        assert "is connected" in (await site.open("/signin/done")).text
    assert site.desk.token_requests == 1


async def test_a_link_opens_once(site: Site) -> None:
    link = await site.link()
    assert (await site.begin(link)).status == 303
    for method in ("POST", "GET"):
        again = await site.open(link, method)
        assert (again.status, again.location) == (404, "")
        assert "used before" in again.text


async def test_robots_that_follow_a_link_use_nothing_up(site: Site) -> None:
    link = await site.link()
    for _ in range(3):
        page = await site.open(link)
        assert (page.status, page.location, "Set-Cookie" in page.headers) == (200, "", False)
        assert ALICE in page.title
    assert (await site.begin(link)).status == 303


async def test_the_button_may_lead_on_to_microsoft_and_nothing_else_may(site: Site) -> None:
    """Chrome holds every redirect after a form to form-action: Microsoft's, and an organization's own page."""
    page = await site.open(await site.link())
    policy = page.headers["Content-Security-Policy"]
    assert "; form-action 'self' https:; " in policy
    # Of that a form is sent with the origin of its page, too; all else is as everywhere.
    others = {"Content-Security-Policy": policy.replace("'self' https:", "'none'"), "Referrer-Policy": "no-referrer"}
    assert {**page.headers, **others}.items() >= signin_pages.HEADERS.items()


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": "OURS"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "OURS"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_no_other_site_presses_the_button(site: Site, said: dict[str, str], status: int) -> None:
    link = await site.link()
    headers = {name: value.replace("OURS", site.desk.public_url) for name, value in said.items()}
    answer = await site.open(link, "POST", **headers)
    assert (answer.status, COOKIE in answer.headers.get("Set-Cookie", "")) == (status, status == 303)
    if status == 403:
        # It is not used up by that.
        assert (await site.open(link, "POST")).status == 303


async def test_a_link_stays_good_while_microsoft_cannot_be_asked(site: Site) -> None:
    link = await site.link()
    site.desk.microsoft.emulator.faults.add(path="openid-configuration", status=429, retry_after=17, times=1)
    page = await site.open(link, "POST")
    assert (page.status, page.location) == (503, "")
    assert "Nothing was used up" in page.text
    assert "17 seconds" in page.text
    assert (await site.begin(link)).status == 303


async def test_a_passing_fault_at_the_end_says_to_begin_again(site: Site) -> None:
    first = await site.begin(await site.link())
    page = await site.desk.at_microsoft(first.location)
    site.desk.microsoft.emulator.faults.add(path="/token", status=503, retry_after=23, times=1)
    assert (await site.open(page.location)).location == "done"
    done = await site.open("/signin/done")
    assert done.status == 400
    assert "Begin it again in 23 seconds" in done.text
    assert "Nothing to do" not in done.text


@pytest.mark.parametrize("rest", ["", "x", "x/y"])
async def test_a_redirect_uri_with_a_slash_too_many_leaves_no_code_in_the_address(site: Site, rest: str) -> None:
    path = f"/signin/callback/{rest}"
    back = await site.open(f"{path}?code=x&state=y")
    assert (back.status, urljoin(path, back.location)) == (303, "/signin/failed/unforeseen")


async def test_a_store_that_cannot_be_written_leaves_no_code_in_the_address(site: Site) -> None:
    first = await site.begin(await site.link())
    page = await site.desk.at_microsoft(first.location)

    class Full(SignIns):
        async def take(self, id: str) -> bytes | None:
            raise Unavailable("store.full")

    good, site.desk.connect = site.desk.connect, replace(site.desk.connect, sign_ins=Full(site.desk.database, *KEPT))
    back = await site.open(page.location)
    site.desk.connect = good
    assert (back.status, back.location, back.html) == (303, "failed/store", "")
    shown = await site.open("/signin/" + back.location)
    assert shown.status == 503
    assert "could not be written" in shown.text
    assert_safe(shown)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["start", "callback", "done", "failed/store"])
async def test_no_other_method_is_answered(site: Site, method: str, path: str) -> None:
    if (path, method) == ("start", "POST"):
        path, method = "start", "PATCH"
    link = await site.link()
    answer = await site.open(link if path == "start" else f"/signin/{path}", method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST" if path == "start" else "GET")
    assert "Set-Cookie" not in answer.headers
    assert (await site.begin(link)).status == 303


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/signin", "/signin/", "/signin/start", "/signin/start/", "/signin/done/", "/docs", "/openapi.json"),
        *("/api/v1/status", "/signin/start/x/y", "/%00", "/favicon.ico"),
        *("/signin/failed", "/signin/failed/", "/signin/failed/internal", "/signin/failed/store/x"),
        "/signin/../../etc/passwd",
    ],
)
async def test_nothing_else_is_there(site: Site, path: str) -> None:
    answer = await site.open(path)
    assert answer.status == 404
    assert_safe(answer)


@pytest.mark.parametrize(
    "path", ["/nowhere", "/signin/done", "/signin/callback", "/signin/start/x", "/signin/failed/store", "link"]
)
async def test_every_answer_is_kept_nowhere_and_lets_nothing_run(site: Site, path: str) -> None:
    assert_safe(await site.open(await site.link() if path == "link" else path))


def assert_safe(answer: Page, *, copies: bool = False) -> None:
    """Nothing runs; where there is something to copy, our own script alone."""
    policy = answer.headers["Content-Security-Policy"]
    runs = "'self'" if copies else "'none'"
    assert policy.startswith(f"default-src 'none'; style-src 'self'; img-src 'self'; script-src {runs}; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    has_form = "form-action 'self' https:;" in policy
    assert has_form or "form-action 'none';" in policy
    # A form that is sent without a referrer says `Origin: null` of its page.
    assert answer.headers["Referrer-Policy"] == ("same-origin" if has_form else "no-referrer")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "server" not in {name.lower() for name in answer.headers}
    scripts = re.findall("<script[^>]*>", answer.html)
    assert [re.sub("[0-9a-f]{12}", "", one) for one in scripts] == [OURS] * copies


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
    first = await site.begin(await site.link())
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
    first = await site.begin(await site.link())
    state = returned(first.location.partition("?")[2]).state
    told = urlencode({"state": state, "error": "access_denied", "error_description": f"AADSTS65004: {HTML}\x00\u202e"})
    await site.open(f"/signin/callback?{told}")
    done = await site.open("/signin/done")
    assert_safe(done, copies=True)
    assert HTML in done.text
    assert "<img src=x" not in done.html
    assert "\u202e" not in done.html


async def test_the_log_holds_no_query(site: Site) -> None:
    first = await site.begin(await site.link())
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

        async def result(self, *_: Any) -> None:
            raise ZeroDivisionError

    app = signin.build(lambda: Broken(), audit_of(desk), desk.logger)  # type: ignore[arg-type,return-value]
    status, location, _ = await asgi(app, "/signin/callback", b"state=secret&code=secret")
    assert (status, location) == (303, b"failed/unforeseen")
    with pytest.raises(ZeroDivisionError):
        await asgi(app, "/signin/done", b"state=secret")
    status, _, page = await asgi(app, "/signin/failed/unforeseen", b"")
    assert (status, b"unforeseen" in page) == (500, True)
    assert len(desk.log.lines("unexpected")) == 2
    assert "secret" not in desk.log.getvalue()


async def asgi(app: Any, path: str, query: bytes) -> tuple[int, bytes, bytes]:
    """Status, redirect and page of a call without a network; raises what a server would close the connection on."""
    status, location, pieces = 0, b"", []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status, location
        status = message.get("status", status)
        location = dict(message.get("headers", [])).get(b"location", location)
        pieces.append(message.get("body", b""))

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": [], "scheme": "http"}
    await app(scope, receive, send)
    return status, location, b"".join(pieces)


@pytest.mark.parametrize(
    "query", ["state=a&state=a&code=x", "state=a&code=x&code=x", "code=x&state=" + "a" * 50_000, "a&" * 51 + "state=a"]
)
def test_nothing_is_taken_of_a_query_that_microsoft_cannot_have_sent(query: str) -> None:
    assert returned(query) == Return()


def test_pages_escape_what_they_show() -> None:
    pages = [
        signin_pages.ended(READER, Result(HTML, HTML, notes=(Note(HTML),), consent_url=HTML)),
        signin_pages.invitation(READER, Invitation(HTML, HTML), HTML),
        signin_pages.ended(READER, Result(HTML, sentence=HTML, cure=HTML, return_url="https://" + HTML)),
        signin_pages.failure(READER, PillarboxError("mailbox.bad_address", address=HTML)),
    ]
    for page in pages:
        assert "<script>" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("number", "who"),
    [("53003", "An administrator of Microsoft 365"), ("50126", "You can, in your own"), ("", "Whoever sent you")],
)
def test_a_failure_names_who_can_mend_it(number: str, who: str) -> None:
    sentence = f"Microsoft did not let the sign-in through: {number and 'AADSTS'}{number}: words"
    assert who in signin_pages.ended(READER, Result("", sentence=sentence))


def test_pages_load_nothing() -> None:
    """But our own style and mark, which lie beside them."""
    shown = [
        signin_pages.ended(READER, Result(ALICE, ALICE)),
        signin_pages.invitation(READER, Invitation(ALICE, ALICE), "mail.contoso.example"),
    ]
    for page in (signin_pages.unknown(READER), signin_pages.nothing_here(READER), *shown):
        assert "http" not in page
        loaded = re.findall(r"""(?:src|<link[^>]*href)=["']([^"']*)""", page)
        assert loaded
        assert all(re.fullmatch(r"/static/[0-9a-f]{12}/(console\.css|mark\.svg)", one) for one in loaded)
        assert "url(" not in page
        assert "style=" not in page
        assert "viewport" in page
        assert '<html lang="en">' in page


# ---- languages, and an administrator's consent


@pytest.mark.parametrize("tag", NAMES)
async def test_a_page_speaks_the_language_of_the_browser_or_the_one_that_is_chosen(site: Site, tag: str) -> None:
    link = await site.link()
    assert f'<html lang="{tag}">' in (await site.open(link, **{"Accept-Language": tag})).html
    chosen = await site.open(f"{link}?language={tag}", **{"Accept-Language": "uk"})
    assert f'<html lang="{tag}">' in chosen.html
    assert chosen.headers["Set-Cookie"].startswith(f"pillarbox_language={tag}; Path=/; ")
    assert f'<html lang="{tag}">' in (await site.open("/signin/done", **{"Accept-Language": "uk"})).html
    assert (await site.begin(link)).status == 303


@pytest.mark.parametrize("asked", ["tlh", "../../etc", "en%0d%0aSet-Cookie:x=y", ""])
async def test_a_language_that_is_none_of_ours_is_not_kept(site: Site, asked: str) -> None:
    page = await site.open(f"/signin/done?language={asked}")
    assert '<html lang="en">' in page.html
    assert "Set-Cookie" not in page.headers


async def test_who_may_not_agree_has_a_link_for_their_administrator(site: Site) -> None:
    """The administrator agrees on Microsoft's page, comes back to ours, and then the person can sign in."""
    site.desk.microsoft.seed.tenant.grants.clear()
    site.desk.microsoft.seed.web.redirect_uris.append(f"{site.desk.public_url}/signin/callback")
    await site.sign_in(await site.link(), accept=False)
    done = await site.open("/signin/done")
    assert done.status == 400
    assert "Send this link to your administrator" in done.text
    link = re.search(r'data-copies="([^"]+)"', done.html)
    assert link is not None
    url = unescape(link[1])
    assert url.startswith(f"{site.desk.microsoft.emulator.url}/")
    assert "/v2.0/adminconsent?" in url
    assert "script-src 'self'; " in done.headers["Content-Security-Policy"]
    await forget_microsoft(site)
    back = await site.desk.at_microsoft(url, "admin@contoso.example")
    assert "admin_consent=True" in back.location
    came = await site.open(back.location)
    assert (came.status, came.location) == (303, "consent/given")
    assert "your whole organization" in (await site.open("/signin/consent/given")).text
    await forget_microsoft(site)
    # Nobody is asked any more.
    assert (await site.sign_in(await site.link())).location == "done"
    assert "is connected" in (await site.open("/signin/done")).text


async def forget_microsoft(site: Site) -> None:
    """Be signed out there, so that the next sign-in asks who one is."""
    site.desk.visitor.session.cookie_jar.clear()


def test_only_a_link_that_still_works_is_to_be_opened_again() -> None:
    refused = Result(ALICE, code="sign_in.canceled", sentence="x", consent_url="https://login.example/x")
    assert "open your own link again" in signin_pages.ended(READER, replace(refused, again=True))
    for over in (refused, replace(refused, account=ALICE)):
        page = signin_pages.ended(READER, over)
        assert 'data-copies="https://login.example/x"' in page
        assert "open your own link again" not in page


def test_nobody_is_sent_for_a_new_link_whose_own_still_works() -> None:
    interrupted = Result.of(PillarboxError("sign_in.interrupted", reason="x", seconds=5))
    page = signin_pages.ended(READER, replace(interrupted, address=ALICE, again=True))
    assert "Your link still works" in page
    assert "this one was used" not in page
    assert "Open your link again" in signin_pages.unknown(READER)


def test_a_link_that_was_used_does_not_say_that_nothing_was_connected() -> None:
    page = signin_pages.failure(READER, PillarboxError("connect_link.completed"))
    assert "was connected by this link already" in page
    assert "not connected" not in page


async def test_an_administrator_who_does_not_agree_is_told_so(site: Site) -> None:
    back = await site.open("/signin/callback?admin_consent=True&error=access_denied&error_description=AADSTS65004")
    assert (back.status, back.location) == (303, "consent/refused")
    page = await site.open("/signin/consent/refused")
    assert "not granted" in page.text
    assert_safe(page)
    assert (await site.open("/signin/consent/else")).status == 404
    assert site.desk.token_requests == 0


@pytest.mark.parametrize(
    ("query", "how"),
    [
        ("admin_consent=True&tenant=x", "given"),
        ("admin_consent=True&error=x", "refused"),
        ("code=admin_consent", ""),
        ("state=x&code=y", ""),
        ("", ""),
    ],
)
def test_an_administrators_consent_is_told_from_a_sign_in(query: str, how: str) -> None:
    assert consented(query) == how


async def test_what_was_not_granted_is_told_with_a_link_for_an_administrator() -> None:
    note = Note.of("sign_in.not_granted", lacking="Mail.Send")
    page = signin_pages.ended(READER, Result(ALICE, ALICE, notes=(note,), consent_url="https://login.example/x"))
    assert "Missing: Mail.Send" in page
    assert 'data-copies="https://login.example/x"' in page
