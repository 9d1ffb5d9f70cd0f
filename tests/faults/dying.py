"""Gateways that come and go, one after the other: `python -m tests.faults.dying`, which `lives.Lives` talks to.

A line of JSON on standard input begins a life: `settings`, the `point` at which it ends by SIGKILL, `only` where that
is for the message with this Message-ID alone, the `speed` at which its time has run since it `began`, and the file
that says by how many seconds its clock is wrong (`jumps`). Standard output tells when it is ready, and how it ended;
standard error is its log. Each life is a fork of this process, which has imported all it needs and has opened nothing.

It dies once SIGUSR1 has armed it, so that what it still had to do from before is done; with `armed`, from the start.
"""

import asyncio
import ctypes
import gc
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# What a gateway imports when it opens and starts; here once for all lives.
import pillarbox.admin.clients
import pillarbox.delivery.draft_transport
import pillarbox.delivery.returned
import pillarbox.endpoints.api.local
import pillarbox.endpoints.smtp.door
import pillarbox.endpoints.web
import pillarbox.exchange.submission  # noqa: F401
from pillarbox.core.settings import load
from pillarbox.delivery.crash_points import Point
from pillarbox.gateway import Gateway
from tests.conftest import CHEAP_HASH, NO_DELAY
from tests.faults import hurry

_PR_SET_PDEATHSIG = 1
ARMED = "armed"
"""The line on standard error that says so."""


class Death:
    """Kills this process at its point, once it is armed."""

    def __init__(self, point: str, only: str, armed: bool) -> None:
        self._point = point
        self._only = only
        self._armed = armed

    def arm(self) -> None:
        """From now on."""
        self._armed = True
        print(ARMED, file=sys.stderr, flush=True)

    def reached(self, point: Point) -> None:
        """Die here, if this is the point."""
        if self._armed and point == self._point and (not self._only or self._is_it(sys._getframe(1).f_locals)):
            os.kill(os.getpid(), signal.SIGKILL)

    def _is_it(self, known: Mapping[str, Any]) -> bool:
        """Whether who reached it is at that message."""
        return bool(known["message"].message_id == self._only)


async def live(order: Mapping[str, Any]) -> None:
    """Run a gateway until SIGTERM, or until it dies."""
    death = Death(order["point"], order["only"], order["armed"])
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    settings = load(None, {}, order["settings"])
    clock = hurry.clock(order["speed"], order["began"], Path(order["jumps"]))
    gateway = Gateway(
        settings,
        {},
        clock=clock,
        running=loop.time,
        hash_cost=CHEAP_HASH,
        login_patience=NO_DELAY,
        reached=death.reached,
    )
    loop.add_signal_handler(signal.SIGUSR1, death.arm)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await gateway.open()
    try:
        await gateway.start()
        say({"smtp": gateway.smtp_address, "socket": str(gateway.settings.socket), "pid": os.getpid()})
        await stop.wait()
    finally:
        await gateway.stop()


def say(what: Mapping[str, Any]) -> None:
    """One line for who gave the order."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def begin(order: Mapping[str, Any]) -> None:
    """One life, to its end."""
    with asyncio.Runner(loop_factory=lambda: hurry.Loop(order["speed"])) as runner:
        runner.run(live(order))


def _die_with_parent() -> None:
    """A test that is killed leaves nobody behind (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main() -> None:
    """A life for each line, until there are no more."""
    gc.freeze()
    _die_with_parent()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _die_with_parent()
            begin(json.loads(line))
            os._exit(0)
        say({"exit": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])})


if __name__ == "__main__":
    main()
