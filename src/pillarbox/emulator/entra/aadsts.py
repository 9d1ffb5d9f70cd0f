"""AADSTS errors: the table of codes, and the envelope that Entra wraps them in (facts 2.1)."""

import csv
import importlib.resources
import time
from dataclasses import dataclass
from typing import Any

from pillarbox.emulator.http import Answer
from pillarbox.emulator.ids import Entropy, guid, guid_or_new

NOT_IN_PAGE = "general knowledge"


@dataclass(frozen=True)
class Code:
    """One AADSTS number; `in_page` tells whether Microsoft's look-up page knows it."""

    number: int
    oauth_error: str
    status: int
    meaning: str
    in_page: bool


class EntraError(Exception):
    """A request that Entra refuses: the AADSTS number, and what in this request was wrong."""

    def __init__(self, number: int, detail: str = "") -> None:
        super().__init__(number, detail)
        self.number = number
        self.detail = detail


def read_codes() -> dict[int, Code]:
    """The table of all codes, from the package data."""
    text = importlib.resources.files(__package__).joinpath("aadsts.csv").read_text("utf-8")
    return {code.number: code for code in map(_code, csv.DictReader(text.splitlines()))}


def refusal(code: Code, detail: str, *, base: str, correlation: str | None, now: float, entropy: Entropy) -> Answer:
    """The JSON answer; `correlation` is the client's request id and is echoed if it is a GUID."""
    trace, correlation = guid(entropy), guid_or_new(correlation, entropy)
    stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(now))
    text = f"AADSTS{code.number}: {code.meaning}{' ' if detail else ''}{detail}"
    body: dict[str, Any] = {
        "error": code.oauth_error,
        "error_description": f"{text}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {stamp}",
        "error_codes": [code.number],
        "timestamp": stamp,
        "trace_id": trace,
        "correlation_id": correlation,
    }
    if code.in_page:
        body["error_uri"] = f"{base}/error?code={code.number}"
    answer = Answer.json(body, code.status)
    answer.code = f"AADSTS{code.number}"
    return answer


def _code(row: dict[str, str]) -> Code:
    in_page = not row["source"].startswith(NOT_IN_PAGE)
    return Code(int(row["code"]), row["oauth_error"], int(row["http_status"]), row["meaning"], in_page)
