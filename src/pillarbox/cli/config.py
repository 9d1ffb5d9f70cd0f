"""pillarbox config: what the settings are, where each comes from, and whether they can be used."""

import os
from pathlib import Path

import click

from pillarbox.cli import show
from pillarbox.cli.options import json_option, load_settings, settings_options


@click.group()
def command() -> None:
    """The settings: show them, check them."""


@command.command("show")
@json_option
@settings_options
def show_settings(as_json: bool, config: Path | None, settings: tuple[str, ...]) -> None:
    """Show every setting, its value and where it comes from; secrets as stars."""
    from pillarbox.core.effective import effective

    rows = [
        {"key": one.key, "value": one.value, "from": one.origin} for one in effective(load_settings(config, settings))
    ]
    if as_json:
        show.as_json(rows)
    else:
        show.table(rows, ["key", "value", "from"], empty="")


@command.command()
@json_option
@settings_options
def check(as_json: bool, config: Path | None, settings: tuple[str, ...]) -> None:
    """Check everything that can be checked without starting: exit 78 and one line if `serve` would refuse."""
    from pillarbox import gateway

    gateway.check(load_settings(config, settings), os.environ)
    if as_json:
        show.as_json({"ok": True})
    else:
        click.echo("The settings can be used.")
