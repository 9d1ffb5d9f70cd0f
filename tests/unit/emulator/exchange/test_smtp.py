"""The SMTP dialogue of Exchange Online: words, order, limits, and what becomes of a mail."""

import re

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as some

from pillarbox.emulator import Emulator
from tests.unit.emulator.conftest import Client
from tests.unit.emulator.exchange.conftest import ALICE, BOB, MAIL, Line, Open, xoauth2

TRACE = r" \[XX0PR01CA0001\.outlook\.office365\.com 2026-11-20T12:00:00\.000Z [0-9A-F]{16}\]"


async def test_greeting_and_offers_before_and_inside_tls(plain: Open, smtp: Open) -> None:
    line = await plain()
    greeting = await line.reply()
    assert re.fullmatch(
        r"220 \S+\.outlook\.office365\.com Microsoft ESMTP MAIL Service ready at \w+, .* \[[0-9A-F]{16}\]", greeting
    )
    before = await line.say("EHLO client.example")
    assert before.split("\n")[0] == "250-XX0PR01CA0001.outlook.office365.com Hello [127.0.0.1]"
    offers = [each[4:] for each in before.split("\n")[1:]]
    assert offers == ["SIZE 157286400", "PIPELINING", "ENHANCEDSTATUSCODES", "STARTTLS", "8BITMIME", "SMTPUTF8"]
    inside = await (await smtp()).say("EHLO client.example")
    assert "250-AUTH LOGIN XOAUTH2" in inside
    assert "STARTTLS" not in inside


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("NOOP", "250 2.0.0 OK"),
        ("RSET", "250 2.0.0 Resetting"),
        ("HELO client.example", "250 XX0PR01CA0001.outlook.office365.com Hello [127.0.0.1]"),
        (
            "HELP",
            "214 2.0.0 This server supports: HELO EHLO STARTTLS AUTH MAIL RCPT DATA RSET NOOP VRFY HELP QUIT",
        ),
        ("VRFY alice", "252 2.1.5 Cannot VRFY user"),
        ("EXPN all", "502 5.3.3 Command not implemented"),
        ("EHLO", "501 5.5.4 Invalid arguments"),
        ("RCPT TO:<bob@contoso.example>", "503 5.5.2 Need mail command"),
        ("MAIL alice", "501 5.5.4 Invalid arguments"),
        ("MAIL FROM:<alice>", "501 5.1.7 Invalid address"),
        ("MAIL FROM:<alice@x> SIZE=157286401", "552 5.3.4 Message size exceeds fixed maximum message size"),
        ("MAIL FROM:<alice@x> RET=HDRS", "501 5.5.4 Invalid arguments"),
        ("MAIL FROM:<alice@x> BODY=BINARYMIME", "501 5.5.4 Invalid arguments"),
        ("MAIL FROM:<é@x>", "501 5.1.7 Invalid address"),
        ("MAIL FROM:<é@x> SMTPUTF8", "250 2.1.0 Sender OK"),
        ("MAIL FROM:<alice@x> AUTH=<> BODY=8BITMIME", "250 2.1.0 Sender OK"),
        ("mail from:<>", "250 2.1.0 Sender OK"),
        ("DATA", "503 5.5.2 Need rcpt command"),
        ("STARTTLS", "503 5.5.2 Only one STARTTLS command can be issued per session"),
        ("QUIT", "221 2.0.0 Service closing transmission channel"),
    ],
)
async def test_replies(sender: Line, command: str, reply: str) -> None:
    assert await sender.say(command) == reply


async def test_unknown_commands_end_the_connection_at_last(sender: Line) -> None:
    assert re.fullmatch(r"500 5\.3\.3 Unrecognized command 'XFOO'" + TRACE, await sender.say("XFOO"))
    for _ in range(3):
        await sender.say("XFOO")
    assert (await sender.say("XFOO")).startswith("421 4.7.0 Too many errors")
    assert await sender.read() == ""


