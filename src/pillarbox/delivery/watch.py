"""Whoever waits for something that changes is woken by the commit that changed it: no polling, no lost wake-up.

The database rings after each commit. While somebody waits, a task reads what was written to the events since the last
ring, and wakes those whom it is about; while nobody waits, a ring costs nothing. Being woken says no more than: look
again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

from pillarbox.core.errors import PillarboxError
from pillarbox.store.events import EventLog

Topic = str | int | None
"""What is waited for: events about a subject (a queue id) or a mailbox (its id), of a type; ANYTHING: every event."""
ANYTHING: Final = None
_MOST: Final = 500
"""Events that are read at once to see whom they are about; where there were more, all who wait look."""
_Found = TypeVar("_Found")


class Watch:
    """Those who wait. Lives in one event loop; made before it runs, it is ready at once."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._bells: dict[Topic, set[asyncio.Event]] = {}
        self._seen: int | None = None
        self._rung = False
        self._telling: asyncio.Task[None] | None = None
        self._stopped = False

    async def until(
        self, look: Callable[[], Awaitable[_Found | None]], seconds: float, topics: Iterable[Topic] = (ANYTHING,)
    ) -> _Found | None:
        """What `look` finds: now, or as soon as an event of these topics lets it find something.

        None after `seconds`, or when the service stops. `look` gives None where there is nothing yet; it must look at
        what is committed. What it raises ends the waiting.
        """
        with self._listening(topics) as bell:
            # The bell hangs before the first look: what is committed after that look rings it.
            found = await look()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while found is None and not self._stopped:
                        await bell.wait()
                        bell.clear()
                        found = await look()
            return found

    def ring(self) -> None:
        """Something was committed. Called by the database, in the loop."""
        if not self._bells or self._stopped:
            return
        self._rung = True
        if self._telling is None:
            self._telling = asyncio.get_running_loop().create_task(self._tell(), name="watch")

    def stop(self) -> None:
        """Nobody waits any longer."""
        self._stopped = True
        self._wake(set(self._bells))

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len({id(bell) for bells in self._bells.values() for bell in bells})

    # ---- whom it is about

    @contextmanager
    def _listening(self, topics: Iterable[Topic]) -> Iterator[asyncio.Event]:
        bell, wanted = asyncio.Event(), set(topics)
        for topic in wanted:
            self._bells.setdefault(topic, set()).add(bell)
        try:
            yield bell
        finally:
            for topic in wanted:
                self._bells[topic].discard(bell)
                if not self._bells[topic]:
                    del self._bells[topic]

    async def _tell(self) -> None:
        """Until nothing was rung meanwhile. A ring while this reads makes it read once more."""
        try:
            while self._rung:
                self._rung = False
                self._wake(await self._news())
        finally:
            self._telling = None

    async def _news(self) -> set[Topic]:
        """The topics of what happened since it was looked last; all that are waited for where that is not known."""
        try:
            if (seen := self._seen) is not None:
                news = await self._events.since(seen, _MOST)
                if len(news) < _MOST:
                    if news:
                        self._seen = news[-1]["seq"]
                    topics = {event[name] for event in news for name in ("type", "subject", "mailbox_id")}
                    return topics | ({ANYTHING} if news else set())
            self._seen = await self._events.last()
        except PillarboxError:
            # They see for themselves what is wrong with the store.
            pass
        return set(self._bells)

    def _wake(self, topics: set[Topic]) -> None:
        for topic in topics & self._bells.keys():
            for bell in self._bells[topic]:
                bell.set()
