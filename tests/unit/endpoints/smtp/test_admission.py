"""Who is let in, who is turned away and what that costs; real sockets, each under asyncio's loop and under uvloop."""

import asyncio
import base64
import os
import socket
import ssl
import struct
from pathlib import Path

import pytest

from pillarbox.core.accounts import Submitter
from pillarbox.endpoints.api.local import bind
from pillarbox.endpoints.smtp.limits import Patience
from pillarbox.endpoints.smtp.peer import Networks
from tests.unit.endpoints.smtp.doors import LOOPS, Client, Door, on_both_loops, open_door, trusting
from tests.unit.endpoints.smtp.parts import ENVELOPE, LOGIN, PRINTER, rules

MESSAGE = ENVELOPE + b"DATA\r\nSubject: scan\r\n\r\npage 1\r\n.\r\n"
HERE = Networks(["127.0.0.0/8"])
ELSEWHERE = Networks(["192.0.2.0/24"])


async def turned_away(door: Door) -> bytes:
    """All that a client hears that must not get in."""
    return await (await door.dial()).rest()


# ---- networks and bans


@on_both_loops(networks=ELSEWHERE)
async def test_a_client_outside_the_networks_is_told_and_closed(door: Door) -> None:
    assert (await turned_away(door))[:10] == b"554 5.7.1 "
    (line,) = door.log.lines("smtp.refused")
    assert "peer=127.0.0.1 listener=first" in line
    assert "command=CONNECT code=smtp.outside_networks" in line


@on_both_loops(networks=HERE)
async def test_a_client_within_the_networks_is_greeted(door: Door) -> None:
    await door.client()


@on_both_loops(is_banned=lambda peer: peer == "127.0.0.1")
async def test_a_banned_client_is_told_to_come_later(door: Door) -> None:
    assert (await turned_away(door))[:10] == b"421 4.7.0 "
    assert "code=submitter.banned" in door.log.lines("smtp.refused")[0]


@on_both_loops(networks=ELSEWHERE)
async def test_a_crowd_that_is_turned_away_fills_no_log(door: Door) -> None:
    for _ in range(30):
        assert (await turned_away(door))[:3] == b"554"
    assert len(door.log.lines("smtp.refused")) == 1


def broken(_peer: str) -> bool:
    raise ZeroDivisionError("an oversight")


@on_both_loops(is_banned=broken)
async def test_a_mistake_of_ours_leaves_no_connection_behind(door: Door) -> None:
    assert (await turned_away(door))[:10] == b"451 4.3.0 "
    assert "an oversight" in "".join(door.log.lines("unexpected"))


@on_both_loops()
async def test_a_stranger_fills_no_log_with_what_it_is_refused(door: Door) -> None:
    for _ in range(5):
        client = await door.client()
        client.send(b"EHLO x\r\n", b"MAIL FROM:<scanner@contoso.example>\r\n" * 30)
        await client.rest()
    codes = [line.split("code=")[1].split()[0] for line in door.log.lines("smtp.refused")]
    assert codes == ["smtp.auth_required", "smtp.too_many_errors"]
    door.clock.now += 60
    client = await door.client()
    client.send(b"EHLO x\r\n", ENVELOPE)
    assert await client.codes(3) == [250, 530, 530]
    assert "left_out=99" in door.log.lines("smtp.refused")[2]


@on_both_loops()
async def test_failed_logins_under_many_names_fill_no_log(door: Door) -> None:
    for number in range(5):
        client = await door.client()
        client.send(b"EHLO x\r\nAUTH PLAIN " + base64.b64encode(f"\0name{number}\0wrong".encode()) + b"\r\n")
        assert await client.codes(2) == [250, 535]
    (line,) = door.log.lines("smtp.refused")
    assert "submitter=name0" in line


@on_both_loops()
async def test_what_a_submitter_is_refused_is_told_each_time_but_not_without_end(door: Door) -> None:
    for _ in range(3):
        client = await door.client()
        client.send(LOGIN, b"MAIL FROM:<root@contoso.example>\r\n" * 10)
        assert await client.codes(12) == [250, 235, *[553] * 10]
    lines = door.log.lines("smtp.refused")
    assert (len(lines), "submitter=printer command=MAIL" in lines[19]) == (20, True)


