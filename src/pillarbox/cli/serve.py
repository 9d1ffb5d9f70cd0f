"""pillarbox serve: run the gateway until it is told to stop."""

import asyncio
import gc
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click
import uvloop

from pillarbox.access.invitations import Invitation
from pillarbox.cli import show
from pillarbox.cli.options import json_option, load_settings, settings_options
from pillarbox.core import freed_memory
from pillarbox.core.errors import Unavailable
from pillarbox.core.settings import Settings
from pillarbox.core.without import without
from pillarbox.gateway import Gateway

_PATIENCE = 5.0
"""Seconds that the start waits for a command that has the store open just now."""


@click.command()
@json_option
@settings_options
def command(as_json: bool, config: Path | None, settings: tuple[str, ...]) -> None:
    """Run the gateway until SIGTERM or Ctrl-C. With --json, one line says the addresses when all is ready."""
    freed_memory.give_back()
    loaded = load_settings(config, settings)
    # FastAPI loads it for each route, to refuse models of that time: 1.5 MB.
    with without("pydantic.v1"):
        uvloop.run(_serve(loaded, as_json))


async def _serve(settings: Settings, as_json: bool) -> None:
    gateway = Gateway(settings, os.environ)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await gateway.open(_PATIENCE)
    try:
        await gateway.start()
        _announce(gateway, as_json)
        _show_first_link(gateway.first_link)
        await _until(stop, gateway)
    finally:
        await gateway.stop()


def _announce(gateway: Gateway, as_json: bool) -> None:
    if as_json:
        addresses = {"smtp": gateway.smtp_address, "listeners": dict(gateway.listeners), "http": gateway.http_address}
        show.as_json({"event": "ready", **addresses, "socket": str(gateway.settings.socket), "pid": os.getpid()})
    # What was made while starting lives as long as the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()


def _show_first_link(invitation: Invitation | None) -> None:
    """Show whoever sits at the terminal how to sign in first. A log that is kept is no place for a secret."""
    if invitation is not None and sys.stderr.isatty():
        until = show.moment(invitation.expires_at)
        click.echo(
            "\nNobody can sign in yet. Open this link in a browser, and choose a name and a password:\n\n"
            f"    {invitation.url.reveal()}\n\n"
            f"It is good once, until {until} UTC; `pillarbox person first` makes another one.\n",
            err=True,
        )


async def _until(stop: asyncio.Event, gateway: Gateway) -> None:
    """Until a signal, or until the store cannot be written any more. Raises Unavailable then."""
    assert gateway.died is not None
    stopping = asyncio.create_task(stop.wait())
    waiting: set[asyncio.Future[Any]] = {stopping, gateway.died}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if gateway.died.done():
        raise Unavailable("store.failed", reason=gateway.died.result())
