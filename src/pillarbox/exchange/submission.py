"""Handing mail to Exchange Online by SMTP (RFC 6409), on connections that are signed in and kept for the next message.

What was said when a connection breaks decides: before the final dot the message was certainly not taken (RFC 5321
section 4.1.1.4), from then on until its reply nobody knows.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Final, cast

import aiosmtplib

from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import Dsn, Envelope
from pillarbox.exchange import smtp
from pillarbox.exchange.login import Credentials, Server, why

MOST: Final = 3
"""Connections of one mailbox at the same time; with a fourth Exchange answers 432 4.3.2."""
_IDLE: Final = 30.0
"""Seconds that a connection is kept for the next message."""


class Refused(PillarboxError):
    """Exchange does not take the message: `reply` is its own line, `recipient` whom it refuses, if it is one."""

    def __init__(self, reply: str, recipient: str = "") -> None:
        super().__init__("exchange.not_taken", reply=reply)
        self.reply = reply
        self.recipient = recipient


class AnswerLost(PillarboxError):
    """The whole message was sent and its answer never came: it may have been taken."""


class Submissions:
    """The connections to one Exchange. Each mailbox has at most three; those that nobody uses are closed."""

    def __init__(self, server: Server, idle: float = _IDLE) -> None:
        self._server = server
        self._idle = idle
        self._places: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(MOST))
        self._kept: defaultdict[str, list[_Connection]] = defaultdict(list)
        self._ending: set[asyncio.Task[None]] = set()

    async def hand_in(
        self, credentials: Credentials, envelope: Envelope, size: int, pieces: AsyncIterator[bytes]
    ) -> str:
        """Hand a message of about `size` bytes in; the reply that takes it. Lines end with CRLF.

        Nothing is read from `pieces` before Exchange wants them; what they raise leaves the message untaken. Raises
        LoginRefused, Refused, Untrusted, Unreachable (certainly not taken), and AnswerLost.
        """
        async with self._places[credentials.user]:
            connection = await self._connection(credentials)
            try:
                reply = await connection.hand_in(envelope, size, pieces)
            except Refused:
                self._keep(connection)
                raise
            except BaseException:
                # In the middle of something: it is good for nothing else.
                connection.abort()
                raise
            self._keep(connection)
            return reply

    async def close(self) -> None:
        """Close the connections that are kept."""
        for connection in [one for kept in self._kept.values() for one in kept]:
            self._end(connection)
        await asyncio.gather(*self._ending)

    async def _connection(self, credentials: Credentials) -> "_Connection":
        """One that is kept and still answers, signed in by the same token, or a new one."""
        kept = self._kept[credentials.user]
        while kept:
            connection = kept.pop()
            connection.rest()
            if connection.credentials == credentials and await connection.answers():
                return connection
            connection.abort()
        client, _reply = await smtp.sign_in(self._server, credentials)
        return _Connection(client, self._server, credentials)

    def _keep(self, connection: "_Connection") -> None:
        self._kept[connection.credentials.user].append(connection)
        connection.timer = asyncio.get_running_loop().call_later(self._idle, self._end, connection)

    def _end(self, connection: "_Connection") -> None:
        connection.rest()
        self._kept[connection.credentials.user].remove(connection)
        task = asyncio.create_task(connection.end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


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

    async def hand_in(self, envelope: Envelope, size: int, pieces: AsyncIterator[bytes]) -> str:
        """See `Submissions.hand_in`."""
        try:
            await self._say(b"MAIL", b"FROM:<%s>" % _octets(envelope.sender), *self._of_message(envelope, size))
            for recipient in envelope.recipients:
                asked = self._of_recipient(envelope.dsn, recipient)
                await self._say(b"RCPT", b"TO:<%s>" % _octets(recipient), *asked, recipient=recipient)
            await self._say(b"DATA", wanted=aiosmtplib.SMTPStatus.start_input)
            await self._write(pieces)
        except (aiosmtplib.SMTPException, OSError) as error:
            self._server.fail(smtp.plain(error))
        try:
            # No waiting from here to the reader of the reply, which must be there before it comes.
            self._writer.write(b".\r\n")
            reply = await self._protocol.read_response(timeout=self._server.timeout)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._lost(why(smtp.plain(error))) from error
        if reply.code // 100 not in (2, 4, 5):
            raise self._lost(smtp.line(reply))
        return _taken(reply, aiosmtplib.SMTPStatus.completed)

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
        _taken(await self._client.execute_command(*words), wanted, recipient)

    async def _write(self, pieces: AsyncIterator[bytes]) -> None:
        """The message with its dots doubled (RFC 5321 section 4.5.2), and with an end to its last line."""
        async for piece in _stuffed(pieces):
            self._writer.write(piece)
            async with asyncio.timeout(self._server.timeout):
                await self._writer.drain()

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


def _taken(reply: aiosmtplib.SMTPResponse, wanted: int, recipient: str = "") -> str:
    # Any other success than the one that is meant (251) is one too (RFC 5321 section 4.3.2).
    if reply.code // 100 != wanted // 100:
        raise Refused(smtp.line(reply), recipient)
    return smtp.line(reply)


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
