"""A pause in words, for a terminal. Takes what the API says of one."""

from collections.abc import Mapping
from typing import Any

from pillarbox.cli import show


def in_words(pause: Mapping[str, Any]) -> str:
    """Such as: until 2026-11-20 12:00:30 (app): Microsoft asks to slow down. Too many requests."""
    of = "" if pause["what"] == "mailbox" else f" ({pause['what']})"
    return " ".join(word for word in (f"{_end(pause)}{of}:", pause["text"], pause["reason"]) if word)


def in_short(pause: Mapping[str, Any]) -> str:
    """As `in_words`, for a table."""
    return f"{_end(pause)} {pause['cause']}"


def _end(pause: Mapping[str, Any]) -> str:
    return "until resumed" if pause["until"] is None else f"until {show.moment(pause['until'])}"
