"""The login part of IMAP: greeting, capabilities, XOAUTH2, and a SELECT that shows whether the mailbox is reached.

Reading mail is not emulated: such commands are refused and noted as gaps.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pillarbox.emulator.exchange.imap_syntax import Command, Literal, Part, literal_ahead, parse_command, tag_of
from pillarbox.emulator.exchange.login import Login, LoginRefused, app_of, imap_login
from pillarbox.emulator.exchange.sasl import decode, parse_xoauth2
from pillarbox.emulator.exchange.site import HOST, Site
from pillarbox.emulator.faults import Fault
from pillarbox.emulator.world import Folder, Mailbox

log = logging.getLogger(__name__)

MAX_COMMAND = 64 * 1024
"""Bytes of a command with its literals: access tokens of 32 kB fit."""
SERVER = base64.b64encode(HOST.encode("utf-16-le")).decode()
GREETING = f"* OK The Microsoft Exchange IMAP4 service is ready. [{SERVER}]"
# What works here. Exchange names further ones: UIDPLUS, CHILDREN, IDLE; after the login MOVE too.
CAPABILITIES = "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR ID UNSELECT NAMESPACE LITERAL+"
AFTER_LOGIN = "CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE"
"""Exchange's own capabilities, which it names after the login beside the others (facts 4.2); no client uses them."""
FLAGS = r"(\Seen \Answered \Flagged \Deleted \Draft $MDNSent)"
BAD_COMMAND, BAD_ARGUMENT = "BAD Command Error. 12", "BAD Command Argument Error. 11"
BAD_STATE = "BAD Command received in Invalid state."
BROKEN = "BAD Server Unavailable. 15"
NOT_CONNECTED = "BAD User is authenticated but not connected."
CLOSED = "* BYE Connection closed. 14"
BROKEN_OFF = "* BYE Connection is closed. 13"
SIGNING_OFF = "* BYE Microsoft Exchange Server IMAP4 server signing off."
GMAILS_CHALLENGE = {"status": "400", "schemes": "Bearer", "scope": "https://outlook.office365.com/"}
NOT_EMULATED = frozenset(
    (
        *("LIST", "LSUB", "STATUS", "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "APPEND", "IDLE"),
        *("FETCH", "SEARCH", "STORE", "COPY", "MOVE", "EXPUNGE", "CHECK"),
    )
)


class _Ended(Exception):
    """The connection is to be closed; the text is said before, if there is any."""


@dataclass
class Reply:
    """Untagged lines, the tagged one without its tag, and lines behind it; `closes` the connection."""

    tagged: str
    untagged: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    closes: bool = False


class Session:
    """One connection to outlook.office365.com:993."""

    def __init__(self, site: Site, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._site, self._reader, self._writer = site, reader, writer
        self._task = asyncio.current_task()
        self._login: Login | None = None
        self._selected = False
        self._commands: dict[str, Callable[[Command], Awaitable[Reply]]] = {
            "CAPABILITY": self._capability,
            "NOOP": self._plain,
            "LOGOUT": self._logout,
            "ID": self._id,
            "AUTHENTICATE": self._authenticate,
            "LOGIN": self._log_in,
            "SELECT": self._select,
            "EXAMINE": self._select,
            "NAMESPACE": self._namespace,
            "CLOSE": self._leave,
            "UNSELECT": self._leave,
        }

    async def run(self, *, crowded: bool) -> None:
        """Talk until one side ends it; a `crowded` server says so at once."""
        try:
            if crowded:
                raise _Ended(BROKEN_OFF)
            await self._greet()
            while True:
                await self._one_command()
        except _Ended as end:
            if str(end):
                await self._say(str(end))
        except (EOFError, OSError):
            pass  # The other side has gone.
        finally:
            self._writer.close()

    async def end(self) -> None:
        """Drop the connection now, and wait until nothing runs on it any more."""
        self._writer.transport.abort()
        if self._task:
            await asyncio.wait([self._task])

    # ---- lines

    async def _greet(self) -> None:
        fault = self._site.hit("IMAP", "CONNECT")
        if fault:
            await self._prepare(fault)
            if fault.status:
                raise _Ended(f"* BYE {fault.line}")
        await self._say(GREETING)

    async def _one_command(self) -> None:
        line = await self._line()
        try:
            command = parse_command(await self._parts(line))
        except ValueError:
            await self._say(f"{tag_of(line) or '*'} {BAD_COMMAND}")
            return
        try:
            reply = await self._answer(command)
        except (_Ended, EOFError, OSError):
            raise
        except Exception:  # A defect of ours: the client hears of it, and goes on.
            log.exception("IMAP command failed")
            reply = Reply(BROKEN)
        if reply.tagged.startswith("OK"):
            self._site.ledger.done[f"IMAP {command.name}"] += 1
        await self._say(*reply.untagged, f"{command.tag} {reply.tagged}", *reply.behind)
        if reply.closes:
            raise _Ended

    async def _line(self) -> bytes:
        try:
            async with asyncio.timeout(self._site.imap_idle):
                return (await self._reader.readuntil(b"\n")).rstrip(b"\r\n")
        except (TimeoutError, asyncio.LimitOverrunError):
            raise _Ended(BROKEN_OFF) from None

    async def _octets(self, size: int) -> bytes:
        try:
            async with asyncio.timeout(self._site.imap_idle):
                return await self._reader.readexactly(size)
        except TimeoutError:
            raise _Ended(BROKEN_OFF) from None

    async def _parts(self, line: bytes) -> list[Part]:
        """A command with its literals; one that does not fit ends the connection, as what comes next is unknown."""
        parts: list[Part] = []
        left = MAX_COMMAND
        while True:
            ahead = literal_ahead(line)
            if ahead is None:
                return [*parts, line] if line or not parts else parts
            size, waits = ahead
            left -= len(line) + size
            if left < 0:
                raise _Ended(BROKEN_OFF)
            parts.append(line[: line.rindex(b"{")])
            if waits and not self._takes_literals(parts):
                return parts  # Refused at once: no leave is given, so nothing comes.
            if waits:
                await self._say("+ Ready for additional command text.")
            parts.append(Literal(await self._octets(size)))
            line = await self._line()

    def _takes_literals(self, parts: list[Part]) -> bool:
        try:
            return parse_command(parts).name in self._commands
        except ValueError:
            return False

    async def _say(self, *lines: str) -> None:
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode("utf-8", "replace"))
        await self._writer.drain()

    # ---- commands

    async def _answer(self, command: Command) -> Reply:
        """What Exchange says, and what fault rules make of it; those of logins are asked when the mailbox is known."""
        if command.name in ("AUTHENTICATE", "LOGIN") and self._login is None:
            return await self._commands[command.name](command)
        login = self._login
        names = (login.owner.upn, login.caller.app_id) if login else (None, None)
        return await self._with_faults(command, lambda: self._do(command), *names)

    async def _with_faults(
        self, command: Command, action: Callable[[], Awaitable[Reply]], user: str | None, app: str | None
    ) -> Reply:
        known = command.name in self._commands or command.name.removeprefix("UID ") in NOT_EMULATED
        fault = self._site.hit("IMAP", command.name if known else "unknown", user, app)
        if fault is None:
            return await action()
        if fault.when == "after":
            reply = await action()
            if not reply.tagged.startswith("OK"):
                return reply
            await self._prepare(fault)
            return _struck(fault) if fault.refuses else reply
        await self._prepare(fault)
        return _struck(fault) if fault.refuses else await action()

    async def _prepare(self, fault: Fault) -> None:
        await self._site.prepare(fault)
        if fault.cut:
            self._writer.transport.abort()
            raise _Ended

    async def _do(self, command: Command) -> Reply:
        action = self._commands.get(command.name)
        if action is None:
            if command.name.removeprefix("UID ") in NOT_EMULATED:
                self._site.gaps.add("IMAP", command.name, "command")
            return Reply(BAD_COMMAND)
        if command.name in ("CAPABILITY", "NOOP", "LOGOUT", "ID"):
            return await action(command)
        if self._login is None or command.name in ("AUTHENTICATE", "LOGIN"):
            return Reply(BAD_STATE)
        if self._login.mailbox is None:
            return Reply(NOT_CONNECTED, behind=[CLOSED], closes=True)
        try:
            return await action(command)
        except ValueError:
            return Reply(BAD_ARGUMENT)

    async def _plain(self, command: Command) -> Reply:
        return Reply(f"OK {command.name} completed.")

    async def _capability(self, command: Command) -> Reply:
        offered = f"{CAPABILITIES} {AFTER_LOGIN}" if self._login else CAPABILITIES
        return Reply("OK CAPABILITY completed.", [f"* CAPABILITY {offered}"])

    async def _logout(self, command: Command) -> Reply:
        return Reply("OK LOGOUT completed.", [SIGNING_OFF], closes=True)

    async def _id(self, command: Command) -> Reply:
        return Reply("OK ID completed", ['* ID ("name" "Microsoft.Exchange.Imap4.Imap4Server" "version" "15.20")'])

    async def _namespace(self, command: Command) -> Reply:
        return Reply("OK NAMESPACE completed.", ['* NAMESPACE (("" "/")) NIL NIL'])

    async def _leave(self, command: Command) -> Reply:
        if not self._selected:
            return Reply(BAD_STATE)
        self._selected = False
        return Reply(f"OK {command.name} completed.")

    async def _select(self, command: Command) -> Reply:
        (name,) = command.arguments()
        mailbox = self._login.mailbox if self._login else None
        assert mailbox is not None
        folder = find_folder(mailbox, name)
        self._selected = folder is not None
        if folder is None:
            return Reply(f"NO {name} doesn't exist." if name.isprintable() else BAD_ARGUMENT)
        return Reply(
            f"OK [READ-{'WRITE' if command.name == 'SELECT' else 'ONLY'}] {command.name} completed.",
            [
                f"* {sum(1 for _ in mailbox.messages(self._site.clock(), folder))} EXISTS",
                "* 0 RECENT",
                f"* FLAGS {FLAGS}",
                f"* OK [PERMANENTFLAGS {FLAGS if command.name == 'SELECT' else '()'}] Permanent flags",
                f"* OK [UIDVALIDITY {folder.uid_validity}] UIDVALIDITY value",
                f"* OK [UIDNEXT {folder.next_uid}] The next unique identifier value",
            ],
        )

    # ---- login

    async def _authenticate(self, command: Command) -> Reply:
        try:
            mechanism, *initial = command.arguments()
            if mechanism.upper() not in ("XOAUTH2", "PLAIN") or len(initial) > 1:
                raise ValueError
            message = decode(initial[0]) if initial else await self._challenge("")
        except ValueError:
            return await self._with_faults(command, lambda: _reply(BAD_ARGUMENT), None, None)
        try:
            if mechanism.upper() == "PLAIN":
                raise ValueError
            credentials = parse_xoauth2(message)
        except ValueError:
            return await self._with_faults(command, lambda: _reply("NO AUTHENTICATE failed."), None, None)
        site, now = self._site, self._site.clock()

        async def decide() -> Reply:
            try:
                self._login = imap_login(site.world, site.tokens, credentials, now)
            except LoginRefused:
                if site.world.imap_challenges_bad_tokens:
                    await self._challenge(base64.b64encode(json.dumps(GMAILS_CHALLENGE).encode()).decode())
                return Reply("NO AUTHENTICATE failed.")
            return Reply("OK AUTHENTICATE completed.")

        app = app_of(site.tokens, credentials.token, now)
        return await self._with_faults(command, decide, credentials.user, app)

    async def _log_in(self, command: Command) -> Reply:
        """Refuse whatever password it is: basic authentication is off, nobody looks at it."""
        try:
            user, _ = command.arguments()
        except ValueError:
            return await self._with_faults(command, lambda: _reply(BAD_ARGUMENT), None, None)
        return await self._with_faults(command, lambda: _reply("NO LOGIN failed."), user, None)

    async def _challenge(self, text: str) -> bytes:
        """Send a challenge and read the answer; a ValueError for `*` and for what is no base64."""
        await self._say(f"+ {text}")
        return decode(await self._line())


def find_folder(mailbox: Mailbox, name: str) -> Folder | None:
    """The folder of that name as IMAP shows it: INBOX in any case, else the titles with `/` between them."""
    if name.upper() == "INBOX":
        return mailbox.folders["inbox"]
    return next((each for each in mailbox.folders.values() if each.name != "inbox" and _path(each) == name), None)


def _path(folder: Folder) -> str:
    parent = folder.parent
    return folder.title if parent is None or parent.parent is None else f"{_path(parent)}/{folder.title}"


def _struck(fault: Fault) -> Reply:
    return Reply(f"NO {fault.line}")


async def _reply(tagged: str) -> Reply:
    return Reply(tagged)
