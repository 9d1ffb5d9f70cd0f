"""Handing mail in by SMTP: what Exchange is told, connections that are kept and capped, and what a break means when."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.errors import Unavailable
from pillarbox.core.mail import Dsn, Envelope
from pillarbox.exchange import submission
from pillarbox.exchange.login import LoginRefused, Unreachable
from pillarbox.exchange.submission import AnswerLost, Refused, Submissions, Taken
from tests.unit.exchange.conftest import ALICE, SHORT, Office, Play, Script

MAIL = (
    b"From: alice@contoso.example\r\nMessage-ID: <1@contoso.example>\r\nDate: Fri, 20 Nov 2026 11:59:00 +0000\r\n\r\n"
)
TO_BOB = Envelope(ALICE, ("bob@contoso.example",))


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def hand_in(desk: Submissions, office: Office, *parts: bytes, envelope: Envelope = TO_BOB) -> Taken:
    return await desk.hand_in(office.credentials, envelope, sum(map(len, parts)), pieces(*parts))


@pytest.fixture
async def desk(office: Office) -> AsyncIterator[Submissions]:
    made = Submissions(office.smtp)
    yield made
    await made.close()


def sessions(office: Office) -> int:
    """Connections that Exchange has now."""
    assert office.emulator.exchange is not None
    return len(office.emulator.exchange._connections)


def asked(office: Office, command: str) -> int:
    return office.emulator.ledger.requests[f"SMTP {command}"]


# ---- the message


async def test_message_arrives_byte_for_byte_with_its_envelope(office: Office, desk: Submissions) -> None:
    mime = MAIL + b"To: Somebody <else@fabrikam.example>\r\n"
    mime = b"To: Somebody <else@fabrikam.example>\r\n" + MAIL + b".\r\n..\r\n.x\r\n" + bytes(range(14, 256)) + b"\r\n"
    taken = await hand_in(desk, office, mime)
    (entry,) = office.emulator.ledger.entries
    assert (entry.raw, entry.recipients, entry.mailbox) == (mime, ["bob@contoso.example"], ALICE)
    assert taken.reply.startswith("250 2.0.0 OK <1@contoso.example>")


async def test_last_line_without_an_end_gets_one(office: Office, desk: Submissions) -> None:
    await hand_in(desk, office, MAIL, b"x")
    assert office.emulator.ledger.entries[0].raw == MAIL + b"x\r\n"


@given(st.lists(st.sampled_from([b".", b"\r\n", b"..", b"\r\n.", b"a", b""]), max_size=12), st.data())
async def test_dots_are_doubled_wherever_a_message_is_cut(words: list[bytes], data: st.DataObject) -> None:
    mime = b"".join(words)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(mime)), max_size=4)))
    parts = [mime[start:end] for start, end in zip([0, *cuts], [*cuts, len(mime)], strict=True)]
    said = b"".join([part async for part in submission._stuffed(pieces(*parts))])
    lines = said.split(b"\r\n")
    assert lines.pop() == b""
    assert all(not line.startswith(b".") or line.startswith(b"..") for line in lines)
    heard = b"".join(line.removeprefix(b".") + b"\r\n" for line in lines)
    assert heard == (mime if not mime or mime.endswith(b"\r\n") else mime + b"\r\n")


async def test_large_message_in_pieces_arrives_whole_under_uvloop_too(office: Office) -> None:
    mime = MAIL + b"0123456789" * 7 + b"\r\n" + (b"x" * 70 + b"\r\n") * 30_000

    def send() -> None:
        async def once() -> None:
            desk = Submissions(office.smtp)
            parts = [mime[start : start + 100_000] for start in range(0, len(mime), 100_000)]
            await desk.hand_in(credentials, TO_BOB, len(mime), pieces(*parts))
            await desk.close()

        uvloop.run(once())

    credentials = office.credentials
    await asyncio.to_thread(send)
    assert office.emulator.ledger.entries[0].raw == mime


# ---- what Exchange is told

OFFERS = b"250-localhost\r\n250-SIZE 100\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 AUTH XOAUTH2"
PLAIN = b"250-localhost\r\n250 AUTH XOAUTH2"


def exchange(offers: bytes = OFFERS, **answers: bytes) -> Script:
    """A server that takes everything, but for the answers given."""
    usual = {"EHLO": offers, "AUTH": b"235 2.7.0 in", "DATA": b"354 go", "QUIT": b"221 bye", "END": b"250 2.0.0 taken"}

    def script(line: bytes) -> bytes | None:
        command = "END" if line == b"." else line.decode("utf-8", "replace").partition(" ")[0]
        if command in usual | answers:
            return (usual | answers)[command]
        return b"250 ok" if command in ("MAIL", "RCPT", "RSET") else None

    return script


async def told(play: Play, offers: bytes, envelope: Envelope) -> list[bytes]:
    server = await play(exchange(offers))
    desk = Submissions(server.server)
    await desk.hand_in(SHORT, envelope, 77, pieces(MAIL))
    await desk.close()
    return [line for line in server.heard if line.startswith((b"MAIL", b"RCPT"))]


async def test_what_a_client_asked_of_delivery_status_is_handed_on(play: Play) -> None:
    notify, orcpt = {"bob@contoso.example": "SUCCESS,DELAY"}, {"bob@contoso.example": "rfc822;b+2Bob@contoso.example"}
    dsn = Dsn("HDRS", "id+3D7", notify, orcpt)
    envelope = Envelope(ALICE, ("bob@contoso.example", "carol@contoso.example"), dsn)
    assert await told(play, OFFERS, envelope) == [
        b"MAIL FROM:<alice@contoso.example> SIZE=77 BODY=8BITMIME RET=HDRS ENVID=id+3D7",
        b"RCPT TO:<bob@contoso.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bob@contoso.example",
        b"RCPT TO:<carol@contoso.example>",
    ]


async def test_what_a_server_does_not_offer_is_not_asked_of_it(play: Play) -> None:
    envelope = Envelope("", ("bob@contoso.example",), Dsn("FULL", "x", {"bob@contoso.example": "NEVER"}))
    assert await told(play, PLAIN, envelope) == [b"MAIL FROM:<>", b"RCPT TO:<bob@contoso.example>"]


@pytest.mark.parametrize(("offers", "reports"), [(OFFERS, True), (PLAIN, False)])
async def test_who_was_told_of_delivery_status_reports_it(play: Play, offers: bytes, *, reports: bool) -> None:
    server = await play(exchange(offers))
    desk = Submissions(server.server)
    assert (await desk.hand_in(SHORT, TO_BOB, 9, pieces(MAIL))).reports is reports
    await desk.close()


async def test_an_international_address_is_said_as_one(play: Play) -> None:
    heard = await told(play, OFFERS, Envelope(ALICE, ("грета@contoso.example",)))
    assert heard[0].endswith(b" SMTPUTF8")
    assert heard[1] == "RCPT TO:<грета@contoso.example>".encode()


@pytest.mark.parametrize(("sender", "meant"), [(ALICE, "грета@contoso.example"), ("іван@contoso.example", "")])
async def test_an_international_address_is_not_said_to_who_does_not_know_such(
    play: Play, sender: str, meant: str
) -> None:
    server = await play(exchange(PLAIN))
    desk = Submissions(server.server)
    with pytest.raises(Refused, match="SMTPUTF8") as caught:
        await desk.hand_in(SHORT, Envelope(sender, ("грета@contoso.example",)), 9, pieces(MAIL))
    assert caught.value.recipient == meant
    # Nothing was begun: the connection serves the next one.
    await desk.hand_in(SHORT, TO_BOB, 9, pieces(MAIL))
    await desk.close()
    assert [line[:4] for line in server.heard].count(b"AUTH") == 1


# ---- connections


async def test_one_connection_serves_messages_one_after_the_other(office: Office, desk: Submissions) -> None:
    credentials = office.credentials
    for _ in range(3):
        await desk.hand_in(credentials, TO_BOB, 9, pieces(MAIL))
    assert (asked(office, "AUTH"), len(office.emulator.ledger), sessions(office)) == (1, 3, 1)


async def test_at_most_three_connections_of_a_mailbox_are_open(office: Office, desk: Submissions) -> None:
    credentials = office.credentials
    await asyncio.gather(*(desk.hand_in(credentials, TO_BOB, 9, pieces(MAIL)) for _ in range(12)))
    assert (asked(office, "AUTH"), len(office.emulator.ledger)) == (3, 12)


async def test_idle_connection_is_closed(office: Office) -> None:
    desk = Submissions(office.smtp, idle=0.0)
    await hand_in(desk, office, MAIL)
    await office.no_session_left()
    assert asked(office, "QUIT") == 1
    await desk.close()


async def test_connection_that_was_closed_meanwhile_is_replaced(office: Office, desk: Submissions) -> None:
    credentials = office.credentials
    await desk.hand_in(credentials, TO_BOB, 9, pieces(MAIL))
    assert office.emulator.exchange is not None
    for connection in list(office.emulator.exchange._connections):
        await connection.end()
    await desk.hand_in(credentials, TO_BOB, 9, pieces(MAIL))
    assert len(office.emulator.ledger) == 2


async def test_connection_of_another_token_is_not_used(office: Office, desk: Submissions) -> None:
    first, second = office.credentials, office.credentials
    await desk.hand_in(first, TO_BOB, 9, pieces(MAIL))
    await desk.hand_in(replace(second, token=type(second.token)(second.token.reveal())), TO_BOB, 9, pieces(MAIL))
    assert asked(office, "AUTH") == 1 + (first.token != second.token)
    with pytest.raises(LoginRefused):
        await desk.hand_in(SHORT, TO_BOB, 9, pieces(MAIL))


async def test_connection_is_kept_after_a_refusal(office: Office, desk: Submissions) -> None:
    credentials = office.credentials
    office.emulator.faults.add(path="RCPT", status=550, message="5.1.10 no", times=1)
    with pytest.raises(Refused):
        await desk.hand_in(credentials, TO_BOB, 9, pieces(MAIL))
    await desk.hand_in(credentials, TO_BOB, 9, pieces(MAIL))
    assert (asked(office, "AUTH"), len(office.emulator.ledger)) == (1, 1)


async def test_connection_that_exchange_is_about_to_close_is_not_kept(play: Play) -> None:
    server = await play(exchange(MAIL=b"421 4.3.2 closing"))
    desk = Submissions(server.server)
    with pytest.raises(Refused):
        await desk.hand_in(SHORT, TO_BOB, 9, pieces(MAIL))
    assert not desk._kept[ALICE]
    await desk.close()


SIGNED_OUT = "530 5.7.57 Client not authenticated to send mail."


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_connection_that_is_signed_in_no_more_is_replaced(
    office: Office, desk: Submissions, command: str
) -> None:
    credentials = office.credentials
    await desk.hand_in(credentials, TO_BOB, 9, pieces(MAIL))
    office.emulator.faults.add(path=command, status=530, message=SIGNED_OUT.removeprefix("530 "), times=1)
    await desk.hand_in(credentials, TO_BOB, 9, pieces(MAIL))
    assert (asked(office, "AUTH"), len(office.emulator.ledger), len(desk._kept[ALICE])) == (2, 2, 1)


async def test_what_a_connection_is_told_that_has_just_signed_in_counts(play: Play) -> None:
    server = await play(exchange(MAIL=SIGNED_OUT.encode()))
    desk = Submissions(server.server)
    with pytest.raises(Refused) as caught:
        await desk.hand_in(SHORT, TO_BOB, 9, pieces(MAIL))
    assert (caught.value.reply, desk._kept[ALICE]) == (SIGNED_OUT, [])
    assert sum(line.startswith(b"MAIL") for line in server.heard) == 1
    await desk.close()


async def test_connection_that_is_being_tried_is_closed_when_the_message_is_canceled(play: Play) -> None:
    usual, tried = exchange(), asyncio.Event()

    def script(line: bytes) -> bytes | None:
        if line != b"RSET":
            return usual(line)
        tried.set()
        return None

    server = await play(script)
    desk = Submissions(server.server)
    await desk.hand_in(SHORT, TO_BOB, 9, pieces(MAIL))
    sending = asyncio.create_task(desk.hand_in(SHORT, TO_BOB, 9, pieces(MAIL)))
    await tried.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await server.deserted.wait()
    await desk.close()


async def test_connection_that_says_goodbye_is_one_of_the_three_until_it_is_gone(play: Play) -> None:
    usual, parting = exchange(), asyncio.Event()

    def script(line: bytes) -> bytes | None:
        if line != b"QUIT":
            return usual(line)
        parting.set()
        return None

    server = await play(script)
    desk = Submissions(server.server, idle=0.0)
    await desk.hand_in(SHORT, TO_BOB, 9, pieces(MAIL))
    await parting.wait()
    begun, letting = asyncio.Semaphore(0), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        begun.release()
        yield MAIL
        await letting.wait()

    sending = [asyncio.create_task(desk.hand_in(SHORT, TO_BOB, 9, slow())) for _ in range(3)]
    for _ in sending:
        await begun.acquire()
    letting.set()
    await asyncio.gather(*sending)
    await desk.close()
    assert server.most == 3


async def test_nothing_stays_open_after_the_end(office: Office) -> None:
    desk = Submissions(office.smtp)
    await hand_in(desk, office, MAIL)
    await desk.close()
    await office.no_session_left()


# ---- what goes wrong, and when


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_refusal_tells_exchanges_words_and_whom_it_means(play: Play, command: str) -> None:
    server = await play(exchange(**{command: b"550 5.7.1 no"}))
    desk = Submissions(server.server)
    with pytest.raises(Refused) as caught:
        await desk.hand_in(SHORT, TO_BOB, 9, pieces(MAIL))
    await desk.close()
    whom = "bob@contoso.example" if command == "RCPT" else ""
    assert (caught.value.reply, caught.value.recipient) == ("550 5.7.1 no", whom)


@pytest.mark.parametrize("answer", [b"354 go", b"nonsense", b"199 hm"])
@pytest.mark.parametrize("command", ["EHLO", "AUTH", "MAIL", "RCPT", "DATA"])
async def test_answer_that_is_no_smtp_has_not_sent_it(play: Play, command: str, answer: bytes) -> None:
    if (command, answer) == ("DATA", b"354 go"):
        answer = b"250 ok"
    server = await play(exchange(**{command: answer}))
    desk = Submissions(server.server)
    with pytest.raises(Unreachable):
        await desk.hand_in(SHORT, TO_BOB, 9, pieces(MAIL))
    await desk.close()
    assert b"." not in server.heard


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_connection_that_breaks_before_the_message_has_not_sent_it(play: Play, command: str) -> None:
    server = await play(exchange(**{command: b""}))
    desk = Submissions(server.server)
    with pytest.raises(Unreachable):
        await desk.hand_in(SHORT, TO_BOB, 9, pieces(MAIL))
    await desk.close()


async def test_connection_that_breaks_within_the_message_has_not_sent_it(play: Play) -> None:
    server = await play(exchange(STOP=b""))
    desk = Submissions(server.server)
    with pytest.raises(Unreachable):
        await desk.hand_in(SHORT, TO_BOB, 9, pieces(b"STOP\r\n", *[b"x" * 998 + b"\r\n"] * 20_000))
    await desk.close()


@pytest.mark.parametrize("answer", [b"", b"nonsense", b"354 what?"])
async def test_answer_that_never_came_after_the_message_is_lost(play: Play, answer: bytes) -> None:
    server = await play(exchange(END=answer))
    desk = Submissions(server.server)
    with pytest.raises(AnswerLost):
        await desk.hand_in(SHORT, TO_BOB, 9, pieces(MAIL))
    await desk.close()


@pytest.mark.parametrize(("silent", "kind"), [("MAIL", Unreachable), ("DATA", Unreachable), ("END", AnswerLost)])
async def test_silence_is_not_waited_for_for_ever(play: Play, silent: str, kind: type[Exception]) -> None:
    usual = exchange()

    def script(line: bytes) -> bytes | None:
        command = "END" if line == b"." else line.decode("utf-8", "replace").partition(" ")[0]
        return None if command == silent else usual(line)

    server = await play(script)
    desk = Submissions(replace(server.server, timeout=0.3), patience=0.3)
    with pytest.raises(kind):
        await desk.hand_in(SHORT, TO_BOB, 9, pieces(MAIL))
    await desk.close()


async def test_reply_to_the_message_may_take_longer_than_others(play: Play) -> None:
    """RFC 5321 section 4.5.3.2.6: who gives up too early may send twice."""
    usual = exchange()

    def script(line: bytes) -> bytes | None:
        if line != b".":
            return usual(line)
        asyncio.get_running_loop().call_later(0.6, server.say, b"250 2.0.0 taken")
        return None

    server = await play(script)
    desk = Submissions(replace(server.server, timeout=0.3))
    assert (await desk.hand_in(SHORT, TO_BOB, 9, pieces(MAIL))).reply == "250 2.0.0 taken"
    await desk.close()


async def test_connection_that_is_lost_before_the_last_dot_has_not_sent_it(play: Play) -> None:
    server = await play(exchange())
    desk = Submissions(server.server)

    async def cut_off() -> AsyncIterator[bytes]:
        yield MAIL
        server.hang_up()
        await server.deserted.wait()
        for _ in range(20):  # Turns of the loop until we have heard of it: the end of the connection is here already.
            await asyncio.sleep(0)

    with pytest.raises(Unreachable):
        await desk.hand_in(SHORT, TO_BOB, 9, cut_off())
    await desk.close()


async def test_message_that_cannot_be_read_to_its_end_is_not_sent(office: Office, desk: Submissions) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield MAIL
        raise Unavailable("store.failed", reason="x")

    with pytest.raises(Unavailable):
        await desk.hand_in(office.credentials, TO_BOB, 9, broken())
    assert not desk._kept[ALICE], "it is in the middle of a message"
    await office.no_session_left()
    assert len(office.emulator.ledger) == 0


async def test_canceled_message_is_not_sent(office: Office, desk: Submissions) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield MAIL
        begun.set()
        await asyncio.Event().wait()

    sending = asyncio.create_task(desk.hand_in(office.credentials, TO_BOB, 9, endless()))
    await begun.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await office.no_session_left()
    assert len(office.emulator.ledger) == 0


async def test_token_is_in_no_error(office: Office, desk: Submissions) -> None:
    with pytest.raises(LoginRefused) as caught:
        await desk.hand_in(SHORT, TO_BOB, 9, pieces(MAIL))
    assert SHORT.token.reveal() not in f"{caught.value!r} {caught.value.sentence} {caught.value.params}"
