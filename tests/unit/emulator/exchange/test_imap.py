"""The login part of IMAP at Exchange Online (facts 4.2)."""

import asyncio
import base64
import json
import re
import ssl
from collections.abc import Callable

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as some

from pillarbox.emulator import App, Emulator
from pillarbox.emulator.world import EXCHANGE, Folder
from tests.unit.emulator.conftest import Client
from tests.unit.emulator.entra.sign_ins import odd_kid
from tests.unit.emulator.exchange.conftest import ALICE, BOB, MAIL, Line, Open, xoauth2

OK, NO = ["a1 OK AUTHENTICATE completed."], ["a1 NO AUTHENTICATE failed."]
CAPABILITY = "* CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR ID UNSELECT NAMESPACE LITERAL+"
OWN = " CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE"
NOT_CONNECTED = "a1 BAD User is authenticated but not connected."
AppToken = Callable[[App], str]


@pytest.fixture
async def reader(imap: Open, imap_token: str) -> Line:
    """A connection on which alice is logged in."""
    line = await imap()
    assert await line.ask(f"AUTHENTICATE XOAUTH2 {xoauth2(ALICE, imap_token)}") == OK
    return line


async def log_in(imap: Open, user: str, token: str) -> tuple[list[str], list[str]]:
    """The answers to the login and to a SELECT behind it."""
    line = await imap()
    return await line.ask(f"AUTHENTICATE XOAUTH2 {xoauth2(user, token)}"), await line.ask("SELECT INBOX")


async def test_token_with_an_odd_key_id_is_refused(imap: Open, imap_token: str) -> None:
    line = await imap()
    assert await line.ask(f"AUTHENTICATE XOAUTH2 {xoauth2(ALICE, odd_kid(imap_token))}") == NO


# ---- commands


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("CAPABILITY", [CAPABILITY, "a1 OK CAPABILITY completed."]),
        ("noop", ["a1 OK NOOP completed."]),
        (
            'ID ("name" "x")',
            ['* ID ("name" "Microsoft.Exchange.Imap4.Imap4Server" "version" "15.20")', "a1 OK ID completed"],
        ),
        ("SELECT INBOX", ["a1 BAD Command received in Invalid state."]),
        ("NAMESPACE", ["a1 BAD Command received in Invalid state."]),
        ("XFOO", ["a1 BAD Command Error. 12"]),
        ("LOGIN alice", ["a1 BAD Command Argument Error. 11"]),
        ("LOGIN alice secret", ["a1 NO LOGIN failed."]),
        ("AUTHENTICATE", ["a1 BAD Command Argument Error. 11"]),
        ("AUTHENTICATE NTLM", ["a1 BAD Command Argument Error. 11"]),
        ("AUTHENTICATE XOAUTH2 x", ["a1 BAD Command Argument Error. 11"]),
        ("AUTHENTICATE XOAUTH2 =", NO),
        ("AUTHENTICATE PLAIN AGFsaWNlAHg=", NO),
    ],
)
async def test_before_the_login(imap: Open, command: str, answer: list[str]) -> None:
    assert await (await imap()).ask(command) == answer


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("CAPABILITY", [CAPABILITY + OWN, "a1 OK CAPABILITY completed."]),
        ("NAMESPACE", ['* NAMESPACE (("" "/")) NIL NIL', "a1 OK NAMESPACE completed."]),
        ("LOGIN alice secret", ["a1 BAD Command received in Invalid state."]),
        ("AUTHENTICATE XOAUTH2", ["a1 BAD Command received in Invalid state."]),
        ("CLOSE", ["a1 BAD Command received in Invalid state."]),
        ("SELECT", ["a1 BAD Command Argument Error. 11"]),
        ("SELECT a b", ["a1 BAD Command Argument Error. 11"]),
        ("SELECT Nowhere", ["a1 NO Nowhere doesn't exist."]),
        ("SELECT inbox/x", ["a1 NO inbox/x doesn't exist."]),
    ],
)
async def test_after_the_login(reader: Line, command: str, answer: list[str]) -> None:
    assert await reader.ask(command) == answer


