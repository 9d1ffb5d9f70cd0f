"""pillarbox config: what the settings are, where each comes from, and whether they can be used."""

import os
from pathlib import Path
from typing import Any

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
    from pillarbox.core.settings import describe

    loaded = load_settings(config, settings)
    rows = [row for key, _ in describe() for row in _rows(loaded, key)]
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


def _rows(settings: Any, key: str) -> list[dict[str, Any]]:
    """A setting; or those of the further listeners, each with what it inherits."""
    if key != "smtp.listeners":
        return [_row(settings, key)]
    from pillarbox.core.listening import field_key, place_of
    from pillarbox.core.settings import Door

    return [
        {
            "key": field_key(name, field),
            "value": _shown(getattr(door, field)),
            "from": place_of(settings, name, field)[1],
        }
        for name, door in settings.smtp.listeners.items()
        for field in Door.model_fields
    ]


def _row(settings: Any, key: str) -> dict[str, Any]:
    """A setting as it counts: an address of Microsoft's that is not set is its cloud's."""
    value, origin = _value(settings, key), settings.origin(key)
    if not value and (address := _cloud_address(settings, key)):
        value, origin = address, f"cloud {settings.microsoft.cloud}"
    return {"key": key, "value": value, "from": origin}


def _cloud_address(settings: Any, key: str) -> str | int:
    from pillarbox.core.clouds import CLOUDS
    from pillarbox.core.settings import NOWHERE

    section, _, name = key.rpartition(".")
    address: str | int = ""
    if section == "microsoft":
        address = getattr(CLOUDS.get(settings.microsoft.cloud, NOWHERE), name, "")
    return address


def _value(settings: Any, key: str) -> Any:
    value = settings
    for part in key.split("."):
        value = getattr(value, part)
    return _shown(value)


def _shown(value: Any) -> Any:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    if value is None or isinstance(value, (int, float)):
        return value
    # The stars of a secret; nothing where there is none.
    return str(value) if value else ""
