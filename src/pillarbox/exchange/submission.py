"""Handing mail to Exchange Online by SMTP (RFC 6409), on connections that are signed in and kept for the next message.

What was said when a connection breaks decides: before the final dot the message was certainly not taken (RFC 5321
section 4.1.1.4), from then on until its reply nobody knows.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, cast

import aiosmtplib

from pillarbox.core import catalogue
from pillarbox.core.errors import PillarboxError, Upstream
from pillarbox.core.mail import Dsn, Envelope
from pillarbox.exchange import smtp
from pillarbox.exchange.login import Credentials, Server, told_by, why

MOST: Final = 3
"""Connections of one mailbox at the same time; with a fourth Exchange answers 432 4.3.2."""
_IDLE: Final = 30.0
"""Seconds that a connection is kept for the next message."""
_PATIENCE: Final = 600.0
"""Seconds for the reply to a whole message (RFC 5321 section 4.5.3.2.6): who gives up too early may send twice."""
_NOT_SIGNED_IN: Final = 530
_CLOSING: Final = "421"
"""The reply after which the other side closes the connection (RFC 5321 section 3.8)."""


class Refused(PillarboxError):
    """Exchange does not take the message: `reply` is its own line, `recipient` whom it refuses, if it is one."""

    def __init__(self, reply: str, recipient: str = "") -> None:
        super().__init__("exchange.not_taken", reply=reply)
        self.reply = reply
        self.recipient = recipient

    @property
    def upstream(self) -> Upstream:
        """The codes of its reply."""
        return told_by(self.reply)


class _SignedOut(Refused):
    """Before anything of the message was said: the connection is signed in no more (530, RFC 4954 section 6)."""


class AnswerLost(PillarboxError):
    """The whole message was sent and its answer never came: it may have been taken."""

    @property
    def upstream(self) -> Upstream:
        """Exchange, which told nothing."""
        return Upstream("exchange")


@dataclass(frozen=True, slots=True)
class Taken:
    """Exchange has the message. `reports`: it was told what the client asked of delivery status, and reports so."""

    reply: str
    reports: bool


class Submissions:
    """The connections to one Exchange. Each mailbox has at most three; those that nobody uses are closed.

    Whoever uses one, or says goodbye on it, has one of the mailbox's places. Those that are kept need none: there are
    never more of them than places are free, as a new one is opened only where none is kept.
    """

    def __init__(self, server: Server, idle: float = _IDLE, patience: float = _PATIENCE) -> None:
        self._server = server
        self._idle = idle
        self._patience = patience
        self._places: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(MOST))
        self._kept: defaultdict[str, list[_Connection]] = defaultdict(list)
        self._ending: set[asyncio.Task[None]] = set()

    async def hand_in(
        self, credentials: Credentials, envelope: Envelope, size: int, pieces: AsyncIterator[bytes]
    ) -> Taken:
        """Hand a message of about `size` bytes in. Lines end with CRLF.

        Nothing is read from `pieces` before Exchange wants them; what they raise leaves the message untaken. Raises
        LoginRefused, Refused, Untrusted, Unreachable (certainly not taken), and AnswerLost.
        """
        async with self._places[credentials.user]:
            kept = await self._kept_one(credentials)
            if kept is not None:
                try:
                    return await self._hand_in(kept, envelope, size, pieces)
                except _SignedOut:
                    # What one that has just signed in is told, counts.
                    pass
            return await self._hand_in(await self._new(credentials), envelope, size, pieces)

    async def _hand_in(
        self, connection: "_Connection", envelope: Envelope, size: int, pieces: AsyncIterator[bytes]
    ) -> Taken:
        try:
            taken = await connection.hand_in(envelope, size, pieces, self._patience)
        except Refused as error:
            if isinstance(error, _SignedOut) or error.reply.startswith(_CLOSING):
                connection.abort()
            else:
                self._keep(connection)
            raise
        except BaseException:
            # In the middle of something: it is good for nothing else.
            connection.abort()
            raise
        self._keep(connection)
        return taken

    async def close(self) -> None:
        """Close the connections that are kept."""
        for connection in [one for kept in self._kept.values() for one in kept]:
            self._begin_end(connection)
        await asyncio.gather(*self._ending)

    async def _kept_one(self, credentials: Credentials) -> "_Connection | None":
        """One that is kept and still answers, signed in by the same token."""
        kept = self._kept[credentials.user]
        while kept:
            connection = kept.pop()
            connection.rest()
            try:
                if connection.credentials == credentials and await connection.answers():
                    return connection
            except BaseException:
                connection.abort()
                raise
            connection.abort()
        return None

    async def _new(self, credentials: Credentials) -> "_Connection":
        client, _reply = await smtp.sign_in(self._server, credentials)
        return _Connection(client, self._server, credentials)

    def _keep(self, connection: "_Connection") -> None:
        self._kept[connection.credentials.user].append(connection)
        connection.timer = asyncio.get_running_loop().call_later(self._idle, self._begin_end, connection)

    def _begin_end(self, connection: "_Connection") -> None:
        task = asyncio.create_task(self._end(connection))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self, connection: "_Connection") -> None:
        kept, user = self._kept[connection.credentials.user], connection.credentials.user
        async with self._places[user]:
            # Meanwhile it may have been taken for a message.
            if connection in kept:
                connection.rest()
                kept.remove(connection)
                await connection.end()


class _Connection:
    """One connection that is signed in."""

    def __init__(self, client: aiosmtplib.SMTP, server: Server, credentials: Credentials) -> None:
        assert client.protocol is not None
        assert client.protocol.transport is not None
        self.credentials = credentials
        self.timer: asyncio.TimerHandle | None = None
        self._client = client
        self._server = server
        self._protocol = client.protocol
        # aiosmtplib writes a message all at once; this waits until the network has taken what was written.
        transport = cast(asyncio.WriteTransport, client.protocol.transport)
        self._writer = asyncio.StreamWriter(transport, client.protocol, None, asyncio.get_running_loop())

    def rest(self) -> None:
        """It is not waiting for a message any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    async def answers(self) -> bool:
        """Whether the other side is still there, and ready for a new message (RSET)."""
        try:
            return (await self._client.rset()).code == aiosmtplib.SMTPStatus.completed
        except (aiosmtplib.SMTPException, OSError):
            return False

    async def hand_in(self, envelope: Envelope, size: int, pieces: AsyncIterator[bytes], patience: float) -> Taken:
        """See `Submissions.hand_in`."""
        self._need_utf8(envelope)
        try:
            await self._say(b"MAIL", b"FROM:<%s>" % _octets(envelope.sender), *self._of_message(envelope, size))
            for recipient in envelope.recipients:
                asked = self._of_recipient(envelope.dsn, recipient)
                await self._say(b"RCPT", b"TO:<%s>" % _octets(recipient), *asked, recipient=recipient)
            await self._say(b"DATA", wanted=aiosmtplib.SMTPStatus.start_input)
            await self._write(pieces)
            # No waiting from here to the reader of the reply, which must be there before it comes.
            self._protocol.write(b".\r\n")
        except (aiosmtplib.SMTPException, OSError) as error:
            self._server.fail(smtp.plain(error))
        try:
            reply = await self._protocol.read_response(timeout=patience)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._lost(why(smtp.plain(error))) from error
        if reply.code // 100 != 2 and not smtp.is_refusal(reply.code):
            raise self._lost(smtp.line(reply))
        said = _good(reply, aiosmtplib.SMTPStatus.completed)
        return Taken(said, self._client.supports_extension("dsn"))

    def _lost(self, reason: str) -> AnswerLost:
        return AnswerLost("microsoft.answer_lost", host=self._server.host, reason=reason)

    async def end(self) -> None:
        """Say goodbye and close it."""
        await smtp.hang_up(self._client)

    def abort(self) -> None:
        """Close it at once: what was begun is not taken."""
        self._writer.transport.abort()
        self._client.close()

    async def _say(self, *words: bytes, wanted: int = aiosmtplib.SMTPStatus.completed, recipient: str = "") -> None:
        reply = await self._client.execute_command(*words)
        if reply.code == _NOT_SIGNED_IN:
            raise _SignedOut(smtp.line(reply))
        _good(reply, wanted, recipient)

    async def _write(self, pieces: AsyncIterator[bytes]) -> None:
        """The message with its dots doubled (RFC 5321 section 4.5.2), and with an end to its last line."""
        async for piece in _stuffed(pieces):
            self._writer.write(piece)
            async with asyncio.timeout(self._server.timeout):
                await self._writer.drain()

    def _need_utf8(self, envelope: Envelope) -> None:
        """An address in other letters is said only where those are understood (RFC 6531 section 3.1)."""
        if self._client.supports_extension("smtputf8"):
            return
        for address in (envelope.sender, *envelope.recipients):
            if not address.isascii():
                reply = f"553 5.6.7 {catalogue.sentence('exchange.no_utf8', host=self._server.host)}"
                raise Refused(reply, "" if address == envelope.sender else address)

    def _of_message(self, envelope: Envelope, size: int) -> list[bytes]:
        offered = self._client.supports_extension
        dsn = envelope.dsn if offered("dsn") else Dsn()
        international = not "".join((envelope.sender, *envelope.recipients)).isascii()
        found = {
            b"SIZE=%d" % size: offered("size"),
            b"BODY=8BITMIME": offered("8bitmime"),
            b"SMTPUTF8": international and offered("smtputf8"),
            b"RET=" + _octets(dsn.ret): dsn.ret,
            b"ENVID=" + _octets(dsn.envid): dsn.envid,
        }
        return [word for word, wanted in found.items() if wanted]

    def _of_recipient(self, dsn: Dsn, recipient: str) -> list[bytes]:
        if not self._client.supports_extension("dsn"):
            return []
        found = {b"NOTIFY=": dsn.notify.get(recipient), b"ORCPT=": dsn.orcpt.get(recipient)}
        return [word + _octets(asked) for word, asked in found.items() if asked]


def _good(reply: aiosmtplib.SMTPResponse, wanted: int, recipient: str = "") -> str:
    # Any other success than the one that is meant (251) is one too (RFC 5321 section 4.3.2).
    if reply.code // 100 == wanted // 100:
        return smtp.line(reply)
    if smtp.is_refusal(reply.code):
        raise Refused(smtp.line(reply), recipient)
    raise aiosmtplib.SMTPResponseException(reply.code, smtp.line(reply))


async def _stuffed(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    end = b"\r\n"
    async for piece in pieces:
        # A line that begins with a dot may begin in one piece and go on in the next.
        yield (end + piece).replace(b"\r\n.", b"\r\n..")[len(end) :]
        end = (end + piece)[-2:]
    if end != b"\r\n":
        yield b"\r\n"


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
