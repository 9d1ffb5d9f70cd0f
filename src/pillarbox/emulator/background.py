"""The emulator in a thread of this process: for programs and tests that have no event loop of their own."""

import asyncio
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from pillarbox.emulator.announce import ready_facts
from pillarbox.emulator.server import Emulator

START = 30.0
"""Seconds until a start that does not end is given up."""


class Background:
    """A running emulator; a context manager.

    `make` builds it from the folder that gets its CA, as `lambda folder: Emulator(folder, exchange=True)`. Its world,
    ledger and faults may be looked at from the outside at any time, and changed through `call`.
    """

    def __init__(self, make: Callable[[Path], Emulator]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pillarbox-emulator-")
        self.emulator = make(Path(self._folder.name))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pillarbox-emulator", daemon=True)

    def __enter__(self) -> "Background":
        self._thread.start()
        try:
            self._run(self.emulator.start())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._run(self.emulator.stop())
        finally:
            self._end()

    @property
    def facts(self) -> dict[str, Any]:
        """What `pillarbox emulator --json` prints."""
        return ready_facts(self.emulator.announcement)

    def call(self, action: Callable[[], Any]) -> Any:
        """Do something in the emulator's own thread, between two requests, and give its result."""

        async def run() -> Any:
            return action()

        return self._run(run())

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(START)

    def _end(self) -> None:
        try:
            # Closing the loop would not wait for the threads that it has begun.
            self._run(self._loop.shutdown_default_executor())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(START)
            self._loop.close()
            self._folder.cleanup()