@on_both_loops(implicit_tls=True)
async def test_handshakes_that_fail_fill_no_log(door: Door) -> None:
    for _ in range(5):
        client = await door.dial()
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        await client.rest()
    assert len(door.log.lines("smtp.refused")) == 1


# ---- numbers


@on_both_loops(most=(1000, 20, 1000))
async def test_a_crowd_of_one_address_is_cut_and_others_are_served(door: Door) -> None:
    """Threat 35."""
    crowd = [await door.dial(source="127.0.0.2") for _ in range(300)]
    heard = [await client.line() for client in crowd]
    assert [line[:9] for line in heard].count(b"421 4.7.0") == 280
    good = await door.dial(source="127.0.0.3")
    async with asyncio.timeout(1):
        good.send(LOGIN, MESSAGE)
        await door.store()
        assert await good.codes(7) == [220, 250, 235, 250, 250, 354, 250]


@on_both_loops(most=(1000, 1, 1000))
async def test_who_leaves_makes_room(door: Door) -> None:
    first = await door.client()
    assert (await turned_away(door))[:9] == b"421 4.7.0"
    assert (await first.ask(b"QUIT\r\n"))[:3] == b"221"
    assert await first.rest() == b""
    (await door.client()).vanish()
    while (await (await door.dial()).line())[:3] != b"220":
        pass


@on_both_loops(most=(1000, 1000, 1))
async def test_one_connection_too_many_of_a_submitter_is_refused_at_auth(door: Door) -> None:
    first, second = await door.client(), await door.client()
    first.send(LOGIN)
    assert await first.codes(2) == [250, 235]
    second.send(LOGIN)
    assert await second.codes(2) == [250, 421]
    assert await second.rest() == b""
    assert "submitter=printer command=AUTH code=smtp.too_many_of_submitter" in door.log.lines("smtp.refused")[0]
    assert (await first.ask(b"QUIT\r\n"))[:3] == b"221"
    await first.rest()
    third = await door.client()
    third.send(LOGIN)
    assert await third.codes(2) == [250, 235]


@on_both_loops(most=(1000, 1000, 1))
async def test_a_login_that_starttls_has_forgotten_is_not_counted(door: Door) -> None:
    client, other = await door.client(), await door.client()
    client.send(LOGIN)
    assert await client.codes(2) == [250, 235]
    await client.start_tls()
    assert (await client.ask(b"NOOP\r\n"))[:3] == b"250"
    other.send(LOGIN)
    assert await other.codes(2) == [250, 235]
    client.send(LOGIN)
    assert await client.codes(2) == [250, 421]


@on_both_loops(most=(1000, 1000, 1), of_network=lambda _peer: PRINTER)
async def test_one_machine_keeps_out_no_other_of_its_network(door: Door) -> None:
    for _ in range(5):
        await door.client()
    other = await door.dial(source="127.0.0.2")
    other.send(LOGIN)
    assert await other.codes(3) == [220, 250, 235]


@on_both_loops(most=(1000, 1000, 1), of_network=lambda _peer: PRINTER)
async def test_starttls_does_not_count_a_network_submitter_either(door: Door) -> None:
    for _ in range(2):
        client = await door.client()
        await client.start_tls()
        client.send(b"EHLO x\r\n")
        assert await client.codes(1) == [250]


# ---- submitters by network


@on_both_loops(of_network={"127.0.0.2": PRINTER}.get)
async def test_a_network_submitter_needs_no_login(door: Door) -> None:
    known, unknown = await door.dial(source="127.0.0.2"), await door.dial(source="127.0.0.3")
    known.send(b"EHLO x\r\n", MESSAGE)
    handed = await door.store()
    assert await known.codes(6) == [220, 250, 250, 250, 354, 250]
    assert handed.submitter is PRINTER
    unknown.send(b"EHLO x\r\n", ENVELOPE)
    assert await unknown.codes(4) == [220, 250, 530, 530]


@on_both_loops(of_network=lambda _peer: PRINTER)
async def test_a_client_known_by_its_network_alone_is_borne_as_a_stranger_until_its_first_mail(door: Door) -> None:
    idle, talking, working = [await door.client() for _ in range(3)]
    working.send(b"EHLO x\r\n", ENVELOPE, b"RSET\r\n")
    assert await working.codes(4) == [250, 250, 250, 250]
    for _ in range(6):
        assert (await talking.ask(b"NOOP\r\n"))[:3] == b"250"
        door.pass_time(49)
    assert (await working.ask(b"NOOP\r\n"))[:3] == b"250"
    door.pass_time(6)
    assert [(await one.rest())[:9] for one in (idle, talking)] == [b"421 4.4.2"] * 2
    assert (await working.ask(b"NOOP\r\n"))[:3] == b"250"


