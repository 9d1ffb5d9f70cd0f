"""Words of strangers, in every place where a page shows some: nothing of them runs, and nothing asks a foreign host."""

import base64
import contextlib
import smtplib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

import pytest
from playwright.async_api import Page, expect

from pillarbox.emulator.fault import Fault
from tests.browser.furnish import letter
from tests.browser.pages import sends
from tests.browser.site import NOBODY, Site
from tests.browser.vectors import VECTORS

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

_PAUSED: Final = "bob@contoso.example"
"""What this mailbox sends waits, and can be read until then."""
_SHORT: Final = 400
_LONGEST_LOCAL_PART: Final = 62
_STRANGE: Final = """
() => {
  const isStrange = ({ name, value }) => name.startsWith("on") || /^\\s*javascript:/i.test(value)
    || (name !== "value" && /^(https?:)?\\/\\/evil/.test(value));
  const attributes = [...document.querySelectorAll("*")].flatMap((one) => [...one.attributes]).filter(isStrange);
  const scripts = [...document.scripts].filter((one) => !one.src.startsWith(`${location.origin}/static/`));
  return [...attributes.map(({ name, value }) => `${name}=${value}`), ...scripts.map((one) => one.outerHTML)];
}
"""
"""What no page of ours has: handlers, addresses that run, scripts that are not our file."""


@dataclass
class Trap:
    """A page in which nothing may run; `hits` are those that did."""

    page: Page
    hits: list[str] = field(default_factory=list)

    async def sprung(self) -> list[str]:
        """What has run so far, in this page and its frames, and what in them could."""
        # What an error or an animation sets off has had its turn by then.
        await self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        strange: list[str] = await self.page.evaluate(_STRANGE)
        return self.hits + strange


@asynccontextmanager
async def trap(site: Site, who: str) -> AsyncIterator[Trap]:
    """Somebody's browser, in which a hook waits for scripts; foreign requests and dialogs fail at its end."""
    async with site.visitor(who) as page:
        made = Trap(page)
        await page.context.expose_binding("__xss", lambda source: made.hits.append(source["frame"].url))
        yield made


def groups(longest: int = _SHORT) -> Iterator[str]:
    """All vectors, several in one text."""
    text = ""
    for vector in VECTORS:
        if text and len(text) + len(vector) > longest:
            yield text
            text = ""
        text = f"{text} {vector}".strip()
    yield text


def shown(text: str) -> str:
    """A part of a text that a page that escapes shows as it is."""
    return "evil.example" if "evil.example" in text else "xss"


def hostile(vector: str) -> bytes:
    """A mail that says it in every place that a mail has, as no honest program writes one."""
    raw = vector.encode()
    word = f"=?utf-8?B?{base64.b64encode(raw).decode()}?="
    body = base64.encodebytes(raw).decode()
    lines = (
        f"From: {word} <{_PAUSED}>",
        f"To: {word} <alice@contoso.example>",
        f"Subject: {word}",
        "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="b"',
        "",
        "--b",
        'Content-Type: multipart/alternative; boundary="c"',
        "",
        *("--c", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "", body),
        *("--c", "Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: base64", "", body),
        "--c--",
        *("--b", f'Content-Type: text/html; name="{word}"'),
        f"Content-Disposition: attachment; filename*=utf-8''{quote(raw)}",
        *("", "x", "--b--", ""),
    )
    return "\r\n".join(lines).replace("\n", "\r\n").replace("\r\r", "\r").encode()


async def test_the_trap_springs_where_something_runs(site: Site) -> None:
    async with trap(site, NOBODY) as caught:
        await caught.page.set_content("<p>Hello <img src=data:, onerror=__xss()></p>")
        await caught.page.wait_for_function("() => document.images[0].complete")
        assert len(await caught.sprung()) == 2


async def test_nothing_of_a_mail_runs_where_it_is_read(site: Site) -> None:
    ids = await site.send_all([hostile(vector) for vector in VECTORS], "alice@contoso.example", sender=_PAUSED)
    async with trap(site, "alma") as caught:
        for vector, queue_id in zip(VECTORS, ids, strict=True):
            await caught.page.goto(f"{site.url}/outbox/{queue_id}/mail")
            assert await caught.sprung() == [], vector
            await expect(caught.page.locator("main")).to_contain_text("Subject")
            for frame in caught.page.frames[1:]:
                assert await frame.evaluate(_STRANGE) == [], vector


