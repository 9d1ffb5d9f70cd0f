"""A transport whose every answer the test gives."""

import asyncio
from collections.abc import AsyncIterator, Callable

from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.mail import Outcome
from pillarbox.delivery.transports import KeepDraft, Look, Report
from pillarbox.store.messages import Claimed

SENT = Outcome(Cause.ACCEPTED, http_status=202, request_id="r")


class Gates:
    """A Transport that answers only when it is told to."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.inside: list[str] = []
        self.by_app: dict[str, str] = {}
        self.waiting: list[str] = []
        self.token = asyncio.Event()
        self.token.set()
        self.readied: list[str] = []
        self.mistake: Exception | None = None
        self._answers: dict[str, asyncio.Future[Outcome]] = {}
        self._changed = asyncio.Event()

    async def ready(self, mailbox: Mailbox) -> None:
        self.waiting.append(mailbox.address)
        self.readied.append(mailbox.app.client_id)
        self._changed.set()
        await self.token.wait()
        if self.mistake:
            raise self.mistake

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        self.begun.append(message.id)
        self.inside.append(message.id)
        self.by_app[message.id] = message.mailbox.app.client_id
        self._changed.set()
        try:
            return Report(await self._answer(message.id), ("noted",))
        finally:
            self.inside.remove(message.id)
            self._answers.pop(message.id, None)

    async def look_up(self, message: Claimed) -> Look:
        raise NotImplementedError

    def _answer(self, queue_id: str) -> "asyncio.Future[Outcome]":
        return self._answers.setdefault(queue_id, asyncio.get_running_loop().create_future())

    def open(self, queue_id: str, outcome: Outcome | Exception = SENT) -> None:
        """Give the answer to this message."""
        future = self._answer(queue_id)
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Until a send has begun that makes this true."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def holds(self, *ids: str) -> None:
        """Until these and no others are being sent."""
        await self.until(lambda: set(ids) <= set(self.inside))
        assert sorted(self.inside) == sorted(ids)
