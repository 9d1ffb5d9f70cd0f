"""The three servers, each played the same bytes: what they reply and which messages they take."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from tests.differential import streams
from tests.postfix import Postfix, postfix
from tests.unit.endpoints.smtp.parts import Driver, rules, text

MAX_SIZE: Final = 100_000
QUIET: Final = 1.0
"""Seconds after QUIT without an end: then it was text of a message to this server alone, which is ended now."""
PATIENCE: Final = 20
"""Seconds after which a server that neither replies nor closes hangs."""


class Message(NamedTuple):
    """One message that was taken; recipients sorted, as nobody promises their order."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


class Result(NamedTuple):
    """The first digit of each reply, and what was taken."""

    replies: str
    messages: tuple[Message, ...]


class Server(Protocol):
    """Something that is played to."""

    async def play(self, pieces: Sequence[bytes]) -> Result:
        """One connection."""
        ...


def classes(output: bytes) -> str:
    """`2 5 3 2`: the first digit of each reply."""
    return " ".join(line[:1].decode() for line in output.split(b"\r\n") if re.match(rb"\d{3}( |$)", line))


class StillOpen(Exception):
    """The stream ended and our session did not."""


async def ended(stream: bytes) -> bytes:
    """The stream and what makes a server close: QUIT, or the end of a message before it."""
    try:
        await Ours().play([stream + streams.QUIT])
    except StillOpen:
        return stream + streams.EPILOGUE
    return stream + streams.QUIT


class Ours:
    """Our engine, without a socket: it knows no time and no threads."""

    async def play(self, pieces: Sequence[bytes]) -> Result:
        """See Server."""
        driver = Driver(
            rules(max_size=MAX_SIZE, max_recipients=100, offers_tls=False, check_mail=lambda *_: None),
        )
        for piece in pieces:
            if not driver.closed:
                driver.feed(piece)
        if not driver.closed:
            raise StillOpen
        messages = [
            Message(each.envelope.sender, tuple(sorted(each.envelope.recipients)), text(each.content))
            for each in driver.submits
        ]
        return Result(classes(bytes(driver.output)), tuple(messages))


async def _talk(path: Path, pieces: Iterable[bytes]) -> bytes:
    """All that the server says until it closes.

    On a bare socket: a stream of asyncio forgets what was said before a reset, and a server that closes while more
    comes in resets.
    """
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.setblocking(False)
        await loop.sock_connect(connection, str(path))
        said = bytearray()
        listening = asyncio.create_task(_listen(connection, said))
        for piece in pieces:
            await _send(connection, piece)
        if not await _ends(listening, QUIET):
            await _send(connection, streams.EPILOGUE)
            if not await _ends(listening, PATIENCE):
                said += b"000 it hangs\r\n"
        listening.cancel()
        return bytes(said)


async def _send(connection: socket.socket, piece: bytes) -> None:
    with suppress(ConnectionError):
        await asyncio.get_running_loop().sock_sendall(connection, piece)
    # The server's turn: otherwise it would find several pieces at once.
    await asyncio.sleep(0)


async def _listen(connection: socket.socket, said: bytearray) -> None:
    """Keep what comes until it ends; behind a reset there may be more."""
    while True:
        with suppress(ConnectionError):
            piece = await asyncio.get_running_loop().sock_recv(connection, 1 << 16)
            if not piece:
                return
            said += piece


async def _ends(listening: "asyncio.Task[None]", seconds: float) -> bool:
    return bool((await asyncio.wait([listening], timeout=seconds))[0])


@dataclass
class Aiosmtpd:
    """aiosmtpd on a Unix socket of this loop, with our limits."""

    path: Path
    taken: list[Message] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a message."""
        content = envelope.original_content
        assert content is not None
        # Its own way to write the null sender.
        sender = "" if envelope.mail_from == "<>" else str(envelope.mail_from)
        self.taken.append(Message(sender, tuple(sorted(map(str, envelope.rcpt_tos))), content))
        return "250 2.0.0 OK"

    async def play(self, pieces: Sequence[bytes]) -> Result:
        """See Server."""
        self.taken.clear()
        output = await _talk(self.path, pieces)
        return Result(classes(output), tuple(self.taken))


def _authenticate(_server: SMTP, _session: Any, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"printer", b"secret")
    return AuthResult(success=right, handled=False)


@asynccontextmanager
async def aiosmtpd(folder: Path) -> AsyncIterator[Aiosmtpd]:
    """aiosmtpd, listening."""
    peer = Aiosmtpd(folder / "aiosmtpd.sock")
    loop = asyncio.get_running_loop()

    def connected() -> SMTP:
        return SMTP(
            peer,
            data_size_limit=MAX_SIZE,
            enable_SMTPUTF8=True,
            hostname="aiosmtpd.fabrikam.example",
            auth_required=True,
            auth_require_tls=False,
            authenticator=_authenticate,
            loop=loop,
        )

    server = await loop.create_unix_server(connected, str(peer.path))
    try:
        yield peer
    finally:
        server.close()
        await server.wait_closed()


# ---- Postfix, and where its messages end


class Sink:
    """An LMTP server that keeps every byte: where Postfix delivers to."""

    def __init__(self) -> None:
        self._taken: dict[str, asyncio.Future[Message]] = {}

    def message(self, queue_id: str) -> "asyncio.Future[Message]":
        """What Postfix delivered under this queue id, perhaps not yet."""
        return self._taken.setdefault(queue_id, asyncio.get_running_loop().create_future())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection (RFC 2033): one reply for each recipient after the dot."""
        writer.write(b"220 sink\r\n")
        sender, recipients = "", list[str]()
        while line := await reader.readline():
            verb, address = line[:4].upper(), line.partition(b"<")[2].rpartition(b">")[0].decode("utf-8", "replace")
            if verb == b"MAIL":
                sender, recipients = address, []
            elif verb == b"RCPT":
                recipients.append(address)
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                self._keep(sender, recipients, await _until_the_dot(reader))
                writer.write(b"250 2.0.0 OK\r\n" * (len(recipients) - 1))
            writer.write(b"250-sink\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n" if verb == b"LHLO" else b"250 2.0.0 OK\r\n")
            if verb == b"QUIT":
                break
        writer.close()

    def _keep(self, sender: str, recipients: list[str], content: bytes) -> None:
        received = re.match(rb"Received: (?:.*?)\bid ([0-9A-F]+);?[^\n]*\r\n(?:[ \t][^\n]*\n)*", content, re.DOTALL)
        assert received, content[:500]
        taken = self.message(received[1].decode())
        taken.set_result(Message(sender, tuple(sorted(recipients)), content[received.end() :]))


