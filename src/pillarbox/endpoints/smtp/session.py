"""One SMTP session as a state machine on bytes, without I/O (RFC 5321, 4954, 3207, 1870, 6531, 2034).

The driver calls `receive` with what came in and `advance` until it returns None; in between it writes `take_output()`
and carries out the action that `advance` returned, then says how it went by `authenticated`, `refused`, `submitted`,
`tls_started` and advances again. So commands that a client sent ahead (PIPELINING) wait for the action before them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from pillarbox.core import sasl
from pillarbox.core.accounts import Submitter
from pillarbox.core.content import Content, in_memory
from pillarbox.core.errors import InvalidInput, PillarboxError
from pillarbox.core.mail import Envelope
from pillarbox.core.vault import Secret
from pillarbox.endpoints.smtp import grammar, replies

MAX_LINE: Final = 2048
MAX_SASL_LINE: Final = 12288
MAX_LOGIN_FAILURES: Final = 3
_END: Final = b"\r\n.\r\n"
_NOT_COUNTED: Final = len(_END) + 3
"""Most bytes of a message that are neither counted in `_keep_searching` nor part of it: end, first dot, last two."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a listener allows. `check_sender` raises a PillarboxError for a sender that a submitter may not use."""

    hostname: str
    max_size: int
    max_recipients: int
    offers_tls: bool
    plain_auth: bool
    """Whether AUTH is taken without TLS: on loopback only."""
    check_sender: Callable[[Submitter, str], object]


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Check a name and a password; then `authenticated` or `refused`."""

    name: str
    password: Secret


@dataclass(frozen=True, slots=True)
class Submit:
    """Accept a message; then `submitted` or `refused`."""

    envelope: Envelope
    content: Content
    submitter: Submitter


@dataclass(frozen=True, slots=True)
class StartTls:
    """Write what is there, do the handshake, then `tls_started`."""


@dataclass(frozen=True, slots=True)
class Close:
    """Write what is there and close the connection."""


Action = Authenticate | Submit | StartTls | Close


class _Phase(Enum):
    COMMAND = auto()
    SASL = auto()
    DATA = auto()
    WAITING = auto()
    """For the driver to carry out an action."""
    CLOSED = auto()


class Session:
    """The server's side of one connection."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._input = bytearray()
        self._output = bytearray(replies.greeting(rules.hostname))
        self._refusals: list[tuple[str, PillarboxError]] = []
        self._phase = _Phase.COMMAND
        self._action: Action | None = None
        self._tls = False
        self._login_failures = 0
        self.submitter: Submitter | None = None
        self._reset_session()

    def _reset_session(self) -> None:
        """As at the beginning; also after STARTTLS (RFC 3207 section 4.2)."""
        self._greeted = False
        self._sasl: Callable[[bytes], None] | None = None
        self._login_name = ""
        self._reset_transaction()

    def _reset_transaction(self) -> None:
        self._sender: str | None = None
        self._smtputf8 = False
        self._recipients: list[str] = []
        self._searched = 0
        self._dots = 0
        self._oversize = False

    # ---- the driver's side

    @property
    def buffered(self) -> int:
        """Bytes that came in and are not worked off."""
        return len(self._input)

    @property
    def waiting(self) -> bool:
        """Whether an action is being carried out."""
        return self._phase is _Phase.WAITING

    @property
    def in_transaction(self) -> bool:
        """Whether a message is being handed in."""
        return self._phase in (_Phase.DATA, _Phase.WAITING)

    def receive(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._phase is not _Phase.CLOSED:
            self._input += data

    def advance(self) -> Action | None:
        """Work off what came in, until an action is needed or more input is."""
        while self._action is None and self._step():
            pass
        action, self._action = self._action, None
        if action is not None:
            self._phase = _Phase.CLOSED if isinstance(action, Close) else _Phase.WAITING
        return action

    def take_output(self) -> bytes:
        """What is to be written to the client, once."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def take_refusals(self) -> list[tuple[str, PillarboxError]]:
        """What an administrator would ask about, once: refused AUTH, MAIL, RCPT and DATA, each with the reason."""
        refusals, self._refusals = self._refusals, []
        return refusals

    def authenticated(self, submitter: Submitter) -> None:
        """Name and password were right."""
        self.submitter = submitter
        self._resume(replies.AUTHENTICATED)

    def submitted(self, queue_id: str) -> None:
        """The message is durable."""
        self._resume(replies.queued(queue_id))

    def refused(self, error: PillarboxError) -> None:
        """The action could not be carried out."""
        self._resume(replies.error(error))
        if error.entry.smtp.startswith("535"):
            self._login_failures += 1
            if self._login_failures >= MAX_LOGIN_FAILURES:
                self._close(replies.refuse("smtp.too_many_failures"))
        elif error.entry.smtp.startswith("421"):
            # RFC 5321 section 3.8: this code says that we close.
            self._action = Close()

    def tls_started(self) -> None:
        """The handshake is done: everything said before is forgotten."""
        self._tls = True
        self._phase = _Phase.COMMAND
        self.submitter = None
        self._reset_session()

    def give_up(self, code: str) -> None:
        """End the session from our side: `smtp.timeout`, `smtp.stopping`."""
        if self._phase is _Phase.CLOSED:
            return
        self._output += replies.refuse(code)
        self._phase = _Phase.CLOSED

    def _resume(self, reply: bytes) -> None:
        self._output += reply
        self._phase = _Phase.COMMAND

    def _close(self, reply: bytes) -> None:
        self._output += reply
        self._action = Close()

    # ---- input

    def _step(self) -> bool:
        """Work off one line or one message; False when there is none complete."""
        match self._phase:
            case _Phase.DATA:
                return self._take_data()
            case _Phase.COMMAND | _Phase.SASL:
                return self._take_line()
            case _:
                return False

    def _take_line(self) -> bool:
        limit = MAX_SASL_LINE if self._phase is _Phase.SASL or self._input[:4].upper() == b"AUTH" else MAX_LINE
        end = self._input.find(b"\n", 0, limit)
        if end < 0:
            if len(self._input) >= limit:
                self._close(replies.refuse("smtp.line_too_long"))
            return False
        line = bytes(self._input[:end]).removesuffix(b"\r")
        del self._input[: end + 1]
        if self._phase is _Phase.SASL:
            self._continue_sasl(line)
        else:
            self._command(line)
        return True

    def _take_data(self) -> bool:
        data = self._input
        # The line's end before a first dot is that of DATA itself. The front of what was cut is no line's beginning.
        if not self._oversize and data.startswith(b".\r\n"):
            end, rest = 0, 3
        else:
            end = data.find(_END, self._searched)
            if end < 0:
                self._keep_searching()
                return False
            end, rest = end + 2, end + len(_END)
        mime = grammar.without_dots(bytes(memoryview(data)[:end]))
        del data[:rest]
        self._end_data(mime)
        return True

    def _keep_searching(self) -> None:
        """Remember what was searched; of a message that is too large keep nothing but a possible end.

        Dots that may be stuffed do not count (RFC 1870 section 5), so that it is too large however it is cut.
        """
        searched = max(0, len(self._input) - len(_END) + 1)
        self._dots += self._input.count(b"\n.", self._searched, searched + 1)
        self._searched = searched
        if self._oversize or len(self._input) - self._dots > self._rules.max_size + _NOT_COUNTED:
            self._oversize = True
            del self._input[: self._searched]
            self._searched = 0

    def _end_data(self, mime: bytes) -> None:
        self._phase = _Phase.COMMAND
        sender, recipients, oversize = self._sender, tuple(self._recipients), self._oversize
        self._reset_transaction()
        if oversize or len(mime) > self._rules.max_size:
            self._refuse("DATA", InvalidInput("mail.too_large", limit=self._rules.max_size))
        elif self.submitter is not None and sender is not None:
            self._action = Submit(Envelope(sender, recipients), in_memory(mime), self.submitter)

    # ---- commands

    def _command(self, line: bytes) -> None:
        try:
            verb, _, argument = line.decode("utf-8").partition(" ")
        except UnicodeDecodeError:
            self._output += replies.refuse("smtp.syntax", syntax="commands are UTF-8")
            return
        handler = _COMMANDS.get(verb.upper())
        try:
            if handler is None:
                raise InvalidInput("smtp.not_implemented" if verb.upper() in _DECLINED else "smtp.unknown_command")
            handler(self, argument.strip())
        except PillarboxError as error:
            self._refuse(verb.upper(), error)

    def _refuse(self, verb: str, error: PillarboxError) -> None:
        self._output += replies.error(error)
        if verb in _ASKED_ABOUT:
            self._refusals.append((verb, error))

    def _ehlo(self, argument: str) -> None:
        self._hello(argument, "EHLO hostname")
        words = [self._rules.hostname, "PIPELINING", f"SIZE {self._rules.max_size}", "8BITMIME", "SMTPUTF8"]
        words.append("ENHANCEDSTATUSCODES")
        if self._rules.offers_tls and not self._tls:
            words.append("STARTTLS")
        if self._may_authenticate:
            words.append("AUTH PLAIN LOGIN")
        self._output += replies.lines(250, words)

    def _helo(self, argument: str) -> None:
        self._hello(argument, "HELO hostname")
        self._output += replies.lines(250, [self._rules.hostname])

    def _hello(self, argument: str, syntax: str) -> None:
        if not argument:
            raise InvalidInput("smtp.syntax", syntax=syntax)
        self._reset_transaction()
        self._greeted = True

    def _starttls(self, argument: str) -> None:
        if argument:
            raise InvalidInput("smtp.syntax", syntax="STARTTLS")
        if self._tls:
            raise InvalidInput("smtp.tls_active")
        if not self._rules.offers_tls:
            raise InvalidInput("smtp.not_implemented")
        if self._input:
            # CVE-2011-0411: what was sent in clear must not be taken for what comes encrypted.
            self._input.clear()
            self._close(replies.refuse("smtp.plaintext_after_starttls"))
            return
        self._output += replies.READY_FOR_TLS
        self._action = StartTls()

    def _mail(self, argument: str) -> None:
        self._need_greeting()
        if self.submitter is None:
            raise InvalidInput("smtp.auth_required")
        if self._sender is not None:
            raise InvalidInput("smtp.sequence", wanted="RSET or DATA")
        path = grammar.path(argument, "FROM")
        if path is None:
            raise InvalidInput("smtp.bad_sender")
        _check_parameters(path, _MAIL_PARAMETERS)
        if grammar.size(path.parameters) > self._rules.max_size:
            raise InvalidInput("mail.too_large", limit=self._rules.max_size)
        self._smtputf8 = "SMTPUTF8" in path.parameters
        self._check_letters(path.address)
        self._rules.check_sender(self.submitter, path.address)
        self._sender = path.address
        self._output += replies.SENDER_OK

    def _rcpt(self, argument: str) -> None:
        if self._sender is None:
            raise InvalidInput("smtp.sequence", wanted="MAIL")
        path = grammar.path(argument, "TO")
        if path is None or not path.address:
            raise InvalidInput("smtp.bad_recipient")
        _check_parameters(path, {})
        self._check_letters(path.address)
        if len(self._recipients) >= self._rules.max_recipients:
            raise InvalidInput("mail.too_many_recipients", limit=self._rules.max_recipients)
        self._recipients.append(path.address)
        self._output += replies.RECIPIENT_OK

    def _data(self, argument: str) -> None:
        if argument:
            raise InvalidInput("smtp.syntax", syntax="DATA")
        if self._sender is None:
            raise InvalidInput("smtp.sequence", wanted="MAIL")
        if not self._recipients:
            raise InvalidInput("mail.no_recipients")
        self._phase = _Phase.DATA
        self._output += replies.GO_AHEAD

    def _rset(self, _argument: str) -> None:
        self._reset_transaction()
        self._output += replies.OK

    def _noop(self, _argument: str) -> None:
        self._output += replies.OK

    def _vrfy(self, _argument: str) -> None:
        self._output += replies.CANNOT_VERIFY

    def _quit(self, _argument: str) -> None:
        self._close(replies.BYE)

    def _need_greeting(self) -> None:
        if not self._greeted:
            raise InvalidInput("smtp.sequence", wanted="EHLO")

    def _check_letters(self, address: str) -> None:
        if not address.isascii() and not self._smtputf8:
            raise InvalidInput("smtp.utf8_address")

    # ---- AUTH

    @property
    def _may_authenticate(self) -> bool:
        return self._tls or self._rules.plain_auth

    def _auth(self, argument: str) -> None:
        self._need_greeting()
        if not self._may_authenticate:
            raise InvalidInput("smtp.encryption_required")
        if self.submitter is not None:
            raise InvalidInput("smtp.sequence", wanted="a new connection (already authenticated)")
        if not argument:
            raise InvalidInput("smtp.syntax", syntax="AUTH mechanism [initial-response]")
        mechanism, _, initial = argument.partition(" ")
        begin = _MECHANISMS.get(mechanism.upper())
        if begin is None:
            raise InvalidInput("smtp.bad_mechanism")
        self._sasl, challenge = begin(self)
        if initial:
            self._sasl(sasl.decode(initial.strip().encode()))
        else:
            self._phase = _Phase.SASL
            self._output += challenge

    def _continue_sasl(self, line: bytes) -> None:
        self._phase = _Phase.COMMAND
        try:
            if line == b"*":
                raise InvalidInput("smtp.auth_canceled")
            assert self._sasl is not None
            self._sasl(sasl.decode(line))
        except PillarboxError as error:
            self._refuse("AUTH", error)

    def _begin_plain(self) -> tuple[Callable[[bytes], None], bytes]:
        return self._plain, replies.CHALLENGE

    def _plain(self, response: bytes) -> None:
        self._action = Authenticate(*sasl.plain(response))

    def _begin_login(self) -> tuple[Callable[[bytes], None], bytes]:
        return self._login_username, replies.ASK_USERNAME

    def _login_username(self, response: bytes) -> None:
        self._login_name = sasl.text(response)
        self._sasl = self._login_password
        self._phase = _Phase.SASL
        self._output += replies.ASK_PASSWORD

    def _login_password(self, response: bytes) -> None:
        self._action = Authenticate(self._login_name, Secret(sasl.text(response)))


def _check_parameters(path: grammar.Path, allowed: dict[str, frozenset[str] | None]) -> None:
    for name, value in path.parameters.items():
        if name not in allowed:
            raise InvalidInput("smtp.bad_parameter", name=name)
        values = allowed[name]
        if values is not None and (value or "").upper() not in values:
            raise InvalidInput("smtp.bad_parameter", name=name)


_MAIL_PARAMETERS: Final[dict[str, frozenset[str] | None]] = {
    "SIZE": None,
    "BODY": frozenset({"7BIT", "8BITMIME"}),
    "SMTPUTF8": frozenset({""}),
    "AUTH": None,  # RFC 4954 section 5: taken, and not trusted
}

_COMMANDS: Final[dict[str, Callable[[Session, str], None]]] = {
    "EHLO": Session._ehlo,
    "HELO": Session._helo,
    "STARTTLS": Session._starttls,
    "AUTH": Session._auth,
    "MAIL": Session._mail,
    "RCPT": Session._rcpt,
    "DATA": Session._data,
    "RSET": Session._rset,
    "NOOP": Session._noop,
    "VRFY": Session._vrfy,
    "QUIT": Session._quit,
}

_ASKED_ABOUT: Final = frozenset({"AUTH", "MAIL", "RCPT", "DATA"})

_DECLINED: Final = frozenset({"EXPN", "HELP", "ETRN", "TURN", "BDAT", "XCLIENT"})

_MECHANISMS: Final = {"PLAIN": Session._begin_plain, "LOGIN": Session._begin_login}
