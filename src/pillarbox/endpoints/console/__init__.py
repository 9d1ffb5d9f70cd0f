"""The console: pages for people, made on the server. It is a client of the API, within the process.

    door        who is there: session, form token, headers        page     one request, as its handler sees it
    app         the application: which handler has which path     pages/   the handlers, a file a subject
    calls       the API, asked as whoever is signed in            words    what is said, in the reader's language
    once        what a page tells once, such as a password
    templates/  HTML (Jinja2)      static/  style and script      locales/ translations (gettext)

A handler asks the API and shows a template; nothing is decided here. What a person may not do, the API refuses.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from pillarbox.core.log import Logger
    from pillarbox.endpoints.api.session_cookie import SessionCookie
    from pillarbox.endpoints.console.app import Console

WORDS: Final = (
    "about",
    "account",
    "apps",
    "audit",
    "compose",
    "doctor",
    "keys",
    "language",
    "links",
    "live",
    "mailboxes",
    "outbox",
    "people",
    "settings",
    "sign-in",
    "sign-out",
    "start",
    "static",
    "submitters",
)
"""The first words of its paths: no path of http.public_url may begin so."""


class Lazy:
    """The console, made when somebody first looks: a gateway that nobody looks at needs none of it."""

    def __init__(self, api: "ASGIApp", cookie: "SessionCookie", log: "Logger", prefix: str) -> None:
        self._api = api
        self._cookie = cookie
        self._log = log
        self._prefix = prefix

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """See ASGI."""
        await self._console(scope, receive, send)

    @cached_property
    def _console(self) -> "Console":
        from pillarbox.endpoints.console.app import Console
        from pillarbox.endpoints.console.door import Door
        from pillarbox.endpoints.console.pages import ALL

        made = Console(Door(self._api, self._cookie), self._log, self._prefix)
        for subject in ALL:
            subject.add(made)
        return made