async def test_the_frame_of_a_mail_is_sealed_where_it_is_opened_alone(site: Site) -> None:
    async with trap(site, "alma") as caught:
        for text in groups(4000):
            queue_id = await site.send(hostile(text), "alice@contoso.example", sender=_PAUSED)
            answer = await caught.page.goto(f"{site.url}/outbox/{queue_id}/mail/html")
            assert answer is not None
            assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
            assert await caught.page.evaluate("self.origin") == "null"
            assert await caught.page.evaluate(_STRANGE) == []
            assert caught.hits == []


async def test_a_file_of_a_mail_is_saved_and_never_shown(site: Site) -> None:
    page_of = "<script>__xss()</script>"
    queue_id = await site.send(hostile(page_of), "alice@contoso.example", sender=_PAUSED)
    async with trap(site, "alma") as caught:
        await caught.page.goto(f"{site.url}/outbox/{queue_id}/mail")
        for link in await caught.page.locator("a[href*='/mail/files/'], a[href*='/mail/whole']").all():
            async with caught.page.expect_download() as saving:
                await link.click()
            assert (await (await saving.value).failure()) is None
        assert await caught.sprung() == []


async def test_addresses_and_names_of_machines_do_not_run(site: Site) -> None:
    locals_ = [one for one in VECTORS if len(one) < _LONGEST_LOCAL_PART and one.isascii() and one.isprintable()]
    taken = []
    for vector in locals_:
        local = vector.replace("\\", "\\\\").replace('"', '\\"')
        with contextlib.suppress(smtplib.SMTPResponseException):
            taken.append(
                await site.send(letter(sender=_PAUSED), f'"{local}"@fabrikam.example', sender=_PAUSED, hello=vector)
            )
    assert len(taken) > len(locals_) / 2, "the door takes too few of them for this to be a test"
    async with trap(site, "anna") as caught:
        for queue_id in taken:
            await caught.page.goto(f"{site.url}/outbox/{queue_id}")
            assert await caught.sprung() == []
        await _walk(site, caught, "/outbox?mailbox=bob%40contoso.example")


async def test_what_microsoft_says_does_not_run(site: Site) -> None:
    rules = list(site.office.emulator.faults)
    try:
        async with trap(site, "anna") as caught:
            for text in groups():
                words = "".join(filter(str.isprintable, text))
                refusal = Fault(path="/sendMail", times=1, status=400, code="ErrorInvalidRecipients", message=words)
                site.office.emulator.faults.replace([refusal])
                queue_id = await site.send(letter(), "alice@contoso.example")
                await site.settled(queue_id, "failed", "bounced")
                await caught.page.goto(f"{site.url}/outbox/{queue_id}")
                assert await caught.sprung() == [], words
                await expect(caught.page.locator("#trace")).to_contain_text(shown(words))
                site.office.emulator.faults.replace(
                    [Fault(path="/token", status=400, code="AADSTS7000215", message=f"AADSTS7000215: {words}")]
                )
                await caught.page.goto(f"{site.url}/mailboxes/erp%40contoso.example/test")
                await sends("/test")(caught.page)
                await expect(caught.page.locator(".verdict.bad")).to_be_visible()
                for details in await caught.page.locator(".trials details").all():
                    await details.locator("summary").click()
                assert await caught.sprung() == [], words
            await _walk(site, caught, "/outbox?state=bounced")
            await _walk(site, caught, "/")
    finally:
        site.office.emulator.faults.replace(rules)


def _reflecting(words: str) -> Sequence[str]:
    """Addresses of pages that show what stands in them."""
    filters = ("q", "mailbox", "submitter", "code", "state", "cause", "since", "until", "cursor", "offset")
    return (
        f"/outbox?{urlencode(dict.fromkeys(filters[:4], words))}",
        *(f"/outbox?{urlencode({name: words})}" for name in filters[4:]),
        f"/mailboxes?{urlencode({'contains': words, 'app': words, 'state': words})}",
        f"/audit?{urlencode(dict.fromkeys(('action', 'target', 'actor', 'since', 'until', 'cursor'), words))}",
        f"/start/devices?{urlencode(dict.fromkeys(('name', 'tenant_id', 'client_id'), words))}",
        f"/links/:new?{urlencode(dict.fromkeys(('app', 'address', 'mailbox', 'permissions'), words))}",
        f"/apps/{quote(words, safe='')}",
        f"/submitters/{quote(words, safe='')}",
        f"/{quote(words, safe='')}",
        f"/sign-in?{urlencode({'next': words})}",
    )


