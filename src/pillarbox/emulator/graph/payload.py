"""The body of a request before anything is made of it: its encodings, and the JSON in it."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.http import Call

CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s;"]*)', re.IGNORECASE)
CHARSETS = ("utf-8", "us-ascii")
ALIKE = (*CHARSETS, "iso-8859-1", "iso-8859-15", "windows-1252")
"""Charsets in which base64 is the same bytes: what HTTP libraries put beside text/plain by themselves."""
UNREADABLE = "RequestBodyRead"
"""The code of OData's reader."""
LONGEST = 200
"""Characters of a name that a refusal repeats."""


def check_encoding(call: Call) -> None:
    """Refuse a body that is packed, or in another charset than UTF-8 (415): nothing is unpacked or converted here.

    Microsoft's .NET library packs its requests, and sends them again as they are after a 415.
    """
    packed = call.headers.get("Content-Encoding", "identity").strip().lower()
    if packed != "identity":
        raise GraphError("UnsupportedMediaType", gap=f"Content-Encoding: {packed}")
    charset = CHARSET.search(call.headers.get("Content-Type", ""))
    if charset and charset[1].lower() not in (ALIKE if call.content_type == "text/plain" else CHARSETS):
        raise GraphError("UnsupportedMediaType", gap=f"charset: {charset[1]}")


def parse_json(body: bytes) -> Any:
    """The JSON in UTF-8; a ValueError if it is none, a GraphError if an object has two properties of one name."""
    try:
        return json.loads(body.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("nested too deep") from None


def check_names(names: Iterable[str]) -> None:
    """Refuse a name that comes twice, in the words of Microsoft's OData library."""
    for name, count in Counter(names).items():
        if count > 1:
            text = f"Multiple properties with the name '{name[:LONGEST]}' were detected in a resource or a complex "
            text += "value. According to OData protocol, duplicate property names are not allowed."
            raise GraphError(UNREADABLE, text)


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        check_names(name for name, _ in pairs)
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
