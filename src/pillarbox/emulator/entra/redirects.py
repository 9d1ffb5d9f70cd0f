"""Redirect URIs: which of an app's platforms one belongs to (Microsoft's page reply-url; RFC 8252 7.3 and 8.3)."""

from urllib.parse import quote, urlsplit, urlunsplit

from pillarbox.emulator.entra.refresh_tokens import Platform
from pillarbox.emulator.world import App

LOOPBACK = ("localhost", "127.0.0.1")
"""Hosts on which the port does not count; the IPv6 loopback address is not among them."""
MAY_STAND = "%:/?#[]@!$&'()*+,;=~"


def platform_of(app: App, redirect_uri: str) -> Platform | None:
    """The platform on which that redirect URI is registered, None if it is not.

    Letter by letter the same; on a loopback address the port is ignored, and an empty path is `/`.
    """
    platforms: tuple[tuple[Platform, list[str]], ...] = (
        ("web", app.redirect_uris),
        ("spa", app.spa_redirect_uris),
        ("public", app.public_redirect_uris),
    )
    for same in (str.__eq__, _same_on_loopback):
        for platform, registered in platforms:
            if any(same(each, redirect_uri) for each in registered):
                return platform
    return None


def location(redirect_uri: str) -> str:
    """The URI as it is sent back: a web address without a path gets its slash, and it is fit for a header."""
    parts = urlsplit(redirect_uri)
    if parts.scheme in ("http", "https") and not parts.path:
        redirect_uri = urlunsplit(parts._replace(path="/"))
    return quote(redirect_uri, safe=MAY_STAND)


def _same_on_loopback(registered: str, asked: str) -> bool:
    first, second = _without_port(registered), _without_port(asked)
    return first is not None and first == second


def _without_port(uri: str) -> tuple[str, str, str, str, str] | None:
    """The parts that count of a loopback address, None for any other and for what is no URI."""
    try:
        parts = urlsplit(uri)
        _ = parts.port  # A ValueError if it is no number.
    except ValueError:
        return None
    # User information could disguise another host, and urlsplit takes control characters out without a word.
    disguised = "@" in parts.netloc or not uri.isprintable()
    if disguised or parts.scheme not in ("http", "https") or parts.hostname not in LOOPBACK:
        return None
    return parts.scheme, parts.hostname, parts.path or "/", parts.query, parts.fragment
