# ruff: noqa: N802 - aiosmtpd finds commands by these names
"""Client submission: SMTP with STARTTLS and XOAUTH2, on aiosmtpd.

aiosmtpd reads the commands; words, logins, limits and faults are Exchange's. It is another engine than the gateway's
on purpose: the two would otherwise share their mistakes.
"""

import asyncio
import logging
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import partial
from typing import NoReturn

from aiosmtpd.smtp import SMTP, TLSSetupException

from pillarbox.emulator.exchange import replies
from pillarbox.emulator.exchange.login import Login
from pillarbox.emulator.exchange.site import HOST, Site
from pillarbox.emulator.exchange.smtp_auth import Authentication
from pillarbox.emulator.exchange.submission import Submissions
from pillarbox.emulator.faults import Fault

MAX_COMMAND = 64 * 1024
"""Bytes of a command or of a line in SASL: access tokens of 32 kB fit."""
MAX_LINE = replies.SIZE + 2
"""Bytes of a line in a mail: one without any CRLF is a single line."""
Method = Callable[[str | None], Awaitable[None]]

PATH = re.compile(r'<(?:@[^:<>]*:)?((?:"(?:[^"\\\r\n]|\\.)*"|[^<>"\s])*)>(?:\s+(.*))?')
NOT_OURS = re.compile(r"(?:^|\s)(RET|ENVID|NOTIFY|ORCPT|BODY)=(\S*)", re.IGNORECASE)
STATUS_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
ENHANCED = re.compile(STATUS_CODE.pattern + " ")
AUTH_PARAMETER = re.compile(r"\s+AUTH=\S+", re.IGNORECASE)

log = logging.getLogger(__name__)
# aiosmtpd warns of bad clients, which are what an emulator is for; without a handler that would go to stderr.
logging.getLogger("mail.log").addHandler(logging.NullHandler())


