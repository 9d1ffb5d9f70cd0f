"""One request and one answer, as the services see them: plain values, whatever server carries them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote


@dataclass
class Call:
    """A request with its body read. `path` is still percent-encoded, `base` is `https://` and the Host asked for."""

    method: str
    base: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes
    now: float
    request_id: str
    too_large: bool = False

    @cached_property
    def segments(self) -> list[str]:
        """The decoded parts of the path; empty ones are dropped, since SDKs send `//`."""
        return [unquote(part) for part in self.path.split("/") if part]

    @cached_property
    def query(self) -> dict[str, str]:
        """The decoded query parameters, OData's `$` names in lower case; the last of equal names wins."""
        pairs = parse_qsl(self.query_string, keep_blank_values=True)
        return {name.lower() if name.startswith("$") else name: value for name, value in pairs}

    @cached_property
    def content_type(self) -> str:
        """The media type in lower case, without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @cached_property
    def form(self) -> dict[str, str]:
        """The fields of a form body; none if the body is no form."""
        if self.content_type != "application/x-www-form-urlencoded":
            return {}
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @property
    def client_request_id(self) -> str | None:
        """What the client calls this request, from header or query string, if it can stand in a header."""
        found = self.headers.get("client-request-id") or (
            self.query.get("client-request-id") if self.query_string else None
        )
        return found if found and found.isascii() and found.isprintable() else None


@dataclass
class Answer:
    """A status, headers and a body; without a body there is no Content-Type either."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    code: str | None = None
    """The error code inside the body, for logs and tests."""
    truncate: int | None = None
    """After so many bytes of the body the connection ends."""

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> "Answer":
        """An answer with a JSON body."""
        kind = {"Content-Type": "application/json; charset=utf-8"}
        return cls(status, json.dumps(value).encode(), kind | dict(headers or {}))
