"""pillarbox vault: the master key, and its rotation."""

from typing import Any

import click

from pillarbox.cli import show
from pillarbox.cli.local import PATIENT, Api, with_api
from pillarbox.cli.options import json_option
from pillarbox.core.catalogue import entry


@click.group()
def command() -> None:
    """The master key: what it seals, and its rotation."""


@command.command()
@json_option
@with_api
def status(as_json: bool, api: Api) -> None:
    """Show where the master key comes from, what lies under it, and what to do next."""
    _print(api.get("/api/v1/vault"), as_json)


@command.command()
@json_option
@with_api
def rotate(as_json: bool, api: Api) -> None:
    """Seal everything by a new key, or finish a rotation that was cut off. Mail flows on meanwhile.

    Ends with an exit code that is not 0 while a value does not open: the old key is needed until that is mended.
    """
    vault = api.post("/api/v1/vault:rotate", timeout=PATIENT)
    _print(vault, as_json)
    if vault["undecryptable"]:
        raise click.exceptions.Exit(entry(vault["code"]).exit)


def _print(vault: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show.as_json(vault)
        return
    first, *older = vault["keys"]
    show.fields(
        [
            ("Master key", vault["origin"]),
            ("Key", f"{first['id']} seals: {_counts(first['values'])}"),
            *(("Older key", f"{key['id']} opens: {_counts(key['values'])}") for key in older),
            ("Does not open", _counts(vault["undecryptable"]) if vault["undecryptable"] else ""),
            *(("Namely", f"{one['title']} {one['hint']}") for one in vault["damaged"]),
            ("State", vault["title"]),
            ("Next", vault["hint"]),
        ]
    )


def _counts(values: dict[str, int]) -> str:
    return ", ".join(f"{count} {table.replace('_', ' ')}" for table, count in sorted(values.items())) or "nothing"
