"""Every answer of Microsoft's once, from end to end: the state, the next try, and what sender and operator read.

The rows of the table in docs/explanation/flow.md, played by the emulator's faults. A clock that the test moves stands
in for the waits.
"""

import re
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pillarbox.core import catalogue
from pillarbox.core.accounts import MailboxChoice
from pillarbox.core.cause import Cause, Verdict
from pillarbox.emulator import Certificates
from pillarbox.store.database import Row
from tests.conftest import House, MakeHouse
from tests.journeys import tables

MAIL = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\nSubject: scan\r\n\r\npage 1\r\n"
SEND = {"path": "/sendMail"}
TOKEN = {"path": "/token"}
HOUR = 3600.0


@dataclass(frozen=True)
class Event:
    """What happens, and what must come of it.

    `fault` is the emulator's. `wait` is from when to when the message is looked at again, in
    seconds from the attempt; `last` the state after as many attempts as there are tries.
    """

    name: str
    fault: dict[str, Any]
    cause: Cause
    state: str
    wait: tuple[float, float] | None = None
    cure: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    tries: int = 1
    last: str = ""
    pauses: tuple[float, ...] = ()
    """Seconds to the next attempts, where they are not those to when they are due."""


STATUSES = {
    Cause.ACCEPTED: ("2.0.0",),
    **dict.fromkeys((Cause.THROTTLED, Cause.CONCURRENCY, Cause.QUOTA), ("4.7.0", "5.4.7")),
    Cause.MAILBOX_FULL: ("4.2.2", "5.2.2"),
    Cause.BUSY: ("4.3.0", "5.4.7"),
    **dict.fromkeys((Cause.UNREACHABLE, Cause.TOKEN_UNAVAILABLE), ("4.4.1", "5.4.7")),
    Cause.UNKNOWN_HOST: ("4.4.3", "5.4.4"),
    Cause.STORE: ("4.3.0", "5.3.0"),
    Cause.NO_MAILBOX: ("4.1.8", "5.1.8"),
    **dict.fromkeys((Cause.UNKNOWN, Cause.UNCLEAR, Cause.DOUBTED, Cause.INTERRUPTED), ("4.3.0", "5.4.7")),
    **dict.fromkeys((Cause.DRAFT_GONE, Cause.INTERNAL), ("4.3.0", "5.4.7")),
    Cause.UNTRUSTED: ("4.7.5",),
    Cause.ACCOUNT_BROKEN: ("4.7.0",),
    **dict.fromkeys((Cause.ACCESS_DENIED, Cause.BLOCKED), ("4.7.1",)),
    Cause.SEND_AS_DENIED: ("5.7.60",),
    Cause.BAD_RECIPIENT: ("5.1.3",),
    Cause.BAD_CONTENT: ("5.6.0",),
    Cause.TOO_LARGE: ("5.3.4",),
}
"""What a delay warning and a bounce say of each cause (RFC 3463): one, where there can be only one of them."""


def statuses(cause: Cause) -> tuple[str, ...]:
    """The same, as the catalogue has them."""
    found = (cause.entry.smtp.partition(" ")[2], cause.entry.dsn)
    return tuple(dict.fromkeys(filter(None, found)))


async def status_of_bounce(house: House, row: Row) -> str:
    """What the bounce of a message says, as it lies in the outbox."""
    notices = await house.gateway.outbox.notices(row["seq"])
    (bounce,) = (notice for notice in notices if notice["purpose"] == "bounce")
    told = await house.gateway.outbox.get(bounce["id"])
    assert told is not None
    mime = b"".join([piece async for piece in house.gateway.outbox.whole(told["seq"], told["size"])])
    (found,) = re.findall(rb"^Status: (\S+)\r$", mime, re.MULTILINE)
    return str(found, "ascii")


def answers(status: int, code: str = "", message: str = "No.", **more: Any) -> dict[str, Any]:
    """A fault of sendMail: Graph's answer."""
    return {**SEND, "status": status, "code": code or None, "message": message, **more}


def no_token(number: str, **more: Any) -> dict[str, Any]:
    """A fault of the token endpoint: a number of Entra ID's."""
    return {**TOKEN, "status": 401, "code": number, **more}


