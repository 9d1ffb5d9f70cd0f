"""What became of sent mail, as Exchange's message trace tells it: where an app registration has the right to ask.

Whether it has is tried, as rights that an administrator scoped are not told. The right is for the whole tenant, so it
is nobody's duty to give it; without it `sent` is all that is known.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import PillarboxError, Unavailable
from pillarbox.core.headers import address_key
from pillarbox.delivery.queue_id import first_of
from pillarbox.delivery.rounds import Read, Rounds
from pillarbox.graph.refusal import GraphRefused
from pillarbox.graph.traces import Traced, sent_by, traces
from pillarbox.store.returns import Sent

_SOONEST: Final = 300.0
"""Seconds after an attempt before which Exchange tells little of it."""
_LATEST: Final = 86_400.0
"""Seconds after which it is not asked any more."""
_ACCEPTED: Final = 2 * 86_400.0
"""Seconds since the acceptance of the oldest messages that are looked at."""
_SKEW: Final = 300.0
"""Seconds that Microsoft's clock may be behind ours."""
_BATCH: Final = 20_000
_MOST_PAGES: Final = 20
_DENIED: Final = 6 * 3600.0
"""Seconds after which an app registration that had no right is tried again."""
_MOST_TEXT: Final = 1000
_FIRM: Final = 3600.0
"""Seconds after an attempt in which `delivered` is asked for again: another row may come that says `failed`."""
_NO_RIGHT: Final = (401, 403)

_THERE: Final = ("delivered", "expanded", "filteredAsSpam")
"""Words of Microsoft's for mail that lies in a mailbox, or was handed on: to a group's members, to another system."""
_LOST: Final = ("failed", "quarantined")


@dataclass(frozen=True, slots=True)
class Traces(Rounds):
    """Asks for each mailbox that sent something of which not all is known yet."""

    _denied: dict[int, float] = field(default_factory=dict, init=False)
    """When an app registration had no right."""
    _silent: set[int] = field(default_factory=set, init=False)
    """The app registrations that Exchange does not answer in this round."""

    async def _reads(self, mailboxes: Sequence[Mailbox]) -> Sequence[tuple[Mailbox, Read]]:
        self._silent.clear()
        asked = {one.id: one for one in mailboxes if self._may_ask(one)}
        waiting = await self._waiting(asked) if asked else {}
        return [(asked[one], partial(self._read, asked[one], messages)) for one, messages in waiting.items()]

    def _may_ask(self, mailbox: Mailbox) -> bool:
        now = self.clock()
        denied = self._denied.get(mailbox.app.id, -_DENIED)
        # Who signed in may trace nothing, unless they administer the tenant.
        return mailbox.sign_in is None and not denied <= now < denied + _DENIED and not self.governors.paused(mailbox)

    async def _waiting(self, mailboxes: Iterable[int]) -> dict[int, list[Sent]]:
        """The newest messages of which not all is known, by mailbox."""
        now = self.clock()
        began = (now - _LATEST, now - _SOONEST)
        found: dict[int, list[Sent]] = {}
        since = first_of(now - _ACCEPTED)
        for one in await self.returns.untold(tuple(mailboxes), since, *began, now - _FIRM, _BATCH):
            found.setdefault(one.mailbox_id, []).append(one)
        return found

    def _not_read(self, mailbox: Mailbox, error: PillarboxError) -> None:
        status = error.answer.status if isinstance(error, GraphRefused) else 0
        if status in _NO_RIGHT:
            self._denied[mailbox.app.id] = self.clock()
        if status in (*_NO_RIGHT, 429) or isinstance(error, Unavailable):
            # What another answer says, it says of this mailbox.
            self._silent.add(mailbox.app.id)
        told = {"app": mailbox.app.name, "mailbox": mailbox.address, "code": error.code, "reason": error.sentence}
        self.log.info("mail.not_traced", **told)

    async def _read(self, mailbox: Mailbox, messages: Sequence[Sent]) -> None:
        if mailbox.app.id in self._silent:
            return
        now = self.clock()
        wanted: dict[str, list[Traced]] = {one.message_id: [] for one in messages}
        token = self.tokens.source(mailbox)
        path: str | None = sent_by(mailbox.address, min(one.began_at for one in messages) - _SKEW, now)
        for _ in range(_MOST_PAGES):
            if path is None:
                break
            async with self.governors.request(mailbox):
                rows, path = await traces(self.client, path, token, self._patience)
            for row in rows:
                if row.message_id in wanted:
                    wanted[row.message_id].append(row)
        same = await self.returns.sent(mailbox.id, wanted, first_of(now - _ACCEPTED))
        times = Counter(row["message_id"] for row in same)
        for one in messages:
            told = what_became(one.recipients, wanted[one.message_id]) if times[one.message_id] == 1 else None
            if told and await self.returns.traced(one.id, *told) and told[0] == "failed":
                self.log.warning("mail.returned", id=one.id, mailbox=mailbox.address, reason=told[1])


def what_became(recipients: Sequence[str], rows: Sequence[Traced]) -> tuple[str, str] | None:
    """`delivered` or `failed`, and in which words, of a message to these recipients; None: it is not known yet.

    Exchange may call a recipient otherwise than we did, by its first address: where it names none of ours, and as many
    others, these are they. Not where there is a group, whose members have such rows too. Of a message that may have
    gone twice, one copy that came is enough. That one of ours is lost is told before all is known. Pure.
    """
    best: dict[str, Traced] = {}
    for row in rows:
        key = address_key(row.recipient)
        if key not in best or _rank(row) < _rank(best[key]):
            best[key] = row
    named = set(map(address_key, recipients))
    missing, others = named - best.keys(), best.keys() - named
    is_group = any(row.status == "expanded" for row in best.values())
    is_lost = any(best[key].status in _LOST for key in named & best.keys())
    if not missing and not is_group:
        # Others are whom a rule or a forwarding adds.
        best = {key: best[key] for key in named}
    elif not is_lost and missing and (is_group or missing != named or len(others) != len(missing)):
        return None
    decided = [row for row in best.values() if _rank(row) != _OPEN]
    if not is_lost and len(decided) < len(best):
        return None
    words = ", ".join(f"{row.recipient}: {row.status}" for row in decided if row.status not in _PLAIN)
    failed = any(row.status in _LOST for row in decided)
    return "failed" if failed else "delivered", words[:_MOST_TEXT]


_PLAIN: Final = ("delivered", "expanded")
_OPEN: Final = 1


def _rank(row: Traced) -> int:
    """What of two rows counts: that it is there, that it is not decided, that it is lost."""
    return 0 if row.status in _THERE else 2 if row.status in _LOST else _OPEN
