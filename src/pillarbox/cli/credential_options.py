"""Which credential an app registration is given: the options for that, and what they come to for the API."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from pillarbox.cli.certificate_files import read_certificate
from pillarbox.cli.options import ask_for_more, ask_until_good, read_secret, read_value
from pillarbox.core.errors import InvalidInput

_Command = TypeVar("_Command", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True, slots=True)
class Given:
    """What the API is told of a new credential, and where the public part of a new certificate goes."""

    body: Mapping[str, Any]
    public_file: Path | None = None


def secret_options(command: _Command) -> _Command:
    """--secret-from and --secret-ends."""
    command = click.option(
        "--secret-from",
        metavar="SOURCE",
        help="Read the secret anew each time: env:NAME, file:/PATH or keyvault:URL, where the service runs.",
    )(command)
    return click.option("--secret-ends", metavar="DATE", help="When the secret expires, such as 2027-05-31.")(command)


def certificate_options(command: _Command) -> _Command:
    """--certificate-file, --key-file and --pfx-file."""
    command = click.option("--pfx-file", type=_FILE, help="PFX (PKCS #12) file with certificate and key.")(command)
    command = click.option("--key-file", type=_FILE, help="File of the key, if it is not in the other.")(command)
    return click.option("--certificate-file", type=_FILE, help="PEM or DER file of the certificate.")(command)


def credential_options(command: _Command) -> _Command:
    """All kinds of credentials."""
    command = click.option(
        "--managed-identity", type=click.Choice(["system", "user"]), help="The identity of this machine is the app."
    )(command)
    command = click.option(
        "--federated-identity",
        metavar="CLIENT_ID",
        help="The token of that user-assigned identity stands for a secret.",
    )(command)
    command = click.option(
        "--token-file",
        "--federated-token-file",
        "token_file",
        type=_FILE,
        help="That token; AZURE_FEDERATED_TOKEN_FILE.",
    )(command)
    command = click.option(
        "--federated", is_flag=True, help="Another issuer's token stands for a secret, as in Kubernetes."
    )(command)
    command = click.option(
        "--new-certificate",
        metavar="[FILE]",
        is_flag=False,
        flag_value="",
        help="Make a certificate; its public part is written to FILE (NAME.cer).",
    )(command)
    return secret_options(certificate_options(command))


def check(options: Mapping[str, Any], *, public: bool = False) -> None:
    """Whether the options that were given go together, before anything is asked. Raises InvalidInput, UsageError."""
    made_here = options.get("new_certificate") is not None
    names = ("secret_from", "certificate_file", "pfx_file", "federated_identity", "managed_identity")
    ways = [*map(options.get, names), made_here, in_pod(options), public]
    if sum(map(bool, ways)) > 1:
        raise InvalidInput("app.one_credential")
    if options.get("key_file") and not options["certificate_file"]:
        raise click.UsageError("--key-file goes with --certificate-file.")
    if options.get("secret_ends") is not None and any(ways) and not options["secret_from"]:
        raise click.UsageError("--secret-ends goes with a client secret.")


def in_pod(options: Mapping[str, Any]) -> bool:
    """Whether the environment that Kubernetes made says the rest."""
    return bool(options.get("federated") or options.get("token_file"))


def read(name: str, options: Mapping[str, Any]) -> Given:
    """The credential that the options name; without one of them a client secret. Raises InvalidInput, ConfigError."""
    if options["certificate_file"] or options["pfx_file"]:
        pem = read_certificate(options["certificate_file"], options["key_file"], options["pfx_file"])
        return Given({"certificate": pem.reveal()})
    if (file := options["new_certificate"]) is not None:
        return Given({"new_certificate": True}, Path(file or f"{name}.cer"))
    if in_pod(options):
        given = str(options["token_file"] or "") or os.environ.get("AZURE_FEDERATED_TOKEN_FILE")
        token = Path(read_value("File of the token", "--token-file", given, "TOKEN_FILE")).absolute()
        return Given({"federated": f"file:{token}", "authority_host": os.environ.get("AZURE_AUTHORITY_HOST", "")})
    if options["federated_identity"]:
        return Given({"federated": f"managed-identity:{options['federated_identity']}"})
    if options["managed_identity"]:
        return Given({"managed_identity": options["managed_identity"]})
    return read_client_secret(name, options["secret_from"], options["secret_ends"])


def read_client_secret(name: str, source: str | None, ends: str | None) -> Given:
    """A client secret and its end date; asked for where they are not given."""
    from pillarbox.admin import pasted

    ends_at = _end(ends or "")
    if source:
        return Given({"client_secret_from": source, "ends_at": ends_at})
    secret = read_secret("Client secret (its Value)", "CLIENT_SECRET", lambda given: pasted.secret(given, name))
    if ends is None:
        ends_at = ask_until_good(_asked_end, again=True)
    return Given({"client_secret": secret.reveal(), "ends_at": ends_at})


def _asked_end() -> float | None:
    return _end(ask_for_more("It expires on (YYYY-MM-DD; empty if you do not know)"))


def _end(text: str) -> float | None:
    from pillarbox.admin import end_dates

    ends_at = end_dates.parse(text)
    end_dates.judge(ends_at, time.time())
    return ends_at