async def _until_the_dot(reader: asyncio.StreamReader) -> bytes:
    content = b""
    while (line := await reader.readuntil(b"\r\n")) != b".\r\n":
        content += line.removeprefix(b".")
    return content


@dataclass(frozen=True)
class PostfixPeer:
    """Postfix with `smtpd_forbid_bare_newline = normalize`, which changes as little of a message as it can."""

    instance: Postfix
    sink: Sink

    async def play(self, pieces: Sequence[bytes]) -> Result:
        """See Server."""
        output = await _talk(self.instance.socket, pieces)
        ids = re.findall(rb"queued as ([0-9A-F]+)", output)
        messages = [await asyncio.wait_for(self.sink.message(each.decode()), PATIENCE) for each in ids]
        return Result(classes(output), tuple(messages))


_SETTINGS: Final = {
    "smtpd_forbid_bare_newline": "normalize",
    "smtpd_forbid_bare_newline_exclusions": "",
    # Nobody is anybody without a password, as at our door.
    "smtpd_sasl_auth_enable": "yes",
    "smtpd_sasl_type": "dovecot",
    "smtpd_sasl_path": "{folder}/auth.sock",
    "smtpd_delay_reject": "no",
    "smtpd_sender_restrictions": "permit_sasl_authenticated, reject",
    "smtpd_relay_restrictions": "permit_sasl_authenticated, reject",
    "smtpd_error_sleep_time": "0",
    "message_size_limit": str(MAX_SIZE),
    # All that would change a message or send it elsewhere.
    "default_transport": "lmtp:unix:{folder}/sink.sock",
    "local_transport": "lmtp:unix:{folder}/sink.sock",
    "local_header_rewrite_clients": "",
    "remote_header_rewrite_domain": "",
    "append_at_myorigin": "no",
    "append_dot_mydomain": "no",
    "swap_bangpath": "no",
    "allow_percent_hack": "no",
    "resolve_dequoted_address": "no",
    "message_drop_headers": "",
    "disable_mime_output_conversion": "yes",
    "smtp_line_length_limit": "0",
    "lmtp_line_length_limit": "0",
    "hopcount_limit": "1000",
}


async def _check_logins(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Who may come in, asked by Postfix in Dovecot's protocol for authentication clients, version 1.1."""
    mechanisms = "MECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\n"
    writer.write(f"VERSION\t1\t1\n{mechanisms}SPID\t1\nCUID\t1\nCOOKIE\t{'0' * 32}\nDONE\n".encode())
    answers: dict[str, list[str]] = {}
    while line := (await reader.readline()).decode().rstrip("\n"):
        verb, *words = line.split("\t")
        if verb not in ("AUTH", "CONT"):
            continue
        request, given = words[0], answers.setdefault(words[0], [])
        if verb == "AUTH":
            given.append(words[1])
        # A response is the last parameter, as it is the only one that may hold "=".
        given += [words[-1].removeprefix("resp=")] if verb == "CONT" or words[-1].startswith("resp=") else []
        writer.write(_answer(request, *given).encode() + b"\n")
    writer.close()


def _answer(request: str, mechanism: str, *responses: str) -> str:
    expected = {"PLAIN": ["AHByaW50ZXIAc2VjcmV0"], "LOGIN": ["cHJpbnRlcg==", "c2VjcmV0"]}[mechanism]
    if len(responses) < len(expected):
        challenge = "" if mechanism == "PLAIN" else ("VXNlcm5hbWU6", "UGFzc3dvcmQ6")[len(responses)]
        return f"CONT\t{request}\t{challenge}"
    return f"OK\t{request}\tuser=printer" if list(responses) == expected else f"FAIL\t{request}\tuser=printer"


@asynccontextmanager
async def postfix_peer() -> AsyncIterator[PostfixPeer]:
    """Postfix with one user, `printer`, and everything delivered into a sink."""
    sink = Sink()
    async with postfix(_SETTINGS) as instance, AsyncExitStack() as servers:
        for name, serve in {"sink.sock": sink.serve, "auth.sock": _check_logins}.items():
            path = instance.folder / name
            served: list[asyncio.StreamWriter] = []
            server = await asyncio.start_unix_server(_kept(serve, served), str(path), limit=1 << 20)
            servers.push_async_callback(_close, server, served)
            # The daemons are another user.
            path.chmod(0o666)
        yield PostfixPeer(instance, sink)


_Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _kept(serve: _Serve, served: list[asyncio.StreamWriter]) -> _Serve:
    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(writer)
        await serve(reader, writer)

    return one


async def _close(server: asyncio.Server, served: Iterable[asyncio.StreamWriter]) -> None:
    server.close()
    for writer in served:
        # Postfix keeps its connections open: it is stopped after this.
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
