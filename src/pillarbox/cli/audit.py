"""pillarbox audit: who did what."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from pillarbox.access import audit_sheet
from pillarbox.cli import show
from pillarbox.cli.local import Api, with_api
from pillarbox.cli.options import MOMENT, json_option

_PAGE: Final = 500


@click.group()
def command() -> None:
    """Who did what, by which door, and how it ended."""


@command.command("list")
@click.option("--actor", metavar="NAME", help="Only what this key, person or submitter did; an id will do too.")
@click.option("--action", help="Only this, such as add_mailbox.")
@click.option("--since", type=MOMENT, help="Only from this time on, such as 2027-01-31T08:00Z.")
@click.option("--until", type=MOMENT, help="Only before this time.")
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="How many, newest first; 0: all.")
@click.option("as_csv", "--csv", is_flag=True, help="Print CSV, for a spreadsheet.")
@json_option
@with_api
def list_acts(limit: int, as_csv: bool, as_json: bool, api: Api, **filters: Any) -> None:
    """List what was done, newest first."""
    if as_csv and as_json:
        raise click.UsageError("either --csv or --json")
    found = _found(api, limit, filters)
    if as_json:
        show.as_json(list(found))
    elif as_csv:
        sys.stdout.write(audit_sheet.HEAD)
        sys.stdout.writelines(map(audit_sheet.line_of, found))
    else:
        rows = [
            {
                **one,
                "when": show.moment(one["at"]),
                "who": one["actor_name"] or one["actor_kind"],
                "from": " ".join(filter(None, [one["door"], one["peer"]])),
                "outcome": one["code"] or one["outcome"] or "cut off",
            }
            for one in found
        ]
        show.table(rows, ["when", "who", "from", "action", "subject", "outcome"], empty="Nobody did anything yet.")


def _found(api: Api, limit: int, filters: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Page by page, as far as they are wanted."""
    left, cursor = limit, None
    while True:
        size = min(left, _PAGE) if limit else _PAGE
        page = api.get("/api/v1/audit-events", limit=size, cursor=cursor, **filters)
        yield from page["data"]
        left, cursor = left - len(page["data"]), page["next"]
        if cursor is None or (limit and left <= 0):
            return