@pytest.mark.parametrize("line", [b"\xff\xfe\r\n", b"\r\n", b"VRFY \xff\r\n", b"MAIL FROM:<\xff@x>\r\n", b"\x00\r\n"])
async def test_bytes_that_are_no_text_are_refused(sender: Line, line: bytes) -> None:
    sender.write(line)
    assert re.match(r"(5\d\d|252) [25]\.\d\.\d ", await sender.reply())
    assert await sender.say("NOOP") == "250 2.0.0 OK"


async def test_a_command_that_is_too_long_is_refused(sender: Line) -> None:
    assert await sender.say("NOOP " + "x" * 70_000) == "500 5.5.2 Line too long"


async def test_hello_comes_first_also_inside_tls(plain: Open) -> None:
    line = await plain()
    await line.reply()
    assert await line.say("MAIL FROM:<alice@contoso.example>") == "503 5.5.2 Send hello first"
    assert await line.say("AUTH XOAUTH2") == "503 5.5.2 Send hello first"


async def test_mail_needs_a_login(smtp: Open, plain: Open) -> None:
    line = await smtp()
    refusal = r"530 5\.7\.57 Client not authenticated to send mail\." + TRACE
    for command in ("MAIL FROM:<alice@contoso.example>", "RCPT TO:<bob@contoso.example>", "DATA"):
        assert re.fullmatch(refusal, await line.say(command))
    without_tls = await plain()
    await without_tls.reply()
    await without_tls.say("EHLO client.example")
    assert re.fullmatch(refusal, await without_tls.say("MAIL FROM:<alice@contoso.example>"))


async def test_what_is_typed_before_tls_is_not_obeyed(plain: Open) -> None:
    line = await plain()
    await line.reply()
    await line.say("EHLO client.example")
    line.write("STARTTLS\r\nNOOP\r\n")
    assert await line.reply() == "220 2.0.0 SMTP server ready"
    line.write(b"no handshake at all\r\n\r\n")
    assert await line.read() == ""


async def test_a_sent_mail_is_in_both_mailboxes_and_in_the_ledger(sender: Line, emulator: Emulator) -> None:
    reply = await sender.send()
    assert reply == "250 2.0.0 OK <1@x> [Hostname=XX0PR01MB0001.prod.outlook.com]"
    (entry,) = emulator.ledger.entries
    assert (entry.mailbox, entry.recipients, entry.raw, entry.protocol) == (ALICE, [BOB], MAIL, "smtp")
    for user, folder in ((ALICE, "sentitems"), (BOB, "inbox")):
        mailbox = emulator.world.mailbox(user)
        (message,) = mailbox.messages(emulator.clock(), mailbox.folders[folder])
        assert message.mime == MAIL


async def test_the_envelope_decides_and_bcc_is_not_shown(sender: Line, emulator: Emulator) -> None:
    await sender.send(b"Bcc: carol@contoso.example\r\n" + MAIL)
    bob, carol = (emulator.world.mailbox(f"{name}@contoso.example") for name in ("bob", "carol"))
    (message,) = bob.messages(emulator.clock())
    assert b"carol" not in message.mime
    assert not list(carol.messages(emulator.clock()))


async def test_several_mails_on_one_connection(sender: Line, emulator: Emulator) -> None:
    for _ in range(3):
        assert (await sender.send()).startswith("250 2.0.0 OK")
    assert len(emulator.ledger) == 3


