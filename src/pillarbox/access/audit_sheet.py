"""The audit log as lines of CSV, from what the API says of each act."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pillarbox.core.spreadsheet import line

_COLUMNS: Final = (
    "at",
    "actor_kind",
    "actor",
    "actor_name",
    "door",
    "peer",
    "action",
    "subject",
    "fields",
    "request_id",
    "outcome",
    "code",
)
HEAD: Final = line(_COLUMNS)
"""The first line."""


def line_of(act: Mapping[str, Any]) -> str:
    """One act. Pure."""
    at = datetime.fromtimestamp(act["at"], UTC).strftime("%Y-%m-%d %H:%M:%S")
    told = {**act, "at": at, "fields": " ".join(act["fields"])}
    return line(told[name] for name in _COLUMNS)
