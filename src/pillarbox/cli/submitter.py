"""pillarbox submitter: printers and programs that hand in mail."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import click

from pillarbox.access import unix_users
from pillarbox.cli import show, submitter_words
from pillarbox.cli.local import Api, with_api
from pillarbox.cli.options import DURATION, json_option, lists_given, read_secret, switch_given
from pillarbox.core.accounts import LARGEST, MOST_RATE, UnixRule
from pillarbox.core.places import ENV_PREFIX

_Command = TypeVar("_Command", bound=Callable[..., Any])
_VARIABLE = "SUBMITTER_PASSWORD"
_SWITCHES = (
    ("force_from", "force_from", "no_force_from"),
    ("fix_from", "fix_from", "no_fix_from"),
    ("enabled", "enable", "disable"),
)
"""What the API calls it, the option for yes, the option for no."""
_LISTS = ("mailboxes", "senders", "networks", "users", "groups", "recipients")


@click.group()
def command() -> None:
    """Printers and programs that hand in mail."""


@command.group()
def token() -> None:
    """Tokens of a submitter, for programs that log in by XOAUTH2 or OAUTHBEARER."""


def _rules(command: _Command) -> _Command:
    """What a submitter may do and how it comes in, as `add` and `change` take it."""
    options = [
        click.option("mailboxes", "--mailbox", multiple=True, help="Mailbox it sends from; may be repeated."),
        click.option(
            "senders",
            "--sender",
            metavar="ADDRESS[=MAILBOX]",
            multiple=True,
            help="Further sender address, an alias of that mailbox (otherwise of the first one); '*@DOMAIN=MAILBOX' "
            "for all of a domain, '*@DOMAIN' with --app for each from its own mailbox.",
        ),
        click.option("--app", help="App registration by which addresses of '*@DOMAIN' leave from their own mailboxes."),
        click.option(
            "networks", "--network", metavar="CIDR", multiple=True, help="Clients of this network need no login."
        ),
        click.option("users", "--user", multiple=True, help="User of this machine (sendmail), by name or number."),
        click.option("groups", "--group", multiple=True, help="Group of this machine (sendmail), by name or number."),
        click.option(
            "recipients", "--recipient", metavar="ADDRESS|*@DOMAIN", multiple=True, help="It may send to these only."
        ),
        click.option(
            "--rate", metavar="PER_MINUTE", type=click.IntRange(0, MOST_RATE), help="Most messages a minute; 0: any."
        ),
        click.option(
            "--max-size",
            metavar="BYTES",
            type=click.IntRange(0, LARGEST),
            help="Largest message; 0: the listener's.",
        ),
        click.option(
            "--priority",
            type=click.Choice(["low", "normal", "high"]),
            help="Of its messages, among those of the same mailbox.",
        ),
        click.option(
            "--max-age", type=DURATION, help="How long its messages are tried, such as 12h; 0s: as the settings say."
        ),
        click.option(
            "--on-broken",
            type=click.Choice(["accept", "tempfail"]),
            help="While its mailbox cannot send: take its mail and hold it (accept, the usual), or answer 451, for "
            "clients that try again by themselves (tempfail).",
        ),
        click.option("--no-password", is_flag=True, help="It comes in otherwise, and has no password."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@command.command()
@click.argument("name")
@_rules
@click.option("--force-from", is_flag=True, help="Its mailbox's address is written into From.")
@click.option("--fix-from", is_flag=True, help="A missing From is added.")
@json_option
@with_api
def add(name: str, as_json: bool, api: Api, **options: Any) -> None:
    """Add a submitter and show its new password, once.

    To keep a password that the device has already, set PILLARBOX_SUBMITTER_PASSWORD or
    PILLARBOX_SUBMITTER_PASSWORD_FILE.
    """
    new = {"name": name, **_given(options), **_password(wanted=not options["no_password"])}
    added = api.post("/api/v1/submitters", new)
    told = f"Added the submitter {added['name']}. It may send as {', '.join(submitter_words.addresses(added))}."
    _tell(told, added, options, as_json=as_json)
    if sys.stdout.isatty() and not as_json:
        show.line(f"`pillarbox submitter show {name}` says all about it.")


@command.command()
@click.argument("name")
@_rules
@click.option("no_networks", "--no-network", is_flag=True, help="It comes in from no network without a login.")
@click.option("no_users", "--no-user", is_flag=True, help="No user of this machine is it.")
@click.option("no_groups", "--no-group", is_flag=True, help="No group of this machine is it.")
@click.option("no_recipients", "--no-recipient", is_flag=True, help="It may send to everybody.")
@click.option("--force-from", is_flag=True, help="Its mailbox's address is written into From.")
@click.option("--no-force-from", is_flag=True, help="From stays as the client writes it.")
@click.option("--fix-from", is_flag=True, help="A missing From is added.")
@click.option("--no-fix-from", is_flag=True, help="A missing From is refused.")
@click.option("--enable", is_flag=True, help="Let it in.")
@click.option("--disable", is_flag=True, help="Keep it out.")
@click.option("--new-password", is_flag=True, help="Another password, made here and shown once; the old one ends.")
@json_option
@with_api
def change(name: str, as_json: bool, api: Api, **options: Any) -> None:
    """Change a submitter; it counts from its next message on. A list that is given replaces the old one.

    With --new-password, PILLARBOX_SUBMITTER_PASSWORD or the file that PILLARBOX_SUBMITTER_PASSWORD_FILE names gives
    the new one, if it is set.
    """
    new = _given(options)
    if options["new_password"]:
        new |= _password(wanted=True) or {"new_password": True}
    if not new:
        raise click.UsageError("name what is to change: `pillarbox submitter change --help` lists it")
    _tell(f"Changed the submitter {name}.", api.patch(_path(name), new), options, as_json=as_json)


@command.command()
@click.argument("name")
@json_option
@with_api
def remove(name: str, as_json: bool, api: Api) -> None:
    """Forget a submitter; what it handed in is still sent."""
    api.delete(_path(name))
    if as_json:
        show.as_json({"name": name, "removed": True})
    else:
        show.line(f"Removed the submitter {name}.")


@command.command("let-in")
@click.argument("address")
@json_option
@with_api
def let_in(address: str, as_json: bool, api: Api) -> None:
    """Let an address in that is kept out for failed logins; of IPv6 its whole /64."""
    told = api.post("/api/v1/submitters:let-in", {"address": address})
    if as_json:
        show.as_json(told)
    else:
        show.line(f"{address} is let in." if told["was_kept_out"] else f"{address} was not kept out.")


@command.command("list")
@json_option
@with_api
def list_submitters(as_json: bool, api: Api) -> None:
    """List the submitters: what each may send as, how it comes in, when it sent last."""
    found = [_without_password(one) for one in api.all("/api/v1/submitters")]
    if as_json:
        show.as_json(found)
        return
    show.table(
        [submitter_words.row(one) for one in found],
        ["name", "may_send_as", "comes_in", "last_used", "state"],
        empty="No submitter yet: `pillarbox submitter add NAME --mailbox ADDRESS`",
    )


@command.command("show")
@click.argument("name")
@json_option
@with_api
def show_submitter(name: str, as_json: bool, api: Api) -> None:
    """Show all about a submitter."""
    found = _without_password(api.get(_path(name)))
    if as_json:
        show.as_json(found)
    else:
        show.fields(submitter_words.described(found))


@token.command("add")
@click.argument("name")
@click.argument("token_id", metavar="ID")
@json_option
@with_api
def add_token(name: str, token_id: str, as_json: bool, api: Api) -> None:
    """Make a token for a submitter and show it, once. ID is what you call it by, such as the program that has it."""
    made = api.post(f"{_path(name)}/tokens", {"id": token_id})
    if as_json:
        show.as_json(made)
        return
    show.line(f"Added the token {token_id}. The program logs in as {name}, by XOAUTH2 or OAUTHBEARER.")
    show.line(f"Token (shown only now): {made['token']}")


@token.command("list")
@click.argument("name")
@json_option
@with_api
def list_tokens(name: str, as_json: bool, api: Api) -> None:
    """List the tokens of a submitter."""
    found = [{"id": one["id"], "created_at": one["created_at"]} for one in api.get(f"{_path(name)}/tokens")["data"]]
    if as_json:
        show.as_json(found)
        return
    show.table(
        [{"id": one["id"], "made": show.moment(one["created_at"])} for one in found],
        ["id", "made"],
        empty=f"No token yet: `pillarbox submitter token add {name} ID`",
    )


@token.command("remove")
@click.argument("name")
@click.argument("token_id", metavar="ID")
@json_option
@with_api
def remove_token(name: str, token_id: str, as_json: bool, api: Api) -> None:
    """Forget a token; whoever has it cannot come in any more."""
    api.delete(f"{_path(name)}/tokens/{quote(token_id, safe='')}")
    if as_json:
        show.as_json({"name": name, "id": token_id, "removed": True})
    else:
        show.line(f"Removed the token {token_id} of {name}.")


def _given(options: Mapping[str, Any]) -> dict[str, object]:
    """What was asked for, as the API takes it."""
    return dict(_pairs(options))


def _pairs(options: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    yield from lists_given(options, _LISTS)
    for name in ("app", "rate", "max_size", "priority", "on_broken"):
        if options[name] is not None:
            yield name, options[name]
    if options["max_age"] is not None:
        yield "max_age", round(options["max_age"])
    for name, yes, no in _SWITCHES:
        if (wanted := switch_given(options, yes, no)) is not None:
            yield name, wanted
    if options["no_password"]:
        yield "no_password", True


def _warn_of_strangers(options: Mapping[str, Any]) -> None:
    """Who is named may come to this machine later; a slip of the pen would show only when the first mail is refused."""
    rules = [*(UnixRule("user", name) for name in options["users"])]
    rules += [UnixRule("group", name) for name in options["groups"]]
    for rule in rules:
        if not unix_users.is_known(rule):
            text = f"pillarbox: this machine knows no {rule.kind} '{rule.name}' yet; the rule is kept."
            click.echo(show.plain(text), err=True)


def _password(*, wanted: bool) -> dict[str, object]:
    """The password that the environment gives, if one is wanted."""
    given = any(f"{ENV_PREFIX}{_VARIABLE}{end}" in os.environ for end in ("", "_FILE"))
    return {"password": read_secret("Password", _VARIABLE).reveal()} if wanted and given else {}


def _tell(what: str, submitter: Mapping[str, Any], options: Mapping[str, Any], *, as_json: bool) -> None:
    """What was done to a submitter, and its password where it has got one."""
    _warn_of_strangers(options)
    if as_json:
        show.as_json(submitter)
        return
    show.line(what)
    if submitter["password"]:
        show.line(f"Password (shown only now): {submitter['password']}")


def _without_password(submitter: Mapping[str, Any]) -> dict[str, Any]:
    """A password is in the answer of the moment in which it was made, and nowhere else."""
    return {key: value for key, value in submitter.items() if key != "password"}


def _path(name: str) -> str:
    return f"/api/v1/submitters/{quote(name, safe='')}"