LATER = "deferred"
BUSY = "ApplicationThrottled"
EVENTS = [
    Event("202", {}, Cause.ACCEPTED, "sent"),
    Event("202 with Retry-After", {**SEND, "status": 202, "when": "after", "retry_after": 9}, Cause.ACCEPTED, "sent"),
    # ---- throttled
    Event("429, Retry-After in seconds", answers(429, BUSY, retry_after=30), Cause.THROTTLED, LATER, (30, 33)),
    Event(
        "429, Retry-After with decimals",
        answers(429, BUSY, retry_after=2.5, retry_form="decimal"),
        *(Cause.THROTTLED, LATER, (2.5, 2.75)),
    ),
    Event(
        "429, Retry-After as a date",
        answers(429, BUSY, retry_after=30, retry_form="date"),
        *(Cause.THROTTLED, LATER, (28, 33)),
    ),
    Event("429 without Retry-After", answers(429, BUSY), Cause.THROTTLED, LATER, (60, 66), "goes on by itself"),
    Event("429, two days", answers(429, BUSY, retry_after=172_800), Cause.THROTTLED, LATER, (HOUR, 1.1 * HOUR)),
    Event(
        "429 MailboxConcurrency",
        answers(429, BUSY, "Application is over its MailboxConcurrency limit.", retry_after=1),
        *(Cause.CONCURRENCY, LATER, (1, 1.1), "less of it at the same time"),
    ),
    *(
        Event(name, fault, Cause.QUOTA, LATER, (0.8 * HOUR, 1.2 * HOUR), "several mailboxes")
        for name, fault in {
            "messages of a day": answers(400, "ErrorExceededMessageLimit"),
            "recipients of a day": answers(400, "ErrorSubmissionQuotaExceeded"),
            "tenant's recipients (TERRL)": answers(403, "ErrorAccessDenied", "550 5.7.233 Exceeded (TERRL)."),
            "tenant's threshold": answers(403, "ErrorAccessDenied", "550 5.7.705 Access denied, tenant threshold."),
        }.items()
    ),
    # ---- unclear
    *(
        Event(f"{status}", answers(status, "ErrorServerBusy"), Cause.UNCLEAR, "uncertain", (880, 900), "Sent Items")
        for status in (408, 500, 502, 503, 504)
    ),
    *(
        Event(f"cut {when} it was taken", {**SEND, "cut": True, "when": when}, Cause.UNCLEAR, "uncertain", (880, 900))
        for when in ("before", "after")
    ),
    Event(
        "503 with Retry-After",
        answers(503, "serviceNotAvailable", retry_after=30),
        *(Cause.UNCLEAR, "uncertain", (880, 900), "Sent Items"),
    ),
    *(
        Event(
            f"{status}, perhaps not of Graph",
            {**SEND, "status": status, "when": "after"},
            *(Cause.UNCLEAR, "uncertain", (880, 900), "Sent Items"),
        )
        for status in (200, 302, 304)
    ),
    Event(
        "no answer in time",
        {**SEND, "delay": HOUR},
        *(Cause.UNCLEAR, "uncertain", (880, 900), "Sent Items"),
        settings={"microsoft.timeout": "1"},
    ),
    # ---- no way there
    Event(
        # The emulator lies on this machine, which is reached without a proxy; Graph itself is not.
        "connection refused",
        {},
        *(Cause.UNREACHABLE, LATER, (4, 6), "firewall"),
        settings={"microsoft.graph_url": "https://graph.microsoft.com"},
        environ={"HTTPS_PROXY": "http://127.0.0.1:CLOSED"},
    ),
    Event(
        "Graph's host does not exist",
        {},
        *(Cause.UNKNOWN_HOST, LATER, (4, 6), "microsoft.graph_url"),
        settings={"microsoft.graph_url": "https://graph.invalid"},
    ),
    Event(
        "a proxy whose name does not exist",
        {},
        *(Cause.UNKNOWN_HOST, LATER, (4, 6), "microsoft.proxy"),
        settings={"microsoft.graph_url": "https://graph.microsoft.com"},
        environ={"HTTPS_PROXY": "http://proxy.invalid:8080"},
    ),
    Event(
        "certificate not trusted",
        {},
        *(Cause.UNTRUSTED, "held", None, "microsoft.ca_file"),
        settings={"microsoft.ca_file": "OTHER"},
    ),
    # ---- the account
    Event("401 once", {**SEND, "revoke_tokens": True, "times": 1}, Cause.ACCEPTED, "sent"),
    Event(
        "401 twice",
        answers(401, "InvalidAuthenticationToken"),
        *(Cause.ACCOUNT_BROKEN, "held", None, "pillarbox token get"),
    ),
    Event(
        "401 twice, with claims",
        answers(
            401,
            "InvalidAuthenticationToken",
            headers={"WWW-Authenticate": 'Bearer realm="", error="insufficient_claims", claims="e30="'},
        ),
        *(Cause.ACCOUNT_BROKEN, "held"),
    ),
    *(
        Event(f"AADSTS{number}", no_token(number), Cause.ACCOUNT_BROKEN, "held", None, words)
        for number, words in {
            "7000215": "Secret ID",
            "7000222": "expired",
            "700016": "Application (client) ID",
            "90002": "Directory (tenant) ID",
            "50034": "",
            "50076": "",
            "53003": "the policy that blocks",
        }.items()
    ),
    *(
        Event(f"token endpoint {status}", {**TOKEN, "status": status}, Cause.TOKEN_UNAVAILABLE, LATER, None)
        for status in (429, 503)
    ),
    Event("403", answers(403, "ErrorAccessDenied"), Cause.ACCESS_DENIED, "held", None, "admin consent"),
    Event("403, disabled", answers(403, "ErrorAccountDisabled"), Cause.ACCOUNT_BROKEN, "held", None, "Enable"),
    Event(
        "403, spam", answers(403, "ErrorMessageSubmissionBlocked"), Cause.BLOCKED, "held", None, "Restricted entities"
    ),
    # ---- the mailbox
    *(
        Event(f"404 {code}", answers(404, code), Cause.NO_MAILBOX, LATER, (240, 360), words, tries=3, last="failed")
        for code, words in {
            "ErrorInvalidUser": "admin.microsoft.com",
            "MailboxNotEnabledForRESTAPI": "licence",
        }.items()
    ),
    *(
        Event(f"{status} mailbox full", answers(status, code), Cause.MAILBOX_FULL, LATER, (0.8 * HOUR, 1.2 * HOUR))
        for status, code in ((403, "ErrorQuotaExceeded"), (507, ""))
    ),
    # ---- the message
    Event("403 ErrorSendAsDenied", answers(403, "ErrorSendAsDenied"), Cause.SEND_AS_DENIED, "failed", None, "Send as"),
    Event("400 recipients", answers(400, "ErrorInvalidRecipients"), Cause.BAD_RECIPIENT, "failed", None, "recipients"),
    Event("400 MIME", answers(400, "ErrorMimeContentInvalid"), Cause.BAD_CONTENT, "failed", None, "sending program"),
    Event("413", answers(413), Cause.TOO_LARGE, "failed"),
    Event("413 by its code", answers(400, "ErrorMessageSizeExceeded"), Cause.TOO_LARGE, "failed", None, "send less"),
    *(
        Event(f"{status}", answers(status), Cause.UNKNOWN, LATER, (48, 72), "request-id", tries=3, last="held")
        for status in (412, 415, 418, 423)
    ),
    # ---- too old
    Event(
        "throttled for ever",
        answers(429, BUSY),
        Cause.THROTTLED,
        LATER,
        (60, 66),
        tries=3,
        last="failed",
        # After two days in which nothing was tried, nothing fails at once: the clock may have jumped.
        pauses=(49 * HOUR, 1.5 * HOUR),
    ),
]
TOLD = {"failed": ("failed", "bounced")}
"""Where a bounce is written, the message that failed is `bounced` at once."""


