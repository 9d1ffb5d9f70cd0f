"""What a Transport promises: whatever Microsoft or the network does is an outcome, and the right one.

Graph's transport and SMTP's against the emulator, with fault rules between them. What only one of them has to answer is
marked GRAPH or SMTP.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pillarbox.core import catalogue
from pillarbox.core.accounts import AppRegistration, Credential, CredentialKind, Mailbox
from pillarbox.core.cause import Cause, Verdict
from pillarbox.core.clouds import CLOUDS, Cloud
from pillarbox.core.errors import InvalidInput, Unavailable
from pillarbox.core.log import make_logger
from pillarbox.core.mail import Outcome
from pillarbox.core.tls import Outbound
from pillarbox.core.vault import Secret
from pillarbox.delivery.graph_transport import GraphTransport
from pillarbox.delivery.smtp_transport import SmtpTransport
from pillarbox.delivery.transports import Report, Transport
from pillarbox.emulator import Certificates
from pillarbox.entra.acquire import Acquire
from pillarbox.entra.authority import Authority
from pillarbox.entra.sources import Sources
from pillarbox.entra.tokens import Tokens
from pillarbox.exchange.login import Server
from pillarbox.exchange.submission import Submissions
from pillarbox.graph.client import GraphClient
from tests.claimed import claimed, no_draft, no_twins
from tests.conftest import Log, Microsoft

HEAD = b"From: scanner@contoso.example\r\nDate: Fri, 20 Nov 2026 11:59:00 +0000\r\nMessage-ID: <1@contoso.example>\r\n"
MAIL = (
    HEAD
    + b"To: Alice <alice@contoso.example>\r\nSubject: \xff\r\n\r\n"
    + bytes(set(range(256)) - {10, 13}) * 40
    + b"\r\n"
)
SEND = {"path": "/sendMail"}
GRAPH = pytest.mark.parametrize("kind", ["graph"])
SMTP = pytest.mark.parametrize("kind", ["smtp"])
NO_RIGHTS = {"graph": {"status": 403, "code": "ErrorAccessDenied"}, "smtp": {"status": 535, "message": "5.7.139 No."}}


class Memory:
    """A TokenStore in memory."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.caches: dict[str, bytes] = {}
        self.full = False

    async def load_token_cache(self, owner: str) -> bytes | None:
        return self.caches.get(owner)

    async def save_token_cache(self, owner: str, content: bytes) -> None:
        if self.full:
            raise Unavailable("store.full")
        self.caches[owner] = content

    async def credentials(self, app: AppRegistration) -> list[Credential]:
        return [Credential("cred_1", CredentialKind.SECRET, Secret(self.secret))]

    async def mailbox_by_id(self, mailbox_id: int) -> Mailbox:
        raise AssertionError("nobody has signed in")

    async def needs_sign_in(self, mailbox: Mailbox, code: str) -> bool:
        raise AssertionError("nobody has signed in")

    async def lease_token(self, owner: str, holder: str, seconds: float) -> bool:
        return True

    async def release_token(self, owner: str, holder: str) -> None:
        pass


@dataclass
class Way:
    """A transport, and Microsoft at its end."""

    kind: str
    transport: Transport
    microsoft: Microsoft
    mailbox: Mailbox
    store: Memory
    log: Log

    async def report(self, mime: bytes = MAIL, *recipients: str) -> Report:
        message = claimed(self.mailbox, *(recipients or ("alice@contoso.example",)), size=len(mime))
        return await self.transport.send(message, pieces(mime), no_draft)

    async def send(self, mime: bytes = MAIL, *recipients: str) -> Outcome:
        return (await self.report(mime, *recipients)).outcome

    def fault(self, **fields: Any) -> None:
        self.microsoft.emulator.faults.add(**fields)

    @property
    def accepted(self) -> int:
        return len(self.microsoft.emulator.ledger)

    def strike(self, **fields: Any) -> None:
        """A fault of the request that takes a message."""
        self.fault(**(SEND if self.kind == "graph" else {"command": "DATA"}), **fields)

    def strike_login(self, **fields: Any) -> None:
        """A fault of the request that shows the token."""
        self.fault(**(SEND if self.kind == "graph" else {"command": "AUTH"}), **fields)

    @property
    def requests(self) -> int:
        """How many times a message was to be taken."""
        name = "POST /v1.0/users/{user}/sendMail" if self.kind == "graph" else "SMTP DATA"
        return self.microsoft.emulator.ledger.requests[name]

    @property
    def tokens(self) -> int:
        return self.microsoft.emulator.ledger.token_requests


