"""Message traces: what became of each accepted mail, one row per recipient (facts 0.9; Microsoft: List messageTraces).

All is told from the ledger, at once; Exchange needs minutes.
"""

import uuid
from collections.abc import Iterator
from typing import Any

from pillarbox.emulator.graph import odata
from pillarbox.emulator.graph.directory.answers import Row, collection, kind, single
from pillarbox.emulator.graph.directory.lookup import bad_request, not_found, operation, timestamp
from pillarbox.emulator.graph.odata.kind import Service
from pillarbox.emulator.graph.odata.syntax import Comparison, Logic, Node
from pillarbox.emulator.graph.request import Request
from pillarbox.emulator.http import Answer
from pillarbox.emulator.ledger import Entry
from pillarbox.emulator.mail.headers import clean, decoded, header
from pillarbox.emulator.world import Tenant

NEED = "ExchangeMessageTrace.Read.All"
PATH = "/admin/exchange/tracing/messageTraces"
CONTEXT = "admin/exchange/tracing/messageTraces"
DAY = 86400.0
LONGEST_INTERVAL = 10 * DAY
OLDEST = 90 * DAY
WITHOUT_FILTER = 2 * DAY
"""How far back a list goes that names no time [K]."""
FROM_IP = "192.0.2.1"
"""Where mails come from is not in the ledger (TEST-NET-1, RFC 5737)."""
TRACING = Service(
    frozenset(("eq", "ge", "le", "and", "contains", "startswith")),
    ("BadRequest", "The query filter is not supported."),
    page=1000,
    max_page=5000,
)
STATUSES = ("gettingStatus", "pending", "failed", "delivered", "expanded", "quarantined", "filteredAsSpam")
TYPE = kind(
    "microsoft.graph.exchangeMessageTrace",
    {
        "id": odata.STRING,
        "senderAddress": odata.STRING,
        "recipientAddress": odata.STRING,
        "messageId": odata.EXACT,
        "receivedDateTime": odata.DATE,
        "subject": odata.STRING,
        "status": odata.Scalar("microsoft.graph.exchangeMessageTraceStatus", members=STATUSES),
        "fromIP": odata.STRING,
        "toIP": odata.STRING,
    },
    "size",
    service=TRACING,
)
DETAIL = kind(
    "microsoft.graph.exchangeMessageTraceDetail",
    {"id": odata.STRING},
    "messageId",
    "dateTime",
    "event",
    "action",
    "description",
    "data",
    service=TRACING,
)


def list_all(request: Request) -> Answer:
    """GET messageTraces, newest first; a filter by time must name both ends."""
    earliest, latest = _interval(odata.read(request, TYPE).filter, request.call.now)
    entries = [each for each in _entries(request) if earliest <= each.time <= latest]
    rows = [row for each in entries for row in _rows(each, request.caller.tenant)]
    age = {trace_id(each): -each.sequence for each in entries}
    return collection(request, CONTEXT, TYPE, rows, place=lambda row: (age[row["id"]], row["recipientAddress"]))


def get(request: Request) -> Answer:
    """GET one; a mail to many has one id for all of them, and the first recipient answers for it."""
    entry = _find(request)
    return single(request, CONTEXT, TYPE, next(_rows(entry, request.caller.tenant)))


def details(request: Request) -> Answer:
    """GET getDetailsByRecipient(recipientAddress='..'): what happened to the mail on its way to one recipient."""
    name, _, address = request.names["recipient"].partition("=")
    if name.lower() != "recipientaddress":
        raise bad_request("The parameter recipientAddress is missing.")
    entry, tenant = _find(request), request.caller.tenant
    row = next((each for each in _rows(entry, tenant) if each["recipientAddress"].lower() == address.lower()), None)
    if row is None:
        raise not_found(address)
    steps = _details(entry, row)
    numbers = {each["id"]: number for number, each in enumerate(steps)}
    context = "Collection(microsoft.graph.exchangeMessageTraceDetail)"
    return collection(request, context, DETAIL, steps, place=lambda each: (numbers[each["id"]],))


def trace_id(entry: Entry) -> str:
    """The id of a mail in traces: made of what the ledger has, so that it stays."""
    return str(uuid.uuid5(uuid.UUID(entry.tenant), f"{entry.sequence} {entry.sha256}"))


def _interval(node: Node | None, now: float) -> tuple[float, float]:
    """The times, in seconds since 1970, that a filter spans; a GraphError unless Exchange looks so far back."""
    bounds = dict(_bounds(node)) if node else {}
    if not bounds:
        return now - WITHOUT_FILTER, now
    if bounds.keys() != {"ge", "le"}:
        raise bad_request("Both a start and an end of receivedDateTime must be specified.")
    earliest, latest = bounds["ge"], bounds["le"]
    if earliest > latest or latest - earliest > LONGEST_INTERVAL:
        raise bad_request("The interval of receivedDateTime must not exceed 10 days.")
    # Clients write whole seconds.
    if earliest < now - OLDEST or latest > now + 1:
        raise bad_request("The interval of receivedDateTime must be in the last 90 days.")
    return earliest, latest


def _bounds(node: Node) -> Iterator[tuple[str, float]]:
    """The comparisons of receivedDateTime that must hold, as (operator, seconds since 1970)."""
    match node:
        case Logic(operator="and"):
            for part in node.parts:
                yield from _bounds(part)
        case Comparison() if str(node.path) == "receivedDateTime" and isinstance(node.value, float | int):
            yield node.operator, float(node.value)


def _entries(request: Request) -> list[Entry]:
    return [each for each in request.ledger.entries if each.recipients and each.tenant == request.caller.tenant.id]


def _find(request: Request) -> Entry:
    key = request.names["trace"]
    found = next((each for each in _entries(request) if trace_id(each) == key.lower()), None)
    if found is None:
        raise not_found(key)
    return found


def _rows(entry: Entry, tenant: Tenant) -> Iterator[dict[str, Any]]:
    for recipient in entry.recipients:
        yield {
            "id": trace_id(entry),
            "senderAddress": entry.mailbox,
            "recipientAddress": clean(recipient),
            "messageId": clean(entry.message_id or ""),
            "receivedDateTime": timestamp(entry.time),
            "subject": decoded(header(entry.headers, "subject") or ""),
            "status": "delivered" if _arrives(recipient, tenant) else "failed",
            "size": entry.size,
            "fromIP": FROM_IP,
            "toIP": "",
        }


def _arrives(recipient: str, tenant: Tenant) -> bool:
    """Whether the mail reaches somebody: a mailbox here, or any address of other domains."""
    user = tenant.user_by_address(recipient)
    if user is not None:
        return user.open_mailbox is not None
    return recipient.rpartition("@")[2].lower() not in tenant.domains


def _details(entry: Entry, row: Row) -> list[Row]:
    ends = ("Deliver", "The message was successfully delivered.")
    if row["status"] == "failed":
        ends = ("Fail", "Reason: [{LED=550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found}]")
    steps = (("Receive", "Message received."), ends)
    return [
        {
            "id": str(uuid.uuid5(uuid.UUID(row["id"]), f"{number} {row['recipientAddress']}")),
            "messageId": row["messageId"],
            "dateTime": timestamp(entry.time),
            "event": event,
            "action": "",
            "description": description,
            "data": "",
        }
        for number, (event, description) in enumerate(steps)
    ]


OPERATIONS = (
    operation("GET", PATH, list_all, NEED),
    operation("GET", f"{PATH}/{{trace}}", get, NEED),
    operation("GET", f"{PATH}/{{trace}}/getDetailsByRecipient/{{recipient}}", details, NEED),
)
