"""Sessions without a socket: rules, a submitter, and a driver that carries out actions at once."""

from collections.abc import Iterable

from pillarbox.core.accounts import AppRegistration, Mailbox, Submitter
from pillarbox.core.errors import AuthenticationFailed
from pillarbox.delivery import senders
from pillarbox.endpoints.smtp.session import Authenticate, Close, Rules, Session, StartTls, Submit

MAILBOX = Mailbox(1, "scanner@contoso.example", AppRegistration(1, "contoso", "tenant", "client"))
PRINTER = Submitter(1, "printer", {MAILBOX.address: MAILBOX})
GREETING = b"220 gateway.contoso.example ESMTP Pillarbox\r\n"

LOGIN = b"EHLO printer\r\nAUTH PLAIN AHByaW50ZXIAc2VjcmV0\r\n"  # \0printer\0secret
WRONG_LOGIN = b"AUTH PLAIN AHByaW50ZXIAd3Jvbmc=\r\n"  # \0printer\0wrong
ENVELOPE = b"MAIL FROM:<scanner@contoso.example>\r\nRCPT TO:<alice@contoso.example>\r\n"
TO_DATA = LOGIN + ENVELOPE + b"DATA\r\n"


def rules(
    *, max_size: int = 1000, max_recipients: int = 3, offers_tls: bool = True, hostname: str = "gateway.contoso.example"
) -> Rules:
    return Rules(
        hostname=hostname,
        max_size=max_size,
        max_recipients=max_recipients,
        offers_tls=offers_tls,
        plain_auth=True,
        check_sender=senders.mailbox_for,
    )


class Driver:
    """Feeds a session and carries out its actions; keeps what it said and what was handed in."""

    def __init__(self, given: Rules | None = None) -> None:
        self.session = Session(given or rules())
        self.output = bytearray(self.session.take_output())
        self.submits: list[Submit] = []
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
        return bytes(self.output[before:])

    def _carry_out(self, action: object) -> None:
        match action:
            case Submit():
                self.submits.append(action)
                self.session.submitted("0123456789ABCDEF")
            case Authenticate(name="printer", password=password) if password.reveal() == "secret":
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
        return b"".join(submit.content.pieces())


def play(pieces: Iterable[bytes], given: Rules | None = None) -> Driver:
    """A driver that was fed with these pieces."""
    driver = Driver(given)
    driver.feed(*pieces)
    return driver


def codes(output: bytes) -> list[int]:
    """The codes of the replies, one each."""
    return [int(line[:3]) for line in output.splitlines() if line[3:4] != b"-"]
