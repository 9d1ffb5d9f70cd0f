"""What may be written down of a tenant's answers: words of Microsoft's, never a name, id, secret or text of people's.

It refuses by default. A string of JSON is kept only where the key is known to carry Microsoft's own words, or where the
text is one that the suite itself had sent; all others become their kind: `<string>`, `<guid>`, `<date>`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

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
KEPT_HOSTS = frozenset(("aka.ms", "sts.windows.net"))

LONG = 40
"""No word of Microsoft's with a figure in it is so long."""

MUCH = 10_000
"""Of a longer string, contents of a file perhaps, the rest is not even looked at."""

_MESSAGE_ID = re.compile(r"<([^<>@\s]+@[^<>\s]+)>")
_QUOTED = re.compile(r"'([^'\r\n]*)'( ?\([^()\r\n]*\))?")
_PUBLIC = re.compile(
    r"\$?[a-z]+(?:_[a-z]+)+|Microsoft\.[\w.]+|microsoft\.graph\.\w+|\$\w+|nonsense|magic|none|scope|resource"
)
"""What Microsoft may quote: names of parameters and types, and our own bad words. Else: names of tenants and apps."""
_TLD = r"(?:com|net|org|gov|edu|mil|info|biz|cloud|example|local|invalid|[a-z]{2})"
_HOST = re.compile(rf"\blocalhost(?::\d+)?\b|\b(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+{_TLD}\b(?::\d+)?")
_DATES = (
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?",
    r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d(?::\d\d)?(?: [AP]M)?",
    r"(?:[A-Z][a-z]{2}, ?)?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d(?::\d\d)?(?: [+-]\d{4}| GMT)?",
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\beyJ[\w-]*\.[\w-]+\.[\w-]*"), "<token>"),
    (re.compile(r"(?<=enter the code )\S+"), "<code>"),
    (re.compile(r"[\w.+=%-]{1,64}(?:@|%40)[\w-]+(?:\.[\w-]+)+"), "<address>"),
    (re.compile(r"\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b"), "<guid>"),
    *((re.compile(each), "<date>") for each in _DATES),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b(?:[0-9a-f]{0,4}:){3,7}[0-9a-f]{0,4}\b"), "<ip>"),
)
_KIND = re.compile(r"<(?!opaque|ip)[\w:]+>")
"""Placeholders that say of what kind a string is, the same on each run."""
_OPAQUE = re.compile(r"[A-Za-z0-9+/=_-]{12,}")


class Redaction:
    """Takes out what is private; `known` are pairs of a value and its placeholder, `run` is the id of the run."""

    def __init__(self, known: Iterable[tuple[str, str]], run: str) -> None:
        pairs = {value.casefold(): placeholder for value, placeholder in reversed([*known]) if value}
        pairs |= {quote(value, safe="").casefold(): placeholder for value, placeholder in pairs.items()}
        pairs[run.casefold()] = "<run>"
        # The longest first: a domain stands within an address.
        longest = sorted(pairs, key=len, reverse=True)
        self._pairs = pairs
        self._known = re.compile("|".join(map(re.escape, longest)), re.IGNORECASE)

    def text(self, text: str) -> str:
        """A text of Microsoft's without what is private."""
        text = _MESSAGE_ID.sub(self._message_id, text)
        text = self._known.sub(lambda found: self._pairs[found[0].casefold()], text)
        text = _QUOTED.sub(_quoted, text)
        for pattern, placeholder in _PATTERNS:
            text = pattern.sub(placeholder, text)
        text = _HOST.sub(lambda found: found[0] if found[0] in KEPT_HOSTS else "<host>", text)
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


def _quoted(found: re.Match[str]) -> str:
    """What stands in quotes; behind an id in quotes the name follows in brackets."""
    word = found[1] if _PUBLIC.fullmatch(found[1]) else "<quoted>"
    return f"'{word}'{' (<name>)' if found[2] else ''}"


def _is_opaque(word: str) -> bool:
    """Whether that is an id rather than a word: base64 and hexadecimal are full of figures."""
    figures = sum(sign.isdigit() for sign in word)
    if re.fullmatch(r"[a-z]+(?:-[a-z0-9]+)+|\d+-\d*", word):
        return False
    hexadecimal = figures > 0 and re.fullmatch(r"[0-9A-F]+", word) is not None
    return figures >= 3 or hexadecimal or word.endswith("=") or (figures > 0 and len(word) >= LONG)
