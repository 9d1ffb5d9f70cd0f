"""pillarbox app: app registrations."""

from pathlib import Path
from urllib.parse import quote

import click

from pillarbox.cli import show
from pillarbox.cli.local import Api
from pillarbox.cli.options import json_option, read_secret, service_options


@click.group()
def command() -> None:
    """App registrations in Entra ID."""


@command.command()
@click.argument("name")
@click.option("--tenant-id", required=True, help="Directory (tenant) ID, or the tenant's domain.")
@click.option("--client-id", required=True, help="Application (client) ID.")
@json_option
@service_options
def add(
    name: str,
    tenant_id: str,
    client_id: str,
    as_json: bool,
    socket: Path | None,
    config: Path | None,
    settings: tuple[str, ...],
) -> None:
    """Add an app registration.

    The client secret comes from PILLARBOX_CLIENT_SECRET, from the file that PILLARBOX_CLIENT_SECRET_FILE names, or is
    asked for.
    """
    secret = read_secret("Client secret (its Value)", "CLIENT_SECRET")
    new = {"name": name, "tenant_id": tenant_id, "client_id": client_id, "client_secret": secret.reveal()}
    added = Api(socket, config, settings).post("/api/v1/apps", new)
    if as_json:
        show.as_json(added)
    else:
        show.line(f"Added the app registration {added['name']}.")


@command.command()
@click.argument("name")
@json_option
@service_options
def secret(name: str, as_json: bool, socket: Path | None, config: Path | None, settings: tuple[str, ...]) -> None:
    """Give an app registration a new client secret, when the last one was wrong or ends.

    It comes from PILLARBOX_CLIENT_SECRET, from the file that PILLARBOX_CLIENT_SECRET_FILE names, or is asked for.
    """
    new = {"client_secret": read_secret("Client secret (its Value)", "CLIENT_SECRET").reveal()}
    renewed = Api(socket, config, settings).put(f"/api/v1/apps/{quote(name, safe='')}/secret", new)
    if as_json:
        show.as_json(renewed)
    else:
        show.line(f"{renewed['name']} has a new secret. `pillarbox outbox retry --state held` sends what is held.")


@command.command("list")
@json_option
@service_options
def list_apps(as_json: bool, socket: Path | None, config: Path | None, settings: tuple[str, ...]) -> None:
    """List the app registrations."""
    found = Api(socket, config, settings).get("/api/v1/apps")["data"]
    if as_json:
        show.as_json(found)
    else:
        show.table(
            found,
            ["name", "tenant_id", "client_id"],
            empty="No app registration yet: `pillarbox app add NAME --tenant-id ... --client-id ...`",
        )
