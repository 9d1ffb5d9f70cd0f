"""pillarbox events: what happened."""

import time
from collections.abc import Mapping
from typing import Any

import click

from pillarbox.cli import show
from pillarbox.cli.local import Api, with_api
from pillarbox.cli.options import json_option

_WAIT = 30
"""Seconds of one call that waits for more."""
_PAUSE = 1.0


@click.command()
@click.option("types", "--type", multiple=True, help="Only those of this type, such as send.failed; may be repeated.")
@click.option("--cursor", help="Begin behind the event of this cursor, as --json has it.")
@click.option("--oldest", is_flag=True, help="Begin with the oldest that is kept.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many at once.")
@click.option("--follow", is_flag=True, help="Go on, and wait for what happens, until Ctrl-C.")
@json_option
@with_api
def command(
    types: tuple[str, ...], cursor: str | None, oldest: bool, limit: int, follow: bool, as_json: bool, api: Api
) -> None:
    """What happened last: to messages, mailboxes, credentials, links.

    --json prints a page with its cursor, one line each.
    """
    wait = None
    while True:
        asked = {"cursor": cursor, "newest": not oldest, "limit": limit, "type": list(types) or None, "wait": wait}
        page = api.get("/api/v1/events", **asked)
        if as_json and (page["data"] or not follow):
            show.as_json(page)
        elif not as_json:
            for event in page["data"]:
                show.line(_line(event))
        if not follow:
            return
        if not page["data"] and wait:
            # Where no service runs, or one stops, nothing waits for us.
            time.sleep(_PAUSE)  # noqa: TID251 - a person waits at the terminal
        cursor, wait = page["next"], _WAIT


def _line(event: Mapping[str, Any]) -> str:
    data = " ".join(f"{name}={value}" for name, value in event["data"].items() if value not in ("", 0, None))
    return f"{show.moment(event['at'])}  {event['type']:<24} {event['subject']}  {data}".rstrip()
