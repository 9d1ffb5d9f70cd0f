"""AADSTS errors: the table of codes, and the envelope that Entra wraps them in (facts 2.1)."""

import csv
import importlib.resources
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from pillarbox.emulator.http import Answer
from pillarbox.emulator.ids import Entropy, guid, guid_or_new

NOT_IN_PAGE = "general knowledge"
SUBERRORS = {
    50055: "user_password_expired",
    50076: "basic_action",
    50079: "basic_action",
    50158: "basic_action",
    50173: "bad_token",
    53000: "message_only",
    53001: "message_only",
    53002: "message_only",
    53003: "message_only",
    65001: "consent_required",
    70043: "token_expired",
    700082: "bad_token",
    700084: "bad_token",
}
"""What MSAL tells apart beyond `error` (general knowledge, facts 2.1)."""
CHALLENGED = (50076, 50079, 50158, 53000, 53001)
CLAIMS = '{"access_token":{"capolids":{"essential":true,"values":["00000000-0000-4000-8000-000000000001"]}}}'
"""The policy that a new sign-in has to meet, as a client sends it along as `claims`."""

MAX_DETAIL = 1000
"""So much of what a client sent is shown to it again."""


@dataclass(frozen=True)
class Code:
    """One AADSTS number; `in_page` tells whether Microsoft's look-up page knows it."""

    number: int
    oauth_error: str
    status: int
    meaning: str
    remedy: str
    in_page: bool


class EntraError(Exception):
    """A request that Entra refuses: the AADSTS number, and what in this request was wrong."""

    def __init__(self, number: int, detail: str = "") -> None:
        super().__init__(number, detail)
        self.number = number
        self.detail = detail


@cache
def read_codes() -> dict[int, Code]:
    """The table of all codes, from the package data."""
    text = importlib.resources.files(__package__).joinpath("aadsts.csv").read_text("utf-8")
    return {code.number: code for code in map(_code, csv.DictReader(text.splitlines()))}


def look_up(number: int) -> Code:
    """The code with that number; an unknown one is a server error, since clients must bear codes they do not know."""
    return read_codes().get(number) or Code(number, "server_error", 400, "Refused.", "", False)


def envelope(
    code: Code, detail: str, *, base: str, correlation: str | None, now: float, entropy: Entropy
) -> dict[str, Any]:
    """The fields of a refusal; `correlation` is the client's request id and is echoed if it is a GUID."""
    trace, correlation = guid(entropy), guid_or_new(correlation, entropy)
    stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(now))
    text = f"AADSTS{code.number}: {code.meaning} {detail[:MAX_DETAIL]}".rstrip()
    body: dict[str, Any] = {
        "error": code.oauth_error,
        "error_description": f"{text}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {stamp}",
        "error_codes": [code.number],
        "timestamp": stamp,
        "trace_id": trace,
        "correlation_id": correlation,
    }
    if code.number in SUBERRORS:
        body["suberror"] = SUBERRORS[code.number]
    if code.number in CHALLENGED:
        body["claims"] = CLAIMS
    if code.in_page:
        body["error_uri"] = f"{base}/error?code={code.number}"
    return body


def refusal(code: Code, detail: str, *, base: str, correlation: str | None, now: float, entropy: Entropy) -> Answer:
    """The JSON answer of the endpoints that no browser calls."""
    body = envelope(code, detail, base=base, correlation=correlation, now=now, entropy=entropy)
    answer = Answer.json(body, code.status)
    answer.code = f"AADSTS{code.number}"
    return answer


def _code(row: dict[str, str]) -> Code:
    in_page = not row["source"].startswith(NOT_IN_PAGE)
    return Code(int(row["code"]), row["oauth_error"], int(row["http_status"]), row["meaning"], row["remedy"], in_page)
