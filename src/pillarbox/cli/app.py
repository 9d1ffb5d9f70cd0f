"""pillarbox app: app registrations and their credentials."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import click

from pillarbox.cli import show
from pillarbox.cli.certificate_files import new_file, public_lines, read_certificate, write_public
from pillarbox.cli.check import app_test
from pillarbox.cli.local import Api, with_api
from pillarbox.cli.options import ask_for_more, json_option, load_settings, read_secret, read_value
from pillarbox.core.errors import InvalidInput, NotFound

_Command = TypeVar("_Command", bound=Callable[..., Any])
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


def _secret_options(command: _Command) -> _Command:
    command = click.option(
        "--secret-from",
        metavar="SOURCE",
        help="Read the secret anew each time: env:NAME, file:/PATH or keyvault:URL, where the service runs.",
    )(command)
    return click.option("--secret-ends", metavar="DATE", help="When the secret expires, such as 2027-05-31.")(command)


def _certificate_options(command: _Command) -> _Command:
    command = click.option("--pfx-file", type=_FILE, help="PFX (PKCS #12) file with certificate and key.")(command)
    command = click.option("--key-file", type=_FILE, help="PEM file of the key, if it is not in the other.")(command)
    return click.option("--certificate-file", type=_FILE, help="PEM file of the certificate.")(command)


@command.command()
@click.argument("name")
@click.option("--tenant-id", help="Directory (tenant) ID, or the tenant's domain.")
@click.option("--client-id", help="Application (client) ID.")
@_secret_options
@_certificate_options
@click.option(
    "--new-certificate",
    metavar="[FILE]",
    is_flag=False,
    flag_value="",
    help="Make a certificate; its public part is written to FILE (NAME.cer).",
)
@click.option("--federated", is_flag=True, help="Another issuer's token stands for a secret, as in Kubernetes.")
@click.option(
    "--token-file", "--federated-token-file", "token_file", type=_FILE, help="That token; AZURE_FEDERATED_TOKEN_FILE."
)
@click.option(
    "--federated-identity", metavar="CLIENT_ID", help="The token of that user-assigned identity stands for a secret."
)
@click.option(
    "--managed-identity", type=click.Choice(["system", "user"]), help="The identity of this machine is the app."
)
@json_option
@with_api
def add(
    name: str,
    tenant_id: str | None,
    client_id: str | None,
    secret_ends: str | None,
    secret_from: str | None,
    certificate_file: Path | None,
    key_file: Path | None,
    pfx_file: Path | None,
    new_certificate: str | None,
    federated: bool,
    token_file: Path | None,
    federated_identity: str | None,
    managed_identity: str | None,
    as_json: bool,
    api: Api,
) -> None:
    """Add an app registration.

    What is not given is asked for, or comes from PILLARBOX_CLIENT_ID, PILLARBOX_TENANT_ID, and PILLARBOX_CLIENT_SECRET
    or the file that PILLARBOX_CLIENT_SECRET_FILE names. A secret is never an argument.
    """
    ways = {
        "--secret-from": secret_from,
        "--certificate-file, --pfx-file": certificate_file or pfx_file,
        "--new-certificate": None if new_certificate is None else "yes",
        "--federated": federated or token_file,
        "--federated-identity": federated_identity,
        "--managed-identity": managed_identity,
    }
    if len([way for way in ways.values() if way]) > 1:
        raise InvalidInput("app.one_credential")
    in_pod = bool(federated or token_file)
    if in_pod:
        _check_authority(api)
        client_id = client_id or os.environ.get("AZURE_CLIENT_ID")
        tenant_id = tenant_id or os.environ.get("AZURE_TENANT_ID")
    new: dict[str, Any] = {
        "name": name,
        "client_id": read_value("Application (client) ID", "--client-id", client_id, "CLIENT_ID"),
        "tenant_id": read_value("Directory (tenant) ID", "--tenant-id", tenant_id, "TENANT_ID"),
    }
    public_file = None
    if certificate_file or pfx_file or key_file:
        new["certificate"] = read_certificate(certificate_file, key_file, pfx_file).reveal()
    elif new_certificate is not None:
        new["new_certificate"] = True
        public_file = new_file(new_certificate or f"{name}.cer")
    elif in_pod:
        file = read_value("File of the token", "--token-file", _token_file(token_file), "TOKEN_FILE")
        new["federated"] = f"file:{Path(file).absolute()}"
    elif federated_identity:
        new["federated"] = f"managed-identity:{federated_identity}"
    elif managed_identity:
        new["managed_identity"] = managed_identity
    else:
        new |= _client_secret(secret_from, secret_ends)
    _print_added(api.post("/api/v1/apps", new), f"Added the app registration {name}.", public_file, as_json)


@command.command()
@click.argument("name")
@_secret_options
@json_option
@with_api
def secret(name: str, secret_ends: str | None, secret_from: str | None, as_json: bool, api: Api) -> None:
    """Give an app registration a further client secret; it is tried first, older credentials after it.

    It comes from PILLARBOX_CLIENT_SECRET, from the file that PILLARBOX_CLIENT_SECRET_FILE names, or is asked for. Once
    it works, take the old one away: `pillarbox app credential remove`.
    """
    added = api.post(_credentials(name), _client_secret(secret_from, secret_ends))
    done = f"{name} has a new secret. `pillarbox outbox retry --state held` sends what is held."
    _print_added(added, done, None, as_json)


@command.command("list")
@json_option
@with_api
def list_apps(as_json: bool, api: Api) -> None:
    """List the app registrations, with the nearest end date of their credentials."""
    found = api.get("/api/v1/apps")["data"]
    if as_json:
        show.as_json(found)
    else:
        show.table(
            [{**one, "ends": _day(one["ends_at"])} for one in found],
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
    found = next((one for one in api.get("/api/v1/apps")["data"] if one["name"] == name), None)
    if found is None:
        raise NotFound("app.not_found", name=name)
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
    file = new_file(str(out or f"{name}.cer"))
    _print_added(
        api.post(_credentials(name), {"new_certificate": True}), f"{name} has a new certificate.", file, as_json
    )


@certificate.command("add")
@click.argument("name")
@_certificate_options
@json_option
@with_api
def add_certificate(
    name: str, certificate_file: Path | None, key_file: Path | None, pfx_file: Path | None, as_json: bool, api: Api
) -> None:
    """Give an app registration a further certificate, from PEM or PFX files; they are read once.

    The password of a PFX file comes from PILLARBOX_PFX_PASSWORD, that of a key from PILLARBOX_KEY_PASSWORD (or a file:
    _FILE), or is asked for.
    """
    pem = read_certificate(certificate_file, key_file, pfx_file)
    added = api.post(_credentials(name), {"certificate": pem.reveal()})
    _print_added(added, f"{name} has a new certificate.", None, as_json)


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
                "ends": _day(one["ends_at"]),
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
@with_api
def remove_credential(name: str, credential_id: str, api: Api) -> None:
    """Forget a credential, but never the last one. At Microsoft it stays until it is removed there."""
    api.delete(f"{_credentials(name)}/{quote(credential_id, safe='')}")
    show.line(f"{name} has lost {credential_id}.")


def _path(name: str) -> str:
    return f"/api/v1/apps/{quote(name, safe='')}"


def _credentials(name: str) -> str:
    return f"{_path(name)}/credentials"


def _client_secret(source: str | None, ends: str | None) -> dict[str, Any]:
    """A secret and its end date, as the API takes them; asked for where they are not given."""
    from pillarbox.admin import pasted

    given = {"client_secret_from": source} if source else {"client_secret": _read_client_secret()}
    if ends is None and not source:
        ends = ask_for_more("It expires on (YYYY-MM-DD; empty if you do not know)")
    return {**given, "ends_at": pasted.date(ends or "")}


def _read_client_secret() -> str:
    return read_secret("Client secret (its Value)", "CLIENT_SECRET").reveal()


def _token_file(given: Path | None) -> str | None:
    return str(given) if given else os.environ.get("AZURE_FEDERATED_TOKEN_FILE")


def _check_authority(api: Api) -> None:
    """A pod says in which cloud it runs; tokens of another would be useless. Raises InvalidInput."""
    found = os.environ.get("AZURE_AUTHORITY_HOST")
    expected = load_settings(api.config, api.settings).addresses().authority_url
    if found and urlsplit(found).netloc.lower() != urlsplit(expected).netloc.lower():
        raise InvalidInput("app.other_cloud", found=found, expected=expected)


def _print_added(added: Mapping[str, Any], done: str, public_file: Path | None, as_json: bool) -> None:
    credential = added["credential"]
    if public_file is not None:
        write_public(public_file, credential["public_pem"])
    if as_json:
        show.as_json({**added, "file": str(public_file)} if public_file else added)
        return
    show.line(done)
    _print_lines(public_lines(credential, public_file))
    for warning in added["warnings"]:
        click.echo(show.plain(f"Warning: {warning['title']} {warning['hint']}"), err=True)


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        show.line(line)


def _day(seconds: float | None) -> str:
    return show.moment(seconds)[:10]


command.add_command(app_test)