# ---- how it came


@on_both_loops()
async def test_a_message_tells_how_it_came(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE)
    arrival = (await door.store()).arrival
    assert (arrival.door, arrival.listener, arrival.peer) == ("smtp", "first", "127.0.0.1")
    assert (arrival.hello, arrival.protocol, arrival.notes, arrival.by) == ("printer", "ESMTPA", (), "")


@on_both_loops(received=True)
async def test_a_received_field_is_asked_for_where_it_is_switched_on(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE)
    assert (await door.store()).arrival.by == "gateway.contoso.example"


@on_both_loops()
async def test_the_bytes_are_let_go_of_whatever_comes_of_them(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE, MESSAGE)
    taken = await door.store()
    failed = await door.handed.get()
    failed.answer.set_exception(ZeroDivisionError())
    assert await client.codes(10) == [250, 235, 250, 250, 354, 250, 250, 250, 354, 451]
    assert [list(one.content.pieces()) for one in (taken, failed)] == [[], []]


# ---- TLS from the first byte


@on_both_loops(implicit_tls=True)
async def test_implicit_tls(door: Door) -> None:
    client = await door.dial(ssl=trusting())
    client.send(LOGIN, MESSAGE)
    arrival = (await door.store()).arrival
    assert await client.codes(7) == [220, 250, 235, 250, 250, 354, 250]
    assert arrival.protocol == "ESMTPSA"


@on_both_loops(implicit_tls=True)
async def test_implicit_tls_offers_no_starttls(door: Door) -> None:
    client = await door.dial(ssl=trusting())
    await client.reply()
    client.send(b"EHLO x\r\n")
    words = [(await client.line()).strip() for _ in range(6)]
    assert not [word for word in words if b"STARTTLS" in word]
    assert (await client.ask(b"NOOP\r\nSTARTTLS\r\n"))[:3] in (b"250", b"503")


@on_both_loops(implicit_tls=True)
async def test_plain_text_where_tls_is_due_is_closed_and_logged(door: Door) -> None:
    client = await door.dial()
    client.send(b"EHLO x\r\n")
    assert b"220" not in await client.rest()
    (line,) = door.log.lines("smtp.refused")
    assert "command=TLS code=smtp.handshake_failed" in line


def oversight() -> ssl.SSLContext:
    raise ZeroDivisionError("an oversight")


@on_both_loops(implicit_tls=True, tls=oversight, most=(1, 1, 1))
async def test_a_mistake_of_ours_before_the_handshake_leaves_no_connection_behind(door: Door) -> None:
    for _ in range(3):
        assert await turned_away(door) == b""
    assert len(door.log.lines("unexpected")) == 3
    assert door.log.lines("smtp.refused") == []


@on_both_loops(tls=oversight)
async def test_a_mistake_of_ours_before_the_handshake_of_starttls_ends_the_connection(door: Door) -> None:
    client = await door.client()
    assert (await client.ask(b"STARTTLS\r\n"))[:3] == b"220"
    assert await client.rest() == b""
    assert "an oversight" in "".join(door.log.lines("unexpected"))


@on_both_loops(implicit_tls=True, is_banned=lambda _peer: True)
async def test_a_banned_client_gets_no_handshake(door: Door) -> None:
    client = await door.dial()
    assert await client.rest() == b""
    assert "code=submitter.banned" in door.log.lines("smtp.refused")[0]


@on_both_loops(implicit_tls=True, patience=Patience(handshake=0.05), most=(1000, 1, 1000))
async def test_a_handshake_that_never_ends_is_cut_and_leaves_nothing_behind(door: Door) -> None:
    assert await turned_away(door) == b""
    while not door.log.lines("smtp.refused"):
        await door.log.next()
    client = await door.dial(ssl=trusting())
    assert await client.codes(1) == [220]


@on_both_loops(implicit_tls=True)
async def test_stop_ends_handshakes_and_sessions(door: Door) -> None:
    waiting, served = await door.dial(), await door.dial(ssl=trusting())
    assert await served.codes(1) == [220]
    await asyncio.wait_for(door.listener.stop(grace=60), 10)
    assert (await served.rest())[:9] == b"421 4.3.2"
    assert await waiting.rest() == b""


