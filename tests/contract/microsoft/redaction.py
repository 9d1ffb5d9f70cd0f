"""What may be written down of a tenant's answers: words of Microsoft's, never a name, id, secret or text of people's.

It refuses by default. A string of JSON is kept only where the key is known to carry Microsoft's own words, or where the
text is one that the suite itself had sent; all others become their kind: `<string>`, `<guid>`, `<date>`.
"""

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from tests.contract.microsoft.hosts import without_hosts
from tests.contract.microsoft.naming import NAME, without_bracketed, without_names

KEPT = frozenset(
    (
        "@odata.context",
        "@odata.type",
        "NameSpaceType",
        "account_type",
        "alg",
        "appidacr",
        "aud",
        "authorization_endpoint",
        "cloud_audience_urn",
        "cloud_instance_name",
        "code",
        "contentType",
        "device_authorization_endpoint",
        "end_session_endpoint",
        "error",
        "error_description",
        "error_uri",
        "flagStatus",
        "idtyp",
        "importance",
        "inferenceClassification",
        "issuer",
        "jwks_uri",
        "kty",
        "message",
        "nextExpectedRanges",
        "request_uri",
        "resource",
        "roles",
        "scope",
        "scp",
        "suberror",
        "tenant_discovery_endpoint",
        "token_endpoint",
        "token_type",
        "use",
        "ver",
        "verification_uri",
    )
)
"""Keys whose strings are Microsoft's words; what is private inside of them is taken out all the same."""
KEPT_NUMBERS = frozenset(("error_codes", "interval"))
HEADERS = frozenset(
    ("allow", "cache-control", "content-type", "pragma", "preference-applied", "www-authenticate", "content-length")
)
"""Headers whose values are harmless; of all others there is only the name."""
NAMES = frozenset(("name", "displayName"))
"""Some people are called like their addresses; what kind of a name it is tells nothing."""

LONG = 40
"""No word of Microsoft's with a figure in it is so long."""

MUCH = 10_000
"""Of a longer string, contents of a file perhaps, the rest is not even looked at."""

_MESSAGE_ID = re.compile(r"<([^<>@\s]+@[^<>\s]+)>")
_DATES = (
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?",
    r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d(?::\d\d)?(?: [AP]M)?",
    r"(?:[A-Z][a-z]{2}, ?)?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d(?::\d\d)?(?: [+-]\d{4}| GMT)?",
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\beyJ[\w-]*\.[\w-]+\.[\w-]*"), "<token>"),
    (re.compile(r"(?<=enter the code )\S+"), "<code>"),
    (re.compile(r"[\w.+=%-][\w.+=%'-]{0,63}(?:@|%40)(?:<domain>|[\w-]+(?:\.[\w-]+)+)"), "<address>"),
    (re.compile(r"\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b"), "<guid>"),
    *((re.compile(each), "<date>") for each in _DATES),
)
_KIND = re.compile(r"<(?!opaque|ip|name)[\w:]+>")
"""Placeholders that say of what kind a string is, the same on each run."""
_OPAQUE = re.compile(r"[A-Za-z0-9+/=_-]{12,}")


class Redaction:
    """Takes out what is private. `known` are pairs of a value and its placeholder, `run` is the id of the run, `names`
    are those of the tenant, its apps and people: they go where they stand as words of their own."""

    def __init__(self, known: Iterable[tuple[str, str]], run: str, names: Iterable[str] = ()) -> None:
        pairs = {value.casefold(): placeholder for value, placeholder in reversed([*known]) if value}
        pairs |= {quote(value, safe="").casefold(): placeholder for value, placeholder in pairs.items()}
        pairs[run.casefold()] = "<run>"
        self._pairs = pairs
        patterns = {form: _as_words(form) for name in names for form in _forms(name)}
        patterns |= {value: re.escape(value) for value in pairs}
        # The longest first: a domain stands within an address.
        longest = sorted(patterns, key=len, reverse=True)
        self._known = re.compile("|".join(patterns[each] for each in longest), re.IGNORECASE)

    def text(self, text: str) -> str:
        """A text of Microsoft's without what is private."""
        text = _MESSAGE_ID.sub(self._message_id, text)
        text = self._known.sub(lambda found: self._pairs.get(found[0].casefold(), NAME), text)
        text = without_names(text)
        for pattern, placeholder in _PATTERNS:
            text = pattern.sub(placeholder, text)
        text = without_hosts(without_bracketed(text))
        return _OPAQUE.sub(lambda found: "<opaque>" if _is_opaque(found[0]) else found[0], text)

    def value(self, value: Any, key: str = "") -> Any:
        """Any JSON: its shape, with strings and numbers where they may be kept. Of several objects, the first."""
        if isinstance(value, Mapping):
            return {self.text(name): self.value(each, name) for name, each in value.items()}
        if isinstance(value, list):
            few = value[:1] if value and isinstance(value[0], Mapping | list) else value
            return [self.value(each, key) for each in few]
        if isinstance(value, str):
            return self._string(value, key)
        if isinstance(value, bool) or value is None or key in KEPT_NUMBERS:
            return value
        return "<number>"

    def headers(self, headers: Mapping[str, str]) -> dict[str, str | None]:
        """The names of all headers in lower case, and the values of those that are harmless."""
        lower = {name.lower(): value for name, value in headers.items()}
        return {name: self.text(lower[name]) if name in HEADERS else None for name in sorted(lower)}

    def _message_id(self, found: re.Match[str]) -> str:
        return found[0] if found[1].casefold() in self._pairs else "<message-id>"

    def _string(self, value: str, key: str) -> str:
        text = self.text(value[:MUCH])
        if len(value) > MUCH:
            return "<ours>" if "<run>" in text else "<string>"
        if not value or key in KEPT or key.endswith("_supported"):
            return text
        if "<run>" in text:
            return "<ours>"
        if key in NAMES:
            return "<string>"
        if value.isdecimal():
            return "<number>"
        return text if _KIND.fullmatch(text) else "<string>"


def _forms(name: str) -> set[str]:
    """The name as texts, OData, HTML and addresses write it."""
    apostrophe = html.escape(name)
    return {name, name.replace("'", "''"), apostrophe, apostrophe.replace("&#x27;", "&#39;"), quote(name, safe="")}


def _as_words(name: str) -> str:
    """A pattern for the name where no word goes on, with whatever blanks between its own."""
    words = r"\s+".join(map(re.escape, name.split()))
    return rf"(?<!\w){words}(?!\w)"


def _is_opaque(word: str) -> bool:
    """Whether that is an id rather than a word: base64 and hexadecimal are full of figures."""
    figures = sum(sign.isdigit() for sign in word)
    if re.fullmatch(r"[a-z]+(?:-[a-z0-9]+)+=?|[a-z]+(?:_[a-z]+)+=|\d+-\d*|AADSTS\d+", word):
        return False
    hexadecimal = figures > 0 and re.fullmatch(r"[0-9A-F]+", word) is not None
    return figures >= 3 or hexadecimal or word.endswith("=") or (figures > 0 and len(word) >= LONG)
