"""SMTP clients that hand in numbered mails, and each of them again until its queue id is told."""

import asyncio
import base64
from collections.abc import Sequence


class Load:
    """Clients that send until `goal` mails are acknowledged, wherever the service is just now."""

    def __init__(self, password: str, senders: Sequence[str], goal: int) -> None:
        self._login = base64.b64encode(f"\0printer\0{password}".encode())
        self._senders = senders
        self._goal = goal
        self._number = 0
        self._acknowledged = asyncio.Condition()
        self._up = asyncio.Event()
        self._address = ("", 0)
        self.ids: list[str] = []

    def more(self, mails: int) -> None:
        """So many mails more are to be acknowledged."""
        self._goal += mails

    def point_at(self, address: str) -> None:
        """A service is there."""
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        self._up.set()

    def gone(self) -> None:
        """There is none now."""
        self._up.clear()

    async def acknowledged(self, goal: int) -> None:
        """Until so many mails have been acknowledged, or all."""
        async with self._acknowledged:
            await self._acknowledged.wait_for(lambda: len(self.ids) >= min(goal, self._goal))

    async def client(self) -> None:
        """Hand in mail after mail; after a broken connection the same one again."""
        number = self._next()
        while number:
            await self._up.wait()
            try:
                number = await self._session(number)
            except _Lost as lost:
                number = lost.number
            except (OSError, asyncio.IncompleteReadError):
                continue

    def _next(self) -> int:
        if self._number == self._goal:
            return 0
        self._number += 1
        return self._number

    async def _session(self, number: int) -> int:
        """Hand in that mail and those after it; raises _Lost with the one at which the connection broke."""
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            await _reply(reader)
            for line in (b"EHLO load.contoso.example", b"AUTH PLAIN " + self._login):
                writer.write(line + b"\r\n")
                await _reply(reader)
            while number:
                queue_id = await self._hand_in(reader, writer, number)
                async with self._acknowledged:
                    self.ids.append(queue_id)
                    self._acknowledged.notify_all()
                number = self._next()
            return 0
        except (OSError, asyncio.IncompleteReadError) as error:
            raise _Lost(number) from error
        finally:
            writer.close()

    async def _hand_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> str:
        sender = self._senders[number % len(self._senders)]
        mime = (
            f"From: {sender}\r\nTo: alice@contoso.example\r\nMessage-ID: <{number}@load.contoso.example>\r\n"
            f"Subject: {number}\r\n\r\n{'x' * 2000}\r\n."
        )
        reply = b""
        for line in (f"MAIL FROM:<{sender}>", "RCPT TO:<alice@contoso.example>", "DATA", mime):
            writer.write(line.encode() + b"\r\n")
            reply = await _reply(reader)
        return reply.decode().split()[-1]


class _Lost(Exception):
    """The connection broke while this mail was on its way."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


async def _reply(reader: asyncio.StreamReader) -> bytes:
    while True:
        line = await reader.readuntil(b"\r\n")
        if line[3:4] == b" ":
            if line[:1] == b"4":
                # It ends, or cannot just now: as good as gone, and the mail is handed in again.
                raise ConnectionAbortedError(line)
            assert line[:1] in b"23", line
            return line
