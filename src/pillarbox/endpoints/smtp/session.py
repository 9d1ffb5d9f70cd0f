"""One SMTP session as a state machine on bytes, without I/O (RFC 5321, 4954, 3207, 1870, 3461, 6531, 2034).

The driver calls `receive` with what came in and `advance` until it returns None; in between it writes `take_output()`
and carries out the action that `advance` returned, then says how it went by `authenticated`, `refused`, `submitted`,
`tls_started` and advances again. So commands that a client sent ahead (PIPELINING) wait for the action before them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from pillarbox.core import sasl
from pillarbox.core.accounts import Submitter
from pillarbox.core.content import Content
from pillarbox.core.errors import InvalidInput, PillarboxError
from pillarbox.core.mail import Envelope
from pillarbox.core.vault import Secret
from pillarbox.endpoints.smtp import replies
from pillarbox.endpoints.smtp.data import Incoming
from pillarbox.endpoints.smtp.rules import Limits, Rules
from pillarbox.endpoints.smtp.transaction import Transaction

__all__ = ["Action", "Authenticate", "Close", "Limits", "Rules", "Session", "StartTls", "Submit"]


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Check a name and a password or token; then `authenticated` or `refused`."""

    name: str
    """Empty where OAUTHBEARER leaves it out. One that can be nobody's is cut: a log will show it."""
    secret: Secret
    mechanism: sasl.Mechanism


@dataclass(frozen=True, slots=True)
class Submit:
    """Accept a message; then `submitted` or `refused`. The driver closes `content`.

    `notes` are sentences on what was taken although it is not by the book; `protocol` is as RFC 3848 calls it.
    """

    envelope: Envelope
    content: Content
    submitter: Submitter
    notes: tuple[str, ...]
    hello: str
    protocol: str


@dataclass(frozen=True, slots=True)
class StartTls:
    """Write what is there, do the handshake, then `tls_started`."""


@dataclass(frozen=True, slots=True)
class Close:
    """Write what is there and close the connection. `said_bye`: the client asked for it, and has said all."""

    said_bye: bool = False


Action = Authenticate | Submit | StartTls | Close


class _Phase(Enum):
    COMMAND = auto()
    SASL = auto()
    DATA = auto()
    WAITING = auto()
    """For the driver to carry out an action."""
    CLOSED = auto()


