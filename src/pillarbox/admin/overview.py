"""The overview: whether all is well, and the figures that say so. It looks at nothing that grows with the outbox.

What is wrong is said in the doctor's words; the doctor itself looks deeper, and takes longer.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pillarbox.admin import end_dates
from pillarbox.admin.certificates import Shown
from pillarbox.admin.examine.accounts import judge_credential, judge_pauses, judge_strangers, judge_turned_away, listed
from pillarbox.admin.examine.doors import judge_end
from pillarbox.admin.examine.findings import Finding, Severity, Told, problem, warning
from pillarbox.admin.examine.keeping import judge_waiting
from pillarbox.core.accounts import Mailbox, MailboxState
from pillarbox.core.cause import Cause, Verdict
from pillarbox.core.errors import PillarboxError
from pillarbox.core.governor import Used
from pillarbox.core.mail import Clock
from pillarbox.core.recent import Recent
from pillarbox.store import measures
from pillarbox.store.accounts import Accounts
from pillarbox.store.database import Database
from pillarbox.store.limits import Pause
from pillarbox.store.measures import Waiting

_NEAR: Final = 0.8
"""Part of a limit from which on a mailbox is near it."""
_INVITED: Final = "sign_in.not_finished"
"""Of a mailbox whose person has a link and was not there yet: nothing is wrong with that."""
_WORST_FIRST: Final = (Severity.PROBLEM, Severity.WARNING)


@dataclass(frozen=True, slots=True)
class Strained:
    """A mailbox that does not send as it could: paused, without a sign-in, or near its limits."""

    mailbox: Mailbox
    pauses: Sequence[Pause]
    near: Sequence[Used]


@dataclass(frozen=True, slots=True)
class Ending:
    """A credential of an app registration, or a certificate of listeners or the console, that ends within 30 days or
    has ended.
    """

    kind: str
    owner: str
    id: str
    ends_at: float


@dataclass(frozen=True, slots=True)
class Seen:
    """How the installation is. `worries` come worst first; none: all is well."""

    at: float
    worries: Sequence[Told]
    mailboxes: int
    sent_by_minute: Sequence[int]
    sent_by_hour: Sequence[int]
    unsent: Mapping[str, int]
    waiting: Sequence[Waiting]
    strained: Sequence[Strained]
    ending: Sequence[Ending]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Looks. `pauses` and `used` are of a mailbox, `certificates` those of the listeners and the console.

    `probed` are causes whose pause ends by a probe, not by time. `turned_away` are submitters that were refused
    something of late and have handed in nothing since, each with what it was; `strangers` are addresses where somebody
    was whom we do not know.
    """

    accounts: Accounts
    database: Database
    recent: Recent
    pauses: Callable[[Mailbox], Sequence[Pause]]
    probed: Collection[str]
    used: Callable[[Mailbox], Sequence[Used]]
    certificates: Callable[[], Iterable[Shown]]
    turned_away: Callable[[], Mapping[str, PillarboxError]]
    strangers: Callable[[], Mapping[str, PillarboxError]]
    clock: Clock

    async def look(self) -> Seen:
        """How it is now."""
        now, mailboxes = self.clock(), await self.accounts.mailboxes()
        waiting = await measures.waiting(self.database, now)
        strained = [one for mailbox in mailboxes if (one := self._strained(mailbox)) is not None]
        worries, ending = await self._ending(now)
        untested = [one for one in mailboxes if not _may_send(one)]
        senders = await measures.senders(self.database, [one.id for one in untested])
        unproved = [one for one in untested if one.id not in senders]
        sent, unsent = self.recent.sent_by_hour(), self.recent.unsent()
        told = [
            *_of_strained(strained, self.probed),
            *(Told("submitters", one) for one in judge_turned_away(self.turned_away())),
            *(Told("submitters", one) for one in judge_strangers(self.strangers())),
            *_of_waiting(waiting, now),
            *_of_refused(unsent, sum(sent)),
            *worries,
            *_of_failing([one for one in unproved if one.test_failed]),
            *_of_untested([one.address for one in unproved if not one.test_failed]),
        ]
        return Seen(
            at=now,
            worries=sorted(told, key=lambda one: _WORST_FIRST.index(one.finding.severity)),
            mailboxes=len(mailboxes),
            sent_by_minute=self.recent.sent_by_minute(),
            sent_by_hour=sent,
            unsent=unsent,
            waiting=waiting,
            strained=strained,
            ending=sorted(ending, key=lambda one: one.ends_at),
        )

    def _strained(self, mailbox: Mailbox) -> Strained | None:
        pauses = self.pauses(mailbox)
        near = [one for one in self.used(mailbox) if one.used >= _NEAR * one.most]
        return Strained(mailbox, pauses, near) if pauses or near or _is_signed_out(mailbox) else None

    async def _ending(self, now: float) -> tuple[list[Told], list[Ending]]:
        worries, ending = list[Told](), list[Ending]()
        for app in await self.accounts.apps():
            for one in end_dates.ending(await self.accounts.credentials(app), now):
                worries.append(Told("credentials", judge_credential(app.name, one, now)))
                ending.append(Ending(one.kind.value, app.name, one.id, one.ends_at or 0.0))
        for shown in self.certificates():
            if end_dates.left(shown.ends_at, now):
                worries.append(Told("certificates", judge_end(shown.name, shown.ends_at, now)))
                kind = "listener" if shown.listeners else "console"
                ending.append(Ending(kind, ", ".join(shown.listeners), str(shown.file or ""), shown.ends_at))
        return worries, ending


