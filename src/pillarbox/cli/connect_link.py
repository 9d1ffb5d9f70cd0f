"""pillarbox connect-link: links by which people connect their mailboxes."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from pillarbox.cli import show
from pillarbox.cli.local import PATIENT, Api, with_api
from pillarbox.cli.options import DURATION, json_option
from pillarbox.store.connect_links import LinkState

_PATH = "/api/v1/connect-links"


@click.group()
def command() -> None:
    """Links by which people connect their mailboxes: they sign in at Microsoft, and send you no password."""


@command.command("add")
@click.argument("address")
@click.option("--app", required=True, help="App registration that asks for the sign-in.")
@click.option("--mailbox", metavar="ADDRESS", help="Shared mailbox that ADDRESS has rights on, and is to connect.")
@click.option(
    "permissions",
    "--permission",
    type=click.Choice(["send", "mail", "exchange"]),
    multiple=True,
    help="What to ask for; may be repeated. Otherwise as last time, and `send` for a new mailbox.",
)
@click.option("--new-account", is_flag=True, help="Another account than last time may come.")
@click.option("--expires-in", type=DURATION, default="1d", show_default=True, help="How long it is good, at most 30d.")
@click.option("--return-url", default="", help="Where the person may go on to; see the setting http.return_urls.")
@click.option("--note", default="", help="A note for yourself.")
@json_option
@with_api
def add(
    address: str, app: str, permissions: tuple[str, ...], expires_in: float, as_json: bool, api: Api, **more: Any
) -> None:
    """Make a link for ADDRESS, who must sign in by it. It is shown once: send it to them."""
    asked = {"address": address, "app": app, "permissions": list(permissions) or None, "expires_in": int(expires_in)}
    made = api.post(_PATH, asked | more, timeout=PATIENT)
    if as_json:
        show.as_json(made)
        return
    show.line(made["url"])
    show.line(
        f"Good for one sign-in of {made['user']}, until {show.moment(made['expires_at'])} UTC. Its id: {made['id']}"
    )


@command.command("list")
@click.option("--state", type=click.Choice([state.value for state in LinkState]), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many.")
@json_option
@with_api
def list_links(state: str | None, limit: int, as_json: bool, api: Api) -> None:
    """List links, newest first."""
    found = api.get(_PATH, state=state, limit=limit)["data"]
    if as_json:
        show.as_json(found)
        return
    rows = [{**one, "expires": show.moment(one["expires_at"]), "why": one["reason"]} for one in found]
    show.table(
        rows,
        ["id", "state", "mailbox", "user", "expires", "account", "why"],
        empty="There are no such links: pillarbox connect-link add ADDRESS --app APP",
    )


@command.command("show")
@click.argument("link_id")
@json_option
@with_api
def show_link(link_id: str, as_json: bool, api: Api) -> None:
    """Show a link: whether it was used, and by whom."""
    _print(api.get(f"{_PATH}/{quote(link_id, safe='')}"), as_json)


@command.command()
@click.argument("link_id")
@json_option
@with_api
def revoke(link_id: str, as_json: bool, api: Api) -> None:
    """Take a link back: it leads nowhere any more."""
    _print(api.delete(f"{_PATH}/{quote(link_id, safe='')}"), as_json)


def _print(link: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        show.as_json(link)
        return
    times = {f"{name}_at": show.moment(link[f"{name}_at"]) for name in ("created", "expires", "ended")}
    show.fields({**link, **times}.items())
