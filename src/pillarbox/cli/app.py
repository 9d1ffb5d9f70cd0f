"""pillarbox app: app registrations and their credentials."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from pillarbox.cli import credential_options, show
from pillarbox.cli.certificate_files import public_lines, read_certificate, reserved, write_public
from pillarbox.cli.check import app_test
from pillarbox.cli.credential_options import Given
from pillarbox.cli.local import Api, with_api
from pillarbox.cli.options import ask_until_good, json_option, read_value
from pillarbox.core.accounts import AppRegistration
from pillarbox.core.errors import Conflict, NotFound
from pillarbox.core.places import ENV_PREFIX

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def command() -> None:
    """App registrations in Entra ID."""


@command.group()
def certificate() -> None:
    """Certificates of an app registration."""


@command.group()
def credential() -> None:
    """Credentials of an app registration: secrets, certificates and their like."""


@command.command()
@click.argument("name")
@click.option("--tenant-id", help="Directory (tenant) ID, or the tenant's domain.")
@click.option("--client-id", help="Application (client) ID.")
@credential_options.credential_options
@click.option("--public", is_flag=True, help="No credential: users sign in by themselves, and nothing else is done.")
@json_option
@with_api
def add(
    name: str, tenant_id: str | None, client_id: str | None, public: bool, as_json: bool, api: Api, **options: Any
) -> None:
    """Add an app registration.

    What is not given is asked for, or comes from PILLARBOX_CLIENT_ID, PILLARBOX_TENANT_ID, and PILLARBOX_CLIENT_SECRET
    or the file that PILLARBOX_CLIENT_SECRET_FILE names. A secret is never an argument.
    """
    credential_options.check(options, public=public)
    known = _known_apps(api) if sys.stdin.isatty() else []
    _check_name(name, known)
    if credential_options.in_pod(options):
        client_id = client_id or os.environ.get("AZURE_CLIENT_ID")
        tenant_id = tenant_id or os.environ.get("AZURE_TENANT_ID")
    tenant, client = _read_ids(tenant_id, client_id, known)
    given = Given({"public": True}) if public else credential_options.read(name, options)
    new = Given({"name": name, "tenant_id": tenant, "client_id": client, **given.body}, given.public_file)
    _print_added(_post(api, "/api/v1/apps", new), f"Added the app registration {name}.", new, as_json)
    if sys.stdout.isatty() and not as_json:
        show.line(
            f"Next: `pillarbox mailbox sign-in ADDRESS --app {name}`."
            if public
            else f"Next: `pillarbox app test {name}` shows whether Microsoft takes it."
        )


@command.command()
@click.argument("name")
@credential_options.secret_options
@json_option
@with_api
def secret(name: str, secret_ends: str | None, secret_from: str | None, as_json: bool, api: Api) -> None:
    """Give an app registration a further client secret; it is tried first, older credentials after it.

    It comes from PILLARBOX_CLIENT_SECRET, from the file that PILLARBOX_CLIENT_SECRET_FILE names, or is asked for. Once
    it works, take the old one away: `pillarbox app credential remove`.
    """
    _check_there(api, name)
    new = credential_options.read_client_secret(name, secret_from, secret_ends)
    done = f"{name} has a new secret. `pillarbox outbox retry --state held` sends what is held."
    _print_added(_post(api, _credentials(name), new), done, new, as_json)


@command.command("list")
@json_option
@with_api
def list_apps(as_json: bool, api: Api) -> None:
    """List the app registrations, with the nearest end date of their credentials."""
    found = api.all("/api/v1/apps")
    if as_json:
        show.as_json(found)
    else:
        show.table(
            [{**one, "ends": _ends(one["ends_at"])} for one in found],
            ["name", "tenant_id", "client_id", "ends"],
            empty="No app registration yet: `pillarbox app add NAME` asks for what it needs.",
        )


@command.command()
@click.argument("name")
@click.option("--tenant-id", help="Directory (tenant) ID, or the tenant's domain.")
@click.option("--client-id", help="Application (client) ID.")
@json_option
@with_api
def change(name: str, tenant_id: str | None, client_id: str | None, as_json: bool, api: Api) -> None:
    """Give an app registration other IDs, when one of them was wrong. Its credentials stay."""
    found = api.get(_path(name))
    ids = {"tenant_id": tenant_id or found["tenant_id"], "client_id": client_id or found["client_id"]}
    changed = api.put(_path(name), ids)
    if as_json:
        show.as_json(changed)
    else:
        show.line(f"{name} is now client {changed['client_id']} in tenant {changed['tenant_id']}.")


@command.command()
@click.argument("name")
@with_api
def remove(name: str, api: Api) -> None:
    """Forget an app registration that no mailbox uses, and its credentials. At Microsoft it stays."""
    api.delete(_path(name))
    show.line(f"{name} is removed.")


@certificate.command("new")
@click.argument("name")
@click.option("--out", type=_FILE, help="Where the public part is written; NAME.cer.")
@json_option
@with_api
def new_certificate(name: str, out: Path | None, as_json: bool, api: Api) -> None:
    """Make a further certificate, good for two years. Its public part is to be uploaded; the key never leaves."""
    new = Given({"new_certificate": True}, out or Path(f"{name}.cer"))
    _print_added(_post(api, _credentials(name), new), f"{name} has a new certificate.", new, as_json)


@certificate.command("add")
@click.argument("name")
@credential_options.certificate_options
@json_option
@with_api
def add_certificate(
    name: str, certificate_file: Path | None, key_file: Path | None, pfx_file: Path | None, as_json: bool, api: Api
) -> None:
    """Give an app registration a further certificate, from PEM or PFX files; they are read once.

    The password of a PFX file comes from PILLARBOX_PFX_PASSWORD, that of a key from PILLARBOX_KEY_PASSWORD (or a file:
    _FILE), or is asked for.
    """
    files = {"certificate_file": certificate_file, "key_file": key_file, "pfx_file": pfx_file}
    credential_options.check(files)
    new = Given({"certificate": read_certificate(**files).reveal()})
    _print_added(_post(api, _credentials(name), new), f"{name} has a new certificate.", new, as_json)


@credential.command("add")
@click.argument("name")
@credential_options.credential_options
@json_option
@with_api
def add_credential(name: str, as_json: bool, api: Api, **options: Any) -> None:
    """Give an app registration a further credential of any kind; it is tried first, older ones after it.

    Without an option it is a client secret, as by `pillarbox app secret`.
    """
    credential_options.check(options)
    _check_there(api, name)
    new = credential_options.read(name, options)
    _print_added(_post(api, _credentials(name), new), f"{name} has a new credential.", new, as_json)


@credential.command("list")
@click.argument("name")
@json_option
@with_api
def list_credentials(name: str, as_json: bool, api: Api) -> None:
    """List the credentials of an app registration, in the order in which they are tried. None is ever shown."""
    found = api.get(_credentials(name))["data"]
    if as_json:
        show.as_json(found)
        return
    now = time.time()
    show.table(
        [
            {
                **one,
                "ends": _ends(one["ends_at"]),
                "age": f"{int(max(0, now - one['created_at']) // 86400)} days",
                "thumbprint": one["sha1"],
            }
            for one in found
        ],
        ["id", "kind", "source", "ends", "age", "thumbprint", "broken"],
        empty="No credential.",
    )


@credential.command("remove")
@click.argument("name")
@click.argument("credential_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_api
def remove_credential(name: str, credential_id: str, yes: bool, api: Api) -> None:
    """Forget a credential, but never the last one. At Microsoft it stays until it is removed there.

    At a terminal it asks before it removes the newest: that is the one that is tried first.
    """
    if not yes and sys.stdin.isatty():
        newest, *others = api.get(_credentials(name))["data"] or [{"id": ""}]
        if others and newest["id"] == credential_id:
            what = f"{credential_id} is the newest {newest['kind']}, which is tried first. Remove it?"
            click.confirm(what, abort=True, err=True)
    api.delete(f"{_credentials(name)}/{quote(credential_id, safe='')}")
    show.line(f"{name} has lost {credential_id}.")


def _path(name: str) -> str:
    return f"/api/v1/apps/{quote(name, safe='')}"


def _credentials(name: str) -> str:
    return f"{_path(name)}/credentials"


def _known_apps(api: Api) -> list[AppRegistration]:
    """The registrations that are there, to tell a mistake at once; none where there is no store yet."""
    try:
        found = api.all("/api/v1/apps")
    except NotFound:
        return []
    return [AppRegistration(0, one["name"], one["tenant_id"], one["client_id"]) for one in found]


def _check_name(name: str, known: Iterable[AppRegistration]) -> None:
    from pillarbox.admin import apps

    apps.check_name(name)
    if any(one.name == name for one in known):
        raise Conflict("app.exists", name=name)


def _check_there(api: Api, name: str) -> None:
    """Before a secret is pasted, which the portal shows once. Raises Refused."""
    if sys.stdin.isatty():
        api.get(_credentials(name))


def _read_ids(tenant_id: str | None, client_id: str | None, known: Iterable[AppRegistration]) -> tuple[str, str]:
    """Tenant and client ID, each checked as soon as it is there. Raises InvalidInput."""
    from pillarbox.admin import pasted

    client_id = client_id or os.environ.get(f"{ENV_PREFIX}CLIENT_ID")
    tenant_id = tenant_id or os.environ.get(f"{ENV_PREFIX}TENANT_ID")

    def one(what: str, option: str, given: str | None, variable: str, check: Callable[[str], str]) -> str:
        return ask_until_good(lambda: check(read_value(what, option, given, variable)), again=not given)

    def both() -> tuple[str, str]:
        client = one("Application (client) ID", "--client-id", client_id, "CLIENT_ID", pasted.check_client_id)
        tenant = one("Directory (tenant) ID", "--tenant-id", tenant_id, "TENANT_ID", pasted.check_tenant_id)
        return pasted.ids(tenant, client, known)

    return ask_until_good(both, again=not (client_id or tenant_id))


def _post(api: Api, path: str, new: Given) -> Mapping[str, Any]:
    """What was added; the public part of a new certificate lies in its file then."""
    with reserved(new.public_file):
        added: Mapping[str, Any] = api.post(path, new.body)
        if new.public_file is not None:
            write_public(new.public_file, added["credential"]["public_pem"])
    return added


def _print_added(added: Mapping[str, Any], done: str, new: Given, as_json: bool) -> None:
    file, credential = new.public_file, added["credential"]
    if as_json:
        show.as_json({**added, "file": str(file)} if file else added)
        return
    show.line(done)
    for line in public_lines(credential, file) if credential else ():
        show.line(line)
    for warning in added["warnings"]:
        click.echo(show.plain(f"Warning: {warning['title']} {warning['hint']}"), err=True)


def _ends(seconds: float | None) -> str:
    """The day, and how long that is where it is soon."""
    from pillarbox.admin import end_dates

    soon = end_dates.left(seconds, time.time())
    return show.moment(seconds)[:10] + (f" ({soon})" if soon else "")


command.add_command(app_test)
