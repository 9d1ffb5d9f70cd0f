"""What /metrics asks the house about just now; what was counted stands in the tally already."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from pillarbox.admin.certificates import Shown
from pillarbox.core.mail import Clock
from pillarbox.delivery.governor import Governors
from pillarbox.endpoints.metrics import Measure, Measured
from pillarbox.store import measures
from pillarbox.store.database import Database
from pillarbox.store.messages import Claimed

_DAY: Final = 86_400.0
_WAITS: Final = ("queued", "deferred", "held", "uncertain", "sending")


@dataclass(frozen=True, slots=True)
class Sources:
    """The parts of the house that are asked. `smtp_connections`: how many are open; `sending`: what is on its way."""

    database: Database
    governors: Governors
    sending: Callable[[], Sequence[Claimed]]
    smtp_connections: Callable[[], int]
    certificates: Callable[[], Iterable[Shown]]
    clock: Clock

    def measures(self) -> tuple[Measure, ...]:
        """All that is to be asked at each scrape."""
        return (self.outbox, self.credentials, self.listeners, self.events, self.memory)

    async def outbox(self, measured: Measured) -> None:
        """How many messages wait, and how long the oldest does. A state without messages has 0 of both."""
        for state in _WAITS:
            measured.put("pillarbox_outbox_messages", 0, state)
            measured.put("pillarbox_outbox_oldest_age_seconds", 0, state)
        now = self.clock()
        for state, those in groupby(await measures.waiting(self.database, now), key=lambda one: one.state):
            alike = list(those)
            measured.put("pillarbox_outbox_messages", sum(one.messages for one in alike), state)
            oldest = min(one.oldest for one in alike)
            measured.put("pillarbox_outbox_oldest_age_seconds", max(0.0, now - oldest), state)
        if leaving := self.sending():
            measured.put("pillarbox_outbox_messages", len(leaving), "sending")
            oldest = min(one.created_at for one in leaving)
            measured.put("pillarbox_outbox_oldest_age_seconds", max(0.0, now - oldest), "sending")

    async def credentials(self, measured: Measured) -> None:
        """The days of each credential whose end is known."""
        for one in await measures.endings(self.database):
            days = (one.ends_at - self.clock()) / _DAY
            measured.put("pillarbox_credential_days_left", days, one.app, one.id, one.kind)

    async def listeners(self, measured: Measured) -> None:
        """The days of the certificate of each listener."""
        for one in self.certificates():
            for name in one.listeners:
                measured.put("pillarbox_certificate_days_left", (one.ends_at - self.clock()) / _DAY, name)

    async def events(self, measured: Measured) -> None:
        """How many events there ever were."""
        measured.put("pillarbox_events_total", await measures.last_event(self.database))

    async def memory(self, measured: Measured) -> None:
        """What is known without asking the store."""
        measured.put("pillarbox_smtp_connections", self.smtp_connections())
        for pause in self.governors.pauses():
            # `mailbox/12` is one of many: what kind of thing it is says enough, and names nobody.
            measured.add("pillarbox_pauses", pause.scope.partition("/")[0], pause.cause)
