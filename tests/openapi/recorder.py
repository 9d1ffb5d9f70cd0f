"""The witness of the emulators: holds every answer against Microsoft's file, and remembers what was asked for."""

import base64
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.ledger import Ledger
from tests.openapi.validator import Schema

GRAPH: Final = "v1.0"
HEADERS: Final = ("request-id", "client-request-id")
"""What every answer of Graph has (facts 3.1)."""
_AREAS: Final = {"beta": "Graph beta", "api": "Upload sessions", "secrets": "Key Vault"}
"""Areas of what the file does not have, by the first segment; upload sessions live on Outlook's host below `/api`."""


@dataclass
class Heard:
    """How often an operation was answered: done or refused, and how often the file agreed."""

    succeeded: int = 0
    refused: int = 0
    validated: int = 0


@dataclass
class Recorder:
    """Takes each answer of the services, as the emulator's `witness`. One for a whole session of tests."""

    graph: dict[tuple[str, str], Heard] = field(default_factory=dict)
    """By method and template of the file."""
    others: dict[tuple[str, str], Heard] = field(default_factory=dict)
    """What the file does not have, by area and operation."""
    answers: Counter[str] = field(default_factory=Counter)
    """`validated` and `not validated`."""
    counts: bool = True
    """Whether what is heard now is remembered; it is judged in any case."""
    _problems: list[str] = field(default_factory=list)

    def __call__(self, call: Call, answer: Answer, template: str | None) -> None:
        """Judge an answer of Graph, count any other. `template` is the emulator's name of the path, None for none."""
        first, path = _parts(call.path)
        if first == GRAPH and not call.base.removeprefix("https://").startswith("login."):
            kind = answer.headers.get("Content-Type")
            self._judge(call.method, path, answer.status, kind, answer.body, call.query_string, call.base)
            lacking = [name for name in HEADERS if not answer.headers.get(name)]
            self._problems += [f"{call.method} {path} {answer.status}: no header {name}" for name in lacking]
            if path.lower() == "/$batch" and answer.status == 200:
                self._judge_batch(call.body, answer.body, call.base)
        elif template is not None:
            area = _AREAS.get(first, "Entra")
            self.heard(area, f"{call.method} {template}", succeeded=answer.status < 400)

    def heard(self, area: str, operation: str, *, succeeded: bool) -> None:
        """Count what the file does not have: `heard("Exchange IMAP", "FETCH", succeeded=True)`."""
        self.answers["not validated"] += 1
        if self.counts:
            _count(self.others.setdefault((area, operation), Heard()), succeeded)

    def heard_commands(self, ledger: Ledger) -> None:
        """Count the commands of SMTP and IMAP that an emulator got."""
        for protocol in ("SMTP", "IMAP"):
            asked = (key for key in ledger.requests if key.startswith(f"{protocol} "))
            for key in asked:
                self.heard(f"Exchange {protocol}", key.partition(" ")[2], succeeded=ledger.done[key] > 0)

    def take(self) -> list[str]:
        """The problems since the last time, each once."""
        problems, self._problems = self._problems, []
        return list(dict.fromkeys(problems))

    def coverage(self) -> dict[str, Any]:
        """All operations of the file and the others that were heard, for tools/coverage.py."""
        graph = {key: self.graph.get(key, Heard()) for key in Schema.load().operations}
        others: dict[str, dict[str, Any]] = {}
        for (area, operation), heard in sorted(self.others.items()):
            others.setdefault(area, {})[operation] = vars(heard)
        return {"graph": {" ".join(key): vars(heard) for key, heard in graph.items()}, "others": others}

    def add(self, coverage: Mapping[str, Any]) -> None:
        """Count also what another recorder has heard: its `coverage()`."""
        for name, heard in coverage["graph"].items():
            method, _, template = name.partition(" ")
            _add(self.graph.setdefault((method, template), Heard()), heard)
        for area, operations in coverage["others"].items():
            for operation, heard in operations.items():
                _add(self.others.setdefault((area, operation), Heard()), heard)

    def _judge(
        self, method: str, path: str, status: int, content_type: str | None, body: bytes, query: str, base: str
    ) -> None:
        self.answers["validated"] += 1
        problems = Schema.load().problems(method, path, status, content_type, body, query=query, base=base)
        self._problems += [f"{method} {path} {status}: {problem}" for problem in problems]
        if self.counts and (template := Schema.load().operation(method, path)):
            heard = self.graph.setdefault((method, template), Heard())
            _count(heard, status < 400)
            heard.validated += status < 400 and not problems

    def _judge_batch(self, asked: bytes, answered: bytes, base: str) -> None:
        """The answers inside of a batch are answers too (facts 3.7)."""
        try:
            requests = {each["id"]: each for each in json.loads(asked)["requests"]}
            for each in json.loads(answered)["responses"]:
                request = requests[each["id"]]
                path, _, query = str(request["url"]).partition("?")
                headers = {name.lower(): value for name, value in each.get("headers", {}).items()}
                kind, body = headers.get("content-type"), each.get("body")
                method, path = str(request["method"]).upper(), "/" + path.lstrip("/")
                self._judge(method, path, each["status"], kind, _bytes(body), query, base)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            self._problems.append(f"POST /$batch 200: the answers do not fit the requests: {error!r}")


def complaint(problems: Iterable[str], most: int = 20) -> str:
    """What a test says that fails for them."""
    found = list(problems)
    lines = ["Microsoft would not have answered so (tests/openapi):", *found[:most]]
    return "\n  ".join([*lines, f"... and {len(found) - most} more"] if len(found) > most else lines)


def _count(heard: Heard, succeeded: bool) -> None:
    if succeeded:
        heard.succeeded += 1
    else:
        heard.refused += 1


def _add(one: Heard, other: Mapping[str, int]) -> None:
    for name, count in other.items():
        setattr(one, name, getattr(one, name) + count)


def _parts(path: str) -> tuple[str, str]:
    """The first segment in lower case, and what follows it, still percent-encoded."""
    first, _, rest = path.lstrip("/").partition("/")
    return first.lower(), f"/{rest}"


def _bytes(body: Any) -> bytes:
    """A body inside of a batch: JSON as it is, anything else in base64."""
    if body is None:
        return b""
    return base64.b64decode(body) if isinstance(body, str) else json.dumps(body).encode()
