"""Write docs/reference/emulator-coverage.md: what the emulator answers of what Microsoft has.

The tests say it: `pytest --emulator-coverage=FILE` writes which operations were answered in that run, and this turns
the file into a page. A yes is a success in a test that passed, so that nothing is promised that is not tested.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "reference" / "emulator-coverage.md"

_USER: Final = "/users/{user-id}"
_LINE: Final = re.compile(r"^(?:## (?P<area>.+)|\| `(?P<operation>[^`]+)` \|.*)$", re.MULTILINE)
_VARIABLE: Final = re.compile(r"\{[^}]*\}")

GRAPH_AREAS: Final = (
    ("Batch", r"^/\$batch"),
    ("Tracing", r"^/admin/exchange/tracing"),
    ("Subscriptions", r"^/subscriptions"),
    ("Applications", r"^/(applications|servicePrincipals|oauth2PermissionGrants)"),
    ("Attachments", r"/attachments"),
    ("Sending", r"/(sendMail|send|reply|replyAll|forward|createReply|createReplyAll|createForward)$"),
    ("Messages", r"/messages"),
    ("Folders", r"/mailFolders"),
    ("Users", r"^/(users|me|organization)"),
)
"""Areas of Graph by the path; the first that fits counts."""

AREAS: Final = (
    *("Users", "Messages", "Attachments", "Folders", "Sending", "Batch", "Subscriptions", "Applications", "Tracing"),
    *("Upload sessions", "Graph beta", "Key Vault", "Entra", "Exchange SMTP", "Exchange IMAP"),
)
"""The order of the page."""

OTHERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Entra": (
        "GET /common/discovery/instance",
        "GET /common/userrealm/{user}",
        "GET /{tenant}/.well-known/openid-configuration",
        "GET /{tenant}/adminconsent",
        "GET /{tenant}/discovery/keys",
        "GET /{tenant}/oauth2/v2.0/authorize",
        "GET /{tenant}/oauth2/v2.0/logout",
        "GET /{tenant}/v2.0/.well-known/openid-configuration",
        "GET /{tenant}/v2.0/adminconsent",
        "POST /{tenant}/oauth2/token",
        "POST /{tenant}/oauth2/v2.0/devicecode",
        "POST /{tenant}/oauth2/v2.0/token",
    ),
    # What EHLO of smtp.office365.com offers (facts 4.1), and the commands of RFC 5321.
    "Exchange SMTP": (
        *("AUTH", "BDAT", "CONNECT", "DATA", "EHLO", "HELO", "HELP", "MAIL", "NOOP", "QUIT", "RCPT"),
        *("RSET", "STARTTLS", "VRFY"),
    ),
    # RFC 3501, and what CAPABILITY of outlook.office365.com adds (facts 4.2).
    "Exchange IMAP": (
        *("APPEND", "AUTHENTICATE", "CAPABILITY", "CHECK", "CLOSE", "COPY", "CREATE"),
        *("DELETE", "EXAMINE", "EXPUNGE", "FETCH", "ID", "IDLE", "LIST", "LOGIN", "LOGOUT", "LSUB", "MOVE"),
        *("NAMESPACE", "NOOP", "RENAME", "SEARCH", "SELECT", "STARTTLS", "STATUS", "STORE", "SUBSCRIBE", "UID COPY"),
        *("UID EXPUNGE", "UID FETCH", "UID MOVE", "UID SEARCH", "UID STORE", "UNSELECT", "UNSUBSCRIBE"),
    ),
}
"""What Microsoft has besides Graph, so that a gap shows. What a test heard and is not here is added."""

_INTRODUCTION: Final = """\
<!-- Written by tools/coverage.py (`make coverage`). Do not edit. -->

What the emulator answers of what Microsoft has.

- **Emulated**: a test got a success from it. Any other of Graph's is refused with Microsoft's error and noted as a gap
  (`GET /_emulator/not-emulated`), never passed over in silence; a test asks for each of them.
- **Validated**: each answer in each test was held against Microsoft's own OpenAPI file (`tests/openapi/README.md`), and
  no property, type, status, error code or Content-Type differed. "no schema": Microsoft publishes none.
