"""pillarbox mailbox: mailboxes that mail leaves from."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import click

from pillarbox.cli import pause_words, show
from pillarbox.cli.check import mailbox_test
from pillarbox.cli.local import Api, with_api
from pillarbox.cli.options import json_option
from pillarbox.cli.sign_in import sign_in
from pillarbox.core.graph_limits import MOST_MESSAGE


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
    found = api.all("/api/v1/mailboxes")
    if as_json:
        show.as_json(found)
    else:
        show.table(
            [_row(one) for one in found],
            ["address", "app", "state", "mode", "on_uncertain", "signed_in", "paused"],
            empty="No mailbox yet: `pillarbox mailbox add ADDRESS --app NAME`",
        )


@command.command()
@click.argument("address")
@click.option("--app", help="Let this app registration act for it by its own rights; a sign-in to it is forgotten.")
@click.option(
    "--assurance",
    type=click.Choice(["send-only", "verify", "draft", "found"]),
    help="How sure each message is; found: as the last test found. Not verify where a program that submits here also "
    "saves copies of its own in Sent Items of this mailbox, with the same Message-ID: draft can tell these apart.",
)
@click.option(
    "--on-uncertain",
    type=click.Choice(["retry", "hold"]),
    help="What becomes of a message that may have been sent, where no look can tell.",
)
@click.option(
    "--transport",
    type=click.Choice(["graph", "smtp", "auto"]),
    help="How its mail leaves: through Graph, by SMTP, or by SMTP where Graph cannot.",
)
@click.option(
    "--send-limit",
    type=click.IntRange(0, MOST_MESSAGE),
    help="Bytes of the largest message that Exchange lets it send; 0: as delivery.send_limit says.",
)
@json_option
@with_api
def change(address: str, app: str | None, as_json: bool, api: Api, **choice: str | int | None) -> None:
    """Change which app registration acts for a mailbox, or how it sends."""
    chosen = {name: value for name, value in choice.items() if value is not None}
    if not app and not chosen:
        raise click.UsageError("say what to change: --app, --assurance, --on-uncertain, --transport, --send-limit")
    path = f"/api/v1/mailboxes/{quote(address, safe='@')}"
    changed = api.put(path, {"app": app}) if app else {}
    if chosen:
        changed = api.patch(path, chosen)
    if as_json:
        show.as_json(changed)
        return
    if app:
        show.line(f"{changed['app']} acts for {changed['address']} now.")
    if chosen:
        show.line(f"{changed['address']} now: mode {changed['mode']}, on_uncertain {changed['on_uncertain']}.")
    if changed["warning"]:
        show.line(changed["warning"])
    if "transport" in chosen:
        show.line(f"Its mail leaves by: {changed['transport']}.")
    if "send_limit" in chosen:
        limit = f"at most {changed['send_limit']} bytes a message" if changed["send_limit"] else "as the settings say"
        show.line(f"It sends {limit}.")


def _row(mailbox: dict[str, Any]) -> dict[str, Any]:
    pauses = mailbox["paused"]
    by_smtp = [f"by SMTP: {pause_words.in_short(one)}" for one in mailbox["paused_by_smtp"]]
    paused = next(iter([*map(pause_words.in_short, pauses), *by_smtp]), "")
    return {**mailbox, "state": _state(mailbox["state"], pauses), "paused": paused}


def _state(state: str, pauses: Sequence[object]) -> str:
    """Its account may be ok, and nothing be sent all the same."""
    return "paused" if state == "ok" and pauses else state


@command.command("show")
@click.argument("address")
@json_option
@with_api
def show_mailbox(address: str, as_json: bool, api: Api) -> None:
    """Show a mailbox and how it sends."""
    found = api.get(f"/api/v1/mailboxes/{quote(address, safe='@')}")
    if as_json:
        show.as_json(found)
        return
    pauses, by_smtp, used = found.pop("paused"), found.pop("paused_by_smtp"), found.pop("used")
    found |= {"state": _state(found["state"], pauses), "send_limit": found["send_limit"] or "as the settings say"}
    show.fields((name.replace("_", " "), value) for name, value in found.items())
    show.fields(("used", f"{one['used']} of {one['most']} {one['name']} in {one['span']:.0f} seconds") for one in used)
    show.fields(("paused", pause_words.in_words(pause)) for pause in pauses)
    show.fields(("by SMTP", f"paused {pause_words.in_words(pause)}") for pause in by_smtp)


@command.command()
@click.argument("address")
@with_api
def remove(address: str, api: Api) -> None:
    """Forget a mailbox that no message and no submitter names."""
    api.delete(f"/api/v1/mailboxes/{quote(address, safe='@')}")
    show.line(f"Forgot the mailbox {address}.")


command.add_command(mailbox_test)
command.add_command(sign_in)
