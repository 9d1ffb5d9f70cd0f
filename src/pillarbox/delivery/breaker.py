"""The circuit breaker: by what attempts come to, pauses begin that concern further messages, and end again.

What an outcome means is in findings.py. A pause is written in one transaction with the attempt that tells of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause, Verdict
from pillarbox.core.governor import MINUTE
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock, Outcome
from pillarbox.delivery import findings
from pillarbox.delivery.held import Held
from pillarbox.delivery.pauses import PROBED, Pauses, probed_again, shows_over
from pillarbox.delivery.strikes import Strikes, Tried
from pillarbox.delivery.transports import Report
from pillarbox.delivery.turn import Turn
from pillarbox.delivery.usage import Usage
from pillarbox.delivery.ways import Ways
from pillarbox.store import limits as store
from pillarbox.store.database import Statement
from pillarbox.store.limits import Pause
from pillarbox.store.messages import Claimed, Next

_CROWD: Final = 3
"""Mailboxes of an app registration that are slowed within a minute, with nothing taken between: the app is meant."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What an attempt has shown: what is to be written with it, and the pauses that are over when that is."""

    mailbox: Mailbox
    statements: Sequence[Statement]
    over: Sequence[Pause]


class Breaker:
    """Begins and ends the pauses; remembers what only several attempts show."""

    def __init__(self, pauses: Pauses, ways: Ways, held: Held, usage: Usage, clock: Clock, log: Logger) -> None:
        self._pauses = pauses
        self._ways = ways
        self._held = held
        self._usage = usage
        self._clock = clock
        self._log = log
        self._strikes = Strikes()
        self._slowed: dict[int, dict[int, float]] = {}
        """By app registration: the mailboxes that Microsoft has slowed since it took something of it, and when."""

    def told(self, turn: Turn, message: Claimed, report: Report, following: Next) -> Shown:
        """An attempt has ended. What it has shown; call `written` when that is committed."""
        now, mailbox, outcome = self._clock(), message.mailbox, report.outcome
        self._usage.correct(message, report, now)
        host = report.host or self._ways.first_host(mailbox)
        is_other = host in self._ways.other_hosts(mailbox)
        own, way = store.mailbox_scope(mailbox.id), store.way_scope(mailbox.id, host)
        app, its_host = store.app_scope(mailbox.app.id), store.host_scope(host)
        # Answers that another way loses say nothing of the mailbox's first one.
        struck = self._strikes.struck(Tried(way if is_other else own, app, its_host, message.started_at, now, outcome))
        guessed = self._guessed(outcome, mailbox, now)
        if outcome.cause is Cause.CONCURRENCY:
            self._slow(mailbox, message.started_at, now, app_wide=guessed or outcome.app_wide)
        over = self._over(turn, message, outcome, (own, app, its_host, way))
        # What a probe came to is no answer to what it was for, unless it shows that.
        still = [
            probed_again(one, now, outcome, is_used=findings.is_used(one, mailbox, host, is_other=is_other))
            for one in turn.probes
            if one not in over and self._pauses.is_there(one)
        ]
        begun = [
            *still,
            *findings.asked_for(outcome, following, mailbox, now, guessed=guessed),
            *findings.broken(outcome, mailbox, host, now, is_other=is_other),
            # One that is there already ends by its own probe.
            *(one for one in findings.struck_out(outcome, struck, now) if not self._pauses.of(one.scope, one.cause)),
        ]
        statements = self._begin(mailbox, begun)
        if outcome.verdict is Verdict.SENT:
            self._slowed.pop(mailbox.app.id, None)
        for pause in over:
            statements += findings.ending(pause, mailbox, now)
        return Shown(mailbox, statements, over)

    def written(self, shown: Shown) -> None:
        """What an attempt has shown is committed."""
        for pause in shown.over:
            if self._pauses.is_there(pause):
                self._held.pause_ended()
                self._pauses.drop(pause.scope, pause.cause)
                self._log.info(
                    "mailbox.resumed",
                    mailbox=shown.mailbox.address,
                    scope=findings.name_of(pause.scope, shown.mailbox),
                    cause=str(pause.cause),
                )

    def _over(self, turn: Turn, message: Claimed, outcome: Outcome, used: tuple[str, ...]) -> list[Pause]:
        """The pauses that an attempt has shown to be over, of what it used."""
        app = store.app_scope(message.mailbox.app.id)
        return [
            one
            for one in self._pauses.within(used)
            if one.cause in PROBED
            and findings.concerns(one, message.mailbox)
            # What was under way before it began tells nothing. What goes to a host now and then does not wait for it.
            and (one in turn.probes or one.at < message.started_at)
            and shows_over(outcome, one.cause, of_app=one.scope == app)
        ]

    def _begin(self, mailbox: Mailbox, pauses: Iterable[Pause]) -> list[Statement]:
        for pause in pauses:
            self._log.warning(
                "mailbox.paused",
                mailbox=mailbox.address,
                scope=findings.name_of(pause.scope, mailbox),
                cause=str(pause.cause),
                seconds=round((pause.until or pause.at) - pause.at, 3),
            )
        return [store.begin(self._pauses.put(pause)) for pause in pauses]

    def _guessed(self, outcome: Outcome, mailbox: Mailbox, now: float) -> bool:
        """Whether the app registration may be meant, though no header says so: many of its mailboxes are slowed."""
        if outcome.cause not in (Cause.THROTTLED, Cause.CONCURRENCY) or outcome.app_wide:
            return False
        before = self._slowed.get(mailbox.app.id, {})
        recent = {key: at for key, at in before.items() if now - MINUTE < at <= now}
        slowed = self._slowed[mailbox.app.id] = {**recent, mailbox.id: now}
        return len(slowed) >= _CROWD

    def _slow(self, mailbox: Mailbox, began: float, now: float, *, app_wide: bool) -> None:
        """Fewer at a time: of the mailbox, and of the app registration too where it is told of several mailboxes."""
        own, app = self._usage.both(mailbox)
        own.concurrency.halve(now, began)
        if app_wide:
            app.concurrency.halve(now, began)
        self._log.warning("mailbox.slowed", mailbox=mailbox.address, at_once=own.concurrency.allowed(now))
