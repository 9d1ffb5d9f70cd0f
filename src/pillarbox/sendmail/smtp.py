"""The conversation with the service (RFC 5321), on a Unix socket: the kernel tells it who we are, so nobody logs in."""

import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from pillarbox.sendmail.envelope import Envelope
from pillarbox.sendmail.message import Message
from pillarbox.sendmail.problem import NotNow, Problem

Tell = Callable[[str], None]

PATIENCE_FOR_GREETING: Final = 10.0
"""Seconds for the first line of a service on this machine: the folder is there for one that hangs."""
PATIENCE: Final = 60.0
"""Seconds for a reply."""
PATIENCE_FOR_250: Final = 600.0
"""Seconds for the reply to a message (RFC 5321 section 4.5.3.2.6)."""
PATIENCE_FOR_BYE: Final = 5.0
_MOST_LINES: Final = 100
_ENHANCED: Final = re.compile(r"[245]\.(\d{1,3}\.\d{1,3})\b")
_OURSELVES: Final = re.compile(r"<([^<>\s]+@[^<>\s]+)>")


class Reply(NamedTuple):
    """A reply: its code, and the texts of its lines."""

    code: int
    texts: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.code} {' '.join(self.texts)}"

    @property
    def enhanced(self) -> str:
        """Subject and detail of the enhanced status code (RFC 3463), such as `7.1`; empty without one."""
        found = _ENHANCED.match(self.texts[-1])
        return found[1] if found else ""


def error(reply: Reply) -> Problem | NotNow:
    """What to make of a refusal. Too many recipients are a 4xx, but of the same message for ever."""
    subject = reply.enhanced
    if reply.code < 500 and subject != "5.3":
        return NotNow(str(reply))
    if subject.startswith("7."):
        exit_code = os.EX_NOPERM
    elif subject.startswith("1."):
        exit_code = os.EX_NOUSER
    elif subject in ("3.4", "5.3") or subject.startswith("6."):
        exit_code = os.EX_DATAERR
    else:
        exit_code = os.EX_UNAVAILABLE
    return Problem(exit_code, str(reply))


def connect(places: list[Path]) -> socket.socket:
    """A connection to the first of these sockets at which somebody listens. Raises NotNow, Problem (78)."""
    reasons = []
    for place in places:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(PATIENCE_FOR_GREETING)
        try:
            connection.connect(str(place))
            return connection
        except OSError as failure:
            connection.close()
            if failure.errno is None:  # Python's own: longer than an address of a socket can be
                raise Problem(os.EX_CONFIG, f"{place}: {failure}") from failure
            reasons.append(f"{place}: {failure.strerror}")
    raise NotNow(", ".join(reasons))


class Conversation:
    """One connection. Every method raises NotNow where the service cannot, Problem where it will not."""

    def __init__(self, connection: socket.socket, tell: Tell) -> None:
        self._connection = connection
        self._replies = connection.makefile("rb")
        self._tell = tell
        try:
            greeting = self._expect(220)
            connection.settimeout(PATIENCE)
            found = _OURSELVES.search(greeting.texts[0])
            self.ourselves = found[1] if found else ""
            """The address that the service knows this user by; empty where it does not say."""
            self._offers = self._ask(f"EHLO {os.uname().nodename or 'localhost'}", 250).texts
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connection."""
        self._replies.close()
        self._connection.close()

    def offered(self, keyword: str) -> bool:
        """Whether the service has this extension."""
        return any(line.split(" ")[0].upper() == keyword for line in self._offers)

    def submit(self, envelope: Envelope, message: Message) -> str:
        """Hand the message in; the reply, from which on it is the service's."""
        self.mail_from(envelope, message)
        for recipient in envelope.recipients:
            self.recipient(recipient, envelope.notify)
        self._ask("DATA", 354)
        self._send(_stuffed(message.pieces()))
        self._connection.settimeout(PATIENCE_FOR_250)
        reply = self._ask(".", 250)
        self._quit()
        return str(reply)

    def mail_from(self, envelope: Envelope, message: Message) -> None:
        """Begin with the first of the senders that the service takes."""
        parameters = self._parameters(envelope, message)
        for number, sender in enumerate(envelope.senders, 1):
            address = self.ourselves if sender is None else sender
            try:
                self._ask(f"MAIL FROM:<{address}>{parameters}", 250)
                return
            except Problem as problem:
                if problem.exit_code != os.EX_NOPERM or number == len(envelope.senders):
                    raise

    def recipient(self, recipient: str, notify: str = "") -> None:
        """Name a recipient."""
        if "@" not in recipient and not self.ourselves:
            raise Problem(os.EX_NOUSER, f"{recipient}: no mail address; /etc/aliases can say whom it stands for")
        to = recipient if "@" in recipient else self.ourselves
        self._ask(f"RCPT TO:<{to}>" + (f" NOTIFY={notify}" if notify and self.offered("DSN") else ""), 250)

    def _quit(self) -> None:
        """The service takes the next command for the sign that its 250 was heard; a mail again is then another one."""
        self._connection.settimeout(PATIENCE_FOR_BYE)
        try:
            self._ask("QUIT", 221)
        except (NotNow, Problem):
            pass  # the message is the service's, whatever it says

    def _parameters(self, envelope: Envelope, message: Message) -> str:
        words = [f" SIZE={message.size}"] if self.offered("SIZE") else []
        if self.offered("8BITMIME") and not message.is_ascii:
            words.append(" BODY=8BITMIME")
        addresses = [*(sender or "" for sender in envelope.senders), *envelope.recipients, self.ourselves]
        if self.offered("SMTPUTF8") and not all(map(str.isascii, addresses)):
            words.append(" SMTPUTF8")
        if self.offered("DSN"):
            words += [f" RET={envelope.ret}"] if envelope.ret else []
            words += [f" ENVID={envelope.envid}"] if envelope.envid else []
        return "".join(words)

    def _ask(self, line: str, wanted: int) -> Reply:
        self._tell(f">>> {line}")
        # What was not UTF-8 as an argument goes on as it was: the service says what it thinks of it.
        self._send([f"{line}\r\n".encode("utf-8", "surrogateescape")])
        return self._expect(wanted)

    def _send(self, pieces: "Iterator[bytes] | list[bytes]") -> None:
        try:
            for piece in pieces:
                self._connection.sendall(piece)
        except TimeoutError as hung:
            # Part of it has gone, and nothing may follow: not the dot that would end a message in its middle.
            raise NotNow("the service does not read on") from hung
        except OSError:
            pass  # a service that goes away in the middle has perhaps said why

    def _expect(self, wanted: int) -> Reply:
        reply = self._reply()
        if reply.code != wanted:
            raise error(reply)
        return reply

    def _reply(self) -> Reply:
        texts: list[str] = []
        try:
            while len(texts) < _MOST_LINES:
                line = self._replies.readline(4096).decode("utf-8", "replace")
                if not line.endswith("\n") or not line[:3].isdecimal():
                    break
                self._tell(line.rstrip())
                texts.append(line[4:].rstrip())
                if line[3] != "-":
                    return Reply(int(line[:3]), tuple(texts))
        except OSError as failure:
            raise NotNow(f"the service does not answer: {failure}") from failure
        raise NotNow("the service has ended the conversation")


def _stuffed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """With a second dot where a line begins with one (RFC 5321 section 4.5.2)."""
    last = b"\n"
    for piece in pieces:
        if piece:
            stuffed = piece.replace(b"\n.", b"\n..")
            yield b"." + stuffed if last == b"\n" and piece[:1] == b"." else stuffed
            last = piece[-1:]
