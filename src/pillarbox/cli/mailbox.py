"""pillarbox mailbox: mailboxes that mail leaves from."""

from urllib.parse import quote

import click

from pillarbox.cli import show
from pillarbox.cli.check import mailbox_test
from pillarbox.cli.local import Api, with_api
from pillarbox.cli.options import json_option
from pillarbox.cli.sign_in import sign_in


@click.group()
def command() -> None:
    """Mailboxes that mail leaves from."""


@command.command()
@click.argument("address")
@click.option("--app", required=True, help="Name of the app registration that may send as it.")
@json_option
@with_api
def add(address: str, app: str, as_json: bool, api: Api) -> None:
    """Add a mailbox."""
    added = api.post("/api/v1/mailboxes", {"address": address, "app": app})
    if as_json:
        show.as_json(added)
    else:
        show.line(f"Added the mailbox {added['address']}.")


@command.command("list")
@json_option
@with_api
def list_mailboxes(as_json: bool, api: Api) -> None:
    """List the mailboxes."""
    found = api.get("/api/v1/mailboxes")["data"]
    if as_json:
        show.as_json(found)
    else:
        show.table(
            found,
            ["address", "app", "state", "assurance", "signed_in"],
            empty="No mailbox yet: `pillarbox mailbox add ADDRESS --app NAME`",
        )


@command.command()
@click.argument("address")
@click.option("--app", required=True, help="Name of the app registration that is to act for it.")
@json_option
@with_api
def change(address: str, app: str, as_json: bool, api: Api) -> None:
    """Let an app registration act for a mailbox by its own rights; a sign-in to it is forgotten."""
    changed = api.put(f"/api/v1/mailboxes/{quote(address, safe='@')}", {"app": app})
    if as_json:
        show.as_json(changed)
    else:
        show.line(f"{changed['app']} acts for {changed['address']} now.")


@command.command()
@click.argument("address")
@with_api
def remove(address: str, api: Api) -> None:
    """Forget a mailbox that no message and no submitter names."""
    api.delete(f"/api/v1/mailboxes/{quote(address, safe='@')}")
    show.line(f"Forgot the mailbox {address}.")


command.add_command(mailbox_test)
command.add_command(sign_in)