async def test_logout_ends_the_connection(imap: Open) -> None:
    line = await imap()
    bye = "* BYE Microsoft Exchange Server IMAP4 server signing off."
    assert await line.ask("LOGOUT") == [bye, "a1 OK LOGOUT completed."]
    assert await line.read() == ""


async def test_select_shows_the_folder(reader: Line, emulator: Emulator) -> None:
    mailbox = emulator.world.mailbox(ALICE)
    for number in range(3):
        mailbox.add("inbox", MAIL, f"<{number}@x>", emulator.clock())
    mailbox.add("inbox", MAIL, "<later@x>", emulator.clock(), delay=60)
    flags = r"(\Seen \Answered \Flagged \Deleted \Draft $MDNSent)"
    assert await reader.ask("SELECT inbox") == [
        "* 3 EXISTS",
        "* 0 RECENT",
        f"* FLAGS {flags}",
        f"* OK [PERMANENTFLAGS {flags}] Permanent flags",
        "* OK [UIDVALIDITY 1] UIDVALIDITY value",
        "* OK [UIDNEXT 5] The next unique identifier value",
        "a1 OK [READ-WRITE] SELECT completed.",
    ]
    examined = await reader.ask('EXAMINE "Sent Items"')
    assert examined[0] == "* 0 EXISTS"
    assert examined[3:] == [
        "* OK [PERMANENTFLAGS ()] Permanent flags",
        "* OK [UIDVALIDITY 1] UIDVALIDITY value",
        "* OK [UIDNEXT 1] The next unique identifier value",
        "a1 OK [READ-ONLY] EXAMINE completed.",
    ]
    assert await reader.ask("UNSELECT") == ["a1 OK UNSELECT completed."]
    assert await reader.ask("CLOSE") == ["a1 BAD Command received in Invalid state."]


async def test_folders_in_folders_have_paths(reader: Line, emulator: Emulator) -> None:
    mailbox = emulator.world.mailbox(ALICE)
    mailbox.folders["f"] = Folder("f", "f", "Invoices", mailbox.folders["inbox"])
    assert (await reader.ask("SELECT Inbox/Invoices"))[-1] == "a1 OK [READ-WRITE] SELECT completed."
    assert (await reader.ask("SELECT Invoices"))[-1] == "a1 NO Invoices doesn't exist."


@pytest.mark.parametrize("command", ["FETCH 1 ALL", 'LIST "" *', "UID SEARCH ALL", "IDLE", "APPEND INBOX {10}"])
async def test_what_is_not_emulated_is_refused_and_noted(reader: Line, emulator: Emulator, command: str) -> None:
    await reader.ask("SELECT INBOX")
    assert await reader.ask(command) == ["a1 BAD Command Error. 12"]
    name = command.removesuffix(" ALL").split(" 1")[0].split(' "')[0].split(" INBOX")[0]
    assert [(each.method, each.path) for each in emulator.not_emulated] == [("IMAP", name)]


# ---- hostile lines


@pytest.mark.parametrize("line", [b"\xff\xff\r\n", b"\r\n", b"NOOP\r\n", b"* NOOP\r\n", b"\x00 NOOP\r\n"])
async def test_bytes_that_are_no_command(imap: Open, line: bytes) -> None:
    connection = await imap()
    connection.write(line)
    assert await connection.read() == "* BAD Command Error. 12"
    assert await connection.ask("NOOP") == ["a1 OK NOOP completed."]


@pytest.mark.parametrize("data", [b"a NOOP " + b"x" * 70_000, b"a LOGIN {70000}\r\n", b"a LOGIN {9999999999+}\r\n"])
async def test_what_is_too_long_ends_the_connection(imap: Open, data: bytes) -> None:
    line = await imap()
    line.write(data)
    assert await line.answer() == ["* BYE Connection is closed. 13", ""]


async def test_literals_in_both_forms(imap: Open) -> None:
    line = await imap()
    line.write("a1 LOGIN {5}\r\n")
    assert await line.answer() == ["+ Ready for additional command text."]
    line.write("alice {3+}\r\nx y\r\n")
    assert await line.answer() == ["a1 NO LOGIN failed."]


