"""Plays the dialogs of README.md against a running gateway."""

import ast
import asyncio
import base64
import contextlib
import re
import secrets
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast

from pillarbox.access.submitter_rules import Wanted
from pillarbox.core.mail import Dsn
from pillarbox.core.vault import Secret
from tests.conftest import House

_SETTINGS: Final = {"@max_size": "smtp.max_size", "@max_recipients": "smtp.max_recipients"}
_NUMBERS: Final = frozenset({"rate", "max_size"})
_SWITCHES: Final = frozenset({"force_from", "fix_from", "enabled"})
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
    submitter: dict[str, object] = field(default_factory=dict)
    """What the submitter `printer` is to be."""
    peer: str = "127.0.0.1"
    """The address that the client connects from."""
    others: int = 0
    """Connections from the same address that are open already."""


def read(path: Path) -> Dialog:
    """A dialog from its file."""
    return parse(path.read_text("utf-8"), path.name)


def parse(text: str, name: str) -> Dialog:
    """A dialog from its text."""
    dialog = Dialog({}, [])
    for number, line in enumerate(text.split("\n"), 1):
        word, _, rest = line.partition(" ")
        if word in _STEPS:
            dialog.steps.append(Step(f"{name}:{number}", word, rest))
        elif line and not line.startswith("#"):
            dialog = _with_head(dialog, word, rest, f"{name}:{number}")
    return dialog


def _with_head(dialog: Dialog, word: str, rest: str, place: str) -> Dialog:
    key, _, value = rest.partition(" ")
    match word:
        case "@listen":
            return replace(dialog, settings={**dialog.settings, "smtp.listen": f"{rest}:0"})
        case "@set":
            return replace(dialog, settings={**dialog.settings, key: value})
        case "@submitter":
            return replace(dialog, submitter={**dialog.submitter, key: _value(key, value)})
        case "@peer":
            return replace(dialog, peer=rest)
        case "@others":
            return replace(dialog, others=int(rest))
        case _ if word in _SETTINGS:
            return replace(dialog, settings={**dialog.settings, _SETTINGS[word]: rest})
    raise ValueError(f"{place}: not a line of a dialog: {word} {rest}")


def _value(key: str, value: str) -> object:
    if key in _NUMBERS:
        return int(value)
    return value == "yes" if key in _SWITCHES else value.split()


async def play(dialog: Dialog, house: House) -> None:
    """Play a dialog; raises Mismatch where the gateway does something else."""
    if dialog.submitter:
        await house.gateway.submitters.change("printer", cast(Wanted, dialog.submitter))
    token = await house.gateway.submitters.add_token("printer", secrets.token_hex(8))
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(dialog.others):
            await (await _client(dialog, house, token, stack)).expect("220 ...")
        player = await _client(dialog, house, token, stack)
        for step in dialog.steps:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await _STEPS[step.word](player, step.text)
            except (Mismatch, TimeoutError) as error:
                raise Mismatch(f"{step.place}: {step.word} {step.text}\n{error or 'nothing came'}") from None
        await player.hang_up()


async def _client(dialog: Dialog, house: House, token: Secret, stack: contextlib.AsyncExitStack) -> "Player":
    host, port = house.smtp
    host = host.replace("0.0.0.0", "127.0.0.1")
    reader, writer = await asyncio.open_connection(host, port, local_addr=(dialog.peer, 0))
    stack.callback(writer.close)
    return Player(house, reader, writer, token)


