"""The pages around a sign-in: plain HTML without script, without anything from outside, readable on a phone.

What stands in them may have come from a stranger: everything is escaped, and the policy lets nothing run or load.
"""

import base64
import hashlib
from html import escape
from typing import Final
from urllib.parse import urlsplit

from pillarbox.admin.sign_in_words import Invitation, Result
from pillarbox.core.errors import PillarboxError
from pillarbox.core.explain import explain

_STYLE: Final = """
:root { color-scheme: light dark }
body { font: 1.0625rem/1.55 system-ui, sans-serif; margin: 0; padding: 1.5rem; background: Canvas; color: CanvasText }
main { max-width: 34rem; margin: 8vh auto 0; overflow-wrap: anywhere }
.mark { font-size: .875rem; letter-spacing: .04em; opacity: .7; margin: 0 0 2rem }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem }
h2 { font-size: 1rem; margin: 1.5rem 0 .25rem }
p { margin: 0 0 .75rem }
button { font: inherit; font-weight: 600; margin: .75rem 0; padding: .6rem 1.25rem; border: 0; border-radius: .375rem;
  background: #1d4ed8; color: #fff; cursor: pointer }
label { display: block; margin: 0 0 .75rem }
input { display: block; box-sizing: border-box; width: 100%; font: inherit; margin: .25rem 0 0; padding: .5rem .75rem;
  border: 1px solid GrayText; border-radius: .375rem; background: Field; color: FieldText }
.wrong { border-left: .25rem solid #9a3412; padding-left: .75rem }
button:focus-visible, input:focus-visible { outline: 3px solid CanvasText; outline-offset: 2px }
.done h1::before { content: "\\2713\\00a0"; color: #1a7f37 }
.failed h1::before { content: "!"; display: inline-block; width: 1.5em; height: 1.5em; margin-right: .5em;
  border-radius: 50%; background: #9a3412; color: #fff; text-align: center; line-height: 1.5em; font-size: .7em;
  vertical-align: .15em }
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

_HELPERS: Final = {
    "user": "You yourself, as it is about your own account; otherwise whoever sent you here.",
    "admin": "An administrator of Microsoft 365 in your organization. Show them this page.",
    "operator": "Whoever sent you here. Show them this page.",
    "microsoft": "Nobody: it is Microsoft's, and passes. Begin again later.",
}
"""Who must act, by the words of catalogue.WHO, as said to the person who signed in."""

HEADERS: Final[dict[str, str]] = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer, redirects too: an address with a code in it is told to nobody and kept nowhere."""
_POLICY: Final = "Content-Security-Policy"
# Browsers hold the redirects after a form to it too: to Microsoft, and from there to an organization's own page.
FORM_HEADERS: Final = {**HEADERS, _POLICY: HEADERS[_POLICY].replace("form-action 'none'", "form-action 'self' https:")}
"""Of the one page with a button."""


def invitation(invited: Invitation) -> str:
    """The page that a link opens: what it is for, and a button. Robots that follow links press none."""
    can = "send mail from it, and read its mail" if invited.reads else "send mail from it"
    whose = "" if invited.user == invited.address else ", who has rights on the mailbox"
    often = "You can try again until it went well." if invited.again else "The button works once."
    return page(
        "invited",
        f"Connect {invited.address}",
        paragraph(
            f"You go on to Microsoft and sign in there as {invited.user}{whose}. Then whoever sent you here can {can}, "
            "by their Pillarbox. Your password stays with Microsoft."
        ),
        paragraph(f"Stay in this browser until you are back here. {often}"),
        '<form method="post"><button>Sign in with Microsoft</button></form>',
    )


def connected(result: Result) -> str:
    """The sign-in went well."""
    return page(
        "done",
        "Signed in",
        paragraph(f"{result.address} is connected. {result.account} signed in."),
        *map(paragraph, result.notes),
        _way_on(result.return_url) or paragraph("You can close this window."),
    )


def not_connected(result: Result) -> str:
    """The sign-in of a browser connected nothing."""
    again = paragraph("Your link still works: open it again to try once more.") if result.again else ""
    return failed(result.sentence, result.cure, again, _way_on(result.return_url))


def failed(what: str, cure: str, *more: str) -> str:
    """The sign-in connected nothing: what happened, and what helps."""
    return page(
        "failed",
        "The mailbox was not connected",
        paragraph(what),
        _h("What helps", cure),
        _h("Who can help", _HELPERS[_who(what)]),
        *more,
    )


def _way_on(url: str) -> str:
    """A link to where the person came from. Never a redirect: they are to see first how it went."""
    return f'<p><a href="{escape(url)}">Go on to {escape(urlsplit(url).netloc)}</a></p>' if url else ""


def _who(what: str) -> str:
    """Who must act on what Microsoft said; for what we said ourselves it is whoever runs Pillarbox."""
    said = [found.who for found in explain(what) if found.kind == "aadsts"]
    return said[0] if said and said[0] in _HELPERS else "operator"


def failure(error: PillarboxError) -> str:
    """The page of an error."""
    return failed(error.sentence, error.cure)


def unknown() -> str:
    """This browser has finished no sign-in here."""
    return page(
        "failed",
        "No sign-in was finished here",
        paragraph(
            "In this browser no sign-in waits for an answer. It took more than 10 minutes, was begun in another "
            "browser, or is finished already."
        ),
        _h("What helps", "Ask for a new link, open it, and stay in the same browser until the end."),
        _h("Who can help", "Whoever sent you the link. Nothing was changed."),
    )


def nothing_here() -> str:
    """An address that is none of ours."""
    return page("failed", "There is nothing here", paragraph("To sign in, open the link that you were sent, whole."))


def page(kind: str, title: str, *parts: str) -> str:
    """A page of ours. `parts` are HTML; all else is escaped."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} - Pillarbox</title>\n<style>{_STYLE}</style>\n</head>\n"
        f'<body>\n<main class="{kind}">\n<p class="mark">Pillarbox</p>\n<h1>{escape(title)}</h1>\n'
        + "\n".join(filter(None, parts))
        + "\n</main>\n</body>\n</html>\n"
    )


def paragraph(text: str) -> str:
    """A paragraph of this text, escaped."""
    return f"<p>{escape(_plain(text))}</p>"


def _h(title: str, text: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{paragraph(text)}" if text else ""


def _plain(text: str) -> str:
    """Without control characters, and without marks that turn the direction of a text around."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
