"""Time that runs faster: for a gateway in which minutes pass in a second, its waits too."""

import asyncio
import selectors
import time
from collections.abc import Callable
from pathlib import Path


def clock(speed: float, began: float, jumps: Path) -> Callable[[], float]:
    """Seconds since 1970 that have run so much faster since `began`, in every process alike.

    While the file `jumps` is there it says by how many seconds the clock is wrong.
    """

    def now() -> float:
        try:
            wrong = float(jumps.read_text())
        except FileNotFoundError:
            wrong = 0.0
        return began + (time.time() - began) * speed + wrong

    return now


class _Selector(selectors.DefaultSelector):
    """Waits as much shorter."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See `selectors`; `timeout` in seconds of the loop."""
        return super().select(timeout and timeout / self._speed)


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose time, with all sleeps and timeouts, runs so much faster."""

    def __init__(self, speed: float) -> None:
        super().__init__(_Selector(speed))
        self._speed = speed

    def time(self) -> float:
        """See `asyncio`."""
        return super().time() * self._speed
