"""A gateway that ends by SIGKILL at a named point: `python -m tests.faults.dying POINT KEY=VALUE...`.

It dies once SIGUSR1 has armed it, so that what it still had to do from before is done.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence

from pillarbox.core.settings import load
from pillarbox.delivery.crash_points import Point
from pillarbox.gateway import Gateway
from tests.conftest import CHEAP_HASH, NO_DELAY

ARMED = "armed"
"""The line on standard error that says so."""


class Death:
    """Kills this process at its point, once it is armed."""

    def __init__(self, point: str) -> None:
        self._point = point
        self._armed = False

    def arm(self) -> None:
        """From now on."""
        self._armed = True
        print(ARMED, file=sys.stderr, flush=True)

    def reached(self, point: Point) -> None:
        """Die here, if this is the point."""
        if self._armed and point == self._point:
            os.kill(os.getpid(), signal.SIGKILL)


async def main(point: str, settings: Sequence[str]) -> None:
    """Run a gateway until SIGTERM, or until it dies."""
    flags = dict(word.split("=", 1) for word in settings)
    death, stop = Death(point), asyncio.Event()
    gateway = Gateway(load(None, {}, flags), {}, hash_cost=CHEAP_HASH, login_patience=NO_DELAY, reached=death.reached)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, death.arm)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await gateway.open()
    try:
        await gateway.start()
        ready = {"smtp": gateway.smtp_address, "socket": str(gateway.settings.socket), "pid": os.getpid()}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await gateway.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
