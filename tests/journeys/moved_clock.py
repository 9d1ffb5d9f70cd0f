"""`pillarbox serve` with a clock that a test moves, or breaks: `python -m tests.journeys.moved_clock`.

The clock is the one parameter that a command line does not have; all else is what `pillarbox serve` does. It looks at
the file that STAGE_CLOCK names: seconds by which it is ahead, or the name of a function that it breaks in.
"""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import uvloop

from pillarbox.cli.options import load_settings
from pillarbox.cli.serve import _announce
from pillarbox.core.settings import Settings
from pillarbox.gateway import Gateway


def clock() -> float:
    """The time; raises ZeroDivisionError in the function that is to break."""
    told = Path(os.environ["STAGE_CLOCK"]).read_text()
    if told.isidentifier():
        # Past the gateway's own clock, through which all look at this one.
        if sys._getframe(2).f_code.co_name == told:
            raise ZeroDivisionError("the clock is broken")
        return time.time()
    return time.time() + float(told)


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    gateway = Gateway(settings, os.environ, clock=clock, running=clock)
    await gateway.open()
    try:
        await gateway.start()
        _announce(gateway, True)
        await stop.wait()
    finally:
        await gateway.stop()


if __name__ == "__main__":
    os.chdir(os.environ["STAGE_FOLDER"])
    uvloop.run(_serve(load_settings(None, tuple(word for word in sys.argv if "=" in word))))
