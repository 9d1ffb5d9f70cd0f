"""Plays the dialogs of README.md against a running gateway."""

import ast
import asyncio
import base64
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.conftest import House

_SETTINGS: Final = {"@max_size": "smtp.max_size", "@max_recipients": "smtp.max_recipients"}
_PATIENCE: Final = 20


class Mismatch(AssertionError):
    """The server said or kept something else than the dialog shows."""


@dataclass(frozen=True)
class Step:
    """One line of a dialog: its place in the file, its word (`C:`, `S:`, `@raw`) and what stands behind."""

    place: str
    word: str
    text: str


@dataclass(frozen=True)
class Dialog:
    """A dialog as it was read."""

    settings: dict[str, str]
    steps: list[Step]


def read(path: Path) -> Dialog:
    """A dialog from its file."""
    return parse(path.read_text("utf-8"), path.name)


def parse(text: str, name: str) -> Dialog:
    """A dialog from its text."""
    settings: dict[str, str] = {}
    steps: list[Step] = []
    for number, line in enumerate(text.split("\n"), 1):
        word, _, rest = line.partition(" ")
        if word == "@listen":
            settings["smtp.listen"] = f"{rest}:0"
        elif word in _SETTINGS:
            settings[_SETTINGS[word]] = rest
        elif word in _STEPS:
            steps.append(Step(f"{name}:{number}", word, rest))
        elif line and not line.startswith("#"):
            raise ValueError(f"{name}:{number}: not a line of a dialog: {line}")
    return Dialog(settings, steps)


async def play(dialog: Dialog, house: House) -> None:
    """Play a dialog; raises Mismatch where the gateway does something else."""
    host, port = house.smtp
    host = host.replace("0.0.0.0", "127.0.0.1")
    reader, writer = await asyncio.open_connection(host, port)
    player = Player(house, reader, writer)
    try:
        for step in dialog.steps:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await _STEPS[step.word](player, step.text)
            except (Mismatch, TimeoutError) as error:
                raise Mismatch(f"{step.place}: {step.word} {step.text}\n{error or 'nothing came'}") from None
        await player.hang_up()
    finally:
        writer.close()


class Player:
    """The client's side of one connection."""

    def __init__(self, house: House, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._house = house
        self._reader = reader
        self._writer = writer
        self._over = False
        self._tls = False
        password = house.passwords["printer"]
        self._placeholders = {
            "{PLAIN}": f"\0printer\0{password}",
            "{WRONG}": "\0printer\0not the password",
            "{NAME}": "printer",
            "{PASSWORD}": password,
            "{WRONG_PASSWORD}": "not the password",
        }

    async def send(self, text: str) -> None:
        """`C:`"""
        for name, value in self._placeholders.items():
            text = text.replace(name, base64.b64encode(value.encode()).decode())
        self._writer.write(text.encode() + b"\r\n")
        await self._writer.drain()

    async def send_raw(self, literal: str) -> None:
        """`@raw`"""
        self._writer.write(_bytes(literal))
        await self._writer.drain()

    async def expect(self, wanted: str) -> None:
        """`S:`"""
        line = (await self._reader.readline()).decode("ascii")
        parts = (re.escape(part) for part in wanted.split("..."))
        pattern = wanted[2:] if wanted.startswith("~ ") else ".*".join(parts)
        if not re.fullmatch(pattern + "\r\n", line):
            raise Mismatch(f"the server said {line!r}")

    async def _reply(self, code: str) -> None:
        line = b"   -"
        while line[3:4] == b"-":
            line = await self._reader.readline()
        if not line.startswith(code.encode()):
            raise Mismatch(f"the server said {line!r} instead of {code}")

    async def ehlo(self, _text: str) -> None:
        """`@ehlo`: the greeting comes before the first."""
        if not self._tls:
            await self._reply("220")
        await self.send("EHLO printer.contoso.example")
        await self._reply("250")

    async def handshake(self, _text: str) -> None:
        """`@handshake`"""
        trusted = self._house.gateway.settings.state_dir / "tls-cert.pem"
        await self._writer.start_tls(ssl.create_default_context(cafile=trusted), server_hostname="localhost")
        self._tls = True

    async def tls(self, _text: str) -> None:
        """`@tls`"""
        await self.ehlo("")
        await self.send("STARTTLS")
        await self._reply("220")
        await self.handshake("")

    async def login(self, _text: str) -> None:
        """`@login`"""
        await self.ehlo("")
        await self.send("AUTH PLAIN {PLAIN}")
        await self._reply("235")

    async def hang_up(self, _text: str = "") -> None:
        """End our side; the server must have nothing to add. Also `@closed`, where the server has to end first."""
        if self._over:
            return
        self._over = True
        if not self._tls:
            self._writer.write_eof()
            await self.closed()
        self._writer.close()

    async def closed(self, _text: str = "") -> None:
        """`@closed`"""
        self._over = True
        try:
            rest = await self._reader.read()
        except ConnectionResetError:
            return
        if rest:
            raise Mismatch(f"the server added {rest!r}")

    async def _stored(self) -> list[Any]:
        await self.hang_up()
        return await self._house.gateway.outbox.list(state=None, before=None, limit=100)

    async def stored(self, count: str) -> None:
        """`@stored`"""
        found = len(await self._stored())
        if found != int(count):
            raise Mismatch(f"{found} messages were stored")

    async def recipients(self, names: str) -> None:
        """`@recipients`"""
        found = ", ".join((await self._stored())[0]["recipients"])
        if found != names:
            raise Mismatch(f"the recipients are {found}")

    async def stored_bytes(self, literal: str) -> None:
        """`@stored-bytes`"""
        newest = (await self._stored())[0]
        (row,) = await self._house.gateway.database.read("outbox_part", seq=newest["seq"], part=0)
        if not re.fullmatch(rb"(?:[A-Z][A-Za-z-]+: [^\r\n]*\r\n)*?" + re.escape(_bytes(literal)), row["data"]):
            raise Mismatch(f"the message is {row['data']!r}")


def _bytes(literal: str) -> bytes:
    """The bytes of `"text"` or `"text" * number`."""
    match = re.fullmatch(r'("(?:[^"\\]|\\.)*")(?: \* (\d+))?', literal)
    if match is None:
        raise ValueError(f"not bytes: {literal}")
    value = ast.literal_eval("b" + match[1])
    assert isinstance(value, bytes)
    return value * int(match[2] or 1)


_STEPS: Final[dict[str, Callable[[Player, str], Awaitable[None]]]] = {
    "C:": Player.send,
    "S:": Player.expect,
    "@raw": Player.send_raw,
    "@ehlo": Player.ehlo,
    "@handshake": Player.handshake,
    "@tls": Player.tls,
    "@login": Player.login,
    "@closed": Player.closed,
    "@stored": Player.stored,
    "@recipients": Player.recipients,
    "@stored-bytes": Player.stored_bytes,
}