async def test_a_whole_mail_can_be_pipelined(sender: Line, emulator: Emulator) -> None:
    sender.write("MAIL FROM:<alice@contoso.example>\r\nRCPT TO:<bob@contoso.example>\r\nDATA\r\n")
    replies = [(await sender.reply())[:3] for _ in range(3)]
    sender.write(MAIL + b".\r\nQUIT\r\n")
    assert [*replies, (await sender.reply())[:3], (await sender.reply())[:3]] == ["250", "250", "354", "250", "221"]
    assert len(emulator.ledger) == 1


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"a\nb\n\r\n", b"a\r\nb\r\n\r\n"),
        (b"a\n.\nb\r\n", b"a\r\n.\r\nb\r\n"),
        (b"a\n.\r\nb\r\n", b"a\r\n.\r\nb\r\n"),
        (b"..\r\n..b\r\n", b".\r\n.b\r\n"),
        (b"x" * 100_000 + b"\r\n", b"x" * 100_000 + b"\r\n"),
        ("ü中".encode() + b"\xff\x00\r\n", "ü中".encode() + b"\xff\x00\r\n"),
    ],
)
async def test_bodies(sender: Line, emulator: Emulator, sent: bytes, kept: bytes) -> None:
    head = MAIL.removesuffix(b"Hi\r\n")
    await sender.send(head + sent)
    assert emulator.ledger.entries[0].raw == head + kept


async def test_headers_that_every_mail_has_are_added(sender: Line, emulator: Emulator) -> None:
    reply = await sender.send(b"no headers\r\n")
    raw = emulator.ledger.entries[0].raw or b""
    assert re.fullmatch(
        rb"From: <alice@contoso\.example>\r\nDate: .*\r\nMessage-ID: <\S+@contoso\.example>\r\n\r\nno headers\r\n",
        raw,
    )
    assert emulator.ledger.entries[0].message_id in reply.split()


@pytest.mark.parametrize(
    ("sender_address", "author"),
    [(BOB, ALICE), (ALICE, BOB), ("<>", "stranger@fabrikam.example"), (ALICE, f"{ALICE}, {BOB}")],
)
async def test_another_sender_is_denied_after_data(
    sender: Line, emulator: Emulator, sender_address: str, author: str
) -> None:
    mail = MAIL.replace(b"From: alice@contoso.example", f"From: {author}".encode())
    reply = await sender.send(mail, sender_address.strip("<>"))
    other = BOB if BOB in (sender_address, author.split(", ")[-1]) else author
    assert reply.startswith(
        f"554 5.2.252 SendAsDenied; {ALICE} not allowed to send as {other}; "
        "STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message"
    )
    assert len(emulator.ledger) == 0


async def test_send_as_lets_another_sender_pass(sender: Line, client: Client, emulator: Emulator) -> None:
    emulator.world.mailbox(BOB).send_as.add(client.planted.user("alice").id)
    assert (await sender.send(MAIL.replace(b"From: alice", b"From: bob"), BOB)).startswith("250 ")
    assert emulator.ledger.entries[0].mailbox == ALICE


async def test_a_full_mailbox_sends_nothing(sender: Line, emulator: Emulator) -> None:
    emulator.world.mailbox(ALICE).full = True
    assert (await sender.send()).startswith("554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceeded")


async def test_a_mail_above_the_mailboxs_own_limit(sender: Line, emulator: Emulator) -> None:
    emulator.world.mailbox(ALICE).max_send_size = len(MAIL) - 1
    assert await sender.send() == "552 5.3.4 Message size exceeds fixed maximum message size"
    assert len(emulator.ledger) == 0


async def test_the_daily_quota_of_recipients(sender: Line, emulator: Emulator) -> None:
    emulator.world.limits.recipients_per_day = 1
    assert (await sender.send()).startswith("250 ")
    reply = await sender.send()
    assert reply.startswith("554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException")


async def test_recipients_above_500_are_refused_one_by_one(sender: Line) -> None:
    await sender.say(f"MAIL FROM:<{ALICE}>")
    sender.write("".join(f"RCPT TO:<{number}@fabrikam.example>\r\n" for number in range(501)))
    replies = [await sender.reply() for _ in range(501)]
    assert set(replies[:500]) == {"250 2.1.5 Recipient OK"}
    assert replies[500] == "452 4.5.3 Too many recipients"


