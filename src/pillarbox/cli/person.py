"""pillarbox person: who may sign in, and as what."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from pillarbox.cli import show
from pillarbox.cli.local import Api, with_api
from pillarbox.cli.options import json_option, lists_given, read_secret, switch_given
from pillarbox.core.caller import Role

_PATH = "/api/v1/people"
_ROLE = click.Choice([role.value for role in Role])


@click.group()
def command() -> None:
    """People who may sign in: administrators, operators, auditors."""


@command.command()
@click.argument("name")
@click.option("roles", "--role", type=_ROLE, multiple=True, required=True, help="What they are; may be repeated.")
@click.option("--with-password", is_flag=True, help="Give the password here, in place of a link.")
@json_option
@with_api
def add(name: str, roles: tuple[str, ...], with_password: bool, as_json: bool, api: Api) -> None:
    """Add a person and show the link at which they choose a password, once.

    With --with-password, PILLARBOX_PERSON_PASSWORD or the file that PILLARBOX_PERSON_PASSWORD_FILE names gives it;
    else it is asked for.
    """
    new: dict[str, object] = {"name": name, "roles": list(roles)}
    if with_password:
        new["password"] = read_secret("Password", "PERSON_PASSWORD").reveal()
    added = api.post(_PATH, new)
    if as_json:
        show.as_json(added)
        return
    show.line(f"Added {added['name']} as {_roles(added)}.")
    if added["invitation"]:
        _tell_link(added["invitation"])


@command.command("list")
@json_option
@with_api
def list_people(as_json: bool, api: Api) -> None:
    """List the people: what each is, and when each signed in last."""
    found = [_without_link(one) for one in api.all(_PATH)]
    if as_json:
        show.as_json(found)
        return
    show.table(
        [
            {
                "name": one["name"],
                "roles": one["roles"],
                "second_factor": "yes" if one["has_second_factor"] else "no",
                "last_seen": show.moment(one["last_seen_at"]) or "never",
                "state": _state(one),
            }
            for one in found
        ],
        ["name", "roles", "second_factor", "last_seen", "state"],
        empty="Nobody yet: `pillarbox person first` makes a link for the first administrator",
    )


@command.command("show")
@click.argument("name")
@json_option
@with_api
def show_person(name: str, as_json: bool, api: Api) -> None:
    """Show all about a person."""
    found = _without_link(api.get(_path(name)))
    if as_json:
        show.as_json(found)
        return
    show.fields(
        [
            ("Name", found["name"]),
            ("State", _state(found) or "may sign in"),
            ("Roles", _roles(found)),
            (
                "Second factor",
                f"yes, {found['recovery_codes']} recovery codes left" if found["has_second_factor"] else "no",
            ),
            ("Added", f"{show.moment(found['created_at'])} UTC"),
            ("Last seen", f"{last} UTC" if (last := show.moment(found["last_seen_at"])) else "never"),
        ]
    )


@command.command()
@click.argument("name")
@click.option("roles", "--role", type=_ROLE, multiple=True, help="What they are from now on; may be repeated.")
@click.option("--enable", is_flag=True, help="Let them in.")
@click.option("--disable", is_flag=True, help="Keep them out.")
@json_option
@with_api
def change(name: str, as_json: bool, api: Api, **options: Any) -> None:
    """Change what a person may do, or keep them out; they are signed out everywhere."""
    new: dict[str, object] = dict(lists_given(options, ["roles"]))
    if (enabled := switch_given(options, "enable", "disable")) is not None:
        new["enabled"] = enabled
    if not new:
        raise click.UsageError("name what is to change: `pillarbox person change --help` lists it")
    changed = api.patch(_path(name), new)
    if as_json:
        show.as_json(_without_link(changed))
    else:
        show.line(f"Changed {changed['name']}.")


@command.command()
@click.argument("name")
@click.option("--drop-second-factor", is_flag=True, help="The authenticator is lost: no code is asked for any more.")
@json_option
@with_api
def invite(name: str, drop_second_factor: bool, as_json: bool, api: Api) -> None:
    """Make a link at which a person chooses a new password, and show it, once.

    The password they had and all their sessions are over at once.
    """
    made = api.post(f"{_path(name)}:invite", {"drop_second_factor": drop_second_factor})
    if as_json:
        show.as_json(made)
    else:
        _tell_link(made)


@command.command("sign-in-link")
@click.argument("name")
@json_option
@with_api
def sign_in_link(name: str, as_json: bool, api: Api) -> None:
    """Make a link that signs a person in once, without a password, and show it; the service must run."""
    made = api.post(f"{_path(name)}:sign-in-link")
    if as_json:
        show.as_json(made)
    else:
        _tell_link(made)


@command.command("sign-out")
@click.argument("name")
@json_option
@with_api
def sign_out(name: str, as_json: bool, api: Api) -> None:
    """Sign a person out everywhere; the password stays."""
    api.post(f"{_path(name)}:sign-out")
    if as_json:
        show.as_json({"name": name, "signed_out": True})
    else:
        show.line(f"Signed {name} out everywhere.")


@command.command()
@click.argument("name")
@json_option
@with_api
def remove(name: str, as_json: bool, api: Api) -> None:
    """Forget a person; they are signed out everywhere."""
    api.delete(_path(name))
    if as_json:
        show.as_json({"name": name, "removed": True})
    else:
        show.line(f"Removed {name}.")


@command.command()
@json_option
@with_api
def first(as_json: bool, api: Api) -> None:
    """Make a link for the first administrator, while there is nobody, and show it; the service must run."""
    made = api.post(f"{_PATH}:first")
    if as_json:
        show.as_json(made)
        return
    _tell_link(made)
    show.line(f"It stands in {made['file']} too.")


def _tell_link(invitation: Mapping[str, Any]) -> None:
    show.line(f"Link (good once, until {show.moment(invitation['expires_at'])} UTC): {invitation['url']}")


def _without_link(person: Mapping[str, Any]) -> dict[str, Any]:
    """A link is in the answer of the moment in which it was made, and nowhere else."""
    return {key: value for key, value in person.items() if key != "invitation"}


def _roles(person: Mapping[str, Any]) -> str:
    return ", ".join(person["roles"])


def _state(person: Mapping[str, Any]) -> str:
    if not person["enabled"]:
        return "disabled"
    if person["has_password"]:
        return ""
    if person["entra"]:
        return "signs in by Microsoft"
    until = show.moment(person["invited_until"])
    return f"invited until {until} UTC" if until else "has no password: invite them anew"


def _path(name: str) -> str:
    return f"{_PATH}/{quote(name, safe='')}"
