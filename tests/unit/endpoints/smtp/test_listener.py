"""The listener with real sockets, each journey under asyncio's loop and under uvloop."""

import asyncio
import base64
import logging.handlers
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from pillarbox.core.accounts import Submitter
from pillarbox.core.errors import Unavailable
from pillarbox.endpoints.smtp.connection import Connection
from pillarbox.endpoints.smtp.limits import PACE, Census, Patience
from pillarbox.endpoints.smtp.peer import Peer
from tests.conftest import Log, MakeHouse
from tests.unit.endpoints.smtp.doors import Client, Clock, Door, Handed, on_both_loops, services, terms
from tests.unit.endpoints.smtp.parts import ENVELOPE, LOGIN, PRINTER, TO_DATA, rules

MESSAGE = ENVELOPE + b"DATA\r\nSubject: scan\r\n\r\npage 1\r\n.\r\n"


# ---- replies


@on_both_loops()
async def test_pipelined_transactions_get_all_replies_in_order(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE, b"NOOP\r\n", MESSAGE, b"VRFY x\r\nQUIT\r\n")
    await door.store("FIRST")
    await door.store("SECOND")
    await client.reply()  # to EHLO
    replies = (await client.reader.read()).splitlines()
    assert [int(line[:3]) for line in replies] == [235, 250, 250, 354, 250, 250, 250, 250, 354, 250, 252, 221]
    assert [line for line in replies if b"queued" in line] == [
        b"250 2.0.0 queued as FIRST",
        b"250 2.0.0 queued as SECOND",
    ]


