"""What /metrics asks the house about just now; what was counted stands in the tally already."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from pillarbox.admin.certificates import Shown
from pillarbox.core.mail import Clock
from pillarbox.delivery.governor import Governors
from pillarbox.endpoints.metrics import Measure, Measured
from pillarbox.store import measures
from pillarbox.store.database import Database

_DAY: Final = 86_400.0
_WAITS: Final = ("queued", "deferred", "held", "uncertain")


@dataclass(frozen=True, slots=True)
class Sources:
    """The parts of the house that are asked. `smtp_connections` says how many are open."""

    database: Database
    governors: Governors
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
        for one in await measures.waiting(self.database, now):
            measured.put("pillarbox_outbox_messages", one.messages, one.state)
            measured.put("pillarbox_outbox_oldest_age_seconds", max(0.0, now - one.oldest), one.state)

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
