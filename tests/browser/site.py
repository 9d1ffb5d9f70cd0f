"""An installation to look at: Microsoft played by the emulator, `pillarbox serve`, and somebody with a browser.

Whoever looks is watched over: an error in the browser's console, a dialog, or a request to any other host
than ours and Microsoft's fails the test, whatever it is about.
"""

import asyncio
import shutil
import signal
import smtplib
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Playwright,
    Request,
    StorageState,
)

from tests.journeys.stage import Office
from tests.service import STARTED, Service, serve

PROGRAM: Final = "chromium"
PASSWORD: Final = "correct horse battery"
LOCALES: Final = {"en": "en-GB", "zh-Hant": "zh-TW", "zh-Hans": "zh-CN", "uk": "uk-UA"}
"""What a browser says whose owner reads this language."""
NOBODY: Final = ""
_SECONDS: Final = 20
_HARMLESS: Final = ("Failed to load resource: the server responded with a status of 4", "The specified value ")
"""The browser's own lines about a page that answers with a refusal, and about a value that its field does not take."""


@dataclass
class Watch:
    """What a browser did that it should not have done; `hosts` are those that it may ask."""

    hosts: frozenset[str]
    wrong: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        """Watch over all pages of a browser."""
        context.on("console", self._said)
        context.on("weberror", lambda error: self.wrong.append(f"error in a page: {error.error}"))
        context.on("dialog", self._asked)
        context.on("request", self._requested)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_HARMLESS):
            self.wrong.append(f"{message.type} in the console: {message.text}")

    def _asked(self, dialog: Dialog) -> None:
        self.wrong.append(f"a dialog: {dialog.message}")
        # Nobody waits for it: the page may be gone already.
        asyncio.ensure_future(dialog.dismiss()).add_done_callback(lambda done: done.exception())

    def _requested(self, request: Request) -> None:
        self.requests.append(request.url)
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob", "about") and parts.netloc not in self.hosts:
            self.wrong.append(f"a request to {request.url}")


