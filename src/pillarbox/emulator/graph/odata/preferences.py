"""What a client prefers, by the Prefer header (RFC 7240; Microsoft's preferences: facts 3.1)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.http import Call

_PART = re.compile(r'\s*([^\s=,;"]+)\s*(?:=\s*(?:"([^"]*)"|([^\s,;"]*)))?\s*(?:;[^,]*)?(?:,|$)')
MAX_LENGTH = 2000
"""Characters of the header that are looked at."""


@dataclass
class Preferences:
    """The preferences that are granted; `applied` is how the answer names them."""

    immutable_ids: bool = False
    body: Literal["text", "html", ""] = ""
    max_page: int | None = None
    applied: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, call: Call, gaps: Gaps, max_page: int = 0) -> "Preferences":
        """Those of a request; others are ignored, as RFC 7240 allows, and noted. `max_page` 0: there are no pages."""
        found = cls()
        for name, value in _parts(call.headers.get("Prefer", "")[:MAX_LENGTH]):
            applied = found._grant(name.lower(), value, max_page)
            if applied:
                found.applied.append(applied)
            else:
                gaps.add(call.method, call.path, f"Prefer: {name}")
        return found

    @property
    def headers(self) -> dict[str, str]:
        """The header that says what was applied; none if nothing was."""
        return {"Preference-Applied": ", ".join(self.applied)} if self.applied else {}

    def page_size(self, top: int | None, default: int) -> int:
        """How many entities a page has: the smaller of what was asked for, else `default`."""
        return min(filter(None, (top, self.max_page)), default=default)

    def _grant(self, name: str, value: str, max_page: int) -> str:
        """Take one preference to heart; gives its name for the answer, empty if it is not granted."""
        word = value.lower()
        if name == "idtype" and word == "immutableid":
            self.immutable_ids = True
            return 'IdType="ImmutableId"'
        if name == "outlook.body-content-type" and word in ("text", "html"):
            self.body = "text" if word == "text" else "html"
            return f'outlook.body-content-type="{word}"'
        if name == "outlook.allow-unsafe-html":
            return name
        if name == "odata.maxpagesize" and max_page and re.fullmatch(r"0*[1-9]\d{0,8}", value, re.ASCII):
            self.max_page = min(int(value), max_page)
            return f"odata.maxpagesize={self.max_page}"
        return ""


def _parts(header: str) -> Iterator[tuple[str, str]]:
    at = 0
    while found := _PART.match(header, at):
        yield found[1], found[2] or found[3] or ""
        at = found.end()
        if at >= len(header):
            break