class Player:
    """The client's side of one connection."""

    def __init__(self, house: House, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: Secret) -> None:
        self._house = house
        self._reader = reader
        self._writer = writer
        self._over = False
        self._tls = False
        self._greeted = False
        password = house.passwords["printer"]
        self._placeholders = {
            "{PLAIN}": f"\0printer\0{password}",
            "{WRONG}": "\0printer\0not the password",
            "{NAME}": "printer",
            "{PASSWORD}": password,
            "{WRONG_PASSWORD}": "not the password",
            "{XOAUTH2}": _xoauth2(token.reveal()),
            "{WRONG_XOAUTH2}": _xoauth2("not-the-token"),
            "{OAUTHBEARER}": _oauth_bearer(token.reveal()),
            "{WRONG_OAUTHBEARER}": _oauth_bearer("not-the-token"),
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
        self._greeted = True
        line = (await self._reader.readline()).decode("ascii")
        parts = (re.escape(part) for part in wanted.split("..."))
        pattern = wanted[2:] if wanted.startswith("~ ") else ".*".join(parts)
        if not re.fullmatch(pattern + "\r\n", line):
            raise Mismatch(f"the server said {line!r}")

    async def _reply(self, code: str) -> None:
        self._greeted = True
        line = b"   -"
        while line[3:4] == b"-":
            line = await self._reader.readline()
        if not line.startswith(code.encode()):
            raise Mismatch(f"the server said {line!r} instead of {code}")

    async def replies(self, wanted: str) -> None:
        """`@replies`"""
        *codes, times = wanted.split()
        for code in codes * int(times):
            await self._reply(code)

    async def ehlo(self, _text: str) -> None:
        """`@ehlo`: the greeting comes before the first."""
        if not self._greeted:
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

    async def data(self, _text: str) -> None:
        """`@data`"""
        await self.login("")
        for command, code in _TO_DATA:
            await self.send(command)
            await self._reply(code)

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
        """`@closed`: in order, as a reset may destroy the last words before they are read."""
        self._over = True
        try:
            rest = await self._reader.read()
        except ConnectionResetError:
            raise Mismatch("the server reset the connection") from None
        if rest:
            raise Mismatch(f"the server added {rest!r}")

    async def cut_off(self, _text: str) -> None:
        """`@cut-off`"""
        self._over = True
        with contextlib.suppress(ConnectionResetError):
            if b"\n" in await self._reader.read():
                raise Mismatch("the server said something")

    async def _stored(self) -> list[Any]:
        await self.hang_up()
        return (await self._house.gateway.outbox.page(100))[0]

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

    async def _newest(self) -> Mapping[str, Any]:
        row = await self._house.gateway.outbox.get((await self._stored())[0]["id"])
        assert row is not None
        return row

    async def dsn(self, wanted: str) -> None:
        """`@dsn`"""
        dsn: Dsn = (await self._newest())["dsn"]
        wishes = [f"NOTIFY({address})={value}" for address, value in dsn.notify.items()]
        originals = [f"ORCPT({address})={value}" for address, value in dsn.orcpt.items()]
        found = " ".join([f"RET={dsn.ret}", f"ENVID={dsn.envid}", *wishes, *originals])
        if found != wanted:
            raise Mismatch(f"what is to be told is {found}")

    async def note(self, wanted: str) -> None:
        """`@note`"""
        notes = (await self._newest())["notes"]
        if wanted not in notes:
            raise Mismatch(f"the notes are {notes}")

    async def logged(self, wanted: str) -> None:
        """`@logged`"""
        await self.hang_up()
        codes = re.findall(r" code=(\S+)", "\n".join(self._house.log.lines("smtp.refused")))
        if codes != wanted.split():
            raise Mismatch(f"the log has {codes}")

    async def stored_bytes(self, literal: str) -> None:
        """`@stored-bytes`"""
        newest = (await self._stored())[0]
        (row,) = await self._house.gateway.database.read("outbox_part", seq=newest["seq"], part=0)
        if not re.fullmatch(rb"(?:[A-Z][A-Za-z-]+: [^\r\n]*\r\n)*?" + re.escape(_bytes(literal)), row["data"]):
            raise Mismatch(f"the message is {row['data']!r}")


_TO_DATA: Final = (
    ("MAIL FROM:<scanner@contoso.example>", "250"),
    ("RCPT TO:<alice@contoso.example>", "250"),
    ("DATA", "354"),
)


def _xoauth2(token: str) -> str:
    return f"user=printer\x01auth=Bearer {token}\x01\x01"


def _oauth_bearer(token: str) -> str:
    return f"n,a=printer,\x01auth=Bearer {token}\x01\x01"


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
    "@replies": Player.replies,
    "@ehlo": Player.ehlo,
    "@handshake": Player.handshake,
    "@tls": Player.tls,
    "@login": Player.login,
    "@data": Player.data,
    "@closed": Player.closed,
    "@cut-off": Player.cut_off,
    "@dsn": Player.dsn,
    "@note": Player.note,
    "@logged": Player.logged,
    "@stored": Player.stored,
    "@recipients": Player.recipients,
    "@stored-bytes": Player.stored_bytes,
}