# ---- load balancers

FOR_PRINTER = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n"


@on_both_loops(proxies=HERE)
async def test_the_address_of_a_header_is_the_peer_everywhere(door: Door) -> None:
    client = await door.dial()
    client.send(FOR_PRINTER, LOGIN, MESSAGE)
    assert (await door.store()).arrival.peer == "192.0.2.7"
    assert await client.codes(7) == [220, 250, 235, 250, 250, 354, 250]
    client.send(b"MAIL FROM:<root@contoso.example>\r\n")
    await client.reply()
    assert "peer=192.0.2.7" in door.log.lines("smtp.refused")[0]


@on_both_loops(proxies=HERE, networks=ELSEWHERE, of_network={"192.0.2.7": PRINTER}.get, is_banned="192.0.2.8".__eq__)
async def test_networks_bans_and_submitters_are_those_of_the_header(door: Door) -> None:
    client, stranger, banned = await door.dial(), await door.dial(), await door.dial()
    client.send(FOR_PRINTER, b"EHLO x\r\n", MESSAGE)
    assert (await door.store()).submitter is PRINTER
    stranger.send(b"PROXY TCP4 127.0.0.1 127.0.0.1 1 25\r\n")
    assert (await stranger.rest())[:9] == b"554 5.7.1"
    banned.send(b"PROXY TCP4 192.0.2.8 127.0.0.1 1 25\r\n")
    assert (await banned.rest())[:9] == b"421 4.7.0"


@on_both_loops(proxies=HERE, most=(1000, 1, 1000))
async def test_connections_are_counted_by_the_address_of_the_header(door: Door) -> None:
    first, second, third = [await door.dial() for _ in range(3)]
    first.send(FOR_PRINTER)
    assert await first.codes(1) == [220]
    second.send(FOR_PRINTER)
    assert await second.codes(1) == [421]
    third.send(FOR_PRINTER.replace(b"192.0.2.7", b"192.0.2.8"))
    assert await third.codes(1) == [220]


@on_both_loops(proxies=HERE)
async def test_a_health_check_is_the_balancer_itself(door: Door) -> None:
    client = await door.dial()
    client.send(b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x20, 0, 0), LOGIN, MESSAGE)
    assert (await door.store()).arrival.peer == "127.0.0.1"


@on_both_loops(proxies=HERE)
async def test_a_header_may_come_in_pieces(door: Door) -> None:
    client = await door.dial()
    client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in FOR_PRINTER:
        client.send(bytes([byte]))
        await asyncio.get_running_loop().run_in_executor(None, int)
    assert await client.codes(1) == [220]


@on_both_loops(proxies=ELSEWHERE)
async def test_nobody_but_a_balancer_may_connect(door: Door) -> None:
    client = await door.dial()
    client.send(FOR_PRINTER)
    assert (await client.rest())[:9] == b"554 5.7.1"
    assert "code=smtp.not_a_proxy" in door.log.lines("smtp.refused")[0]


@on_both_loops(proxies=HERE)
async def test_without_a_header_nothing_is_served(door: Door) -> None:
    client = await door.dial()
    client.send(b"EHLO printer.contoso.example\r\n")
    assert b"220" not in await client.rest()
    assert "code=smtp.bad_proxy_header" in door.log.lines("smtp.refused")[0]


@on_both_loops(proxies=HERE, networks=Networks(["127.0.0.1/32"]))
async def test_a_client_that_the_balancer_does_not_name_is_in_no_network(door: Door) -> None:
    client = await door.dial()
    client.send(b"PROXY UNKNOWN\r\n")
    assert (await client.rest())[:9] == b"554 5.7.1"
    assert "peer=unknown" in door.log.lines("smtp.refused")[0]


@on_both_loops(proxies=HERE, of_network={"127.0.0.1": PRINTER}.get, most=(1000, 1, 1000))
async def test_a_client_that_the_balancer_does_not_name_has_no_rights_of_the_balancer(door: Door) -> None:
    client, other = await door.dial(), await door.dial()
    unix_socket = b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x21, 0x31, 216) + bytes(216)
    client.send(unix_socket, b"EHLO x\r\n", ENVELOPE)
    assert await client.codes(4) == [220, 250, 530, 530]
    other.send(b"PROXY UNKNOWN\r\n")
    assert (await other.rest())[:9] == b"421 4.7.0"  # counted with the balancer
    client.send(b"QUIT\r\n")
    await client.rest()
    check = await door.dial()
    check.send(b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x20, 0, 0), b"EHLO x\r\n", ENVELOPE)
    assert await check.codes(4) == [220, 250, 250, 250]


