"""Fault rules strike commands of SMTP: before them, and after what was already done."""

import asyncio

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.fault import When
from tests.unit.emulator.conftest import Client, Clock
from tests.unit.emulator.exchange.conftest import ALICE, BOB, Line, Open, xoauth2

BUSY = {"status": 451, "message": "4.7.500 Server busy"}


async def test_a_connection_is_refused_or_cut(plain: Open, emulator: Emulator) -> None:
    emulator.faults.add(method="SMTP", command="CONNECT", times=1, status=421, message="4.3.2 Service not available")
    emulator.faults.add(method="SMTP", command="CONNECT", times=1, cut=True)
    refused, cut = await plain(), await plain()
    assert await refused.reply() == "421 4.3.2 Service not available"
    assert await refused.read() == ""
    assert await cut.read() == ""


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_a_command_is_refused(sender: Line, emulator: Emulator, command: str) -> None:
    emulator.faults.add(method="SMTP", command=command, **BUSY)
    replies = [await sender.say(f"MAIL FROM:<{ALICE}>"), await sender.say(f"RCPT TO:<{ALICE}>")]
    replies.append(await sender.say("DATA"))
    assert "451 4.7.500 Server busy" in replies
    assert len(emulator.ledger) == 0


@pytest.mark.parametrize("matcher", [{"mailbox": ALICE}, {"app": True}, {"host": "smtp.office365"}])
async def test_rules_name_mailbox_app_and_host_also_for_logins(
    smtp: Open, client: Client, smtp_token: str, matcher: dict[str, str]
) -> None:
    if "app" in matcher:
        matcher = {"app": client.planted.web.client_id}
    client.emulator.faults.add(command="AUTH", times=1, status=535, message="5.7.3 Not now", **matcher)
    line = await smtp()
    assert (await line.say(f"AUTH XOAUTH2 {xoauth2(ALICE, smtp_token)}")).startswith("535 5.7.3 Not now [")
    assert (await line.say(f"AUTH XOAUTH2 {xoauth2(ALICE, smtp_token)}")).startswith("235 ")


async def test_an_accepted_mail_is_answered_by_a_refusal(sender: Line, emulator: Emulator) -> None:
    emulator.faults.add(method="SMTP", command="DATA", when="after", times=1, **BUSY)
    assert await sender.send() == "451 4.7.500 Server busy"
    assert len(emulator.ledger) == 1
    assert (await sender.send()).startswith("250 ")


async def test_an_accepted_mail_is_followed_by_silence(sender: Line, emulator: Emulator) -> None:
    emulator.faults.add(method="SMTP", command="DATA", when="after", cut=True)
    assert await sender.send() == ""
    assert len(emulator.ledger) == 1


async def test_what_exchange_refuses_keeps_its_refusal(sender: Line, emulator: Emulator) -> None:
    emulator.faults.add(method="SMTP", command="DATA", when="after", **BUSY)
    emulator.world.mailbox(ALICE).full = True
    assert (await sender.send()).startswith("554 5.2.2")
    emulator.faults.clear()
    assert await sender.say("NOOP") == "250 2.0.0 OK"


async def test_a_delay_ends_when_the_emulator_stops(sender: Line, emulator: Emulator) -> None:
    emulator.faults.add(method="SMTP", command="NOOP", delay=3000.0)
    sender.write("NOOP\r\n")
    while emulator.ledger.requests["SMTP NOOP"] == 0:  # noqa: ASYNC110 - nothing tells that a delay has begun
        await asyncio.sleep(0)
    await emulator.stop()
    assert await sender.read() in ("", "250 2.0.0 OK")


@pytest.mark.parametrize(
    ("fields", "reply"),
    [
        ({"status": 452}, "452 4.0.0 Fault"),
        ({"status": 550, "code": "5.1.8", "message": "Access denied"}, "550 5.1.8 Access denied"),
    ],
)
async def test_an_enhanced_code_is_always_there(
    sender: Line, emulator: Emulator, fields: dict[str, str], reply: str
) -> None:
    emulator.faults.add(method="SMTP", command="NOOP", **fields)
    assert await sender.say("NOOP") == reply


async def test_nothing_behind_a_421_is_obeyed(sender: Line, emulator: Emulator) -> None:
    emulator.faults.add(method="SMTP", command="NOOP", status=421, message="4.3.2 Going down")
    sender.write(f"NOOP\r\nMAIL FROM:<{ALICE}>\r\nRSET\r\n")
    assert [await sender.reply(), await sender.read()] == ["421 4.3.2 Going down", ""]
    assert emulator.ledger.requests["SMTP MAIL"] == 0


async def test_an_idle_connection_is_ended(plain: Open, emulator: Emulator) -> None:
    assert emulator.exchange
    emulator.exchange.site.smtp_idle = 0.02
    line = await plain()
    await line.reply()
    assert (await line.reply()).startswith("451 4.7.0 Timeout waiting for client input [")
    assert await line.read() == ""


async def test_a_rule_rewrites_the_message_id_of_one_mail(sender: Line, emulator: Emulator) -> None:
    emulator.faults.add(command="DATA", times=1, rewrite_message_id=True)
    inbox = emulator.world.mailbox(BOB)
    for _ in range(2):
        assert (await sender.send()).startswith("250 ")
    kept, rewritten = (each.internet_message_id for each in inbox.messages(emulator.clock()))
    assert (kept, rewritten == "<1@x>", emulator.world.rewrites_message_ids) == ("<1@x>", False, False)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_rule_delays_the_sent_copy_of_one_mail(
    sender: Line, emulator: Emulator, clock: Clock, when: When
) -> None:
    emulator.faults.add(method="SMTP", command="data", times=1, sent_copy_delay=900, when=when)
    for _ in range(2):
        assert (await sender.send()).startswith("250 ")

    def seen() -> int:
        mailbox = emulator.world.mailbox(ALICE)
        return sum(1 for _ in mailbox.messages(clock.now, mailbox.folders["sentitems"]))

    assert seen() == 1
    clock.now += 900
    assert seen() == 2


@pytest.mark.parametrize(
    ("message", "shown"), [("a\r\n250 fine", "a  250 fine"), ("a\x00b", "a b"), ("a\u2028b", "a b")]
)
async def test_a_rules_words_are_one_line(sender: Line, emulator: Emulator, message: str, shown: str) -> None:
    emulator.faults.add(command="NOOP", status=450, message=message, code="4.0.0\r\n250 fine")
    assert await sender.say("NOOP") == f"450 4.0.0 {shown}"
