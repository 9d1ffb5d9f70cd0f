"""One SMTP connection of the load generator: as little work for it as possible, so that it is not the brake.

A conversation is a generator that yields what to send and is resumed with each reply. It waits for every reply before
it goes on, as most devices do and smtp-source does: no pipelining.
"""

import asyncio
import base64
import ssl
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, cast

from bench.mails import Mail

STARTTLS: Final = object()
"""Yielded: go over to TLS, and go on."""
Conversation = Generator[object, bytes]


@dataclass(frozen=True, slots=True)
class Until:
    """Yielded: go on at this time of `time.perf_counter`."""

    at: float


def greet(starttls: bool, login: tuple[str, str] | None) -> Conversation:
    """From the greeting to where mail may be sent."""
    yield b""
    yield b"EHLO bench.contoso.example\r\n"
    if starttls:
        yield b"STARTTLS\r\n"
        yield STARTTLS
        yield b"EHLO bench.contoso.example\r\n"
    if login:
        yield b"AUTH PLAIN " + base64.b64encode("\0".join(("", *login)).encode()) + b"\r\n"


def submit(mails: Iterable[Mail], waits: list[float], dues: Iterator[float] | None) -> Conversation:
    """Hand in mails; append to `waits` the seconds from each final dot to its 250.

    `dues`: when each is to begin, by `time.perf_counter`. Then `waits` has the seconds from there: a mail that had to
    stand behind a slow one has waited too, though nothing of it was sent yet.
    """
    for mail in mails:
        due = None if dues is None else next(dues)
        if due is not None:
            yield Until(due)
        yield b"MAIL FROM:<%s>\r\n" % mail.sender
        yield b"RCPT TO:<%s>\r\n" % mail.recipient
        yield b"DATA\r\n"
        # All but the dot first where it is large: the time that counts begins at the end.
        began = time.perf_counter() if due is None else due
        yield mail.pieces
        waits.append(time.perf_counter() - began)


class Client(asyncio.Protocol):
    """Plays a conversation; `done` is set at its end, or has the error."""

    def __init__(self, conversation: Conversation, context: ssl.SSLContext) -> None:
        self._conversation = conversation
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._pieces: Iterator[bytes] = iter(())
        self._full = False
        self._handshake: asyncio.Task[None] | None = None
        self.done: asyncio.Future[None] = self._loop.create_future()
        next(conversation)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._buffer += data
        while (end := self._buffer.find(b"\n") + 1) and not self.done.done():
            line = bytes(self._buffer[:end])
            del self._buffer[:end]
            if line[3:4] == b" ":
                self._replied(line)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self._full = True

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._full = False
        self._pump()

    def _replied(self, line: bytes) -> None:
        if line[:1] not in b"23":
            self.done.set_exception(RuntimeError(line.decode("ascii", "replace").strip()))
            self.transport.close()
            return
        self._go_on(line)

    def _go_on(self, line: bytes = b"") -> None:
        try:
            what = self._conversation.send(line)
        except StopIteration:
            self.done.set_result(None)
            return
        if isinstance(what, bytes):
            self.transport.write(what)
        elif isinstance(what, tuple):
            self._pieces = iter(what)
            self._pump()
        elif isinstance(what, Until):
            self._loop.call_later(max(0.0, what.at - time.perf_counter()), self._go_on)
        else:
            self._handshake = self._loop.create_task(self._start_tls())

    def _pump(self) -> None:
        while not self._full and (piece := next(self._pieces, None)) is not None:
            self.transport.write(piece)

    async def _start_tls(self) -> None:
        try:
            transport = await self._loop.start_tls(self.transport, self, self._context)
        except OSError as error:
            self.done.set_exception(error)
            return
        assert transport is not None
        self.transport = transport
        self._go_on()


def no_verification(version: str) -> ssl.SSLContext:
    """A client's context that trusts the self-made certificate, and begins every connection with a full handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context
