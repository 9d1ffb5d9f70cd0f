"""pillarbox emulator: Entra ID and Graph mail without a tenant."""

import asyncio
import tempfile
from pathlib import Path

import click

from pillarbox.cli.options import json_option


@click.command()
@click.option("--listen", default="127.0.0.1:0", show_default=True, help="Address and port; 0 takes a free one.")
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), help="Where its CA file is written.")
@click.option("--discard", is_flag=True, help="Count mails and throw them away, for load tests.")
@json_option
def command(listen: str, directory: Path | None, discard: bool, as_json: bool) -> None:
    """Run the emulator of Entra ID and Graph mail until SIGTERM or Ctrl-C.

    It starts with a tenant contoso.example, users and app registrations, and prints what a client needs to know.
    """
    from pillarbox.emulator.run import serve

    with tempfile.TemporaryDirectory(prefix="pillarbox-emulator-") as folder:
        try:
            asyncio.run(serve(listen, directory or Path(folder), announce=click.echo, as_json=as_json, discard=discard))
        except (ValueError, OSError) as error:
            raise click.ClickException(str(error)) from error
