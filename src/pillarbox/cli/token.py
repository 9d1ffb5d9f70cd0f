"""pillarbox token: the access tokens that apps and mailboxes get."""

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeGuard

import click

from pillarbox.cli import show
from pillarbox.cli.local import PATIENT, Api, with_api
from pillarbox.cli.options import holder_options, json_option

_SHOWN: Final = ("aud", "iss", "tid", "appid", "azp", "roles", "scp", "idtyp", "upn", "preferred_username", "oid")
_YEAR_10000: Final = 253_402_300_800


@click.group()
def command() -> None:
    """Access tokens of apps and mailboxes."""


@command.command()
@holder_options
@click.option("--resource", type=click.Choice(["graph", "exchange"]), default="graph", help="What it is for.")
@click.option("--fresh", is_flag=True, help="A new one from Microsoft, whatever is kept.")
@click.option("--raw", is_flag=True, help="Print the token itself and nothing else: it is a key, keep it as one.")
@json_option
@with_api
def get(app: str | None, mailbox: str | None, resource: str, fresh: bool, raw: bool, as_json: bool, api: Api) -> None:
    """Get an access token and show what stands in it.

    The token itself is printed with --raw alone. What is shown is not verified: it is for its API to judge.
    """
    if raw and as_json:
        raise click.UsageError("--raw prints the token alone: leave --json out")
    asked = {"app": app, "mailbox": mailbox, "resource": resource, "fresh": fresh, "raw": raw}
    got = api.post("/api/v1/tokens", asked, timeout=PATIENT)
    if raw:
        click.echo(got["token"])
        if sys.stdout.isatty():
            click.echo("pillarbox: Whoever reads this token may do what it may, until it ends.", err=True)
    elif as_json:
        show.as_json(got["claims"])
    elif got["claims"] is None:
        show.line("The token is opaque: nothing can be read in it, and nothing is wrong with that.")
    else:
        show.fields(described(got["claims"], time.time()))


def described(claims: Mapping[str, Any], now: float) -> Iterator[tuple[str, Any]]:
    """The claims that say something to a person, by their names; first what kind of token it is. Pure."""
    yield "kind", _kind(claims)
    for name in _SHOWN:
        yield name, claims.get(name)
    if _is_time(issued := claims.get("iat")):
        yield "issued", f"{show.moment(issued)} UTC"
    if _is_time(end := claims.get("exp")):
        yield "ends", f"{show.moment(end)} UTC, {_left(end - now)}"
    yield "xms_cc", claims.get("xms_cc")


def _kind(claims: Mapping[str, Any]) -> str:
    if "scp" in claims:
        return "delegated: the app acts for the person who signed in, as far as scp goes"
    if claims.get("roles"):
        return "app-only: the app acts by itself, as far as roles go"
    return (
        "app-only, no roles: Entra ID gives it no permission; one that Exchange gives (RBAC for Applications) does not "
        "show here"
    )


def _is_time(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and 0 <= value < _YEAR_10000


def _left(seconds: float) -> str:
    minutes = int(abs(seconds) // 60)
    words = f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
    return f"valid for {words}" if seconds > 0 else f"ended {words} ago"