@dataclass
class Played:
    """A house in which an event is played, and its clock."""

    house: House
    ahead: list[float]

    @property
    def now(self) -> float:
        return time.time() + self.ahead[0]

    async def row(self, queue_id: str) -> Row:
        row = await self.house.gateway.outbox.get(queue_id)
        assert row is not None
        return row

    async def attempted(self, queue_id: str, number: int) -> Row:
        """The message after its attempt of that number."""
        while (row := await self.row(queue_id))["state"] in ("queued", "sending") or row["attempts"] < number:
            await self.house.log.next()
        return row

    async def again(self, queue_id: str, wait: float) -> Row:
        """The message after one attempt more, `wait` seconds later."""
        number = (await self.row(queue_id))["attempts"] + 1
        self.ahead[0] += wait
        self.house.gateway.wake(1)
        return await self.attempted(queue_id, number)


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that is taken and does not listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


@pytest.fixture(params=EVENTS, ids=lambda event: event.name)
def event(request: pytest.FixtureRequest) -> Event:
    found: Event = request.param
    return found


@pytest.fixture
async def played(event: Event, make_house: MakeHouse, tmp_path: Path) -> AsyncIterator[Played]:
    (tmp_path / "other.pem").write_bytes(Certificates.make().ca)
    ahead = [0.0]
    with closed_port() as port:
        known = {"OTHER": str(tmp_path / "other.pem")}
        given = {key: known.get(text, text.replace("CLOSED", str(port))) for key, text in event.settings.items()}
        environ = {key: text.replace("CLOSED", str(port)) for key, text in event.environ.items()}
        house = await make_house(given, environ=environ, clock=lambda: time.time() + ahead[0])
        await house.furnish("scanner@contoso.example")
        yield Played(house, ahead)


@pytest.fixture(scope="module")
def told() -> Iterator[list[tuple[str, ...]]]:
    """The rows of the table, shown at the end whatever was wrong with them."""
    rows: list[tuple[str, ...]] = []
    yield rows
    columns = ("event", "cause", "state", "next", "Microsoft's code and text", "in a sentence", "cure", "SMTP", "DSN")
    tables.show("Every answer, and what becomes of the message", columns, rows)


