"""The audit log: who did what, by which door, and how it ended.

What changes something is written down before it is done, and so is a look at the text of messages: what cannot be
written down is not done. How it ended is written after it; where that is missing, the act was cut off.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from pillarbox.core.errors import PillarboxError, Unavailable
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.store.audit import AuditLog, AuditRow

Outcome = Literal["", "done", "refused", "failed"]
"""How an act ended: as it was wanted; not, as it may not be; not, as something failed. Empty: not known."""
_LONGEST: Final = 300
"""Characters that are kept of what a stranger may have written."""
_MOST_FIELDS: Final = 50
_QUIET: Final = 3600.0
"""Seconds in which the same is written down once, of what a client may do again and again."""
_MOST_QUIET: Final = 10_000
ELSEWHERE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ban_address": "An address is kept out of the SMTP door after failed logins.",
        "choose_password": "Somebody used the link of an invitation, or that for the first administrator.",
        "connect_mailbox": "Somebody came back from Microsoft by a link, and connected a mailbox, or was refused.",
        "log_in": "Somebody tried to log in as a submitter that is disabled.",
        "sign_in": "A person signed in, or was refused.",
        "use_key": "Somebody showed an API key that is disabled or over, or from a network that is not its own.",
    }
)
"""Actions that are no call of the API by somebody who is known, or that say more than the call."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and how they came in.

    `kind` is local, key, person, submitter or nobody; `id` is its own for ever, `name` what people call it by. `door`
    is local, http, smtp or console. `peer` is the address at the other end; at the local socket `uid` and a number.
    """

    kind: str
    id: str
    name: str
    door: str
    peer: str = ""
    request_id: str = ""


class Act:
    """What somebody is about: refuse it to say so where nothing is raised."""

    outcome: Outcome = "done"
    code: str = ""

    def refuse(self, code: str = "") -> None:
        """It came to nothing."""
        self.outcome, self.code = "refused", code


class Audit:
    """Writes the audit log."""

    def __init__(self, store: AuditLog, log: Logger, clock: Clock = time.monotonic) -> None:
        self._store = store
        self._log = log
        self._clock = clock
        self._told: dict[tuple[str, ...], float] = {}
        self._writing: set[asyncio.Task[None]] = set()

    async def record(
        self,
        actor: Actor,
        action: str,
        subject: str = "",
        *,
        fields: Sequence[str] = (),
        outcome: Outcome = "done",
        code: str = "",
    ) -> int:
        """Write down what is over already, such as a sign-in; its place in the log. Raises Unavailable."""
        return await self._store.begin(
            AuditRow(
                at=0.0,
                actor_kind=actor.kind,
                actor=_short(actor.id),
                actor_name=_short(actor.name),
                door=actor.door,
                peer=_short(actor.peer),
                action=action,
                subject=_short(subject),
                fields=tuple(_short(name) for name in fields[:_MOST_FIELDS]),
                request_id=_short(actor.request_id),
                outcome=outcome,
                code=code,
            )
        )

    def soon(self, actor: Actor, action: str, subject: str = "", *, outcome: Outcome = "done", code: str = "") -> None:
        """Write down what is over, while whoever it is about goes on, such as a client that was refused.

        The same within an hour is not written again: a device that never gives up must not fill the disk.
        """
        if not self._is_new(actor.kind, actor.id, actor.peer, action, subject, code):
            return
        task = asyncio.get_running_loop().create_task(self._heard(actor, action, subject, outcome, code))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    def _is_new(self, *act: str) -> bool:
        now = self._clock()
        if now - self._told.get(act, -_QUIET) < _QUIET:
            return False
        if len(self._told) >= _MOST_QUIET:
            self._told.clear()
        self._told[act] = now
        return True

    async def _heard(self, actor: Actor, action: str, subject: str, outcome: Outcome, code: str) -> None:
        try:
            await self.record(actor, action, subject, outcome=outcome, code=code)
        except Unavailable as error:
            self._log.error("store.unusable", where="audit", code=error.code, reason=error.sentence)

    async def close(self) -> None:
        """Until all is written."""
        await asyncio.gather(*self._writing)

    async def list(
        self,
        *,
        limit: int,
        before: int | None = None,
        actor: str | None = None,
        action: str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> Sequence[AuditRow]:
        """Up to `limit` rows below the place `before`, newest first; of an actor by id or name, within a time."""
        return await self._store.list(limit=limit, before=before, actor=actor, action=action, since=since, until=until)

    async def forget(self, age: float, limit: int) -> int:
        """Forget up to `limit` rows that are older than `age` seconds; how many there were."""
        return await self._store.forget(age, limit)

    @asynccontextmanager
    async def acting(
        self, actor: Actor, action: str, subject: str = "", fields: Sequence[str] = ()
    ) -> AsyncIterator[Act]:
        """Write it down, let it be done, write down how it ended.

        Raises Unavailable, before anything is done, where it cannot be written down.
        """
        seq = await self.record(actor, action, subject, fields=fields, outcome="")
        act = Act()
        try:
            yield act
        except Unavailable as error:
            act.outcome, act.code = "failed", error.code
            raise
        except PillarboxError as error:
            act.refuse(error.code)
            raise
        except Exception:
            if act.outcome == "done":
                act.outcome, act.code = "failed", "internal"
            raise
        except BaseException:
            # Cut off: how it ended is not known.
            act.outcome = ""
            raise
        finally:
            if act.outcome:
                await self._end(seq, act.outcome, act.code)

    async def _end(self, seq: int, outcome: Outcome, code: str) -> None:
        try:
            await self._store.end(seq, outcome, code)
        except Unavailable as error:
            # It is done or refused by now, and that it was tried stands in the log.
            self._log.error("store.unusable", where="audit", code=error.code, reason=error.sentence)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
