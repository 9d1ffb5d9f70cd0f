"""pillarbox explain: what an error means, who must act and what to do; offline, without a service or a store."""

import dataclasses
import sys
import textwrap
from typing import Any

import click

from pillarbox.cli import show
from pillarbox.cli.options import json_option
from pillarbox.core import catalogue, explain
from pillarbox.core.errors import NotFound
from pillarbox.core.explain import Finding


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("text", nargs=-1, required=True, metavar="TEXT|CODE|-")
@json_option
def command(text: tuple[str, ...], as_json: bool) -> None:
    """Explain an error of Microsoft's: cause, cure, who must act.

    TEXT is a code (AADSTS7000215, ErrorAccessDenied, 535) or whatever you can copy: a line of a log, an HTTP answer,
    a stack trace. With - it is read from standard input: journalctl -u postfix | pillarbox explain -

    It needs no service and asks nobody. Long texts and those with secrets belong to standard input: arguments can be
    read by everybody on the machine.
    """
    explained = explain.look(_given(text))
    if not explained.findings:
        raise NotFound("explain.nothing")
    if as_json:
        show.as_json([_json(finding) for finding in explained.findings])
    else:
        click.echo("\n\n".join(map(_text, explained.findings)))
    if explained.more:
        # Beside JSON it must not stand on standard output.
        words = catalogue.sentence("explain.more", count=explained.more)
        click.echo(words if as_json else f"\n{words}", err=as_json)


def _given(text: tuple[str, ...]) -> str:
    if text == ("-",):
        return explain.decode(sys.stdin.buffer.read())
    return " ".join(text)


def _json(finding: Finding) -> dict[str, Any]:
    return {**dataclasses.asdict(finding), "who_acts": catalogue.WHO[finding.who]}


def _text(finding: Finding) -> str:
    found = finding.found if finding.found.lower() not in finding.code.lower() else ""
    named = {
        "found in": found,
        "cause": finding.meaning,
        "cure": finding.cure,
        "who acts": catalogue.WHO[finding.who],
        "more": finding.page,
    }
    lines = [_wrapped(name, text) for name, text in named.items() if text]
    return "\n".join([click.style(finding.code, bold=True), *lines])


def _wrapped(name: str, text: str) -> str:
    """A named paragraph, as wide as the terminal; one line where it goes into a pipe or a file."""
    head = f"  {name + ':':<10}"
    if not sys.stdout.isatty():
        return head + text
    from shutil import get_terminal_size

    width = min(get_terminal_size().columns, 110)
    return textwrap.fill(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
