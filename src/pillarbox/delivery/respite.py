"""What could not be tried for hours is not given up after one attempt more: old messages get an hour first.

The clock jumped, the service was down, or somebody paused the mailbox: no time was lived in which Microsoft could have
taken the mail. Without this a jump of the clock and one throttling answer would bounce a whole backlog.
"""

import math
from dataclasses import replace
from typing import Final

from pillarbox.store.outbox import Claimed

LONG: Final = 2 * 3600.0
"""Seconds without an attempt that no wait of ours explains: Microsoft pauses a mailbox for little more than an hour."""
RESPITE: Final = 3600.0


class Respite:
    """Knows when each mailbox was last tried, since the start of the process."""

    def __init__(self) -> None:
        self._tried: dict[int, float] = {}
        self._began: dict[int, float] = {}

    def given(self, messages: list[Claimed]) -> list[Claimed]:
        """Messages of one mailbox that were just claimed; none expires before the respite of the mailbox ends."""
        if not messages:
            return messages
        mailbox_id, now = messages[0].mailbox.id, messages[0].started_at
        was_late = min(message.due_at for message in messages) < now - LONG
        if was_late and self._tried.get(mailbox_id, -math.inf) < now - LONG:
            self._began[mailbox_id] = now
        self._tried[mailbox_id] = now
        began = self._began.get(mailbox_id, -math.inf)
        # One that has not begun yet is over: the clock went back.
        if not began <= now < began + RESPITE:
            return messages
        return [replace(message, expires_at=max(message.expires_at, began + RESPITE)) for message in messages]
