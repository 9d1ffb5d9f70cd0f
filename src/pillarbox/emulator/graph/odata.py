"""The query options of OData that Graph mail understands: $select, $top, one $filter, and opaque paging links."""

import base64
import re
from collections.abc import Iterable
from urllib.parse import quote, urlencode

from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.http import Call

PAGE = 10
MAX_PAGE = 1000
IMMUTABLE = 'IdType="ImmutableId"'
"""Ids never change here: messages do not move yet."""
BY_INTERNET_ID = re.compile(r"\s*internetMessageId\s+eq\s+'((?:[^']|'')*)'\s*")


def allow(call: Call, gaps: Gaps, *names: str) -> None:
    """Refuse query options that are not emulated, and note them: ignoring one would change the answer in silence."""
    for name in call.query:
        if name.startswith("$") and name not in names:
            gaps.add(call.method, call.path, name)
            raise GraphError("BadRequest", f"The query option '{name}' is not supported.")


def preferences(call: Call, gaps: Gaps) -> dict[str, str]:
    """The header that names the applied preferences; others are ignored, as RFC 7240 allows, and noted."""
    wanted = [each.strip() for each in call.headers.get("Prefer", "").split(",") if each.strip()]
    applied = [each for each in wanted if each.lower() == IMMUTABLE.lower()]
    for each in wanted:
        if each not in applied:
            gaps.add(call.method, call.path, f"Prefer: {each}")
    return {"Preference-Applied": IMMUTABLE} if applied else {}


def selected(call: Call, kind: str, known: Iterable[str]) -> list[str]:
    """The properties in `$select` in their proper spelling, none if it is absent; an unknown one is refused."""
    spelling = {name.lower(): name for name in known}
    wanted = [name.strip() for name in call.query.get("$select", "").split(",") if name.strip()]
    for name in wanted:
        if name.lower() not in spelling:
            raise GraphError("RequestBroker--ParseUri", f"Could not find a property named '{name}' on type '{kind}'.")
    return [spelling[name.lower()] for name in wanted]


def top(call: Call) -> int:
    """The page size, 1 to 1000, 10 by default (facts 3.5)."""
    text = call.query.get("$top")
    if text is None:
        return PAGE
    if not text.isdecimal() or not 1 <= int(text) <= MAX_PAGE:
        raise GraphError("BadRequest", f"Invalid value '{text}' for $top query option found.")
    return int(text)


def internet_message_id(call: Call, gaps: Gaps) -> str | None:
    """The value in `$filter=internetMessageId eq '...'`; other filters are a gap."""
    text = call.query.get("$filter")
    if text is None:
        return None
    match = BY_INTERNET_ID.fullmatch(text)
    if match is None:
        gaps.add(call.method, call.path, f"$filter={text}")
        raise GraphError("BadRequest", "Invalid filter clause.")
    return match[1].replace("''", "'")


def next_link(call: Call, serial: int) -> str:
    """An absolute link to the page after that serial; clients must not look inside."""
    token = base64.urlsafe_b64encode(f"s:{serial}".encode()).decode()
    query = call.query | {"$skiptoken": token}
    return f"{call.base}{call.path}?{urlencode(query, quote_via=quote, safe='$')}"


def skip_token(call: Call) -> int | None:
    """The serial in the paging link that was followed, None on the first page."""
    text = call.query.get("$skiptoken")
    if text is None:
        return None
    try:
        kind, _, serial = base64.urlsafe_b64decode(text).decode().partition(":")
        if kind == "s":
            return int(serial)
    except ValueError:
        pass
    raise GraphError("BadRequest", "Skip token is not valid.")
