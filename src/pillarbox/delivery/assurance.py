"""Uncertain messages: looked up when Microsoft's side has settled, and sent again only where that is right.

What the modes mean stands in docs/explanation/flow.md; what follows a look-up says delivery/policy.py.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from pillarbox.core import catalogue
from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.clock import Watched
from pillarbox.core.errors import PillarboxError
from pillarbox.core.log import Logger, tell_final
from pillarbox.core.mail import Found, Outcome, State
from pillarbox.delivery import policy
from pillarbox.delivery.crash_points import Reached, unheeded
from pillarbox.delivery.notices import Notices, Told
from pillarbox.delivery.transports import Look, Transport
from pillarbox.store.database import ExpectationFailed
from pillarbox.store.messages import Claimed, Next
from pillarbox.store.outbox import Outbox

_LOOK_AGAIN: Final = 60.0
"""Seconds after which the outbox is looked through even if nothing was heard of."""
_PATIENCE: Final = 600.0
"""Seconds that one look-up may take before another is begun: more than any request is given."""
_AT_ONCE: Final = 2
"""Look-ups of one mailbox at the same time: they share its requests with what is sent."""

Request = Callable[[Mailbox], AbstractAsyncContextManager[None]]
"""A place for one request to a mailbox, when there is one (delivery/governor.py)."""


class Assurance:
    """Looks for uncertain messages. `run` it as a task; a look-up that is cut off is made again.

    Mailboxes do not wait for each other: each has a lane of its own while something of it is due.
    """

    def __init__(
        self,
        outbox: Outbox,
        transport: Transport,
        clock: Watched,
        log: Logger,
        settle: policy.Settle,
        wake: Callable[[int], None],
        request: Request,
        store_pause: float = 5.0,
        reached: Reached = unheeded,
        notices: Notices | None = None,
    ) -> None:
        self._notices = notices
        self._outbox = outbox
        self._transport = transport
        self._clock = clock
        self._log = log
        self._settle = settle
        self._wake = wake
        self._request = request
        self._store_pause = store_pause
        self._reached = reached
        self._changed = asyncio.Event()
        self._lanes: dict[int, asyncio.Task[None]] = {}

    def doubt(self) -> None:
        """A message has become uncertain."""
        self._changed.set()

    async def run(self) -> None:
        """Look up what comes due, until canceled."""
        try:
            while True:
                self._changed.clear()
                wait = await self._begin_due()
                try:
                    await asyncio.wait_for(self._changed.wait(), wait)
                except TimeoutError:
                    pass
        finally:
            for lane in self._lanes.values():
                lane.cancel()

    async def _begin_due(self) -> float:
        """Begin to look up what is due; return the seconds until something else may be."""
        try:
            due = await self._outbox.due_looks()
        except PillarboxError as error:
            self._log.error("store.unusable", where="assurance", code=error.code, reason=error.sentence)
            return self._store_pause
        now = self._clock()
        for mailbox_id, at in due.items():
            if at <= now and mailbox_id not in self._lanes:
                self._lanes[mailbox_id] = asyncio.create_task(self._lane(mailbox_id), name=f"looks/{mailbox_id}")
        # Also while all seems far away: the clock may have gone back, and what is due with it.
        return min((_LOOK_AGAIN, *(at - now for at in due.values() if at > now)))

    async def _lane(self, mailbox_id: int) -> None:
        """Look up all that is due of a mailbox."""
        try:
            while claimed := await self._outbox.doubtful(mailbox_id, _AT_ONCE, _PATIENCE):
                self._reached("after_doubtful")
                await asyncio.gather(*(self._look_up(message) for message in claimed))
        except PillarboxError as error:
            self._log.error("store.unusable", where="assurance", code=error.code, reason=error.sentence)
            await asyncio.sleep(self._store_pause)
        except Exception:
            # A mistake of ours must not end all other look-ups.
            self._log.exception("unexpected", where=f"look-ups of mailbox {mailbox_id}")
            await asyncio.sleep(self._store_pause)
        finally:
            del self._lanes[mailbox_id]
            self._changed.set()

    async def _look_up(self, message: Claimed) -> None:
        look = await self._found(message)
        self._reached("before_looked")
        now = self._clock()
        following = policy.after_look(look.found, message, self._settle, now, self._clock.jumped_at)
        told = await self._told(message, following)
        try:
            note = " ".join(filter(None, (_note(look, following), *told.notes)))
            await self._outbox.looked(message, told.following, note, told.notices, look.requests)
        except ExpectationFailed:
            # A person has decided meanwhile: that counts.
            return
        self._reached("after_looked")
        if self._notices is not None:
            self._notices.written(message, told.notices)
        state = told.following.state
        self._log.info("mail.looked_up", id=message.id, found=look.found.value, state=state.value)
        match state:
            case State.QUEUED:
                self._wake(message.mailbox.id)
            case State.SENT | State.HELD | State.FAILED | State.BOUNCED:
                tell_final(self._log, message.told, state.value, self._clock())

    async def _told(self, message: Claimed, following: Next) -> Told:
        """What follows, with the notices about it."""
        if self._notices is None:
            return Told(following)
        cause = Cause.ACCEPTED if following.state is State.SENT else Cause(message.cause)
        return await self._notices.about(message, Outcome(cause), following)

    async def _found(self, message: Claimed) -> Look:
        if not message.mailbox.can_look_up:
            return Look(Found.UNKNOWN, "", requests=0)
        try:
            async with self._request(message.mailbox):
                return await self._transport.look_up(message)
        except Exception as error:
            # A mistake of ours: nothing is sent again for it.
            self._log.exception("unexpected", id=message.id)
            return Look(Found.UNKNOWN, repr(error))


def _note(look: Look, following: Next) -> str:
    """The sentence for the trace: also of what was decided though nothing could be looked up."""
    match following.state:
        case State.QUEUED if look.found is Found.UNDECIDED:
            return f"{look.note} {catalogue.sentence('look.undecided_again')}"
        case _ if look.note:
            return look.note
        case State.HELD:
            return catalogue.sentence("look.blind_held")
        case State.QUEUED:
            return catalogue.sentence("look.blind_again")
    return ""