class Session:
    """The server's side of one connection.

    `tls`: it is encrypted from the first byte on. `submitter` is who the client is without a login, by its network or
    as a user of this machine; a login may make it another.
    """

    def __init__(self, rules: Rules, *, tls: bool = False, submitter: Submitter | None = None) -> None:
        self._rules = rules
        self._tls = tls
        self._known = submitter
        self._input = bytearray()
        self._output = bytearray(replies.greeting(rules.hostname, rules.banner))
        self._refusals: list[tuple[str, PillarboxError]] = []
        self._phase = _Phase.COMMAND
        self._action: Action | None = None
        self._skipped = 0
        """Bytes of a line that is too long, which were thrown away."""
        self._login_failures = 0
        self._errors = self._deferrals = 0
        self._idle_commands = 0
        self._incoming: Incoming | None = None
        self._reset_session()

    def _reset_session(self) -> None:
        """As at the beginning; also after STARTTLS (RFC 3207 section 4.2)."""
        self.submitter: Submitter | None = self._known
        self.is_settled = False
        """It has logged in, or begun a message: a client that is here for mail."""
        self._hello = ""
        self._extended = False
        self._logged_in = False
        self._mechanism = ""
        self._exchange: sasl.Exchange | None = None
        self._failure: PillarboxError | None = None
        self._forget_transaction()

    def _forget_transaction(self) -> None:
        self._transaction: Transaction | None = None
        self._is_told = False
        """Why MAIL or RCPT was refused. What a client sent behind it at once (RFC 2920) fails for want of it."""

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
    def in_data(self) -> bool:
        """Whether a message is coming in."""
        return self._phase is _Phase.DATA

    @property
    def in_transaction(self) -> bool:
        """Whether a message is being handed in."""
        return self._phase in (_Phase.DATA, _Phase.WAITING)

    @property
    def data_received(self) -> int:
        """Bytes of the message that is coming in, so far. Of one that is refused those that follow are none of it."""
        if self._incoming is None:
            return 0
        return self._incoming.received + (len(self._input) if self._incoming.error is None else 0)

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
        """What an administrator would ask about, once: refused AUTH, MAIL, RCPT and DATA, each with the reason.

        Where we ended the connection the command is empty.
        """
        refusals, self._refusals = self._refusals, []
        return refusals

    def authenticated(self, submitter: Submitter) -> None:
        """Name and secret were right."""
        if self._resume(replies.AUTHENTICATED):
            self.submitter = submitter
            self._mechanism = ""
            self._logged_in = self.is_settled = True

    def submitted(self, queue_id: str) -> None:
        """The message is durable."""
        self._errors = self._deferrals = self._idle_commands = 0
        self._resume(replies.queued(queue_id))

    def refused(self, error: PillarboxError) -> None:
        """The action could not be carried out."""
        mechanism, self._mechanism = self._mechanism, ""
        last_challenge = sasl.failure(mechanism)
        if last_challenge and _is_failed_login(error) and self.waiting:
            # RFC 7628 section 3.2.3: the client answers it, whatever with, and then gets its reply.
            self._failure = error
            self._phase = _Phase.SASL
            self._output += replies.challenge(last_challenge)
        elif self._resume():
            self._say(error, login=mechanism != "")

    def tls_started(self) -> None:
        """The handshake is done: everything said before is forgotten."""
        self._tls = True
        self._phase = _Phase.COMMAND
        self._reset_session()

    def give_up(self, code: str) -> None:
        """End the session from our side: `smtp.timeout`, `smtp.stopping`.

        A client whose message is refused already hears that in its place: it need not send it again.
        """
        if self._phase is not _Phase.CLOSED:
            refused = self._incoming.error if self._incoming else None
            self._output += replies.error(refused) if refused else replies.refuse(code)
            self.abandon()

    def abandon(self) -> None:
        """The connection is lost: a message that has not come in to its end is let go of."""
        self._phase = _Phase.CLOSED
        self._input.clear()
        if self._incoming is not None:
            self._incoming.close()
            self._incoming = None

    def _resume(self, reply: bytes = b"") -> bool:
        """Go on with commands; not where the connection was lost, or given up, meanwhile."""
        if self._phase is not _Phase.WAITING:
            return False
        self._output += reply
        self._phase = _Phase.COMMAND
        return True

    def _say(self, error: PillarboxError, *, login: bool = False) -> None:
        """Reply to an error, perhaps of a login; close where it, or their number, says so."""
        self._output += replies.error(error)
        code = error.entry.smtp
        self._login_failures += _is_failed_login(error) or (login and code.startswith("4"))
        self._errors += code.startswith("5")
        self._deferrals += code.startswith("4")
        if code.startswith(("421", "521")):
            # RFC 5321 section 3.8, RFC 7504 section 3: these codes say that we close.
            self._close()
        elif self._login_failures >= self._rules.limits.login_failures:
            self._end("smtp.too_many_failures")
        elif self._errors >= self._rules.limits.errors or self._deferrals >= self._rules.limits.deferrals:
            self._end("smtp.too_many_errors")

    def _end(self, code: str) -> None:
        """End the connection for what the client does, and tell the administrator."""
        error = InvalidInput(code)
        self._refusals.append(("", error))
        self._output += replies.error(error)
        self._close()

    def _close(self, *, said_bye: bool = False) -> None:
        self._input.clear()
        self._action = Close(said_bye)

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
        if self._skipped:
            return self._skip_line()
        if self._phase is _Phase.COMMAND and self._input and not _MAY_BEGIN[self._input[0]]:
            self._end("smtp.no_smtp")
            return False
        limit = self._longest_line
        end = self._input.find(b"\n", 0, limit)
        if end < 0:
            return len(self._input) >= limit and self._refuse_line(limit)
        line = bytes(self._input[:end])
        del self._input[: end + 1]
        bare = not line.endswith(b"\r")
        line = line.removesuffix(b"\r")
        if self._rules.newlines == "reject" and (bare or b"\r" in line):
            self._end("smtp.bare_newline")
        elif self._phase is _Phase.SASL:
            self._continue_sasl(line)
        else:
            self._command(line)
        return True

    @property
    def _longest_line(self) -> int:
        login = self._phase is _Phase.SASL or self._input[:4].upper() == b"AUTH"
        return self._rules.limits.sasl_line if login else self._rules.limits.line

    def _refuse_line(self, limit: int) -> bool:
        """Refuse a line that is too long, once; its rest is thrown away as it comes."""
        login = limit == self._rules.limits.sasl_line
        self._skipped = limit
        del self._input[:limit]
        self._phase = _Phase.COMMAND
        if self._failure is not None:
            self._fail_login()
        else:
            self._refuse("AUTH" if login else "", InvalidInput("smtp.sasl_too_long" if login else "smtp.line_too_long"))
        return True

    def _skip_line(self) -> bool:
        end = self._input.find(b"\n", 0, max(0, self._rules.limits.endless - self._skipped))
        if end >= 0:
            del self._input[: end + 1]
            self._skipped = 0
            return True
        self._skipped += len(self._input)
        self._input.clear()
        if self._skipped >= self._rules.limits.endless:
            self._end("smtp.endless_line")
        return False

    def _take_data(self) -> bool:
        incoming = self._incoming
        assert incoming is not None
        if not incoming.take(self._input):
            return False
        transaction, self._incoming = self._transaction, None
        self._forget_transaction()
        assert transaction is not None
        self._phase = _Phase.COMMAND
        try:
            if incoming.error is not None:
                raise incoming.error
            # It may have been disabled, or changed, since MAIL; what follows judges by what it is now.
            submitter = self._rules.current(transaction.submitter)
        except PillarboxError as error:
            incoming.close()
            self._refuse("DATA", error)
            if incoming.broken:
                # What follows are no commands.
                self._close()
            return True
        self._action = Submit(
            transaction.envelope,
            incoming.spool,
            submitter,
            (*transaction.notes, *incoming.notes),
            self._hello,
            self._protocol(transaction),
        )
        return True

    def _protocol(self, transaction: Transaction) -> str:
        """The name by RFC 3848, with international addresses by RFC 6531 section 4.3."""
        if not self._extended:
            return "SMTP"
        name = "UTF8SMTP" if transaction.international else "ESMTP"
        return name + "S" * self._tls + "A" * self._logged_in

    # ---- commands

    def _command(self, line: bytes) -> None:
        verb = ""
        try:
            text = _text_of(line)
            word, _, argument = text.partition(" ")
            verb = word.upper()
            if verb in _OTHER_PROTOCOLS:
                self._end("smtp.no_smtp")
                return
            handler = _COMMANDS.get(verb)
            if handler is None:
                raise InvalidInput("smtp.not_implemented" if verb in _DECLINED else "smtp.unknown_command")
            if verb in _IDLE and self._is_idle():
                return
            handler(self, argument.strip())
        except PillarboxError as error:
            self._refuse(verb, error)

    def _refuse(self, verb: str, error: PillarboxError) -> None:
        if verb in _ASKED_ABOUT and not (self._is_told and error.code in _FOLLOWING):
            self._refusals.append((verb, error))
        self._is_told |= verb in ("MAIL", "RCPT")
        self._say(error)

    def _is_idle(self) -> bool:
        """Count a command that hands in no mail; whether that was one too many."""
        self._idle_commands += 1
        if self._idle_commands < self._rules.limits.idle_commands:
            return False
        self._end("smtp.idle_commands")
        return True

    def _ehlo(self, argument: str) -> None:
        self._greet(argument, "EHLO hostname")
        self._extended = True
        words = [self._rules.hostname, "PIPELINING", f"SIZE {self._rules.max_size}", "8BITMIME", "SMTPUTF8"]
        words += ["ENHANCEDSTATUSCODES", "DSN"]
        if self._rules.offers_tls and not self._tls:
            words.append("STARTTLS")
        if self._rules.auth == "clear" or (self._rules.auth == "encrypted" and self._tls):
            words.append(" ".join(["AUTH", *sasl.MECHANISMS]))
        self._output += replies.lines(250, words)

    def _helo(self, argument: str) -> None:
        self._greet(argument, "HELO hostname")
        self._extended = False
        self._output += replies.lines(250, [self._rules.hostname])

    def _greet(self, argument: str, syntax: str) -> None:
        if not argument:
            raise InvalidInput("smtp.syntax", syntax=syntax)
        self._forget_transaction()
        self._hello = argument

    def _starttls(self, argument: str) -> None:
        if argument:
            raise InvalidInput("smtp.syntax", syntax="STARTTLS")
        if self._tls:
            raise InvalidInput("smtp.tls_active")
        if not self._rules.offers_tls:
            raise InvalidInput("smtp.not_implemented")
        if self._input:
            # CVE-2011-0411: what was sent in clear must not be taken for what comes encrypted.
            self._output += replies.refuse("smtp.plaintext_after_starttls")
            self._close()
            return
        self._output += replies.READY_FOR_TLS
        self._action = StartTls()

    def _mail(self, argument: str) -> None:
        submitter = self._need_submitter()
        if self._transaction is not None:
            raise InvalidInput("smtp.sequence", wanted="RSET or DATA")
        self.submitter = submitter = self._rules.current(submitter)
        transaction = Transaction(self._rules, submitter, argument)
        self._rules.spool().need(transaction.size)
        self._forget_transaction()
        self._transaction = transaction
        self.is_settled = True
        self._output += replies.SENDER_OK

    def _rcpt(self, argument: str) -> None:
        self._need_transaction().add_recipient(argument)
        self._output += replies.RECIPIENT_OK

    def _data(self, argument: str) -> None:
        if argument:
            raise InvalidInput("smtp.syntax", syntax="DATA")
        transaction = self._need_transaction()
        if not transaction.has_recipients:
            raise InvalidInput("mail.no_recipients")
        spool = self._rules.spool()
        spool.need(max(1, transaction.size))
        self._incoming = Incoming(
            spool,
            transaction.max_size,
            strict=self._rules.newlines == "reject",
            endless=self._rules.endless_message,
        )
        self._phase = _Phase.DATA
        self._output += replies.GO_AHEAD

    def _rset(self, _argument: str) -> None:
        self._forget_transaction()
        self._output += replies.OK

    def _noop(self, _argument: str) -> None:
        self._output += replies.OK

    def _vrfy(self, _argument: str) -> None:
        self._output += replies.CANNOT_VERIFY

    def _help(self, _argument: str) -> None:
        self._output += replies.HELP

    def _quit(self, _argument: str) -> None:
        self._output += replies.BYE
        self._close(said_bye=True)

    def _need_greeting(self) -> None:
        if not self._hello:
            raise InvalidInput("smtp.sequence", wanted="EHLO")

    def _need_submitter(self) -> Submitter:
        """Who is there: without one nothing is said of a transaction but that it is not for them."""
        self._need_greeting()
        if self.submitter is None:
            raise InvalidInput("smtp.auth_required")
        return self.submitter

    def _need_transaction(self) -> Transaction:
        self._need_submitter()
        if self._transaction is None:
            raise InvalidInput("smtp.sequence", wanted="MAIL")
        return self._transaction

    # ---- AUTH

    def _auth(self, argument: str) -> None:
        self._need_greeting()
        if self._rules.auth == "none":
            raise InvalidInput("smtp.not_implemented")
        if self._rules.auth == "encrypted" and not self._tls:
            raise InvalidInput("smtp.encryption_required")
        if self._logged_in:
            raise InvalidInput("smtp.sequence", wanted="a new connection (already authenticated)")
        if self._transaction is not None:
            raise InvalidInput("smtp.sequence", wanted="RSET or DATA")
        if not argument:
            raise InvalidInput("smtp.syntax", syntax="AUTH mechanism [initial-response]")
        mechanism, _, initial = argument.partition(" ")
        begin = sasl.MECHANISMS.get(mechanism.upper())
        if begin is None:
            raise InvalidInput("smtp.bad_mechanism")
        self._exchange = begin()
        challenge = next(self._exchange)
        if initial:
            self._respond(initial.strip().encode())
        else:
            self._phase = _Phase.SASL
            self._output += replies.challenge(challenge)

    def _continue_sasl(self, line: bytes) -> None:
        self._phase = _Phase.COMMAND
        if self._failure is not None:
            self._fail_login()
            return
        try:
            if line == b"*":
                raise InvalidInput("smtp.auth_canceled")
            self._respond(line)
        except PillarboxError as error:
            self._refuse("AUTH", error)

    def _respond(self, response: bytes) -> None:
        """Hand a response to the mechanism, which has another challenge or is done."""
        assert self._exchange is not None
        try:
            challenge = self._exchange.send(sasl.decode(response))
        except StopIteration as done:
            credentials: sasl.Credentials = done.value
            self._mechanism = credentials.mechanism
            self._action = Authenticate(_claimed(credentials.name), credentials.secret, credentials.mechanism)
        else:
            self._phase = _Phase.SASL
            self._output += replies.challenge(challenge)

    def _fail_login(self) -> None:
        """The reply to a wrong token, once the client has answered the last challenge."""
        failure, self._failure = self._failure, None
        assert failure is not None
        self._say(failure)


