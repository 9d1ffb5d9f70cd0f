"""pillarbox key: API keys, by which programs come in at the HTTP API."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

import click

from pillarbox.cli import show
from pillarbox.cli.local import Api, with_api
from pillarbox.cli.options import DURATION, MOMENT, json_option, lists_given, switch_given
from pillarbox.core.accounts import MOST_RATE
from pillarbox.core.caller import Scope

_Command = TypeVar("_Command", bound=Callable[..., Any])
_LISTS: Final = ("scopes", "mailboxes", "networks", "recipients")
_PATH: Final = "/api/v1/api-keys"


@click.group()
def command() -> None:
    """API keys, by which programs come in at the HTTP API."""


def _rules(command: _Command) -> _Command:
    """What a key may do, as `add` and `change` take it."""
    options = [
        click.option(
            "scopes",
            "--scope",
            type=click.Choice([scope.value for scope in Scope]),
            multiple=True,
            help="What it may do; may be repeated. Without one: send, outbox.read, events.read.",
        ),
        click.option(
            "mailboxes",
            "--mailbox",
            metavar="ADDRESS",
            multiple=True,
            help="It knows of this mailbox alone; may be repeated. Without one: of all.",
        ),
        click.option("networks", "--network", metavar="CIDR", multiple=True, help="It comes in from there alone."),
        click.option(
            "recipients", "--recipient", metavar="ADDRESS|*@DOMAIN", multiple=True, help="It may send to these only."
        ),
        click.option(
            "on_other_recipients",
            "--other-recipients",
            type=click.Choice(["refuse", "hold"]),
            help="What goes to others is refused (the usual), or held until a person approves it.",
        ),
        click.option(
            "--rate",
            metavar="PER_MINUTE",
            type=click.IntRange(0, MOST_RATE),
            help="Most requests a minute; 0: as the setting http.rate says.",
        ),
        click.option("--expires-in", type=DURATION, help="It is over after this time, such as 90d."),
        click.option("expires_at", "--expires", type=MOMENT, help="It is over at this time."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@command.command()
@click.argument("name")
@_rules
@json_option
@with_api
def add(name: str, as_json: bool, api: Api, **options: Any) -> None:
    """Make an API key and show it, once. NAME is what you call it by, such as the program that gets it."""
    _tell(f"Added the API key {name}.", api.post(_PATH, {"name": name, **_given(options)}), as_json=as_json)


@command.command()
@click.argument("name")
@_rules
@click.option("--all-mailboxes", is_flag=True, help="It knows of all mailboxes.")
@click.option("no_networks", "--no-network", is_flag=True, help="It comes in from anywhere.")
@click.option("no_recipients", "--no-recipient", is_flag=True, help="It may send to everybody.")
@click.option("--no-expiry", is_flag=True, help="It is never over.")
@click.option("--enable", is_flag=True, help="Let it in.")
@click.option("--disable", is_flag=True, help="Keep it out.")
@json_option
@with_api
def change(name: str, as_json: bool, api: Api, **options: Any) -> None:
    """Change what an API key may do; it counts from its next request on. A list that is given replaces the old one."""
    new = _given(options)
    if not new:
        raise click.UsageError("name what is to change: `pillarbox key change --help` lists it")
    _tell(f"Changed the API key {name}.", api.patch(_path(name), new), as_json=as_json)


@command.command()
@click.argument("name")
@json_option
@with_api
def rotate(name: str, as_json: bool, api: Api) -> None:
    """Give an API key a new text and show it, once. The old one is over at once."""
    _tell(f"The API key {name} has a new text.", api.post(f"{_path(name)}:rotate"), as_json=as_json)


@command.command()
@click.argument("name")
@json_option
@with_api
def remove(name: str, as_json: bool, api: Api) -> None:
    """Forget an API key; what it handed in is still sent."""
    api.delete(_path(name))
    if as_json:
        show.as_json({"name": name, "removed": True})
    else:
        show.line(f"Removed the API key {name}.")


@command.command("list")
@json_option
@with_api
def list_keys(as_json: bool, api: Api) -> None:
    """List the API keys: what each may do, until when, when it was used last."""
    found = [_without_text(one) for one in api.all(_PATH)]
    if as_json:
        show.as_json(found)
        return
    show.table(
        [_row(one) for one in found],
        ["name", "id", "scopes", "mailboxes", "expires", "last_used", "state"],
        empty="No API key yet: `pillarbox key add NAME`",
    )


@command.command("show")
@click.argument("name")
@json_option
@with_api
def show_key(name: str, as_json: bool, api: Api) -> None:
    """Show all about an API key, but its text: nobody has that but whoever was given it."""
    found = _without_text(api.get(_path(name)))
    if as_json:
        show.as_json(found)
    else:
        show.fields(_described(found))


def _given(options: Mapping[str, Any]) -> dict[str, object]:
    """What was asked for, as the API takes it."""
    return dict(_pairs(options))


def _pairs(options: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    yield from lists_given(options, _LISTS)
    if options.get("all_mailboxes"):
        if options["mailboxes"]:
            raise click.UsageError("either --mailbox or --all-mailboxes")
        yield "mailboxes", None
    for name in ("on_other_recipients", "rate"):
        if options[name] is not None:
            yield name, options[name]
    yield from _expiry(options)
    if (enabled := switch_given(options, "enable", "disable")) is not None:
        yield "enabled", enabled


def _expiry(options: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    seconds, moment, never = options["expires_in"], options["expires_at"], options.get("no_expiry", False)
    if sum((seconds is not None, moment is not None, never)) > 1:
        raise click.UsageError("one of --expires-in, --expires and --no-expiry")
    if seconds is not None:
        yield "expires_at", time.time() + seconds
    elif moment is not None or never:
        yield "expires_at", moment


def _tell(what: str, key: Mapping[str, Any], *, as_json: bool) -> None:
    """What was done to a key, and its text where it has got one."""
    if as_json:
        show.as_json(key)
        return
    show.line(what)
    if key["key"]:
        show.line(f"Key (shown only now): {key['key']}")


def _row(key: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": key["name"],
        "id": key["id"],
        "scopes": key["scopes"],
        "mailboxes": "all" if key["mailboxes"] is None else key["mailboxes"],
        "expires": show.moment(key["expires_at"]) or "never",
        "last_used": show.moment(key["last_used_at"]) or "never",
        "state": _state(key),
    }


def _state(key: Mapping[str, Any]) -> str:
    if not key["enabled"]:
        return "disabled"
    return "over" if key["expires_at"] is not None and key["expires_at"] <= time.time() else ""


def _described(key: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """All about a key: names and values, one a line."""
    yield "Name", key["name"]
    yield "Begins with", f"pbx_{key['id']}_"
    yield "State", _state(key) or "enabled"
    yield "May", ", ".join(key["scopes"])
    yield "Mailboxes", "all" if key["mailboxes"] is None else ", ".join(key["mailboxes"])
    yield "Comes in from", ", ".join(key["networks"]) or "anywhere"
    yield "Sends to", _recipients(key)
    yield "Rate", f"at most {key['rate']} requests a minute" if key["rate"] else "as http.rate says"
    for name, moment in (("Over", "expires_at"), ("Made", "created_at"), ("Last used", "last_used_at")):
        told = show.moment(key[moment])
        yield name, f"{told} UTC" if told else "never"


def _recipients(key: Mapping[str, Any]) -> str:
    if not key["recipients"]:
        return "everybody"
    others = "only" if key["on_other_recipients"] == "refuse" else "; to others when a person approves it"
    return f"{', '.join(key['recipients'])} {others}".replace(" ;", ";")


def _without_text(key: Mapping[str, Any]) -> dict[str, Any]:
    """The text is in the answer of the moment in which it was made, and nowhere else."""
    return {name: value for name, value in key.items() if name != "key"}


def _path(name: str) -> str:
    return f"{_PATH}/{quote(name, safe='')}"
