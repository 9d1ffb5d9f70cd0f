"""The Test button at the command line: `pillarbox app test` and `pillarbox mailbox test`, and how steps are printed."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final
from urllib.parse import quote

import click

from pillarbox.cli import show
from pillarbox.cli.local import Api, with_api
from pillarbox.cli.options import json_option

_WIDTH: Final = 80
_MARKS: Final = {"ok": "ok", "fail": "FAIL", "skip": "skip"}
_INDENT: Final = " " * 17
_PATIENCE: Final = 600
"""Seconds that a test may take: each of its steps has a limit of its own."""


@click.command("test")
@click.argument("name")
@json_option
@with_api
def app_test(name: str, as_json: bool, api: Api) -> int:
    """Test an app registration: the way to Microsoft, the clock, its credential, and what its token says."""
    return _print(api.post(f"/api/v1/apps/{quote(name, safe='')}:test", timeout=_PATIENCE), as_json)


@click.command("test")
@click.argument("address")
@click.option("--to", help="Send a real test mail to this address; without it nothing is sent.")
@click.option("--exchange", is_flag=True, help="Try SMTP and IMAP too: sending through Graph needs neither.")
@json_option
@with_api
def mailbox_test(address: str, to: str | None, exchange: bool, as_json: bool, api: Api) -> int:
    """Test a mailbox, step by step: the way to Microsoft, its token, the right to send, and what else it can."""
    path = f"/api/v1/mailboxes/{quote(address, safe='')}:test"
    return _print(api.post(path, {"to": to, "exchange": exchange}, timeout=_PATIENCE), as_json)


def _print(report: Mapping[str, Any], as_json: bool) -> int:
    if as_json:
        show.as_json(report)
    else:
        for line in lines(report["steps"]):
            show.line(line)
    return 0 if report["ok"] else 1


def lines(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The steps for a person, 80 columns wide: mark, name, what was found, what to do; the verdict last. Pure."""
    *tried, verdict = steps
    for title, alike in groupby(tried, key=_told_together):
        group = list(alike)
        first = group[0]
        names = ", ".join(step["name"] for step in group)
        mark = _MARKS[first["status"]]
        if len(group) > 1:
            yield from wrapped(f"{mark:<5}", f"{names}: {title}", " " * 5)
            continue
        yield from wrapped(f"{mark:<5}{names:<12}", first["title"], _INDENT)
        if first["hint"]:
            yield from wrapped(f"{_INDENT}-> ", first["hint"], f"{_INDENT}   ")
    yield ""
    yield from wrapped("", verdict["title"], "")
    if verdict["hint"]:
        yield from wrapped("-> ", verdict["hint"], "   ")


def _told_together(step: Mapping[str, Any]) -> tuple[str, str] | str:
    """Steps that were left out for one reason stand in one line."""
    return step["title"] if step["code"] in ("check.skipped", "check.no_graph") else (step["name"], step["title"])


def wrapped(start: str, text: str, indent: str) -> list[str]:
    """A text in lines of 80 columns, the first begun with `start`, the others with `indent`. Pure."""
    return textwrap.wrap(
        show.plain(text),
        _WIDTH,
        initial_indent=start,
        subsequent_indent=indent,
        # What is pasted must stay whole: addresses, commands, paths.
        break_long_words=False,
        break_on_hyphens=False,
    )
