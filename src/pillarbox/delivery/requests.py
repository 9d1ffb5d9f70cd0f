"""Requests that are no messages, such as look-ups, and wait for a place: they come before their mailbox's messages."""

import asyncio


class Requests:
    """Those that wait, by mailbox."""

    def __init__(self) -> None:
        self._waiting: dict[int, dict[asyncio.Event, bool]] = {}
        """Whether it is the mailbox itself that has no place for them."""

    def are_waiting(self, mailbox_id: int) -> bool:
        """Whether any of this mailbox wait."""
        return bool(self._waiting.get(mailbox_id))

    def places(self, mailbox_id: int) -> int:
        """How many wait for a place of the mailbox itself: the next ones are theirs."""
        return sum(self._waiting.get(mailbox_id, {}).values())

    def wake(self, mailbox_id: int) -> None:
        """There may be a place for them."""
        for event in self._waiting.get(mailbox_id, ()):
            event.set()

    async def wait(self, mailbox_id: int, most: float, *, own: bool) -> None:
        """Wait until there may be a place, `most` seconds at the most; `own`: a place of the mailbox itself."""
        event, waiting = asyncio.Event(), self._waiting.setdefault(mailbox_id, {})
        waiting[event] = own
        try:
            async with asyncio.timeout(most):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            del waiting[event]