@on_both_loops()
async def test_250_comes_only_after_the_message_is_durable(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    client.send(b"x\r\n.\r\n")
    reply = asyncio.ensure_future(client.reply())
    handed = await door.handed.get()
    await door.come_round()
    assert not reply.done()
    handed.answer.set_result("ID")
    assert await reply == b"250 2.0.0 queued as ID\r\n"


@on_both_loops()
async def test_unexpected_error_is_451_and_the_connection_lives(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    client.send(b"x\r\n.\r\n")
    (await door.handed.get()).answer.set_exception(ZeroDivisionError("an oversight"))
    assert (await client.reply())[:10] == b"451 4.3.0 "
    assert "an oversight" in "".join(door.log.lines("unexpected"))
    client.send(MESSAGE)
    await door.store()
    assert await client.codes(4) == [250, 250, 354, 250]


@on_both_loops()
async def test_refusals_are_logged_in_one_line_without_the_password(door: Door) -> None:
    client = await door.client()
    await client.ask(b"EHLO x\r\n")
    await client.ask(b"AUTH LOGIN YQpldmVudD1mYWtlIA==\r\n")  # "a\nevent=fake "
    assert (await client.ask(b"aHVudGVyMg==\r\n"))[:9] == b"535 5.7.8"  # hunter2
    (line,) = door.log.lines("smtp.refused")
    assert "peer=127.0.0.1" in line
    assert 'reply="535 5.7.8"' in line
    assert len(door.log.getvalue().splitlines()) == 1
    assert "hunter2" not in door.log.getvalue()


@on_both_loops()
async def test_store_that_cannot_take_it_now(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    client.send(b".\r\n")
    (await door.handed.get()).answer.set_exception(Unavailable("store.full"))
    assert await client.reply() == b"452 4.3.1 The disk of the store is full.\r\n"
    assert len(door.log.lines("smtp.refused")) == 1


# ---- clients that vanish, send ahead, do not read


@on_both_loops()
async def test_client_that_vanishes_before_the_reply_hands_in_nothing_more(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE, MESSAGE)
    handed = await door.handed.get()
    client.vanish()
    await door.come_round()
    handed.answer.set_result("ID")
    await door.come_round()
    assert door.handed.empty()


@on_both_loops()
async def test_client_that_vanishes_within_data_hands_in_nothing(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    client.send(b"x\r\n")
    client.vanish()
    await door.come_round()
    assert door.handed.empty()


@on_both_loops()
async def test_client_that_sends_no_more_gets_what_was_promised(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    client.send(b".\r\n", ENVELOPE)
    client.writer.write_eof()
    handed = await door.handed.get()
    await door.come_round()
    handed.answer.set_result("ID")
    assert [line[:3] for line in (await client.reader.read()).splitlines()] == [b"250", b"250", b"250"]


@on_both_loops()
async def test_commands_far_ahead_wait_and_none_is_lost(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE, b"NOOP\r\n" * 100_000, b"QUIT\r\n")
    handed = await door.handed.get()
    await door.come_round()
    handed.answer.set_result("ID")
    assert (await client.reader.read()).count(b"250 2.0.0 OK\r\n") == 100_000


@on_both_loops()
async def test_quit_far_ahead_closes(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE, b"NOOP\r\n" * 11_000, b"QUIT\r\n" * 100)
    handed = await door.handed.get()
    await door.come_round()
    handed.answer.set_result("ID")
    assert (await client.reader.read()).endswith(b"\r\n221 2.0.0 Bye\r\n")


@on_both_loops()
async def test_replies_that_are_read_late_are_all_there(door: Door) -> None:
    client = await door.client()
    client.send(b"NOOP\r\n" * 300_000, b"QUIT\r\n")
    await door.come_round()
    assert (await client.reader.read()).count(b"250 2.0.0 OK\r\n") == 300_000


@on_both_loops()
async def test_hundred_clients_at_once(door: Door) -> None:
    async def submit() -> bytes:
        client = await door.client()
        await client.to_data()
        client.send(b"x\r\n.\r\n")
        return await client.reply()

    replies, _ = await asyncio.gather(
        asyncio.gather(*[submit() for _ in range(100)]), asyncio.gather(*[door.store() for _ in range(100)])
    )
    assert replies == [b"250 2.0.0 queued as ID\r\n"] * 100


# ---- silence and the end


@on_both_loops()
async def test_client_that_is_silent_before_its_login_is_told_and_disconnected(door: Door) -> None:
    client = await door.client()
    door.pass_time(59)
    assert await client.ask(b"EHLO x\r\n")
    door.pass_time(59)
    assert await client.ask(b"NOOP\r\n")
    door.pass_time(60)
    assert await client.reader.read() == b"421 4.4.2 Time-out, closing connection\r\n"


@on_both_loops()
async def test_client_that_has_logged_in_may_be_silent_for_longer(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN)
    assert await client.codes(2) == [250, 235]
    door.pass_time(299)
    assert await client.ask(b"NOOP\r\n")
    door.pass_time(300)
    assert (await client.reader.read())[:9] == b"421 4.4.2"


@on_both_loops()
async def test_client_that_talks_and_never_logs_in_is_disconnected(door: Door) -> None:
    stranger, known = await door.client(), await door.client()
    known.send(LOGIN)
    assert await known.codes(2) == [250, 235]
    for _ in range(6):
        assert (await stranger.ask(b"NOOP\r\n"))[:3] == b"250"
        assert (await known.ask(b"NOOP\r\n"))[:3] == b"250"
        door.pass_time(50)
    assert (await stranger.reader.read())[:9] == b"421 4.4.2"
    assert (await known.ask(b"NOOP\r\n"))[:3] == b"250"


@on_both_loops()
async def test_letters_without_a_line_are_silence(door: Door) -> None:
    client = await door.client()
    client.send(b"EH")
    await door.come_round()
    door.pass_time(59)
    client.send(b"LO")
    await door.come_round()
    door.pass_time(2)
    assert (await client.reader.read())[:9] == b"421 4.4.2"


@on_both_loops()
async def test_silence_counts_within_data_too(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    client.send(b"x\r\n")
    await door.come_round()
    door.pass_time(300)
    assert (await client.reader.read())[:9] == b"421 4.4.2"
    assert door.handed.empty()
    assert "submitter=printer" in door.log.lines("smtp.refused")[0]


@on_both_loops(patience=Patience(min_rate=500))
async def test_message_that_comes_in_too_slowly_is_cut(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    client.send(b"x" * 15_000)
    await door.come_round()
    door.pass_time(30)
    client.send(b"x" * 499)
    await door.come_round()
    door.pass_time(1)
    assert await client.reader.read() == b"421 4.4.2 The message comes in too slowly, closing connection\r\n"
    assert door.handed.empty()


@on_both_loops(patience=Patience(data=12), given=rules(max_size=100_000))
async def test_bytes_of_a_message_that_is_refused_buy_no_time(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    client.send(b"\0" * 200_000)
    await door.come_round()
    door.pass_time(1)
    client.send(b"x" * 900_000)  # nearly two minutes' worth
    await door.come_round()
    door.pass_time(12 + 256 * 1024 / PACE)  # and what came in one read with the first NUL
    assert await client.rest() == b"554 5.6.0 The message holds a NUL byte\r\n"
    assert "code=smtp.too_slow" in door.log.lines("smtp.refused")[-1]


@on_both_loops(given=rules(max_size=100_000))
async def test_client_whose_message_has_no_end_hears_why_it_is_refused(door: Door) -> None:
    with socket.create_connection(door.address, timeout=10) as sock:
        said = await asyncio.to_thread(send_and_hear, sock, TO_DATA + b"page\r\n" * 500_000)
    assert [line[:9] for line in said.splitlines()[-2:]] == [b"354 End d", b"552 5.3.4"]
    assert door.handed.empty()
    assert "code=mail.too_large" in door.log.lines("smtp.refused")[0]


@on_both_loops(patience=Patience(min_rate=500))
async def test_message_that_comes_in_fast_enough_is_not_cut(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    for _ in range(10):
        client.send((b"x" * 70 + b"\r\n") * 84)  # 6,048 bytes
        await door.come_round()
        door.pass_time(12)
    client.send(b".\r\n")
    await door.store()
    assert await client.codes(1) == [250]


@on_both_loops(patience=Patience(min_rate=500))
async def test_rate_is_asked_of_each_message_alone(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    client.send(b"x\r\n.\r\n")
    await door.store()
    assert await client.codes(1) == [250]
    door.pass_time(100)
    client.send(ENVELOPE, b"DATA\r\n")
    assert await client.codes(3) == [250, 250, 354]
    door.pass_time(29)
    client.send(b"x\r\n.\r\n")
    await door.store()
    assert await client.codes(1) == [250]


@on_both_loops()
async def test_client_that_waits_for_us_is_not_silent(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE)
    handed = await door.handed.get()
    door.pass_time(10_000)
    handed.answer.set_result("ID")
    assert await client.codes(6) == [250, 235, 250, 250, 354, 250]
    door.pass_time(299)
    assert await client.ask(b"NOOP\r\n") == b"250 2.0.0 OK\r\n"


@on_both_loops(patience=Patience(greeting=0.05))
async def test_clients_are_looked_at_by_themselves(door: Door) -> None:
    client = await door.client()
    door.clock.now += 1
    assert (await client.reader.read())[:9] == b"421 4.4.2"


@on_both_loops()
async def test_stop_lets_a_message_finish_and_ends_the_idle(door: Door) -> None:
    idle, busy = await door.client(), await door.client()
    await busy.to_data()
    stopping = asyncio.ensure_future(door.listener.stop(grace=60))
    assert await idle.reader.read() == b"421 4.3.2 Service is stopping, closing connection\r\n"
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*door.address)
    busy.send(b"x\r\n.\r\n")
    await door.store()
    assert [line[:9] for line in (await busy.reader.read()).splitlines()] == [b"250 2.0.0", b"421 4.3.2"]
    await stopping


@on_both_loops()
async def test_stop_does_not_wait_for_ever(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    await door.listener.stop(grace=0.05)
    with pytest.raises((ConnectionResetError, EOFError)):
        await client.reader.readexactly(1)


# ---- our last words


def send_and_hear(sock: socket.socket, first: bytes) -> bytes:
    """What a client hears that reads nothing before it has sent all. Raises OSError where it is reset."""
    sock.sendall(first)
    with sock.makefile("rb") as replies:
        return replies.read()


@on_both_loops()
async def test_client_that_sends_on_hears_why_it_is_ended(door: Door) -> None:
    """Row 4 of bad inputs."""
    with socket.create_connection(door.address, timeout=10) as sock:
        said = await asyncio.to_thread(send_and_hear, sock, b"x" * 2_000_000)
    assert [line[:9] for line in said.splitlines()[1:]] == [b"500 5.5.2", b"421 4.7.0"]


@on_both_loops(patience=Patience(data=1))
async def test_client_that_is_cut_in_its_message_hears_why(door: Door) -> None:
    with socket.create_connection(door.address, timeout=10) as sock:
        sock.sendall(TO_DATA)
        await door.come_round()
        door.pass_time(2)
        said = await asyncio.to_thread(send_and_hear, sock, b"page\r\n" * 500_000)
    assert said.splitlines()[-1][:9] == b"421 4.4.2"


@on_both_loops()
async def test_client_behind_tls_that_sends_on_hears_why_it_is_ended(door: Door) -> None:
    client = await door.client()
    await client.start_tls()
    client.send(b"x" * 2_000_000)
    await client.writer.drain()
    assert await client.codes(2) == [500, 421]
    door.pass_time(1)
    assert await client.rest() == b""


@on_both_loops(most=(1, 1, 1))
async def test_client_that_sends_on_and_never_ends_is_left_a_second_alone(door: Door) -> None:
    client = await door.client()
    client.send(b"GET / HTTP/1.1\r\n")
    assert (await client.rest())[:9] == b"421 4.7.0"
    assert (await (await door.dial()).line())[:3] == b"421"
    door.pass_time(1)
    while (await (await door.dial()).line())[:3] != b"220":
        client.send(b"x")


@on_both_loops()
async def test_client_that_is_gone_already_hinders_nobody_from_being_ended(door: Door) -> None:
    other = await door.client()
    with socket.create_connection(door.address, timeout=10) as sock:
        await door.come_round()
        sock.recv(1000)
    door.pass_time(60)  # of its end the loop has not heard yet
    assert (await other.rest())[:9] == b"421 4.4.2"


@on_both_loops()
async def test_stop_within_a_handshake_leaves_nothing_behind(door: Door) -> None:
    client = await door.client()
    assert (await client.ask(b"STARTTLS\r\n"))[:3] == b"220"
    await door.listener.stop(grace=0.05)
    assert await client.rest() == b""
    assert door.listener._connections == set()


# ---- whether the client has seen our 250 (the duplicate window, delivery/window.py)


@on_both_loops()
async def test_client_that_goes_on_after_our_250_has_seen_it(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE)
    message = await door.store()
    assert await client.codes(6) == [250, 235, 250, 250, 354, 250]
    assert not message.told.heard
    assert await client.ask(b"QUIT\r\n")
    await client.rest()
    assert (message.told.heard, message.handover.is_lost) == (True, False)


@on_both_loops()
async def test_client_that_ends_after_our_250_may_not_have_seen_it(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE)
    message = await door.store()
    assert await client.codes(6) == [250, 235, 250, 250, 354, 250]
    client.writer.close()
    await until(lambda: message.handover.is_lost)
    assert not message.told.heard


@on_both_loops()
async def test_client_that_vanishes_while_its_message_is_stored_has_not_seen_our_250(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE)
    message = await door.handed.get()
    client.vanish()
    await until(lambda: message.handover.is_lost)
    message.answer.set_result("ID")
    await door.come_round()
    assert not message.told.heard


@on_both_loops()
async def test_bytes_that_came_before_our_250_do_not_tell_that_it_was_seen(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE)
    message = await door.handed.get()
    client.send(b"NOOP\r\n")
    await door.come_round()
    message.answer.set_result("ID")
    assert await client.codes(7) == [250, 235, 250, 250, 354, 250, 250]
    assert not message.told.heard
    client.vanish()
    await until(lambda: message.handover.is_lost)


@on_both_loops()
async def test_client_that_sent_quit_ahead_and_ends_in_order_has_seen_our_250(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE, b"QUIT\r\n")
    message = await door.store()
    assert (await client.rest()).endswith(b"221 2.0.0 Bye\r\n")
    client.writer.close()
    await until(lambda: message.told.heard)
    assert not message.handover.is_lost


@on_both_loops()
async def test_client_behind_tls_that_sent_quit_ahead_and_ends_in_order_has_seen_our_250(door: Door) -> None:
    client = await door.client()
    await client.start_tls()
    client.send(LOGIN, MESSAGE, b"QUIT\r\n")
    message = await door.store()
    assert await client.codes(7) == [250, 235, 250, 250, 354, 250, 221]
    client.writer.close()
    await until(lambda: message.told.heard)
    assert not message.handover.is_lost


@on_both_loops()
async def test_client_that_sent_quit_ahead_and_vanishes_may_not_have_seen_our_250(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE, b"QUIT\r\n")
    message = await door.store()
    assert await client.codes(7) == [250, 235, 250, 250, 354, 250, 221]
    client.vanish()
    await until(lambda: message.handover.is_lost)
    assert not message.told.heard


@on_both_loops()
async def test_client_that_sent_quit_ahead_and_never_ends_is_not_waited_for_long(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE, b"QUIT\r\n")
    message = await door.store()
    assert (await client.rest()).endswith(b"221 2.0.0 Bye\r\n")
    client.acknowledge()
    door.pass_time(1)
    await until(lambda: message.handover.is_lost)
    assert not message.told.heard


@on_both_loops()
async def test_client_that_we_end_for_its_silence_may_not_have_seen_our_250(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE)
    message = await door.store()
    assert await client.codes(6) == [250, 235, 250, 250, 354, 250]
    client.acknowledge()  # its TCP has it; its program may be gone
    door.pass_time(300)
    assert (await client.rest())[:9] == b"421 4.4.2"
    client.writer.close()
    await until(lambda: message.handover.is_lost)
    assert not message.told.heard


@on_both_loops()
async def test_client_that_we_end_at_a_stop_may_not_have_seen_our_250(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE)
    message = await door.handed.get()
    stopping = asyncio.ensure_future(door.listener.stop(grace=60))
    message.answer.set_result("ID")
    assert (await client.rest()).splitlines()[-1][:9] == b"421 4.3.2"
    client.writer.close()
    await stopping
    assert (message.told.heard, message.handover.is_lost) == (False, True)


@on_both_loops()
async def test_half_a_command_does_not_tell_that_our_250_was_seen(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE)
    message = await door.store()
    assert await client.codes(6) == [250, 235, 250, 250, 354, 250]
    client.send(b"QU")
    await door.come_round()
    client.vanish()
    await until(lambda: message.handover.is_lost)
    assert not message.told.heard


@on_both_loops()
async def test_each_of_two_messages_that_were_sent_ahead_is_seen_or_not_for_itself(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE, MESSAGE)
    first = await door.store("FIRST")
    second = await door.handed.get()
    client.send(b"NOOP\r\n")
    await until(lambda: first.told.heard)
    assert not second.told.heard
    client.vanish()
    await until(lambda: second.handover.is_lost)
    second.answer.set_result("SECOND")
    assert not first.handover.is_lost


# ---- TLS


def handshake(sock: socket.socket, first: bytes) -> ssl.SSLObject:
    """A TLS client whose first command travels with the last bytes of the handshake; on a blocking socket."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = context.wrap_bio(incoming, outgoing)
    while True:
        try:
            peer.do_handshake()
            break
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(65536))
    peer.write(first)
    sock.sendall(outgoing.read())
    while True:
        try:
            assert peer.read().startswith(b"250-")
            return peer
        except ssl.SSLWantReadError:
            incoming.write(sock.recv(65536) or pytest.fail("the connection was closed"))


@on_both_loops()
async def test_first_command_may_come_with_the_end_of_the_handshake(door: Door) -> None:
    def talk() -> None:
        with socket.create_connection(door.address, timeout=10) as sock, sock.makefile("rb") as replies:
            replies.readline()
            sock.sendall(b"STARTTLS\r\n")
            assert replies.readline()[:3] == b"220"
            handshake(sock, b"EHLO printer\r\n")

    await asyncio.to_thread(talk)


@on_both_loops()
async def test_transaction_behind_tls(door: Door) -> None:
    client = await door.client()
    await client.start_tls()
    client.send(LOGIN, MESSAGE, b"NOOP\r\n" * 100_000)
    await door.store()
    assert await client.codes(6) == [250, 235, 250, 250, 354, 250]
    assert await client.codes(100_000) == [250] * 100_000


@on_both_loops()
async def test_client_that_ends_tls_before_the_reply_is_no_surprise(door: Door) -> None:
    surprises = logging.handlers.BufferingHandler(100)
    logging.getLogger("asyncio").addHandler(surprises)
    client = await door.client()
    await client.start_tls()
    client.send(LOGIN, MESSAGE)
    handed = await door.handed.get()
    client.writer.close()
    await door.come_round()
    handed.answer.set_result("ID")
    await door.come_round()
    logging.getLogger("asyncio").removeHandler(surprises)
    assert surprises.buffer == []


@on_both_loops()
async def test_client_that_vanishes_in_the_handshake_leaves_nothing_behind(door: Door) -> None:
    client = await door.client()
    assert (await client.ask(b"STARTTLS\r\n"))[:3] == b"220"
    client.vanish()
    await door.come_round()
    for other in door.clients:
        other.writer.close()
    await asyncio.wait_for(door.listener.stop(grace=60), 10)


@on_both_loops(patience=Patience(handshake=0.05))
async def test_handshake_behind_starttls_that_never_ends_is_cut(door: Door) -> None:
    client = await door.client()
    assert (await client.ask(b"STARTTLS\r\n"))[:3] == b"220"
    assert await client.rest() == b""


@on_both_loops()
async def test_what_is_no_handshake_closes_and_is_logged(door: Door) -> None:
    client = await door.client()
    assert (await client.ask(b"STARTTLS\r\n"))[:3] == b"220"
    client.send(b"EHLO printer\r\n")
    while not door.log.lines("smtp.refused"):
        await door.log.next()
    assert "command=STARTTLS" in door.log.lines("smtp.refused")[0]
    await asyncio.wait_for(door.listener.stop(grace=60), 10)


# ---- what a socket's buffers hide


class Wire(asyncio.Transport):
    """A transport whose client takes nothing."""

    def __init__(self, connected: socket.socket | None = None) -> None:
        super().__init__({"socket": connected})
        self._reading = True
        self.closed = asyncio.Event()
        self.written = bytearray()
        self.aborted = asyncio.Event()

    def is_reading(self) -> bool:
        return self._reading

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.closed.set()

    def abort(self) -> None:
        self.aborted.set()


def connect(
    folder: Path, submitter: Submitter | None = None, connected: socket.socket | None = None
) -> tuple[Connection, Wire, "asyncio.Queue[Handed]", Clock]:
    handed: asyncio.Queue[Handed] = asyncio.Queue()
    clock, census = Clock(), Census(1, 1, 1)
    peer = Peer("192.0.2.1")
    census.enter(peer)
    on = terms(folder, services(Log(), clock, handed), given=rules(), census=census)
    if submitter:
        census.log_in(submitter.name)
    connection = Connection(on, peer, submitter, lambda _connection: None)
    wire = Wire(connected)
    connection.connection_made(wire)
    return connection, wire, handed, clock


async def test_client_that_vanishes_before_the_house_is_asked_hands_in_nothing(tmp_path: Path) -> None:
    connection, _, handed, _ = connect(tmp_path, PRINTER)
    connection.data_received(b"EHLO x\r\n" + MESSAGE)
    connection.connection_lost(None)
    for _ in range(10):
        await asyncio.get_running_loop().run_in_executor(None, int)
    assert handed.empty()


async def test_client_that_takes_no_replies_is_not_read(tmp_path: Path) -> None:
    connection, wire, _, _ = connect(tmp_path)
    connection.pause_writing()
    assert not wire.is_reading()
    connection.data_received(b"NOOP\r\n")
    assert not wire.is_reading()
    connection.resume_writing()
    assert wire.is_reading()
    connection.connection_lost(None)


async def test_client_that_takes_no_replies_is_read_again_at_its_end(tmp_path: Path) -> None:
    connection, wire, _, clock = connect(tmp_path)
    connection.pause_writing()
    assert not wire.is_reading()
    connection.look_at_clock(clock.now + 60)
    assert wire.is_reading()
    connection.connection_lost(None)


async def test_client_that_is_far_ahead_is_not_read_until_its_message_is_stored(tmp_path: Path) -> None:
    connection, wire, handed, _ = connect(tmp_path)
    connection.data_received(LOGIN + MESSAGE)
    message = await handed.get()
    connection.data_received(b"NOOP\r\n" * 10_000)
    assert wire.is_reading()
    connection.data_received(b"NOOP\r\n" * 1_000)
    assert not wire.is_reading()
    message.answer.set_result("ID")
    await until(lambda: wire.is_reading())
    connection.connection_lost(None)


async def test_clear_text_that_overtakes_the_handshake_cuts(tmp_path: Path) -> None:
    connection, wire, _, _ = connect(tmp_path)
    connection.data_received(b"STARTTLS\r\n")
    assert not wire.is_reading()
    connection.data_received(b"EHLO intruder\r\n")
    await wire.aborted.wait()
    connection.connection_lost(None)


async def test_silence_counts_from_our_last_reply(tmp_path: Path) -> None:
    connection, wire, handed, clock = connect(tmp_path)
    connection.data_received(LOGIN + MESSAGE)
    await until(lambda: not handed.empty())
    clock.now += 1000
    handed.get_nowait().answer.set_result("ID")
    await until(lambda: b"queued" in wire.written)
    connection.look_at_clock(clock.now + 299)
    assert not wire.written.endswith(b"421 4.4.2 Time-out, closing connection\r\n")
    connection.look_at_clock(clock.now + 300)
    assert wire.written.endswith(b"421 4.4.2 Time-out, closing connection\r\n")
    connection.connection_lost(None)


async def test_client_that_never_takes_the_last_reply_is_cut(tmp_path: Path) -> None:
    connection, wire, _, clock = connect(tmp_path)
    connection.data_received(b"QUIT\r\n")
    assert wire.closed.is_set()
    connection.look_at_clock(clock.now + 59)
    assert not wire.aborted.is_set()
    connection.look_at_clock(clock.now + 60)
    assert wire.aborted.is_set()
    connection.connection_lost(None)


async def test_what_comes_behind_quit_tells_nothing(tmp_path: Path) -> None:
    connection, wire, handed, _ = connect(tmp_path)
    connection.data_received(LOGIN + MESSAGE + b"QUIT\r\n")
    await until(lambda: not handed.empty())
    message = handed.get_nowait()
    message.answer.set_result("ID")
    await until(lambda: wire.written.endswith(b"221 2.0.0 Bye\r\n"))
    connection.data_received(b"NOOP\r\n")
    connection.connection_lost(ConnectionResetError())
    assert (message.told.heard, message.handover.is_lost) == (False, True)


@pytest.mark.parametrize("unread", [b"", b"x" * 5000])
async def test_client_whose_tcp_has_not_taken_our_250_has_not_seen_it(tmp_path: Path, unread: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(unread)
        connection, wire, handed, _ = connect(tmp_path, connected=ours)
        connection.data_received(LOGIN + MESSAGE + b"QUIT\r\n")
        await until(lambda: not handed.empty())
        message = handed.get_nowait()
        message.answer.set_result("ID")
        await until(lambda: wire.written.endswith(b"221 2.0.0 Bye\r\n"))
        connection.eof_received()
        connection.connection_lost(None)
    assert (message.told.heard, message.handover.is_lost) == (not unread, bool(unread))


async def test_stop_behind_quit_adds_nothing(tmp_path: Path) -> None:
    connection, wire, _, _ = connect(tmp_path)
    connection.data_received(b"QUIT\r\n")
    connection.stop()
    assert wire.written.endswith(b"\r\n221 2.0.0 Bye\r\n")
    connection.connection_lost(None)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until this is so."""
    while not condition():
        await asyncio.get_running_loop().run_in_executor(None, int)


# ---- the store behind it


async def test_full_disk_is_452_and_the_connection_lives(make_house: MakeHouse) -> None:
    house = await make_house(max_pages=100)
    await house.furnish("scanner@contoso.example")
    plain = base64.b64encode(f"\0printer\0{house.passwords['printer']}".encode())
    client = Client(*await asyncio.open_connection(*house.smtp))
    client.send(b"EHLO x\r\nAUTH PLAIN " + plain + b"\r\n", ENVELOPE, b"DATA\r\n\r\n" + b"x" * 1_000_000 + b"\r\n.\r\n")
    assert await client.codes(6) == [220, 250, 235, 250, 250, 354]
    assert await client.reply() == b"452 4.3.1 The disk of the store is full.\r\n"
    client.send(MESSAGE)
    assert await client.codes(4) == [250, 250, 354, 250]
    assert await house.gateway.outbox.count() != {}
    client.writer.close()
