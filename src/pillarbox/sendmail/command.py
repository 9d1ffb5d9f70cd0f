"""From the command line to the exit code."""

import io
import os
import select
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pillarbox import __version__
from pillarbox.sendmail import envelope, places, smtp
from pillarbox.sendmail.message import Message
from pillarbox.sendmail.options import Options, parse
from pillarbox.sendmail.problem import NotNow, Problem

HELP: Final = """\
sendmail [-t] [-i] [-f ADDRESS] [-F NAME] [-v] [ADDRESS...] < MESSAGE
hands a message to Pillarbox. docs/reference/sendmail.md has all options and exit codes.
"""
PROGRAM: Final = "pillarbox-sendmail"


def run(argv: Sequence[str]) -> int:
    """Do what is asked on file descriptors 0 to 2; the exit code."""
    try:
        options = parse(argv[0], argv[1:])
        return _MODES[options.mode](options, os.environ)
    except Problem as problem:
        return _fail(problem.exit_code, str(problem))
    except OSError as failure:
        return _fail(os.EX_TEMPFAIL, f"{failure.filename or 'input or output'}: {failure.strerror or failure}")
    except Exception as mistake:
        return _fail(os.EX_SOFTWARE, f"a mistake in {PROGRAM}: {mistake!r}")


def _send(options: Options, environ: Mapping[str, str]) -> int:
    with open(0, "rb", closefd=False) as source:
        message = Message(source, dot_ends=options.dot_ends)
    addressed = envelope.address(message, options)
    if not message.values(b"message-id"):
        # By it the service sees that a message which comes twice, after an answer that was lost, is one.
        message.add("Message-ID", f"<{time.time_ns():x}.{os.urandom(8).hex()}@{os.uname().nodename or 'localhost'}>")
    try:
        _hand_in(message, addressed, options, environ)
    except NotNow as reason:
        from pillarbox.sendmail import maildrop  # brings JSON, which costs more than the rest

        folder = places.folder(environ)
        try:
            left = maildrop.leave(folder, addressed, message)
        except OSError as failure:
            raise Problem(os.EX_TEMPFAIL, f"{reason}; {folder}: {failure.strerror}") from failure
        _teller(options)(f"{reason}: left in {maildrop.shown(left)}")
    return os.EX_OK


def _hand_in(message: Message, addressed: envelope.Envelope, options: Options, environ: Mapping[str, str]) -> None:
    conversation = smtp.Conversation(smtp.connect(places.sockets(environ)), _teller(options))
    try:
        sender = addressed.senders[0] or conversation.ourselves
        if sender and not message.values(b"from"):
            message.add("From", _phrase(options.full_name) + f"<{sender}>")
        conversation.submit(addressed, message)
    finally:
        conversation.close()


def _phrase(name: str) -> str:
    """A display name before an address: quoted, as it may hold anything (RFC 5322 section 3.2.4)."""
    words = "".join(letter if letter.isprintable() else " " for letter in name).strip()
    escaped = words.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" ' if escaped else ""


def _pass_through(_options: Options, environ: Mapping[str, str]) -> int:
    """SMTP on standard input and output is SMTP with the service, byte for byte."""
    try:
        connection = smtp.connect(places.sockets(environ))
    except NotNow as reason:
        _write(1, f"421 4.3.2 Service not available: {reason}\r\n".encode("ascii", "replace"))
        return os.EX_TEMPFAIL
    with connection:
        connection.setblocking(False)
        first, last = _relay(connection)
    if first.code != 220:
        refusal = smtp.error(first)
        return refusal.exit_code if isinstance(refusal, Problem) else os.EX_TEMPFAIL
    # After its 354 the service says nothing more until the message has ended.
    return os.EX_TEMPFAIL if last.code == 354 else os.EX_OK


