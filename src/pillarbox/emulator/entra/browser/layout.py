"""What all pages of the sign-in are made of: the frame, forms and buttons, and the headers that guard them."""

import base64
import hashlib
import importlib.resources
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pillarbox.emulator.entra.browser.markup import Html, join, tag
from pillarbox.emulator.http import Answer

STYLE = importlib.resources.files(__package__).joinpath("style.css").read_text("utf-8")
SEND = "document.forms[0].submit()"
NOTE = "Pillarbox emulator \u2014 not Microsoft"


@dataclass(frozen=True)
class Form:
    """Where a page posts to, with the fields that nobody sees."""

    path: str
    hidden: Mapping[str, str]


@dataclass(frozen=True)
class Wish:
    """A permission on the consent page: what it is in words, and its small print."""

    text: str
    detail: str


def page(title: str, *inside: Html, status: int = 200, script: str = "") -> Answer:
    """A whole page, with the note whose it is; `script` must be SEND or nothing."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Html(STYLE)),
    )
    main = tag("main", tag("p", "Pillarbox emulator", class_="wordmark"), tag("h1", title), *inside)
    scripts = [tag("script", Html(script))] if script else []
    html = tag("html", head, tag("body", main, tag("footer", NOTE), *scripts), lang="en")
    return Answer(status, f"<!DOCTYPE html>{html}".encode(), {"Content-Type": "text/html; charset=utf-8"} | _guard())


def _guard() -> dict[str, str]:
    """Headers that forbid all but our own style sheet and our own script.

    There is no `form-action`: browsers apply it to redirects too, and the last form ends at the app.
    """
    policy = (
        f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SEND)}; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin",
    }


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def form_of(form: Form, *inside: Html) -> Html:
    """A form with its hidden fields."""
    hidden = [tag("input", type="hidden", name=name, value=value) for name, value in form.hidden.items()]
    return tag("form", *hidden, *inside, method="post", action=form.path)


def actions(*buttons: Html) -> Html:
    """The buttons at the end of a form."""
    return tag("div", *buttons, class_="actions")


def button(text: str, name: str | None = None, value: str | None = None) -> Html:
    """The button that goes on."""
    return tag("button", text, class_="primary", name=name, value=value)


def link(text: str, name: str, value: str) -> Html:
    """A button that looks like a link."""
    return tag("p", tag("button", text, class_="link", name=name, value=value))


def tile(account: str, *inside: Html) -> Html:
    """A button for an account."""
    return tag("button", *inside, class_="account", name="account", value=account)


def decision(yes: str, no: str) -> Html:
    """Two buttons that post a `decision`."""
    cancel = tag("button", no, name="decision", value="cancel")
    return actions(cancel, tag("button", yes, class_="primary", name="decision", value="accept"))


def alert(text: str) -> Html:
    """What went wrong, read out by screen readers; nothing for an empty text."""
    return tag("p", text, class_="error", role="alert") if text else Html()


def wish_list(wishes: Iterable[Wish]) -> Html:
    """Permissions, one by one."""
    return tag("ul", *(tag("li", each.text, tag("small", each.detail)) for each in wishes))


def details(told: Mapping[str, str]) -> Html:
    """What support would ask for."""
    number = told["error_description"].partition(":")[0]
    rows = (
        ("Error code", number),
        ("Trace ID", told["trace_id"]),
        ("Correlation ID", told["correlation_id"]),
        ("Timestamp", told["timestamp"]),
    )
    return tag("dl", *(join(tag("dt", label), tag("dd", value)) for label, value in rows))
