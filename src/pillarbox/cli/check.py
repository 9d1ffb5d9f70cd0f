"""The Test button at the command line: `pillarbox app test` and `pillarbox mailbox test`, and how steps are printed."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import click

from pillarbox.cli import show
from pillarbox.cli.local import Api, with_api
from pillarbox.cli.options import json_option

_WIDTH: Final = 80
_MARKS: Final = {"ok": "ok", "warn": "warn", "fail": "FAIL", "skip": "skip"}
_INDENT: Final = " " * 17
_PATIENCE: Final = 600
"""Seconds that a step of a test may take: each has a limit of its own."""
_Step = Mapping[str, Any]


@click.command("test")
@click.argument("name")
@json_option
@with_api
def app_test(name: str, as_json: bool, api: Api) -> int:
    """Test an app registration: the way to Microsoft, the clock, its credential, and what its token says."""
    return _test(api, f"/api/v1/apps/{quote(name, safe='')}:test", None, as_json)


@click.command("test")
@click.argument("address")
@click.option("--to", help="Send a real test mail to this address; without it nothing is sent.")
@click.option("--exchange", is_flag=True, help="Try SMTP and IMAP too: sending through Graph needs neither.")
@json_option
@with_api
def mailbox_test(address: str, to: str | None, exchange: bool, as_json: bool, api: Api) -> int:
    """Test a mailbox, step by step: the way to Microsoft, its token, the right to send, and what else it can."""
    path = f"/api/v1/mailboxes/{quote(address, safe='')}:test"
    return _test(api, path, {"to": to, "exchange": exchange}, as_json)


def _test(api: Api, path: str, value: object, as_json: bool) -> int:
    """Each step is printed as soon as it is found; the last line of the answer is the report."""
    printout, report = Printout(show.line), dict[str, Any]()

    def heard(line: Mapping[str, Any]) -> None:
        if "steps" in line:
            report.update(line)
        elif not as_json:
            printout.step(line)

    api.post_lines(path, value, heard, timeout=_PATIENCE)
    if as_json:
        show.as_json(report)
    else:
        printout.verdict(report["steps"][-1])
    return 0 if report["ok"] else 1


@dataclass
class Printout:
    """Steps for a person, 80 columns wide: mark, name, what was found, what to do; the verdict last.

    Those that were left out for one reason stand in one line: they wait until another one comes.
    """

    print: Callable[[str], None]
    _alike: list[_Step] = field(default_factory=list)

    def step(self, step: _Step) -> None:
        """One more step."""
        if self._alike and _reason(step) != _reason(self._alike[0]):
            self._flush()
        self._alike.append(step)
        if not _reason(step):
            self._flush()

    def verdict(self, verdict: _Step) -> None:
        """The end."""
        self._flush()
        self.print("")
        self._print("", verdict["title"], "")
        if verdict["hint"]:
            self._print("-> ", verdict["hint"], "   ")

    def _flush(self) -> None:
        alike, self._alike = self._alike, []
        if not alike:
            return
        first, names = alike[0], ", ".join(step["name"] for step in alike)
        mark = _MARKS[first["status"]]
        if len(alike) > 1:
            self._print(f"{mark:<5}", f"{names}: {first['title']}", " " * 5)
            return
        self._print(f"{mark:<5}{names:<12}", first["title"], _INDENT)
        if first["hint"]:
            self._print(f"{_INDENT}-> ", first["hint"], f"{_INDENT}   ")

    def _print(self, start: str, text: str, indent: str) -> None:
        for line in wrapped(start, text, indent):
            self.print(line)


def _reason(step: _Step) -> str:
    """Why a step was left out that others may be left out for too; empty for every other step."""
    return str(step["title"]) if step["code"] in ("check.skipped", "check.no_graph") else ""


def lines(steps: Sequence[_Step]) -> list[str]:
    """A whole test as it is printed. Pure."""
    printed: list[str] = []
    printout = Printout(printed.append)
    *tried, verdict = steps
    for step in tried:
        printout.step(step)
    printout.verdict(verdict)
    return printed


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
