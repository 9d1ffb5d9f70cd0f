"""A way out that takes everything, for tests that look at what came in: Graph takes no message of 35 MB in one call."""

from collections.abc import AsyncIterator

from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.mail import Outcome
from pillarbox.delivery.transports import KeepDraft, Look, Report
from pillarbox.store.messages import Claimed


class Discard:
    """A `Transport` that sends nothing, and says that it was sent."""

    async def ready(self, mailbox: Mailbox) -> None:
        """Nothing is needed."""

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        """Sent."""
        return Report(Outcome(Cause.ACCEPTED))

    async def look_up(self, message: Claimed) -> Look:
        """Nothing is ever uncertain."""
        raise NotImplementedError