def _is_signed_out(mailbox: Mailbox) -> bool:
    return mailbox.state is MailboxState.NEEDS_SIGN_IN and mailbox.state_code != _INVITED


def _of_refused(unsent: Mapping[str, int], sent: int) -> list[Told]:
    """Where as much was refused for good as was sent; one wrong address among many is no worry."""
    refused = sum(unsent.get(cause, 0) for cause in Cause if cause.verdict is Verdict.REFUSED)
    if refused == 0 or refused < sent:
        return []
    told = {"refused": refused, "sent": sent}
    return [Told("queue", warning("overview.refused", told, **told))]


def _may_send(mailbox: Mailbox) -> bool:
    """Whether a test or a sign-in shows that we may send from it; one that waits for a person is told of elsewhere."""
    return bool(mailbox.assurance) or mailbox.sign_in is not None or mailbox.state is not MailboxState.OK


def _of_failing(mailboxes: Sequence[Mailbox]) -> list[Told]:
    if not mailboxes:
        return []
    addresses, first = [one.address for one in mailboxes], mailboxes[0]
    told = {"mailboxes": listed(addresses), "address": first.address, "why": first.test_failed}
    return [Told("mailboxes", warning("overview.test_failed", {"mailboxes": addresses}, **told))]


def _of_untested(addresses: Sequence[str]) -> list[Told]:
    if not addresses:
        return []
    told = {"mailboxes": listed(addresses), "address": addresses[0]}
    return [Told("mailboxes", warning("overview.untested", {"mailboxes": addresses}, **told))]


def _of_waiting(waiting: Iterable[Waiting], now: float) -> list[Told]:
    found = list[Finding]()
    for one in waiting:
        age = max(0.0, now - one.oldest)
        found += judge_waiting(one.state, one.messages, age, for_approval=one.for_approval)
    return [Told("queue", one) for one in found if one.severity is not Severity.OK]


def _of_strained(strained: Iterable[Strained], probed: Collection[str]) -> list[Told]:
    alike: dict[tuple[str, str], list[tuple[str, Pause]]] = {}
    signed_out, near = list[str](), list[str]()
    for one in strained:
        if _is_signed_out(one.mailbox):
            signed_out.append(one.mailbox.address)
        if one.near and not one.pauses:
            near.append(one.mailbox.address)
        for pause in one.pauses:
            alike.setdefault((pause.cause, pause.reason), []).append((one.mailbox.address, pause))
    found = [Told("pauses", judge_pauses(those, probed)) for those in alike.values()]
    if signed_out:
        told = problem("overview.signed_out", {"mailboxes": signed_out}, mailboxes=listed(signed_out))
        found.insert(0, Told("mailboxes", told))
    if near:
        found.append(Told("mailboxes", warning("overview.near_limits", {"mailboxes": near}, mailboxes=listed(near))))
    return found
