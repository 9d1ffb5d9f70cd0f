"""In which form an answer may come: the Accept header (RFC 9110 section 12.5.1, OData JSON Format 4.01 section 3)."""

import re

from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.request import Request

ANY = ("*/*", "application/*")
JSON = "application/json"
GIVEN = {
    "charset": ("utf-8",),
    "exponentialdecimals": ("false",),
    "ieee754compatible": ("false",),
    "metadata": ("minimal",),
    "streaming": ("true", "false"),
}
"""Parameters of JSON (OData's without `odata.`) and the values that our answers fit."""
NEVER = re.compile(r"0(\.0*)?")
MAX_LENGTH = 2000
"""Characters of the header that are looked at."""


def check_accept(request: Request) -> None:
    """Refuse a client that takes nothing that we give, JSON with minimal metadata, and note what it takes.

    Microsoft has full metadata and none too; which status and code refuse the rest is believed, not known.
    """
    header = request.call.headers.get("Accept", "")[:MAX_LENGTH]
    if header.strip() and not any(map(_fits, header.split(","))):
        request.miss(f"Accept: {header}")
        text = "A supported MIME type could not be found that matches the acceptable MIME types for the request."
        raise GraphError("NotAcceptable", text, 406)


def _fits(wanted: str) -> bool:
    kind, *parameters = (part.strip().lower() for part in wanted.split(";"))
    pairs = [(name.strip(), value.strip(' "')) for name, _, value in (each.partition("=") for each in parameters)]
    if any(name == "q" and NEVER.fullmatch(value) for name, value in pairs):
        return False
    return kind in ANY or (kind == JSON and all(name == "q" or _is_given(name, value) for name, value in pairs))


def _is_given(name: str, value: str) -> bool:
    return value in GIVEN.get(name.removeprefix("odata."), ())