class Connection(SMTP):
    """One connection to smtp.office365.com:587."""

    command_size_limit = MAX_COMMAND
    line_length_limit = MAX_LINE

    def __init__(self, site: Site, connections: set["Connection"]) -> None:
        super().__init__(
            Submissions(site),
            data_size_limit=replies.SIZE,
            enable_SMTPUTF8=True,
            hostname=HOST,
            ident=f"Microsoft ESMTP MAIL Service ready at {formatdate(site.clock())} [{_ident(site)}]",
            tls_context=site.tls,
            timeout=site.smtp_idle,
            auth_required=True,
            loop=asyncio.get_running_loop(),
        )
        self.command_size_limits = defaultdict(lambda: MAX_COMMAND)
        self.site, self._connections = site, connections
        self.login: Login | None = None
        self.submits = False
        """Whether this connection holds one of the mailbox's places for handing in mail."""
        self.fault: Fault | None = None
        """The rule that strikes the command under way."""
        self._late_fault: Fault | None = None
        self._command = "CONNECT"
        methods = self._smtp_methods
        self._smtp_methods = {name: self._with_faults(name, methods[name]) for name in methods}
        self._smtp_methods["AUTH"] = self.smtp_AUTH  # Its faults are decided when the mailbox is known.

    async def end(self) -> None:
        """Drop the connection now, and wait until nothing runs on it any more."""
        self._abort()
        if self._handler_coroutine:
            await asyncio.wait([self._handler_coroutine])

    @property
    def greeted(self) -> bool:
        """Whether the client has said EHLO or HELO; it has to do so again inside TLS."""
        return bool(self.session and self.session.host_name)

    @property
    def encrypted(self) -> bool:
        """Whether TLS is on."""
        return self._tls_protocol is not None

    async def ask(self, challenge: str) -> bytes:
        """Send a challenge (in base64 already) and give the line that answers it; a ValueError if it is too long."""
        await self.push(f"334 {challenge}")
        line = (await self._reader.readuntil(b"\n")).rstrip(b"\r\n")
        if len(line) > MAX_COMMAND:
            raise ValueError("line too long")
        return line

    # ---- the connection

    async def _handle_client(self) -> None:
        self._connections.add(self)
        try:
            if len(self._connections) > self.site.max_connections:
                await self.push(replies.BUSY)
            else:
                await self.run_struck("CONNECT", super()._handle_client)
        except ConnectionError:
            pass
        finally:
            self._connections.discard(self)
            if self.submits and self.login:
                self.site.submitting[self.login.owner.id] -= 1
            if self.transport:
                self.transport.close()

    def _timeout_cb(self) -> None:
        if not self._writer.is_closing():
            self._writer.write(f"{replies.TIMEOUT} {self.site.trace()}\r\n".encode())
        super()._timeout_cb()  # type: ignore[no-untyped-call]

    async def push(self, status: str | bytes) -> None:
        """Send a reply: all of them go through here, so all have Exchange's words, and late faults strike here."""
        reply = replies.in_exchanges_words(status if isinstance(status, str) else status.decode("utf-8", "replace"))
        if self._late_fault and reply.startswith("2"):
            fault, self._late_fault = self._late_fault, None
            await self.site.prepare(fault)
            if fault.cut:
                self._cut()
            reply = _struck(fault) if fault.refuses else reply
        if replies.has_trace(reply) and not reply.endswith("]"):
            reply = f"{reply} {self.site.trace()}"
        if reply.startswith("2"):
            self.site.ledger.done[f"SMTP {self._command}"] += 1
        self._writer.write(f"{reply}\r\n".encode("utf-8", "replace"))
        await self._writer.drain()
        if reply.startswith("421"):
            raise ConnectionResetError  # Nothing that was pipelined behind it is obeyed any more.

    async def handle_exception(self, error: Exception) -> str:
        """What is said when a command broke: a defect, but for a TLS handshake that failed."""
        if not isinstance(error, TLSSetupException):
            log.error("SMTP command failed", exc_info=error)
        return replies.BROKEN

    def _with_faults(self, command: str, method: Method) -> Method:
        async def run(argument: str | None) -> None:
            await self.run_struck(command, partial(method, argument))

        return run

    async def run_struck(
        self, command: str, action: Callable[[], Awaitable[None]], user: str | None = None, app: str | None = None
    ) -> None:
        """Do a command, with what fault rules do to it."""
        if self.login:
            user, app = self.login.owner.upn, self.login.caller.app_id
        self._command = command
        fault = self.fault = self.site.hit("SMTP", command, user, app)
        if fault and fault.when == "after":
            self._late_fault = fault
            try:
                await action()
            finally:
                self._late_fault = None
            return
        if fault:
            await self.site.prepare(fault)
            if fault.cut:
                self._cut()
            if fault.refuses:
                await self.push(_struck(fault))
                return
        await action()

    def _cut(self) -> NoReturn:
        self._abort()
        raise ConnectionResetError

    def _abort(self) -> None:
        if self.transport:
            self.transport.abort()  # type: ignore[attr-defined,unused-ignore]

    # ---- commands

    async def smtp_EHLO(self, hostname: str | None) -> None:
        """Say what works here; DSN, CHUNKING and BINARYMIME of the real service do not."""
        if await self._hello(hostname, extended=True):
            offers = [f"SIZE {replies.SIZE}", "PIPELINING", "ENHANCEDSTATUSCODES"]
            offers += ["AUTH LOGIN XOAUTH2"] if self.encrypted else ["STARTTLS"]
            offers += ["8BITMIME", "SMTPUTF8"]
            lines = [self._welcome(), *offers]
            await self.push("\r\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"]))

    async def smtp_HELO(self, hostname: str | None) -> None:
        """Greet an old client."""
        if await self._hello(hostname, extended=False):
            await self.push(f"250 {self._welcome()}")

    async def smtp_HELP(self, arg: str | None) -> None:
        """Name the commands."""
        await self.push(replies.HELP)

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        """Begin TLS, once."""
        if self.encrypted:
            await self.push(replies.TLS_TWICE)
        else:
            await super().smtp_STARTTLS(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:
        """Begin a mail; `AUTH=` is allowed and means nothing (RFC 4954 section 5)."""
        path, end, parameters = (arg or "").partition(">")
        await super().smtp_MAIL(f"{path}{end}{AUTH_PARAMETER.sub('', parameters)}" if arg else None)
        self._note_gaps("MAIL FROM", parameters)

    async def smtp_RCPT(self, arg: str | None) -> None:
        """Add a recipient."""
        await super().smtp_RCPT(arg)
        self._note_gaps("RCPT TO", (arg or "").partition(">")[2])

    async def smtp_BDAT(self, arg: str | None) -> None:
        """CHUNKING is not offered."""
        self.site.gaps.add("SMTP", "BDAT", "CHUNKING")
        await self.push("500 5.3.3 Unrecognized command 'BDAT'")

    async def smtp_AUTH(self, arg: str | None) -> None:
        """Log in; fault rules are asked when the mailbox is known."""
        await Authentication(self).run(arg)

    async def check_auth_needed(self, caller_method: str) -> bool:
        """Refuse MAIL, RCPT and DATA before the login."""
        if self.login or caller_method == "VRFY":
            return False
        await self.push(replies.NOT_AUTHENTICATED)
        return True

    def _getaddr(self, arg: str) -> tuple[str, str]:
        """Address and parameters of MAIL and RCPT; what has no form is given whole, to be refused as an address."""
        found = PATH.fullmatch(arg.strip())
        if found is None:
            bare, _, rest = arg.strip().partition(" ")
            return bare, rest
        return found[1] or "<>", found[2] or ""

    async def _hello(self, hostname: str | None, *, extended: bool) -> bool:
        if not hostname:
            await self.push(replies.BAD_ARGUMENTS)
            return False
        self._set_rset_state()  # type: ignore[no-untyped-call]
        assert self.session is not None
        self.session.extended_smtp, self.session.host_name = extended, hostname
        return True

    def _welcome(self) -> str:
        assert self.session is not None
        return f"{HOST} Hello [{self.session.peer[0] if self.session.peer else 'unknown'}]"

    def _note_gaps(self, command: str, parameters: str) -> None:
        for name, value in NOT_OURS.findall(parameters):
            if value.upper() not in ("7BIT", "8BITMIME"):
                self.site.gaps.add("SMTP", command, name.upper())


def _struck(fault: Fault) -> str:
    """The reply that a rule wants; an enhanced code (RFC 3463) stands in the message, in `code`, or is made."""
    message = fault.line
    if ENHANCED.match(message):
        return f"{fault.status} {message}"
    code = fault.code or ""
    return f"{fault.status} {code if STATUS_CODE.fullmatch(code) else f'{(fault.status or 500) // 100}.0.0'} {message}"


def _ident(site: Site) -> str:
    return site.world.entropy(8).hex().upper()
