"""pillarbox demo: see it work."""

import asyncio
import signal

import click

from pillarbox.cli.options import json_option


@click.command()
@click.option("--once", is_flag=True, help="Send the three mails, compare, and exit: 0 if all is well, else 1.")
@json_option
def command(once: bool, as_json: bool) -> int:
    """See it work: emulator, gateway and a legacy application, without a tenant.

    Everything runs on loopback with free ports and a folder that is thrown away.
    """
    return asyncio.run(_run(once, as_json))


async def _run(once: bool, as_json: bool) -> int:
    from pillarbox import demo

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await demo.run(click.echo, once=once, as_json=as_json, stop=stop)