@pytest.mark.parametrize("address", ["", "<>", "<bob>", "<bob@>", "<bob@x y>", "bob@x,carol@x", "<<bob@x>>", "<ö@x>"])
async def test_bad_recipients(sender: Line, address: str) -> None:
    await sender.say(f"MAIL FROM:<{ALICE}>")
    assert (await sender.say(f"RCPT TO:{address}")).startswith("501 5.")


async def test_a_fourth_connection_cannot_hand_in_until_another_ends(smtp: Open, smtp_token: str) -> None:
    lines = []
    for _ in range(4):
        lines.append(await smtp())
        await lines[-1].say(f"AUTH XOAUTH2 {xoauth2(ALICE, smtp_token)}")
    for line in lines[:3]:
        assert (await line.send()).startswith("250 ")
    assert await lines[3].send() == (
        "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information."
        " [Hostname=XX0PR01MB0001.prod.outlook.com]"
    )
    await lines[0].say("QUIT")
    assert await lines[0].read() == ""
    assert (await lines[3].send()).startswith("250 ")


@pytest.mark.parametrize(
    ("commands", "gap"),
    [
        (["BDAT 3 LAST"], ("SMTP", "BDAT", "CHUNKING")),
        ([f"MAIL FROM:<{ALICE}> ENVID=1"], ("SMTP", "MAIL FROM", "ENVID")),
        ([f"MAIL FROM:<{ALICE}> BODY=BINARYMIME"], ("SMTP", "MAIL FROM", "BODY")),
        ([f"MAIL FROM:<{ALICE}>", f"RCPT TO:<{BOB}> NOTIFY=NEVER"], ("SMTP", "RCPT TO", "NOTIFY")),
    ],
)
async def test_what_is_not_emulated_is_noted(
    sender: Line, emulator: Emulator, commands: list[str], gap: tuple[str, str, str]
) -> None:
    for command in commands:
        reply = await sender.say(command)
    assert reply.startswith("50")
    assert [(each.method, each.path, each.what) for each in emulator.not_emulated] == [gap]


async def test_commands_are_counted(sender: Line, emulator: Emulator) -> None:
    await sender.send()
    requests = emulator.ledger.requests
    assert {name: requests[f"SMTP {name}"] for name in ("CONNECT", "EHLO", "AUTH", "MAIL", "RCPT", "DATA")} == {
        "CONNECT": 1,
        "EHLO": 2,
        "AUTH": 1,
        "MAIL": 1,
        "RCPT": 1,
        "DATA": 1,
    }


WORDS = [
    b"EHLO x",
    b"HELO",
    b"AUTH XOAUTH2",
    b"AUTH LOGIN",
    b"*",
    b"=",
    b"MAIL FROM:",
    b"<a@b>",
    b"<",
    b"RCPT TO:",
    b"DATA",
]
WORDS += [
    b".",
    b" ",
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"\xff",
    b"\0",
    b'"',
    b"\\",
    b"SIZE=",
    b"9" * 30,
    b"BODY=",
]
WORDS += [b"HELP", b"VRFY ", b"RSET", b"BDAT 0", b"AUTH=", b"SMTPUTF8", b"STARTTLS", b"A" * 5000]


@given(parts=some.lists(some.sampled_from(WORDS), max_size=40), logged_in=some.booleans())
@hypothesis.settings(max_examples=100)
async def test_whatever_is_said_gets_replies_and_breaks_nothing(
    parts: list[bytes], logged_in: bool, smtp: Open, smtp_token: str
) -> None:
    line = await smtp()
    if logged_in:
        await line.say(f"AUTH XOAUTH2 {xoauth2(ALICE, smtp_token)}")
    line.write(b"".join(parts) + b"\r\n.\r\nQUIT\r\n")
    last = reply = "-"
    while reply:
        last, reply = reply, await line.read()
        assert re.match(r"[2345]\d\d[ -]|$", reply)
    assert last.startswith(("221", "421", "334", "354"))
