"""A browser on this machine signs in: a listener on 127.0.0.1 for one answer of Microsoft's (RFC 8252 section 7.3).

It is bound to the browser by the same cookie as the service's listener. An answer that is not of this sign-in is shown
a page and changes nothing: any web page may send a browser here.
"""

import http.cookies
import http.server
import queue
import secrets
import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

from pillarbox.admin.sign_in_words import Result, Return
from pillarbox.core.errors import AuthenticationFailed, PillarboxError
from pillarbox.endpoints import signin_pages as pages
from pillarbox.endpoints.console.by_link import Reader, static
from pillarbox.endpoints.signin_browser import cookie_header, cookie_name, returned

_LAST_PAGE: Final = 10.0
"""Seconds that the browser has to fetch the last page."""
_SILENT: Final = 30
"""Seconds after which a connection that says nothing is closed."""


class Loopback:
    """The listener, from the moment that it has a port. Use it as a context manager."""

    def __init__(self) -> None:
        self._way = f"/start/{secrets.token_urlsafe(16)}"
        self._opened = threading.Lock()
        self._answers: queue.SimpleQueue[Return] = queue.SimpleQueue()
        self._url = self._browser = self._state = ""
        self._page: Callable[[Reader], str] = pages.unknown
        self._shown, self._ended = threading.Event(), threading.Event()
        self._server = _Server(("127.0.0.1", 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, name="loopback", daemon=True)

    def __enter__(self) -> "Loopback":
        self._thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def redirect_uri(self) -> str:
        """Where Microsoft sends the browser: registered is `http://localhost`, and the port does not count."""
        return f"http://localhost:{self._server.server_address[1]}"

    @property
    def start_url(self) -> str:
        """Where the person begins, once."""
        return self.redirect_uri + self._way

    def expect(self, url: str, browser: str) -> None:
        """Send the browser that begins to `url`, and take an answer from it alone."""
        self._url, self._browser = url, browser
        self._state = parse_qs(urlsplit(url).query)["state"][0]

    def wait(self, seconds: float, finish: Callable[[Return], Result]) -> None:
        """Give the answer to `finish`, and show the browser what it returns or raises, whatever that is.

        Raises AuthenticationFailed `sign_in.timeout`, and what `finish` raises.
        """
        try:
            answer = self._answers.get(timeout=seconds)
        except queue.Empty as error:
            raise AuthenticationFailed("sign_in.timeout", minutes=round(seconds / 60)) from error
        page = partial(pages.failure, error=PillarboxError("internal"))
        try:
            page = partial(pages.ended, result=finish(answer))
        except PillarboxError as error:
            page = partial(pages.failure, error=error)
            raise
        finally:
            self._end(page)

    def _end(self, page: Callable[[Reader], str]) -> None:
        self._page = page
        self._ended.set()
        self._shown.wait(_LAST_PAGE)

    def answer(self, path: str, query: str, cookie: str, reader: Reader) -> tuple[int, dict[str, str], str]:
        """Status, headers and page for a GET. Called in a thread for each connection."""
        if found := static(path):
            return 200, {"Content-Type": found[1]}, found[0].decode()
        if path == self._way and self._url and self._opened.acquire(blocking=False):
            return 303, {"Location": self._url, "Set-Cookie": cookie_header(self._browser, secure=False)}, ""
        if path == "/" and query:
            return self._returned(returned(query), cookie, reader)
        if path == "/done" and self._ended.is_set() and self._ours(cookie):
            return 200, {}, self._page(reader)
        return 404, {}, pages.nothing_here(reader)

    def _returned(self, back: Return, cookie: str, reader: Reader) -> tuple[int, dict[str, str], str]:
        if not (self._ours(cookie) and _same(back.state, self._state)):
            return 400, {}, pages.unknown(reader)
        self._answers.put(back)
        self._ended.wait()
        return 303, {"Location": "/done"}, ""

    def _ours(self, cookie: str) -> bool:
        return bool(self._browser) and _same(cookie, self._browser)

    def page_was_sent(self) -> None:
        """The last page is with the browser."""
        self._shown.set()


class _Server(http.server.ThreadingHTTPServer):
    """One thread for each connection: browsers open some that they never use."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], loopback: Loopback) -> None:
        super().__init__(address, _Handler)
        self.loopback = loopback

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """A browser that went away is no error of ours, and a trace would hold the query."""


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = _SILENT

    def do_GET(self) -> None:
        """Answer, and nothing else than GET."""
        loopback = self.server.loopback  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        reader = Reader.of(dict(parse_qsl(parts.query)), {}, self.headers.get("Accept-Language", ""))
        status, headers, page = loopback.answer(parts.path, parts.query, self._cookie(), reader)
        body = page.encode()
        self.send_response_only(status)
        for name, value in {**pages.HEADERS, **headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        if parts.path == "/done" and status == 200:
            loopback.page_was_sent()

    def log_message(self, *_arguments: Any) -> None:
        """Nothing: there is a code in the address."""

    def _cookie(self) -> str:
        try:
            found = http.cookies.SimpleCookie(self.headers.get("Cookie", "")).get(cookie_name(secure=False))
        except http.cookies.CookieError:
            return ""
        return found.value if found else ""


def _same(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def seconds_until(moment: float) -> float:
    """Seconds from now until a moment (since 1970)."""
    return max(0.0, moment - time.time())
