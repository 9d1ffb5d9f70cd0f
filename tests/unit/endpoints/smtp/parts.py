"""Sessions without a socket: rules, a submitter, and a driver that carries out actions at once."""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from hypothesis import settings

from pillarbox.core.accounts import AppRegistration, Mailbox, Submitter
from pillarbox.core.content import Content, InMemory
from pillarbox.core.errors import AuthenticationFailed, Forbidden, PillarboxError
from pillarbox.endpoints.smtp.session import Authenticate, Close, Limits, Rules, Session, StartTls, Submit
from pillarbox.endpoints.smtp.spool import Budget, Spool

MAILBOX = Mailbox(1, "scanner@contoso.example", AppRegistration(1, "contoso", "tenant", "client"))
PRINTER = Submitter(1, "printer", {MAILBOX.address: MAILBOX})
GREETING = b"220 gateway.contoso.example ESMTP Pillarbox\r\n"

LOGIN = b"EHLO printer\r\nAUTH PLAIN AHByaW50ZXIAc2VjcmV0\r\n"  # \0printer\0secret
WRONG_LOGIN = b"AUTH PLAIN AHByaW50ZXIAd3Jvbmc=\r\n"  # \0printer\0wrong
ENVELOPE = b"MAIL FROM:<scanner@contoso.example>\r\nRCPT TO:<alice@contoso.example>\r\n"
TO_DATA = LOGIN + ENVELOPE + b"DATA\r\n"


LIMITS = Limits()


def at_least(examples: int) -> settings:
    """So many examples in `make test`; in `make fuzz` as many as there, if that is more."""
    return settings(max_examples=max(examples, settings().max_examples))


def rules(
    *,
    max_size: int = 1000,
    max_recipients: int = 3,
    offers_tls: bool = True,
    hostname: str = "gateway.contoso.example",
    auth: Literal["encrypted", "clear", "none"] = "clear",
    newlines: Literal["normalize", "reject"] = "normalize",
    check_mail: Callable[[Submitter, str, int], None] | None = None,
    check_recipient: Callable[[Submitter, str], None] | None = None,
    current: Callable[[Submitter], Submitter] | None = None,
    spool: Callable[[], Spool] | None = None,
    limits: Limits = LIMITS,
) -> Rules:
    return Rules(
        hostname=hostname,
        banner="ESMTP Pillarbox",
        max_size=max_size,
        max_recipients=max_recipients,
        offers_tls=offers_tls,
        auth=auth,
        newlines=newlines,
        current=current or (lambda submitter: submitter),
        check_mail=check_mail or only_own_addresses,
        check_recipient=check_recipient or (lambda _submitter, _address: None),
        spool=spool or (lambda: Spool(Budget(10**12), Path(tempfile.gettempdir()))),
        limits=limits,
    )


def only_own_addresses(submitter: Submitter, sender: str, _size: int) -> None:
    """The null sender, and what the submitter may send as."""
    if sender and sender.lower() not in submitter.senders:
        raise Forbidden("mail.sender_not_allowed", submitter=submitter.name, sender=sender)


class Driver:
    """Feeds a session and carries out its actions; keeps what it said and what was handed in."""

    def __init__(self, given: Rules | None = None, *, tls: bool = False, submitter: Submitter | None = None) -> None:
        self.session = Session(given or rules(), tls=tls, submitter=submitter)
        self.output = bytearray(self.session.take_output())
        self.submits: list[Submit] = []
        self.refusals: list[tuple[str, PillarboxError]] = []
        self.closed = False

    def feed(self, *pieces: bytes) -> bytes:
        """What the session says to these pieces."""
        before = len(self.output)
        for piece in pieces:
            self.session.receive(piece)
            while (action := self.session.advance()) is not None:
                self.output += self.session.take_output()
                self._carry_out(action)
            self.output += self.session.take_output()
            self.refusals += self.session.take_refusals()
        return bytes(self.output[before:])

    def _carry_out(self, action: object) -> None:
        match action:
            case Submit():
                self.submits.append(replace(action, content=InMemory(text(action.content))))
                action.content.close()
                self.session.submitted("0123456789ABCDEF")
            case Authenticate(name="printer", secret=secret) if secret.reveal() == "secret":
                self.session.authenticated(PRINTER)
            case Authenticate():
                self.session.refused(AuthenticationFailed("submitter.wrong_password"))
            case StartTls():
                self.session.tls_started()
            case Close():
                self.closed = True

    @property
    def message(self) -> bytes:
        """The only message that was handed in."""
        (submit,) = self.submits
        return text(submit.content)


def text(content: Content) -> bytes:
    """All the bytes."""
    return b"".join(content.pieces())


def play(pieces: Iterable[bytes], given: Rules | None = None) -> Driver:
    """A driver that was fed with these pieces."""
    driver = Driver(given)
    driver.feed(*pieces)
    return driver


def codes(output: bytes) -> list[int]:
    """The codes of the replies, one each."""
    return [int(line[:3]) for line in output.splitlines() if line[3:4] != b"-"]