def _text_of(line: bytes) -> str:
    """A command as text. Raises InvalidInput: nothing in it may end the line of a header or of a log."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput("smtp.not_utf8") from None
    if _CONTROL.search(text):
        raise InvalidInput("smtp.control_character")
    return text


def _claimed(name: str) -> str:
    """A name as it is compared and logged: one that no submitter can have, perhaps a password, in short and marked.

    Submitters have up to 64 letters, digits and . _ - @ + (access/submitters.py), so what is cut is still nobody's.
    """
    shown = "".join(letter if letter.isprintable() else "?" for letter in name[:_LONGEST_NAME])
    return shown if len(name) <= _LONGEST_NAME else f"{shown}…"


_LONGEST_NAME: Final = 64


def _is_failed_login(error: PillarboxError) -> bool:
    return error.entry.smtp.startswith("535")


_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")

_MAY_BEGIN: Final = [chr(byte).isascii() and (chr(byte).isalpha() or chr(byte) in "\r\n") for byte in range(256)]
"""By the first byte: whether a line may be a command, or is empty. A handshake of TLS, or a protocol that is none of
ours, is not read any further."""

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
    "HELP": Session._help,
    "QUIT": Session._quit,
}

_IDLE: Final = frozenset({"EHLO", "HELO", "RSET", "NOOP", "VRFY", "HELP"})

_ASKED_ABOUT: Final = frozenset({"AUTH", "MAIL", "RCPT", "DATA"})

_FOLLOWING: Final = frozenset({"smtp.sequence", "mail.no_recipients"})
"""What is wrong with a command before which another one was refused."""

_DECLINED: Final = frozenset({"EXPN", "ETRN", "TURN", "BDAT", "XCLIENT"})

_OTHER_PROTOCOLS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
"""A web page can make a browser send commands of SMTP behind its own words; so nothing behind them is read."""