async def test_what_stands_in_an_address_does_not_run(site: Site) -> None:
    async with trap(site, "anna") as caught:
        for words in groups(1000):
            for path in _reflecting(words):
                await caught.page.goto(site.url + path)
                assert await caught.sprung() == [], path


_FORMS: Final[Sequence[tuple[str, str, tuple[str, ...]]]] = (
    ("/compose", "/compose", ("to", "cc", "bcc", "subject", "text", "send_at")),
    ("/submitters/:new", "/submitters", ("name", "networks", "recipients", "senders", "rate")),
    ("/keys/:new", "/keys", ("name", "networks", "recipients", "rate")),
    ("/people/:new", "/people", ("name",)),
    ("/mailboxes/:new", "/mailboxes", ("address",)),
    ("/mailboxes/erp%40contoso.example", "/mailboxes/erp%40contoso.example", ("send_limit",)),
    ("/mailboxes/erp%40contoso.example/test", "/test", ("to",)),
    ("/apps/:new", "/apps", ("name", "tenant_id", "client_id")),
    ("/start/devices", "/start/devices", ("name", "tenant_id", "client_id", "ends_on")),
    ("/links/:new", "/links", ("address", "mailbox", "note", "return_url")),
)


@pytest.mark.parametrize(("path", "form", "names"), _FORMS, ids=[path for path, _, _ in _FORMS])
async def test_what_was_typed_does_not_run_where_a_form_is_refused(
    site: Site, path: str, form: str, names: Sequence[str]
) -> None:
    async with trap(site, "anna") as caught:
        for words in groups(1000):
            await caught.page.goto(site.url + path)
            await sends(form, **dict.fromkeys(names, words.replace("{", "{{").replace("}", "}}")))(caught.page)
            assert await caught.sprung() == [], words


async def test_what_people_noted_does_not_run(site: Site) -> None:
    """Reasons and notes, which are kept and shown to others."""
    async with trap(site, "anna") as caught:
        for words in groups():
            note = "".join(filter(str.isprintable, words))
            for path in ("/api/v1/outbox:pause", "/api/v1/mailboxes/erp%40contoso.example:pause"):
                await site.api("post", path, {"reason": note, **({"mailbox": None} if "outbox" in path else {})})
            link: dict[str, Any] = {"app": "people", "address": "note@contoso.example", "note": note}
            made = await site.api("post", "/api/v1/connect-links", link)
            try:
                for path in ("/", "/outbox", "/mailboxes", "/mailboxes/erp%40contoso.example", "/links"):
                    await caught.page.goto(site.url + path)
                    assert await caught.sprung() == [], path
                await expect(caught.page.locator("main")).to_contain_text(shown(note))
            finally:
                await site.api("delete", f"/api/v1/connect-links/{made['id']}")
                for path in ("/api/v1/outbox:resume", "/api/v1/mailboxes/erp%40contoso.example:resume"):
                    await site.api("post", path, {"mailbox": None} if "outbox" in path else None)
        await _walk(site, caught, "/audit")


async def test_what_somebody_types_to_come_in_does_not_run(site: Site) -> None:
    async with trap(site, NOBODY) as caught:
        # A few: whoever guesses often is kept out for a while.
        for words in list(groups(4000))[:3]:
            await caught.page.goto(f"{site.url}/sign-in")
            await sends("/sign-in", name=words.replace("{", "{{").replace("}", "}}"), password="x")(caught.page)
            assert await caught.sprung() == [], words


async def _walk(site: Site, caught: Trap, path: str) -> None:
    """A list to its end, page by page."""
    await caught.page.goto(site.url + path)
    while True:
        assert await caught.sprung() == []
        older = caught.page.locator(".more a")
        if not await older.count():
            return
        await older.click()