def _relay(connection: socket.socket) -> tuple[smtp.Reply, smtp.Reply]:
    """Both ways until the service ends the conversation; the first and the last line that it said.

    A service that listens no longer may still have said why: it is read to its end.
    """
    first = last = begun = unsent = b""
    listens = True
    while True:
        sources = [connection.fileno(), *([0] if listens and not unsent else [])]
        readable, writable, _ = select.select(sources, [connection] if unsent else [], [])
        if 0 in readable:
            unsent = os.read(0, 65536)
            listens = bool(unsent)
        try:
            if writable:
                unsent = unsent[connection.send(unsent) :]
            elif not listens and 0 in readable:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            listens, unsent = False, b""
        if connection.fileno() in readable:
            data = _received(connection)
            if not data:
                return _reply(first), _reply(last)
            _write(1, data)
            *lines, begun = (begun + data).split(b"\n")
            first, last = first or b"".join(lines[:1]), b"".join(lines[-1:]) or last


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except OSError:
        return b""


def _reply(line: bytes) -> smtp.Reply:
    """A line as a reply; 421 where it is none, as of a service that went away without a word."""
    text = line.decode("utf-8", "replace").strip()
    return smtp.Reply(int(text[:3]) if text[:3].isdecimal() else 421, (text[4:],))


def _verify(options: Options, environ: Mapping[str, str]) -> int:
    """Whether the service would take mail to these recipients: one line each, and the exit code of the last refusal."""
    message = Message(io.BytesIO(), dot_ends=False)
    addressed = envelope.address(message, options._replace(from_header=False))
    try:
        conversation = smtp.Conversation(smtp.connect(places.sockets(environ)), _teller(options))
    except NotNow as reason:
        raise Problem(os.EX_TEMPFAIL, str(reason)) from reason
    code = os.EX_OK
    try:
        conversation.mail_from(addressed, message)
        for recipient in addressed.recipients:
            try:
                conversation.recipient(recipient)
                answer = "deliverable"
            except Problem as problem:
                answer, code = str(problem), problem.exit_code
            _write(1, f"{recipient}... {answer}\n".encode("utf-8", "replace"))
    except NotNow as reason:
        raise Problem(os.EX_TEMPFAIL, str(reason)) from reason
    finally:
        conversation.close()
    return code


def _queue(_options: Options, environ: Mapping[str, str]) -> int:
    """The queue, for who may talk to the service: its user, and root."""
    program = Path(sys.argv[0]).resolve().with_name("pillarbox")
    if program.exists() and any(os.access(place, os.W_OK) for place in places.api_sockets(environ)):
        os.execv(program, [str(program), "outbox", "list"])  # noqa: S606 - ours, and no shell
    _write(1, b"Root, and the user who runs the service, see the queue: pillarbox outbox list\n")
    return os.EX_OK


def _nothing(options: Options, _environ: Mapping[str, str]) -> int:
    """There is no table of aliases to build, and the queue runs by itself."""
    if options.recipients or options.from_header or _has_input():
        _say(f"{PROGRAM}: nothing was sent: with -q, -I and -bi, and as newaliases, it takes no message")
    return os.EX_OK


def _has_input() -> bool:
    """Whether somebody hands in something at this moment; nobody is waited for."""
    try:
        return bool(select.select([0], [], [], 0)[0]) and not os.isatty(0) and bool(os.read(0, 1))
    except OSError:
        return False


def _version(_options: Options, _environ: Mapping[str, str]) -> int:
    _write(1, f"{PROGRAM} {__version__}\n".encode())
    return os.EX_OK


def _help(_options: Options, _environ: Mapping[str, str]) -> int:
    _write(1, HELP.encode())
    return os.EX_OK


_MODES: Final[Mapping[str, Callable[[Options, Mapping[str, str]], int]]] = {
    "send": _send,
    "smtp": _pass_through,
    "queue": _queue,
    "nothing": _nothing,
    "verify": _verify,
    "help": _help,
    "version": _version,
}


def _teller(options: Options) -> Callable[[str], None]:
    return _say if options.verbose else lambda _line: None


def _say(line: str) -> None:
    shown = "".join(letter if letter.isprintable() else "?" for letter in line)
    try:
        _write(2, f"{shown}\n".encode("utf-8", "replace"))
    except OSError:
        pass  # nobody listens


def _fail(exit_code: int, sentence: str) -> int:
    _say(f"{PROGRAM}: {sentence}")
    return exit_code


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
