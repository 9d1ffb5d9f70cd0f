"""pillarbox app: app registrations."""

from urllib.parse import quote

import click

from pillarbox.cli import show
from pillarbox.cli.local import Api, with_api
from pillarbox.cli.options import json_option, read_secret


@click.group()
def command() -> None:
    """App registrations in Entra ID."""


@command.command()
@click.argument("name")
@click.option("--tenant-id", required=True, help="Directory (tenant) ID, or the tenant's domain.")
@click.option("--client-id", required=True, help="Application (client) ID.")
@json_option
@with_api
def add(name: str, tenant_id: str, client_id: str, as_json: bool, api: Api) -> None:
    """Add an app registration.

    The client secret comes from PILLARBOX_CLIENT_SECRET, from the file that PILLARBOX_CLIENT_SECRET_FILE names, or is
    asked for.
    """
    secret = read_secret("Client secret (its Value)", "CLIENT_SECRET")
    new = {"name": name, "tenant_id": tenant_id, "client_id": client_id, "client_secret": secret.reveal()}
    added = api.post("/api/v1/apps", new)
    if as_json:
        show.as_json(added)
    else:
        show.line(f"Added the app registration {added['name']}.")


@command.command()
@click.argument("name")
@json_option
@with_api
def secret(name: str, as_json: bool, api: Api) -> None:
    """Give an app registration a new client secret, when the last one was wrong or ends.

    It comes from PILLARBOX_CLIENT_SECRET, from the file that PILLARBOX_CLIENT_SECRET_FILE names, or is asked for.
    """
    new = {"client_secret": read_secret("Client secret (its Value)", "CLIENT_SECRET").reveal()}
    renewed = api.put(f"/api/v1/apps/{quote(name, safe='')}/secret", new)
    if as_json:
        show.as_json(renewed)
    else:
        show.line(f"{renewed['name']} has a new secret. `pillarbox outbox retry --state held` sends what is held.")


@command.command("list")
@json_option
@with_api
def list_apps(as_json: bool, api: Api) -> None:
    """List the app registrations."""
    found = api.get("/api/v1/apps")["data"]
    if as_json:
        show.as_json(found)
    else:
        show.table(
            found,
            ["name", "tenant_id", "client_id"],
            empty="No app registration yet: `pillarbox app add NAME --tenant-id ... --client-id ...`",
        )
