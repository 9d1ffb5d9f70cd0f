"""Pauses by hand: people begin and end their own, and what somebody has mended is probed at once."""

import asyncio

from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.mail import Clock
from pillarbox.delivery.pauses import Pauses
from pillarbox.delivery.ways import Ways
from pillarbox.store import limits as store
from pillarbox.store.limits import LimitStore, Pause


class ByHand:
    """Changes the pauses in memory and in the store alike."""

    def __init__(self, limit_store: LimitStore, pauses: Pauses, ways: Ways, clock: Clock) -> None:
        self._store = limit_store
        self._pauses = pauses
        self._ways = ways
        self._clock = clock
        self._writing: set[asyncio.Task[None]] = set()

    async def pause(self, scope: str, reason: str, until: float | None) -> None:
        """Begin a person's pause of this scope, which ends when they resume it or then."""
        pause = Pause(scope, store.OPERATOR, until, reason, self._clock())
        await self._store.pause(pause)
        self._pauses.drop(scope, store.OPERATOR)
        self._pauses.put(pause)

    async def resume(self, scope: str) -> bool:
        """End a person's pause, and let the next probes of this scope go at once. Whether there was anything of it."""
        there = await self._store.resume(scope)
        self._pauses.drop(scope, store.OPERATOR)
        ways = {one.scope for one in self._pauses if one.scope.startswith(f"{scope}/")}
        probed = self._pauses.probe_now([scope, *ways], self._clock())
        await self._store.pause(*probed)
        return there or bool(probed)

    def mended(self, holder: AppRegistration | Mailbox) -> None:
        """Let the next probes go at once of what this mailbox, or whoever has this app registration, waits for."""
        # Which mailboxes an app registration has is not known here: one probe too many harms nobody.
        scopes = None
        if isinstance(holder, Mailbox):
            scopes = [
                store.mailbox_scope(holder.id),
                store.app_scope(holder.app.id),
                *self._ways.other_scopes(holder),
            ]
        changed = self._pauses.probe_now(scopes, self._clock())
        if changed:
            # In the queue of the store before any message is, whose attempt may end them.
            task = asyncio.create_task(self._store.pause(*changed))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    def retried(self, mailbox_id: int, mailbox: Mailbox | None) -> bool:
        """Let the next probes of this mailbox go at once, in memory only. Whether there is any.

        Of one that is not known yet (None), only those that are for it alone.
        """
        scopes: tuple[str, ...] = (store.mailbox_scope(mailbox_id),)
        if mailbox is not None:
            scopes = (*self._ways.scopes(mailbox), *self._ways.other_scopes(mailbox))
        return bool(self._pauses.probe_now(scopes, self._clock()))

    async def close(self) -> None:
        """Until all is written."""
        await asyncio.gather(*self._writing, return_exceptions=True)