async def test_an_idle_connection_is_ended(imap: Open, emulator: Emulator) -> None:
    assert emulator.exchange
    emulator.exchange.site.imap_idle = 0.02
    assert await (await imap()).read() == "* BYE Connection is closed. 13"


@pytest.mark.parametrize("half", ["a1 LOGIN {5+}\r\nali", "a1 LOGIN {5}\r\n", "a1 LOG"])
async def test_half_a_command_ends_like_an_idle_connection(imap: Open, emulator: Emulator, half: str) -> None:
    assert emulator.exchange
    emulator.exchange.site.imap_idle = 0.02
    line = await imap()
    line.write(half)
    assert (await line.reader.read()).endswith(b"* BYE Connection is closed. 13\r\n")


async def test_a_defect_is_answered_and_logged(
    imap: Open, emulator: Emulator, imap_token: str, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> float:
        raise RuntimeError("the clock stands")

    assert emulator.exchange
    line = await imap()
    emulator.exchange.site.clock = broken
    login = await line.ask(f"AUTHENTICATE XOAUTH2 {xoauth2(ALICE, imap_token)}")
    assert login == ["a1 BAD Server Unavailable. 15"]
    assert await line.ask("NOOP") == ["a1 OK NOOP completed."]
    assert "the clock stands" in caplog.text
    caplog.clear()  # Elsewhere a defect in the log fails the test.


async def test_stopping_drops_connections(imap: Open, reader: Line, emulator: Emulator) -> None:
    await emulator.stop()
    assert await reader.read() == ""


PIECES = [
    b"a ",
    b"b ",
    b"NOOP",
    b"LOGIN ",
    b"AUTHENTICATE ",
    b"XOAUTH2",
    b"SELECT ",
    b"INBOX",
    b"ID ",
    b"UID ",
    b"CLOSE",
]
PIECES += [
    b'"',
    b"(",
    b")",
    b"{3}",
    b"{3+}",
    b"{99999999+}",
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b" ",
    b"\n",
    b"\xff",
    b"\0",
    b"*",
    b"=",
]


@given(parts=some.lists(some.sampled_from(PIECES), max_size=40), logged_in=some.booleans())
@hypothesis.settings(max_examples=100)
async def test_whatever_is_said_gets_answers_and_breaks_nothing(
    parts: list[bytes], logged_in: bool, imap: Open, imap_token: str
) -> None:
    line = await imap()
    if logged_in:
        await line.ask(f"AUTHENTICATE XOAUTH2 {xoauth2(ALICE, imap_token)}")
    line.write(b"".join(parts) + b"\r\n\r\n\r\nz LOGOUT\r\n")
    reply = "* "
    while reply:
        assert re.match(r"\S+ ", reply)
        reply = await line.read()


# ---- who may


async def test_the_token_in_two_steps(imap: Open, imap_token: str) -> None:
    line = await imap()
    assert await line.ask("authenticate xoauth2") == ["+ "]
    line.write(f"{xoauth2(ALICE, imap_token)}\r\n")
    assert await line.answer() == OK
    line = await imap()
    await line.ask("AUTHENTICATE XOAUTH2")
    line.write("*\r\n")
    assert await line.answer() == ["a1 BAD Command Argument Error. 11"]


async def test_the_own_mailbox(imap: Open, imap_token: str) -> None:
    login, select = await log_in(imap, ALICE, imap_token)
    assert (login, select[-1]) == (OK, "a1 OK [READ-WRITE] SELECT completed.")


async def test_a_shared_mailbox_needs_full_access(imap: Open, client: Client, imap_token: str) -> None:
    assert await log_in(imap, BOB, imap_token) == (OK, [NOT_CONNECTED])
    client.emulator.world.mailbox(BOB).full_access.add(client.planted.user("alice").id)
    assert (await log_in(imap, BOB, imap_token))[1][-1] == "a1 OK [READ-WRITE] SELECT completed."


async def test_imap_that_is_off(imap: Open, client: Client, imap_token: str) -> None:
    client.emulator.world.mailbox(ALICE).imap = False
    line = await imap()
    assert await line.ask(f"AUTHENTICATE XOAUTH2 {xoauth2(ALICE, imap_token)}") == OK
    assert await line.ask("NOOP") == ["a1 OK NOOP completed."]
    assert await line.ask("SELECT INBOX") == [NOT_CONNECTED]
    assert [await line.read(), await line.read()] == ["* BYE Connection closed. 14", ""]


async def test_a_mailbox_that_no_licence_opens(imap: Open, client: Client) -> None:
    token = client.user_token("unlicensed", "IMAP.AccessAsUser.All", resource=EXCHANGE)
    assert await log_in(imap, "unlicensed@contoso.example", token) == (OK, [NOT_CONNECTED])


@pytest.mark.parametrize("token", ["smtp", "graph", "none"])
async def test_a_token_for_another_purpose(imap: Open, client: Client, smtp_token: str, token: str) -> None:
    tokens = {"smtp": smtp_token, "graph": client.user_token("alice", "IMAP.AccessAsUser.All"), "none": "x"}
    assert (await log_in(imap, ALICE, tokens[token]))[0] == NO


async def test_a_name_that_nobody_has(imap: Open, imap_token: str) -> None:
    assert (await log_in(imap, "nobody@contoso.example", imap_token))[0] == NO


async def test_an_app_and_its_mistakes(imap: Open, client: Client, app_token: AppToken) -> None:
    app, world = client.planted.exchange, client.emulator.world
    token = app_token(app)
    assert (await log_in(imap, ALICE, token))[1][-1] == "a1 OK [READ-WRITE] SELECT completed."
    world.mailbox(ALICE).full_access.clear()
    assert await log_in(imap, ALICE, token) == (OK, [NOT_CONNECTED])
    client.planted.tenant.exchange_principals[app.client_id] = app.object_id
    assert (await log_in(imap, BOB, token))[0] == NO
    assert (await log_in(imap, BOB, app_token(client.planted.gateway)))[0] == NO


async def test_gmails_habit_of_explaining_is_an_option(imap: Open, emulator: Emulator) -> None:
    emulator.world.imap_challenges_bad_tokens = True
    line = await imap()
    (challenge,) = await line.ask(f"AUTHENTICATE XOAUTH2 {xoauth2(ALICE, 'x')}")
    assert json.loads(base64.b64decode(challenge.removeprefix("+ ")))["status"] == "400"
    line.write("\r\n")
    assert await line.answer() == NO


# ---- faults


async def test_faults_strike_commands_of_imap(imap: Open, emulator: Emulator, imap_token: str) -> None:
    faults = emulator.faults
    faults.add(
        method="IMAP", command="AUTHENTICATE", mailbox=ALICE, times=1, status=500, message="Server Unavailable. 15"
    )
    faults.add(method="IMAP", command="NOOP", when="after", times=1, status=500, message="Too busy")
    faults.add(method="IMAP", command="NOOP", cut=True)
    line = await imap()
    login = f"AUTHENTICATE XOAUTH2 {xoauth2(ALICE, imap_token)}"
    assert await line.ask(login) == ["a1 NO Server Unavailable. 15"]
    assert await line.ask(login) == OK
    assert await line.ask("NOOP") == ["a1 NO Too busy"]
    assert await line.ask("NOOP") == [""]
    assert emulator.ledger.requests["IMAP AUTHENTICATE"] == 2


async def test_a_fault_in_place_of_the_greeting(emulator: Emulator, trust: ssl.SSLContext) -> None:
    emulator.faults.add(method="IMAP", command="CONNECT", status=503, message="Server unavailable")
    assert emulator.imap
    opened = await asyncio.open_connection(*emulator.imap, ssl=trust, server_hostname="localhost")
    line = Line(*opened)
    assert [await line.read(), await line.read()] == ["* BYE Server unavailable", ""]
    line.writer.close()
