"""pillarbox submitter: printers and programs that hand in mail."""

import os
from urllib.parse import quote

import click

from pillarbox.cli import show
from pillarbox.cli.local import Api, with_api
from pillarbox.cli.options import json_option, read_secret
from pillarbox.core.places import ENV_PREFIX

_VARIABLE = "SUBMITTER_PASSWORD"


@click.group()
def command() -> None:
    """Printers and programs that hand in mail."""


@command.command()
@click.argument("name")
@click.option("mailboxes", "--mailbox", multiple=True, required=True, help="Mailbox it sends from; may be repeated.")
@click.option("senders", "--sender", multiple=True, help="Further sender address; leaves from the first mailbox.")
@json_option
@with_api
def add(name: str, mailboxes: tuple[str, ...], senders: tuple[str, ...], as_json: bool, api: Api) -> None:
    """Add a submitter and show its new password, once.

    To keep a password that the device has already, set PILLARBOX_SUBMITTER_PASSWORD or
    PILLARBOX_SUBMITTER_PASSWORD_FILE.
    """
    new: dict[str, object] = {"name": name, "mailboxes": mailboxes, "senders": senders}
    if f"{ENV_PREFIX}{_VARIABLE}" in os.environ or f"{ENV_PREFIX}{_VARIABLE}_FILE" in os.environ:
        new["password"] = read_secret("Password", _VARIABLE).reveal()
    added = api.post("/api/v1/submitters", new)
    if as_json:
        show.as_json(added)
        return
    click.echo(f"Added the submitter {added['name']}. It may send as {', '.join(added['senders'])}.")
    if added["password"]:
        click.echo(f"Password (shown only now): {added['password']}")


@command.command()
@click.argument("name")
@json_option
@with_api
def remove(name: str, as_json: bool, api: Api) -> None:
    """Forget a submitter; what it handed in is still sent."""
    api.delete(f"/api/v1/submitters/{quote(name, safe='')}")
    if as_json:
        show.as_json({"name": name, "removed": True})
    else:
        click.echo(f"Removed the submitter {name}.")


@command.command("list")
@json_option
@with_api
def list_submitters(as_json: bool, api: Api) -> None:
    """List the submitters."""
    found = api.get("/api/v1/submitters")["data"]
    if as_json:
        show.as_json([{"name": one["name"], "senders": one["senders"]} for one in found])
        return
    rows = [{"name": one["name"], "may_send_as": list(one["senders"])} for one in found]
    show.table(
        rows, ["name", "may_send_as"], empty="No submitter yet: `pillarbox submitter add NAME --mailbox ADDRESS`"
    )
