"""Addresses that a bearer token may go to: below one Graph, whatever a person types and whatever an answer links to.

An address is always built anew from our own root, and never taken over from outside, so that there is no way of
writing one that leads to another host.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from yarl import URL

from pillarbox.core.errors import Forbidden, InvalidInput

VERSIONS: Final = ("v1.0", "beta")
_WITH_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_IN_PATH: Final = "/:@!$&'()*+,;=-._~%"
_IN_QUERY: Final = _IN_PATH + "?"
"""What stands for itself there (RFC 3986 sections 3.3 and 3.4); the percent sign begins what is encoded already."""


class Root:
    """The one Graph that is talked to."""

    def __init__(self, graph_url: str) -> None:
        # Normalised once, such as a host with letters beyond ASCII.
        self._url = str(URL(graph_url)).rstrip("/")
        self._parts = urlsplit(self._url)

    @property
    def host(self) -> str:
        """Host, with the port where one was given."""
        return self._parts.netloc

    def below(self, path: str, version: str) -> URL:
        """The address of a path such as `/me/messages?$top=5`, written as a person writes it.

        A version that the path begins with takes the place of `version`, as Microsoft's reference writes it so. What
        must be percent-encoded is; what is encoded already stays. Raises InvalidInput `graph.bad_path`.
        """
        rest = encoded(path)
        first = rest[1:].partition("/")[0].partition("?")[0]
        return URL(f"{self._url}{rest if first in VERSIONS else f'/{version}{rest}'}", encoded=True)

    def linked(self, link: str) -> URL:
        """The address that an answer of Graph links to, such as its `@odata.nextLink`.

        Raises Forbidden `graph.foreign_link` unless scheme, host and port are ours and the path lies below a version.
        """
        try:
            rest = self._rest(link)
            if rest is None:
                raise Forbidden("graph.foreign_link", link=_shown(link), host=self.host)
            return URL(self._url + encoded(rest), encoded=True)
        except (ValueError, InvalidInput) as error:
            raise Forbidden("graph.foreign_link", link=_shown(link), host=self.host) from error

    def address(self, path: str, version: str) -> URL:
        """`below` for a path, `linked` for a whole address."""
        return self.linked(path) if _WITH_SCHEME.match(path) else self.below(path, version)

    def _rest(self, link: str) -> str | None:
        """What stands behind our root in a link; None where it does not begin with it."""
        _refuse_odd_characters(link)  # urlsplit would take some of them out in silence
        theirs = urlsplit(link)
        if _origin(link) != _origin(self._url) or "@" in theirs.netloc:
            return None
        before = self._parts.path
        if not theirs.path.startswith(tuple(f"{before}/{version}/" for version in VERSIONS)):
            return None
        path = theirs.path[len(before) :]
        return f"{path}?{theirs.query}" if theirs.query else path


@lru_cache(4096)  # those of mailboxes come with each message
def encoded(path: str) -> str:
    """A path and its query, percent-encoded. Raises InvalidInput `graph.bad_path` for what could lead elsewhere.

    `#` is part of what is asked for, as no fragment is ever sent. Pure.
    """
    path = "/" + path.strip(" ").removeprefix("/")
    _refuse_odd_characters(path)
    plain, mark, query = path.partition("?")
    segments = plain.split("/")[1:]
    if "" in segments[:-1]:
        raise InvalidInput("graph.bad_path", path=path, reason="it has an empty part (//)")
    if any(unquote(segment) in (".", "..") for segment in segments):
        raise InvalidInput("graph.bad_path", path=path, reason="it has a part . or ..")
    return _quoted(plain, _IN_PATH) + mark + _quoted(query, _IN_QUERY)


def _refuse_odd_characters(text: str) -> None:
    if any(c == "\\" or unicodedata.category(c) in ("Cc", "Cs") for c in text):
        raise InvalidInput("graph.bad_path", path=_shown(text), reason="it has a backslash or a control character")


def _quoted(text: str, safe: str) -> str:
    return quote(_STRAY_PERCENT.sub("%25", text), safe=safe)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _shown(text: str) -> str:
    """A link as it may be shown: without its query, which may hold what opens a page."""
    plain = text.partition("?")[0][:200]
    return "".join(c if c.isprintable() else "?" for c in plain)
