"""Health, for whoever starts and watches the service: /healthz and /readyz, open to all, with nothing in them.

    /healthz   whether it lives: this loop and the store's writer answer. If not, a restart is what helps.
    /readyz    whether it takes mail: the store has room, doors and work go on, nothing is being stopped. If not, it is
               let be, and asked by nobody, until it is. A mailbox that is paused, or Microsoft out of order, changes
               nothing: mail is taken all the same.

The answer is 200 or 503, and names the parts: `ok`, or the code of an error.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse

from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import Clock

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

Look = Callable[[], Awaitable[None]]
"""Looks at one part. Raises PillarboxError where it does not work."""
OK: Final = "ok"
_SILENT: Final = "no_answer"
_PATIENCE: Final = 5.0
"""Seconds that a part may take for its answer."""
_FRESH: Final = 1.0
"""Seconds that an answer counts: however often strangers ask, the store is asked no more than that."""


class Probe:
    """One question about parts, asked at most once a second for all who ask."""

    def __init__(self, parts: Mapping[str, Look], clock: Clock, patience: float = _PATIENCE) -> None:
        self._parts = parts
        self._clock = clock
        self._patience = patience
        self._lock = asyncio.Lock()
        self._found: Mapping[str, str] = {}
        self._found_at = float("-inf")

    async def found(self) -> Mapping[str, str]:
        """Each part: `ok`, the code of its error, or `no_answer`."""
        async with self._lock:
            if self._clock() - self._found_at >= _FRESH:
                self._found = {name: await self._look(look) for name, look in self._parts.items()}
                self._found_at = self._clock()
            return self._found

    async def _look(self, look: Look) -> str:
        try:
            async with asyncio.timeout(self._patience):
                await look()
        except TimeoutError:
            return _SILENT
        except PillarboxError as error:
            return error.code
        return OK


class Health:
    """The application of one probe."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """See ASGI."""
        parts = await self._probe.found()
        well = all(state == OK for state in parts.values())
        answer = JSONResponse({"status": OK if well else "failing", "parts": dict(parts)}, 200 if well else 503)
        await answer(scope, receive, send)