@dataclass
class Site:
    """A running service, and the browser with which people look at it. `names` are those of what it has."""

    office: Office
    service: Service
    browser: Browser
    folder: Path
    names: dict[str, str] = field(default_factory=dict)
    _sessions: dict[str, StorageState] = field(default_factory=dict)
    _onlookers: dict[tuple[str, str], tuple[Page, Watch]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the console is, by the name that its links have too: a session is one host's."""
        return f"http://localhost:{self.service.ready['http'].rpartition(':')[2]}"

    @property
    def hosts(self) -> frozenset[str]:
        """Those that a browser may ask: we, and Microsoft."""
        return frozenset({urlsplit(self.url).netloc, urlsplit(self.office.emulator.url).netloc})

    @property
    def troubles(self) -> list[str]:
        """What the service's log says of what it did not expect."""
        return [line for line in self.service.lines if "event=unexpected" in line]

    async def api(self, method: str, path: str, value: Any = None) -> Any:
        """The API, as the owner of the installation."""
        call = getattr(self.service.api, method)
        return await asyncio.to_thread(call, path) if value is None else await asyncio.to_thread(call, path, value)

    async def send(
        self,
        mime: bytes,
        *to: str,
        user: str = "printer",
        sender: str = "scanner@contoso.example",
        hello: str = "printer.contoso.example",
    ) -> str:
        """Hand in a mail as a device does that greets so; its queue id."""
        (queue_id,) = await asyncio.to_thread(self._send, [mime], to, user, sender, hello)
        return queue_id

    async def send_all(self, mimes: Sequence[bytes], to: str, *, sender: str) -> list[str]:
        """Hand in many in one connection, which is quicker; their queue ids."""
        return await asyncio.to_thread(self._send, mimes, [to], "printer", sender, "printer.contoso.example")

    def _send(self, mimes: Sequence[bytes], to: Sequence[str], user: str, sender: str, hello: str) -> list[str]:
        host, _, port = self.service.ready["smtp"].rpartition(":")
        queue_ids = []
        with smtplib.SMTP(host, int(port), local_hostname=hello, timeout=_SECONDS) as door:
            door.starttls(context=ssl._create_unverified_context())
            door.login(user, self.names[f"password of {user}"])
            for mime in mimes:
                door.mail(sender)
                for recipient in to:
                    door.rcpt(recipient)
                code, said = door.data(mime)
                if code != 250:
                    raise smtplib.SMTPDataError(code, said)
                queue_ids.append(said.decode().rpartition(" ")[2])
        return queue_ids

    async def settled(self, queue_id: str, *states: str) -> None:
        """Until a message is in one of these states, by the log."""
        seen = ""

        def settled(_lines: list[str]) -> bool:
            nonlocal seen
            seen = self.service.api.get(f"/api/v1/sends/{queue_id}")["message"]["state"]
            return seen in states

        try:
            await asyncio.wait_for(self.service.logged(settled), _SECONDS)
        except TimeoutError:
            raise AssertionError(
                f"{queue_id} is {seen}, not {states}:\n" + "\n".join(self.service.lines[-10:])
            ) from None

    @asynccontextmanager
    async def visitor(self, who: str = "anna", language: str = "en", **options: Any) -> AsyncIterator[Page]:
        """Somebody with a browser of their own, signed in; at its end nothing may have gone wrong in it."""
        async with self.context(language, storage_state=await self._session(who), **options) as (context, _):
            yield await context.new_page()

    @asynccontextmanager
    async def onlooker(self, who: str, language: str = "en") -> AsyncIterator[Page]:
        """As `visitor`, for who only looks: the browser stays open for the next, as to start one takes longer."""
        kept = self._onlookers.pop((who, language), None)
        if kept is None:
            context, watch = await self._opened(language, storage_state=await self._session(who))
            kept = await context.new_page(), watch
        page, watch = kept
        yield page
        self._nothing_went_wrong(watch)
        self._onlookers[who, language] = kept

    @asynccontextmanager
    async def context(self, language: str = "en", **options: Any) -> AsyncIterator[tuple[BrowserContext, Watch]]:
        """A browser of its own, watched over."""
        context, watch = await self._opened(language, **options)
        try:
            yield context, watch
        finally:
            await context.close()
        self._nothing_went_wrong(watch)

    async def _opened(self, language: str, **options: Any) -> tuple[BrowserContext, Watch]:
        context = await self.browser.new_context(locale=LOCALES[language], ignore_https_errors=True, **options)
        context.set_default_timeout(_SECONDS * 1000)
        watch = Watch(self.hosts)
        watch.over(context)
        return context, watch

    def _nothing_went_wrong(self, watch: Watch) -> None:
        assert not watch.wrong, "\n".join([*watch.wrong, *self.troubles])

    async def _session(self, who: str) -> StorageState | None:
        """What the browser of somebody holds who has signed in."""
        if who and who not in self._sessions:
            async with self.visitor(NOBODY) as page:
                await self.sign_in(page, who)
                self._sessions[who] = await page.context.storage_state()
        return self._sessions.get(who)

    async def sign_in(self, page: Page, who: str = "anna", password: str = PASSWORD) -> None:
        """By the form."""
        await page.goto(f"{self.url}/sign-in")
        await page.fill("[name=name]", who)
        await page.fill("[name=password]", password)
        await page.click("main button")
        await page.wait_for_url(lambda url: "/sign-in" not in url)


@asynccontextmanager
async def launched(playwright: Playwright) -> AsyncIterator[Browser]:
    """Debian's Chromium. Its own sandbox does not start as root; all that it opens here is ours."""
    arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
    async with await playwright.chromium.launch(executable_path=shutil.which(PROGRAM), args=arguments) as browser:
        yield browser


@asynccontextmanager
async def open_site(
    office: Office, browser: Browser, folder: Path, environ: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Site]:
    """A service that has just been installed, as long as the context lasts; `environ` sets it."""
    service = await serve(folder, office.settings, environ)
    # It may live longer than one test, after which what is left is killed; if nothing ends it here, it dies with us.
    STARTED.remove(service.process)
    try:
        yield Site(office, service, browser, folder)
    finally:
        await service.end(signal.SIGTERM)
