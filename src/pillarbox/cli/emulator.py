"""pillarbox emulator: Entra ID, Graph mail and Exchange Online without a tenant."""

import asyncio
from pathlib import Path
from typing import Any

import click

from pillarbox.cli.options import json_option
from pillarbox.core.errors import InvalidInput

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--listen", default="127.0.0.1:0", show_default=True, help="Address and port; 0 takes a free one.")
@click.option("--host", metavar="NAME", help="Name or address under which others reach it.")
@click.option("--smtp", metavar="HOST:PORT", help="Where SMTP listens; 127.0.0.1 and a free port without.")
@click.option("--imap", metavar="HOST:PORT", help="Where IMAP listens; 127.0.0.1 and a free port without.")
@click.option("--names", metavar="ADDRESS", help="Listen there on 443, 587 and 993 too, as Microsoft's hosts.")
@click.option("--seed", type=FILE, help="A file (TOML) of tenants, users, apps and mail, in place of contoso.example.")
@click.option("--state", type=FOLDER, help="A folder that keeps the world, its mail and the CA from run to run.")
@click.option("--faults", type=FILE, help="A file (TOML or JSON) of fault rules, switches and limits.")
@click.option("--directory", type=FOLDER, help="Where its CA file is written.")
@click.option("--discard", is_flag=True, help="Count mails and throw them away, without limits: for load tests.")
@click.option("--limits/--no-limits", default=True, show_default=True, help="Refuse what is above Microsoft's limits.")
@json_option
def command(as_json: bool, **how: Any) -> None:
    """Run the emulator of Entra ID, Graph mail and Exchange Online until SIGTERM or Ctrl-C.

    It starts with a tenant contoso.example, users and app registrations, and prints what a client needs to know.
    """
    from pillarbox.emulator.run import Options, serve

    try:
        asyncio.run(serve(Options(**how), click.echo, as_json=as_json))
    except (ValueError, OSError, RuntimeError) as error:
        raise InvalidInput("cli.emulator", reason=str(error)) from error
