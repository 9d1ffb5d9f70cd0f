"""The pages around a sign-in, in the reader's language: what the journey says becomes what is shown.

Shown by the listener of the service (signin.py), and by the one that a command opens on this machine.
"""

from typing import Final
from urllib.parse import urlsplit

from pillarbox.admin.sign_in_words import Invitation, Result
from pillarbox.core.errors import PillarboxError
from pillarbox.core.explain import explain
from pillarbox.endpoints.console.by_link import Reader, headers

HEADERS: Final = headers()
"""Of every answer, redirects too."""
# Browsers hold the redirects after a form to it too: to Microsoft, and from there to an organization's own page.
FORM_HEADERS: Final = headers(form_action="'self' https:")
"""Of the one page with a button."""
COPY_HEADERS: Final = headers(script="'self'")
"""Of a page with something to copy."""


def invitation(reader: Reader, invited: Invitation, host: str) -> str:
    """The page that a link opens: what it is for, and a button. Robots that follow links press none."""
    return reader.page("connect_start.html", invited=invited, host=host)


def ended(reader: Reader, result: Result) -> str:
    """How the sign-in of a browser ended."""
    host = urlsplit(result.return_url).netloc
    if result.account:
        return reader.page("connect_done.html", result=result, host=host)
    return reader.page("connect_failed.html", result=result, host=host, who=_who(result.sentence))


def failure(reader: Reader, error: PillarboxError) -> str:
    """The page of an error."""
    return ended(reader, Result.of(error))


def unknown(reader: Reader) -> str:
    """This browser has finished no sign-in here."""
    return reader.page("connect_unknown.html")


def consented(reader: Reader, *, given: bool) -> str:
    """An administrator comes back from the page where they could agree for all."""
    return reader.page("connect_consent.html", given=given)


def nothing_here(reader: Reader) -> str:
    """An address that is none of ours."""
    return reader.page("connect_nothing.html")


def _who(what: str) -> str:
    """Who must act on what Microsoft said; for what we said ourselves it is whoever runs Pillarbox."""
    said = [found.who for found in explain(what) if found.kind == "aadsts"]
    return said[0] if said else "operator"