- `/me` and `/users/{user-id}` share a row."""


@dataclass(frozen=True, slots=True)
class Row:
    """An operation as the page shows it."""

    area: str
    operation: str
    emulated: str
    validated: str


def main() -> int:
    """Write the page from a run's file; return the exit code."""
    parser = argparse.ArgumentParser(description="Write docs/reference/emulator-coverage.md.")
    parser.add_argument("run", type=Path, help="what `pytest --emulator-coverage=FILE` wrote")
    run = json.loads(parser.parse_args().run.read_text("utf-8"))
    PAGE.write_text(page(rows(run)), "utf-8")
    return 0


def rows(run: Mapping[str, Any]) -> list[Row]:
    """The rows of the page in its order: by area, then by path."""
    found = [*_graph(run["graph"]), *_others(run["others"])]
    return sorted(found, key=lambda row: (AREAS.index(row.area), row.operation.split(" ", 1)[::-1]))


def page(found: Iterable[Row]) -> str:
    """The whole page."""
    by_area: dict[str, list[Row]] = {}
    for row in found:
        by_area.setdefault(row.area, []).append(row)
    totals = [(area, len(each), _yes(each, "emulated"), _yes(each, "validated")) for area, each in by_area.items()]
    parts = ["# What is emulated", _INTRODUCTION]
    parts.append(_table(("area", "operations", "emulated", "validated"), [*totals, ("all", *_sums(totals))]))
    for area, each in by_area.items():
        shown = [(f"`{row.operation}`", row.emulated, row.validated) for row in each]
        parts += [f"## {area}", _table(("operation", "emulated", "validated"), shown)]
    return "\n\n".join(parts) + "\n"


def complaints(text: str, wanted: Iterable[Row]) -> list[str]:
    """Which operations a page lacks, and which of Graph it has too many, whatever it says about them."""
    has = set(_listed(text))
    needs = {(row.area, row.operation) for row in wanted}
    graph = {area for area, _ in GRAPH_AREAS}
    lacking = [f"{area}: {name} is missing" for area, name in sorted(needs - has)]
    return lacking + [f"{area}: {name} is not there" for area, name in sorted(has - needs) if area in graph]


def _listed(text: str) -> Iterator[tuple[str, str]]:
    """Area and operation of each row of a page."""
    area = ""
    for line in _LINE.finditer(text):
        area = line["area"] or area
        if line["operation"]:
            yield area, line["operation"]


def _graph(operations: Mapping[str, Mapping[str, int]]) -> Iterable[Row]:
    """The operations of Microsoft's file, those below `/me` with their twins."""
    for name, heard in operations.items():
        method, _, path = name.partition(" ")
        alias = _alias(path)
        if path != alias and f"{method} {alias}" in operations:
            continue  # Shown with its twin.
        twin = operations.get(f"{method} {path.replace(_USER, '/me', 1)}", heard)
        emulated, validated = (_both(heard[key] > 0, twin[key] > 0) for key in ("succeeded", "validated"))
        yield Row(_area(path), name, emulated, validated)


def _others(areas: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Iterable[Row]:
    """What Microsoft has no schema for."""
    for area in [*OTHERS, *(area for area in areas if area not in OTHERS)]:
        done = {_bare(name): name for name, heard in areas.get(area, {}).items() if heard["succeeded"]}
        known = {_bare(name): name for name in OTHERS.get(area, ())}
        for bare, name in (done | known).items():
            yield Row(area, name, "yes" if bare in done else "no", "no schema")


def _alias(path: str) -> str:
    return _USER + path.removeprefix("/me") if path == "/me" or path.startswith("/me/") else path


def _bare(name: str) -> str:
    """A name without the names of its variables, which the emulator may call otherwise than this page."""
    return _VARIABLE.sub("{}", name)


def _area(path: str) -> str:
    return next(area for area, pattern in GRAPH_AREAS if re.search(pattern, path))


def _both(users: bool, me: bool) -> str:
    if users == me:
        return "yes" if users else "no"
    return "yes, not `/me`" if users else "only `/me`"


def _yes(found: Iterable[Row], column: str) -> int:
    return sum(getattr(row, column) not in ("no", "no schema") for row in found)


def _sums(totals: Iterable[tuple[str, int, int, int]]) -> list[int]:
    return [sum(column) for column in zip(*(figures for _, *figures in totals), strict=True)]


def _table(header: Iterable[str], lines: Iterable[Iterable[object]]) -> str:
    titles = list(header)
    shown = [titles, ["---"] * len(titles), *([str(cell) for cell in line] for line in lines)]
    return "\n".join("| " + " | ".join(line) + " |" for line in shown)


if __name__ == "__main__":
    sys.exit(main())
