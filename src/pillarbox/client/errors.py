"""What a client raises.

PillarboxClientError
├── PillarboxConfigError   the address or the key cannot be used: nothing was sent
├── PillarboxUnreachable   no answer; it may be done all the same
└── PillarboxApiError      the service refused, and says why
"""

import json
from collections.abc import Mapping
from typing import Any


class PillarboxClientError(Exception):
    """Base of all."""


class PillarboxConfigError(PillarboxClientError):
    """The address or the key cannot be used as they are; nothing was sent."""


class PillarboxUnreachable(PillarboxClientError):
    """No answer came, however often it was tried. What was asked may be done all the same."""


class PillarboxApiError(PillarboxClientError):
    """The service refused (RFC 9457).

    `code` is stable, `title` and `hint` are for people, `retryable` says whether the same may work later. `errors` tell
    which members cannot be taken, `upstream` what Microsoft answered where that is the cause. `retry_after`: seconds.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], *, retry_after: float | None = None) -> None:
        self.status = status
        self.code = str(problem.get("code") or f"http.{status}")
        self.title = str(problem.get("title") or f"The answer was HTTP {status}.")
        self.hint = str(problem.get("hint") or "")
        self.retryable = bool(problem.get("retryable"))
        self.retry_after = retry_after
        self.request_id = str(problem.get("request_id") or "")
        upstream = problem.get("upstream")
        self.upstream: Mapping[str, Any] | None = upstream if isinstance(upstream, Mapping) else None
        errors = problem.get("errors")
        self.errors: tuple[Mapping[str, Any], ...] = tuple(errors) if isinstance(errors, list) else ()
        super().__init__(f"{self.title} {self.hint} ({self.code})".replace("  ", " "))

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], body: bytes) -> "PillarboxApiError":
        """From an answer; header names are in small letters. Also one that is not of this API, such as a proxy's."""
        problem: Mapping[str, Any] = {}
        if headers.get("content-type", "").partition(";")[0].strip() == "application/problem+json":
            try:
                read = json.loads(body)
            except (ValueError, RecursionError):
                read = None
            problem = read if isinstance(read, Mapping) else {}
        problem = {"request_id": headers.get("x-request-id", ""), **problem}
        return cls(status, problem, retry_after=_seconds(headers.get("retry-after", "")))


def _seconds(text: str) -> float | None:
    # A proxy may give a date, as RFC 9110 section 10.2.3 lets it: then it is tried again as if nothing was said.
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