@on_both_loops(proxies=HERE, is_banned="127.0.0.1".__eq__)
async def test_a_client_that_the_balancer_does_not_name_is_banned_with_those_of_that_balancer_alone(door: Door) -> None:
    client = await door.dial()
    client.send(b"PROXY UNKNOWN\r\n")
    assert (await client.rest())[:9] == b"421 4.7.0"


@on_both_loops(proxies=HERE, most=(2, 1000, 1000))
async def test_connections_that_owe_a_header_are_counted(door: Door) -> None:
    silent = [await door.dial() for _ in range(2)]
    assert (await turned_away(door))[:9] == b"421 4.7.0"
    for client in silent:
        client.send(FOR_PRINTER)
        assert await client.codes(1) == [220]
    assert (await turned_away(door))[:9] == b"421 4.7.0"


@on_both_loops(proxies=HERE, patience=Patience(handshake=0.05))
async def test_a_header_must_come_in_time(door: Door) -> None:
    assert b"220" not in await turned_away(door)
    assert "none came in time" in door.log.lines("smtp.refused")[0]


@on_both_loops(proxies=HERE, implicit_tls=True)
async def test_tls_begins_right_behind_the_header(door: Door) -> None:
    def talk() -> bytes:
        """Header and first bytes of the handshake in one segment, as a balancer sends them."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        peer = trusting().wrap_bio(incoming, outgoing)
        with socket.create_connection(door.address, timeout=10) as sock:
            first = FOR_PRINTER
            while True:
                try:
                    return peer.read()
                except ssl.SSLWantReadError:
                    sock.sendall(first + outgoing.read())
                    first = b""
                    incoming.write(sock.recv(65536))

    assert (await asyncio.to_thread(talk))[:4] == b"220 "


@on_both_loops()
async def test_elsewhere_a_header_is_an_unknown_command(door: Door) -> None:
    client = await door.client()
    assert (await client.ask(FOR_PRINTER))[:3] == b"500"
    client.send(LOGIN, MESSAGE)
    assert (await door.store()).arrival.peer == "127.0.0.1"


# ---- users of this machine


async def visit(path: Path, of_unix: dict[int, Submitter]) -> tuple[Door, bytes]:
    """What a client of a Unix socket hears that hands in a message, and the door."""
    given = rules(auth="none", offers_tls=False)
    async with open_door(path.parent, of_unix=of_unix.get, door="sendmail", given=given) as door:
        await door.listener.serve([bind(path, mode=0o666, folder_mode=0o755)])
        client = Client(*await asyncio.open_unix_connection(path))
        client.send(b"EHLO x\r\n", MESSAGE, b"AUTH PLAIN AHByaW50ZXIAc2VjcmV0\r\nSTARTTLS\r\nQUIT\r\n")
        storing = asyncio.ensure_future(door.store())
        said = await client.rest()
        storing.cancel()
        client.writer.close()
    return door, said


@pytest.mark.parametrize("loop", LOOPS)
def test_a_user_of_this_machine_is_the_submitter_of_its_row(tmp_path: Path, loop: str) -> None:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        _, said = runner.run(visit(tmp_path / "s.sock", {os.getuid(): PRINTER}))
    codes = [int(line[:3]) for line in said.splitlines() if line[3:4] == b" "]
    assert codes == [220, 250, 250, 250, 354, 250, 502, 502, 221]
    assert b"AUTH" not in said.split(b"354")[0]
    assert b"STARTTLS" not in said


@pytest.mark.parametrize("loop", LOOPS)
def test_a_user_without_a_row_hands_in_nothing(tmp_path: Path, loop: str) -> None:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        door, said = runner.run(visit(tmp_path / "s.sock", {os.getuid() + 1: PRINTER}))
    assert (said[:10], len(said.splitlines())) == (b"554 5.7.1 ", 1)
    assert f'peer="uid={os.getuid()}"' in door.log.lines("smtp.refused")[0]
