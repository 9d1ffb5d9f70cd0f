"""What Exchange's message trace tells of mail that a mailbox sent: one row for each recipient."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from pillarbox.core.bearer import TokenSource
from pillarbox.graph.client import GraphClient
from pillarbox.graph.paging import Patience, one_page

_PATH: Final = "/admin/exchange/tracing/messageTraces"
_PAGE: Final = 1000
"""Microsoft's own default; it allows 5,000, which would take the loop for too long at once."""
_MOST_WORD: Final = 300


@dataclass(frozen=True, slots=True)
class Traced:
    """One recipient of a message, and Microsoft's word for what became of it there, such as `delivered`."""

    message_id: str
    recipient: str
    status: str


def sent_by(address: str, since: float, until: float) -> str:
    """The path to the traces of what an address sent, newest first. The span may be ten days at the most.

    https://learn.microsoft.com/graph/api/messagetracingroot-list-messagetraces
    """
    sender = address.replace("'", "''")
    span = f"receivedDateTime ge {_written(since)} and receivedDateTime le {_written(math.ceil(until))}"
    wanted = f"senderAddress eq '{sender}' and {span}"
    return f"{_PATH}?$filter={quote(wanted, safe='')}&$top={_PAGE}"


async def traces(
    client: GraphClient, path: str, token: TokenSource, patience: Patience
) -> tuple[list[Traced], str | None]:
    """One page, and the link to the next. Needs ExchangeMessageTrace.Read.All. Raises as `paging.one_page`."""
    page = await one_page(client, path, token, patience=patience)
    return [one for row in page.value if (one := traced_in(row))], page.next


def traced_in(row: Any) -> Traced | None:
    """What a row tells; None where it is none. Pure."""
    if not isinstance(row, dict):
        return None
    words = [row.get(name) for name in ("messageId", "recipientAddress", "status")]
    if not all(isinstance(word, str) and word for word in words):
        return None
    message_id, recipient, status = (str(word) for word in words)
    return Traced(message_id, recipient[:_MOST_WORD], status[:_MOST_WORD])


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