def line(event: Event, row: Row, wait: float) -> tuple[str, ...]:
    """One row of the table."""
    words = Cause(row["cause"]).entry
    following = f"{wait:.0f} s" if row["state"] in ("deferred", "uncertain") else ""
    said = f"{row['code']} {row['reason']}".strip()
    return event.name, row["cause"], row["state"], following, said, words.sentence, row["cure"], words.smtp, words.dsn


async def test_every_event_leads_to_its_state_with_its_cure(
    event: Event, played: Played, told: list[tuple[str, ...]]
) -> None:
    if event.fault:
        played.house.microsoft.emulator.faults.add(**event.fault)
    queue_id = await played.house.accept(MAIL, "alice@contoso.example")
    row = await played.attempted(queue_id, 1)
    (attempt,) = await played.house.gateway.outbox.attempts(row["seq"])
    wait = row["due_at"] - attempt["ended_at"]
    told.append(line(event, row, wait))
    assert (row["cause"], attempt["cause"], attempt["verdict"]) == (event.cause, event.cause, event.cause.verdict)
    assert row["state"] in TOLD.get(event.state, (event.state,))
    if event.cause.verdict is not Verdict.SENT:
        assert row["code"]
        assert row["reason"]
        assert row["cure"]
        assert event.cure in row["cure"]
    assert statuses(event.cause) == STATUSES[event.cause]
    if row["state"] == "bounced":
        assert await status_of_bounce(played.house, row) == STATUSES[event.cause][-1]
    if event.cause is Cause.UNKNOWN:
        assert any('"code":' in note for note in attempt["notes"])
    if event.wait:
        assert event.wait[0] - 0.1 <= wait <= event.wait[1]


AGAIN = [event for event in EVENTS if event.tries > 1]


@pytest.mark.parametrize("event", AGAIN, ids=lambda event: event.name, indirect=True)
async def test_what_is_tried_a_few_times_ends_by_its_rule(event: Event, played: Played) -> None:
    played.house.microsoft.emulator.faults.add(**event.fault, times=event.tries)
    queue_id = await played.house.accept(MAIL, "alice@contoso.example")
    row = await played.attempted(queue_id, 1)
    for number in range(event.tries - 1):
        row = await played.again(queue_id, event.pauses[number] if event.pauses else row["due_at"] - played.now + 1)
    assert (row["attempts"], row["cause"]) == (event.tries, event.cause)
    assert row["state"] in TOLD.get(event.last, (event.last,))
    if row["state"] == "bounced":
        assert await status_of_bounce(played.house, row) == STATUSES[event.cause][-1]


LOST = [event for event in EVENTS if event.state == LATER and event.fault]


@pytest.mark.parametrize("event", LOST, ids=lambda event: event.name, indirect=True)
async def test_what_is_put_off_leaves_once_when_it_is_over(event: Event, played: Played) -> None:
    played.house.microsoft.emulator.faults.add(**event.fault, times=1)
    queue_id = await played.house.accept(MAIL, "alice@contoso.example")
    row = await played.attempted(queue_id, 1)
    assert row["state"] == LATER
    row = await played.again(queue_id, row["due_at"] - played.now + 1)
    assert (row["state"], len(played.house.microsoft.emulator.ledger)) == ("sent", 1)


@pytest.mark.parametrize("text", ["No.", "Application is over its MailboxConcurrency limit."])
@pytest.mark.parametrize("event", EVENTS[:1], ids=["429 and sent all the same"], indirect=True)
async def test_where_it_can_be_looked_up_a_throttled_message_that_left_is_not_sent_again(
    played: Played, text: str
) -> None:
    """Seen of Graph: https://learn.microsoft.com/answers/questions/5629476."""
    house, emulator = played.house, played.house.microsoft.emulator
    emulator.world.consent(house.microsoft.seed.gateway, "Mail.ReadBasic.All")
    mailbox = await house.gateway.accounts.mailbox_by_id(1)
    await house.gateway.accounts.choose(mailbox, MailboxChoice(assurance="verify"))
    emulator.faults.add(**answers(429, BUSY, text, when="after", retry_after=1), times=1)
    queue_id = await house.accept(MAIL, "alice@contoso.example")
    row = await played.attempted(queue_id, 1)
    assert row["state"] == LATER
    row = await played.again(queue_id, row["due_at"] - played.now + 1)
    _, second = await house.gateway.outbox.attempts(row["seq"])
    assert (row["state"], len(emulator.ledger)) == ("sent", 1)
    assert second["notes"] == [catalogue.sentence("look.sent")]