async def pieces(mime: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(mime), 1000):
        yield mime[start : start + 1000]


MakeWay = Callable[..., Awaitable[Way]]


@pytest.fixture(params=["graph", "smtp"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which transport."""
    return str(request.param)


@pytest.fixture
def with_exchange() -> bool:
    return True


@pytest.fixture
async def make_way(kind: str, microsoft: Microsoft) -> AsyncIterator[MakeWay]:
    ends: list[Callable[[], Awaitable[None]]] = []
    authorities: list[Authority] = []

    async def make(
        mailbox: str = "scanner@contoso.example",
        *,
        ca_file: Path | None = None,
        host: str = "localhost",
        port: int = 0,
        proxy: str = "",
        seconds: float = 20,
        secret: str | None = None,
    ) -> Way:
        url, seed = microsoft.emulator.url, microsoft.seed
        client = seed.gateway if kind == "graph" else seed.exchange
        log, clock = Log(), lambda: 1_795_176_000.0
        store = Memory(secret or seed.secrets[client.client_id])
        app = AppRegistration(1, "contoso", seed.tenant.id, client.client_id)
        outbound = Outbound(microsoft.emulator.ca_file)
        # Tokens with the scope of the emulator's own address, wherever Graph is.
        authority = Authority(Cloud(url, url, "", 0, "", 0, CLOUDS["global"].exchange_url), outbound)
        authorities.append(authority)
        logger = make_logger(log, "debug", "text", clock)
        acquire = Acquire(authority, store, Sources({}, outbound, authority).read, clock, logger)
        tokens = Tokens(acquire, store, clock, logger)
        trusted = Outbound(ca_file or microsoft.emulator.ca_file, proxy)
        transport: Transport
        if kind == "graph":
            graph = GraphClient(f"https://{host}:{port}" if port or host != "localhost" else url, trusted, seconds)
            ends.append(graph.close)
            transport = GraphTransport(graph, tokens, clock, 60.0, no_twins)
        else:
            assert microsoft.emulator.smtp is not None
            server = Server(host, port or microsoft.emulator.smtp[1], trusted.ssl_context(), seconds)
            submissions = Submissions(server, patience=seconds)
            ends.append(submissions.close)
            transport = SmtpTransport(submissions, tokens, 60.0)
        return Way(kind, transport, microsoft, Mailbox(1, mailbox, app), store, log)

    yield make
    for end in ends:
        await end()
    for authority in authorities:
        authority.close()


@pytest.fixture
async def way(make_way: MakeWay) -> Way:
    return await make_way()


# ---- accepted


async def test_what_is_accepted_is_sent_byte_for_byte(way: Way) -> None:
    outcome = await way.send()
    (entry,) = way.microsoft.emulator.ledger.entries
    assert outcome.verdict is Verdict.SENT
    assert (entry.raw, entry.mailbox) == (MAIL, "scanner@contoso.example")


@GRAPH
async def test_microsofts_number_of_the_request_is_kept(way: Way) -> None:
    outcome = await way.send()
    assert (outcome.http_status, outcome.request_id) == (202, way.microsoft.emulator.ledger.entries[0].request_id)


@SMTP
async def test_microsofts_reply_to_the_message_is_kept(way: Way) -> None:
    assert (await way.send()).text.startswith("250 2.0.0 OK <1@contoso.example> [Hostname=")


async def test_a_bcc_that_came_with_the_message_is_told_to_nobody(way: Way) -> None:
    await way.report(b"Bcc: carol@contoso.example\r\nResent-Bcc: dave@contoso.example\r\n" + MAIL)
    (entry,) = way.microsoft.emulator.ledger.entries
    assert (entry.raw, entry.recipients) == (MAIL, ["alice@contoso.example"])


@SMTP
async def test_the_envelope_alone_says_to_whom_and_the_header_stays_as_it_is(way: Way) -> None:
    report = await way.report(MAIL, "bob@contoso.example", "carol@contoso.example")
    (entry,) = way.microsoft.emulator.ledger.entries
    assert (entry.raw, entry.recipients) == (MAIL, ["bob@contoso.example", "carol@contoso.example"])
    assert report.notes == ()


@GRAPH
async def test_recipients_are_the_envelopes_and_what_was_taken_out_is_noted(way: Way) -> None:
    report = await way.report(MAIL, "bob@contoso.example")
    (entry,) = way.microsoft.emulator.ledger.entries
    assert (entry.recipients, report.outcome.verdict) == (["bob@contoso.example"], Verdict.SENT)
    assert any("Alice <alice@contoso.example>" in note for note in report.notes)


async def test_one_token_serves_many_messages(way: Way) -> None:
    await asyncio.gather(*(way.send() for _ in range(10)))
    assert (way.accepted, way.tokens) == (10, 1)


# ---- connections


@pytest.mark.parametrize(("when", "accepted"), [("before", 0), ("after", 1)])
async def test_a_connection_that_is_cut_is_uncertain_and_nothing_is_repeated(
    way: Way, when: str, accepted: int
) -> None:
    way.strike(cut=True, when=when)
    outcome = await way.send()
    assert (way.accepted, way.requests) == (accepted, 1)
    if way.kind == "smtp" and when == "before":
        # Of the message nothing was said yet.
        assert (outcome.cause, outcome.code) == (Cause.UNREACHABLE, "microsoft.unreachable")
        return
    assert (outcome.verdict, outcome.code) == (Verdict.UNCERTAIN, "microsoft.answer_lost")
    assert "was sent the message and its answer did not come" in outcome.text
    assert outcome.cure == Cause.UNCLEAR.entry.cure


@pytest.mark.parametrize(("when", "accepted"), [("before", 0), ("after", 1)])
async def test_no_answer_in_time_is_uncertain(make_way: MakeWay, when: str, accepted: int) -> None:
    way = await make_way(seconds=0.5)
    way.strike(delay=3600, when=when)
    outcome = await way.send()
    certain = way.kind == "smtp" and when == "before"
    assert (outcome.verdict, way.accepted) == (Verdict.RETRY if certain else Verdict.UNCERTAIN, accepted)
    assert "no answer in time" in outcome.text


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken and does not listen: it refuses, and nobody else can open it meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


def test_a_closed_port_stays_closed(closed_port: int) -> None:
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", closed_port))


async def test_a_refused_connection_is_tried_again(make_way: MakeWay, closed_port: int) -> None:
    way = await make_way(host="127.0.0.1", port=closed_port)
    outcome = await way.send()
    assert (outcome.verdict, outcome.code) == (Verdict.RETRY, "microsoft.unreachable")
    assert "127.0.0.1" in outcome.text


async def test_a_name_that_does_not_exist_is_tried_again(make_way: MakeWay) -> None:
    way = await make_way(host="microsoft.invalid")
    outcome = await way.send()
    assert (outcome.verdict, outcome.cause) == (Verdict.RETRY, Cause.UNKNOWN_HOST)


@GRAPH
async def test_a_proxy_that_is_not_there_is_tried_again(make_way: MakeWay, closed_port: int) -> None:
    way = await make_way(proxy=f"http://127.0.0.1:{closed_port}")
    assert ((await way.send()).verdict, way.requests) == (Verdict.RETRY, 0)


async def test_a_certificate_that_is_not_trusted_holds_the_mail_and_sends_nothing(
    make_way: MakeWay, tmp_path: Path
) -> None:
    (tmp_path / "other.pem").write_bytes(Certificates.make().ca)
    way = await make_way(ca_file=tmp_path / "other.pem")
    outcome = await way.send()
    assert (outcome.verdict, outcome.code, way.requests) == (Verdict.BROKEN, "microsoft.tls", 0)
    assert "microsoft.ca_file" in outcome.cure


# ---- answers


@GRAPH
@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize(("when", "accepted"), [("before", 0), ("after", 1)])
async def test_a_server_error_is_uncertain_and_nothing_is_repeated(
    way: Way, status: int, when: str, accepted: int
) -> None:
    way.fault(**SEND, status=status, when=when, code="ErrorInternalServerError", message="Oops.")
    outcome = await way.send()
    assert (outcome.verdict, outcome.http_status, outcome.code, outcome.text) == (
        *(Verdict.UNCERTAIN, status, "ErrorInternalServerError"),
        "Oops.",
    )
    assert (way.accepted, way.requests) == (accepted, 1)


@GRAPH
async def test_200_is_not_202(way: Way) -> None:
    way.fault(**SEND, status=200, when="after")
    assert (await way.send()).verdict is Verdict.UNCERTAIN


async def test_after_throttling_the_whole_body_is_sent_again(way: Way) -> None:
    graphs = {"status": 429, "retry_after": 2.5, "retry_form": "decimal"}
    way.strike(times=1, **(graphs if way.kind == "graph" else {"status": 451, "message": "4.7.500 Server busy."}))
    first, second = await way.send(), await way.send()
    assert (first.verdict, first.retry_after) == (Verdict.RETRY, 2.5 if way.kind == "graph" else 60.0)
    assert (second.verdict, [entry.raw for entry in way.microsoft.emulator.ledger.entries]) == (Verdict.SENT, [MAIL])


@pytest.mark.parametrize("more", [0, 2_000_000])
async def test_a_refused_token_is_replaced_once_and_the_whole_body_sent(way: Way, more: int) -> None:
    way.strike_login(revoke_tokens=True, times=1)
    mime = MAIL + b"x" * more + b"\r\n"
    assert (await way.send(mime)).verdict is Verdict.SENT
    assert (way.tokens, way.requests) == (2, 2 if way.kind == "graph" else 1)
    assert [entry.raw for entry in way.microsoft.emulator.ledger.entries] == [mime]


async def test_a_token_that_is_refused_twice_holds_the_mail(way: Way) -> None:
    graphs = {"status": 401, "code": "InvalidAuthenticationToken", "message": "No."}
    way.strike_login(**(graphs if way.kind == "graph" else {"status": 535, "message": "5.7.3 Authentication failed"}))
    outcome = await way.send()
    code = "InvalidAuthenticationToken" if way.kind == "graph" else "535 5.7.3"
    assert (outcome.cause, outcome.code) == (Cause.ACCOUNT_BROKEN, code)
    assert (way.tokens, way.accepted) == (2, 0)
    # And the next one asks for no third token.
    again = await way.send()
    assert (again.cause, way.tokens) == (Cause.ACCOUNT_BROKEN, 2)
    assert way.kind == "graph" or again.code == code


async def test_a_mailbox_without_rights_holds_the_mail(way: Way) -> None:
    way.strike_login(**NO_RIGHTS[way.kind])
    outcome = await way.send()
    assert (outcome.verdict, way.accepted, way.tokens) == (Verdict.BROKEN, 0, 1)
    assert outcome.cure


@GRAPH
async def test_a_mailbox_that_is_not_there_yet_is_tried_again(make_way: MakeWay) -> None:
    way = await make_way("nobody@contoso.example")
    outcome = await way.send()
    assert (outcome.verdict, outcome.http_status) == (Verdict.RETRY, 404)


async def test_a_message_that_microsoft_refuses_fails_with_its_words(way: Way) -> None:
    outcome = await way.send(b"From: bob@contoso.example\r\nTo: alice@contoso.example\r\n\r\n")
    assert outcome.cause is Cause.SEND_AS_DENIED
    assert outcome.code == ("ErrorSendAsDenied" if way.kind == "graph" else "554 5.2.252")


async def test_a_message_that_is_too_large_fails(way: Way) -> None:
    if way.kind == "smtp":
        way.fault(command="MAIL", status=552, message="5.3.4 Message size exceeds fixed maximum message size")
    outcome = await way.send(MAIL + b"x" * 4_000_000)
    assert (outcome.verdict, outcome.cause, way.accepted) == (Verdict.REFUSED, Cause.TOO_LARGE, 0)


@SMTP
@pytest.mark.parametrize("command", ["CONNECT", "AUTH", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("reply", [(421, "4.7.66 Later."), (451, "4.3.0 Later.")])
async def test_a_refusal_for_now_is_tried_again_wherever_it_comes(
    way: Way, command: str, reply: tuple[int, str]
) -> None:
    way.fault(method="SMTP", command=command, status=reply[0], message=reply[1], times=1)
    first, second = await way.send(), await way.send()
    assert (first.cause, first.code) == (Cause.BUSY, f"{reply[0]} {reply[1][:-7]}")
    assert first.text == ("alice@contoso.example: Later." if command == "RCPT" else "Later.")
    assert (second.verdict, way.accepted) == (Verdict.SENT, 1)


@SMTP
async def test_a_name_that_does_not_exist_is_told_as_such(make_way: MakeWay) -> None:
    outcome = await (await make_way(host="smtp.invalid")).send()
    assert (outcome.cause, outcome.code) == (Cause.UNKNOWN_HOST, "microsoft.unknown_host")


@SMTP
async def test_one_recipient_that_is_refused_keeps_the_message_from_all_and_is_named(way: Way) -> None:
    way.fault(command="RCPT", status=550, message="5.7.1 Never heard of.", nth=2)
    outcome = await way.send(MAIL, "alice@contoso.example", "bob@contoso.example")
    assert (outcome.cause, outcome.text) == (Cause.BAD_RECIPIENT, "bob@contoso.example: Never heard of.")
    assert way.accepted == 0


# ---- tokens


async def test_a_wrong_secret_holds_the_mail_with_the_catalogues_cure(make_way: MakeWay) -> None:
    way = await make_way(secret="wrong")
    outcome = await way.send()
    explained = catalogue.explain_aadsts(7000215)
    assert explained is not None
    assert (outcome.verdict, outcome.cure, way.requests) == (Verdict.BROKEN, explained.remedy, 0)
    assert outcome.text.startswith("Microsoft Entra ID refused a token: AADSTS7000215")


@pytest.mark.parametrize(
    "fault", [{"cut": True}, {"status": 503}, {"status": 429}, {"status": 400, "code": "AADSTS50196"}, {"status": 404}]
)
async def test_while_entra_gives_no_token_it_is_tried_again(way: Way, fault: dict[str, Any]) -> None:
    way.fault(path="/token", **fault)
    assert ((await way.send()).verdict, way.requests) == (Verdict.RETRY, 0)


async def test_a_full_store_does_not_keep_mail_from_leaving(way: Way) -> None:
    way.store.full = True
    assert (await way.send()).verdict is Verdict.SENT
    assert len(way.log.lines("store.unusable")) == 1


# ---- the message itself


@pytest.mark.parametrize(
    ("error", "verdict"),
    [(Unavailable("store.failed", reason="x"), Verdict.RETRY), (InvalidInput("mail.too_many_from"), Verdict.REFUSED)],
)
async def test_a_body_that_cannot_be_read_is_an_outcome_too(way: Way, error: Exception, verdict: Verdict) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"To: a@x"
        raise error

    message = claimed(way.mailbox, "a@x.example")
    assert (await way.transport.send(message, broken(), no_draft)).outcome.verdict is verdict
