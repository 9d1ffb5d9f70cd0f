"""The message on standard input: its header in memory, its body in memory or in a file, every line ended by CRLF."""

import os
import re
from collections.abc import Iterator
from typing import IO, Final

from pillarbox.sendmail import addresses
from pillarbox.sendmail.problem import Problem

MAX_SIZE: Final = 150_000_000
"""Bytes; the most that Exchange Online can be set to take. Who never stops writing is stopped here."""
MAX_HEADER: Final = 128 * 1024
"""Bytes of the header, as at the service's doors."""
PIECE: Final = 64 * 1024
IN_MEMORY: Final = 1 << 20
_NAME: Final = re.compile(rb"([!-9;-~]+)[ \t]*:")


class Message:
    """A message that was read whole. `size` counts bytes as they are sent, without the dots of SMTP."""

    def __init__(self, source: IO[bytes], *, dot_ends: bool) -> None:
        """Read it to its end: that of the input, or with `dot_ends` a line with nothing but a dot. Raises Problem."""
        self.fields: list[bytes] = []
        self._body = _Body()
        lines = _lines(source, dot_ends)
        for line in self._read_header(lines):
            self._body.write(line)
        for line in lines:
            self._body.write(line)

    def _read_header(self, lines: Iterator[bytes]) -> list[bytes]:
        """Take the fields from the lines; what was read beyond them."""
        size = 0
        begins = True
        for line in lines:
            if line == b"\r\n":
                return []
            if begins and not self.fields and size == 0 and line.startswith(b"From "):
                size = len(line)  # the separator of a mailbox file
                continue
            if begins and _NAME.match(line):
                self.fields.append(line)
            elif self.fields and (not begins or line[:1] in b" \t"):
                self.fields[-1] += line
            else:
                return [line]
            begins = line.endswith(b"\n")
            size += len(line)
            if size > MAX_HEADER:
                raise Problem(os.EX_DATAERR, f"the header is larger than {MAX_HEADER} bytes")
        return []

    def values(self, *names: bytes) -> list[bytes]:
        """What stands in the fields of these names (lower case), unfolded."""
        found = []
        for field in self.fields:
            name, _, value = field.partition(b":")
            if name.strip().lower() in names:
                found.append(value.replace(b"\r\n", b"").strip())
        return found

    def recipients(self) -> list[str]:
        """Whom To, Cc and Bcc name; of a message that was sent on (Resent-), those of its newest fields alone."""
        values = self.values(b"resent-to", b"resent-cc", b"resent-bcc") or self.values(b"to", b"cc", b"bcc")
        return [address for value in values for address in addresses.listed(value, os.EX_DATAERR)]

    def author(self) -> str:
        """The one address in From, where it has a domain; empty else."""
        try:
            found = [address for value in self.values(b"from") for address in addresses.listed(value, os.EX_DATAERR)]
        except Problem:
            return ""  # the service says what is wrong with it
        return found[0] if len(found) == 1 and "@" in found[0] else ""

    def remove(self, *names: bytes) -> None:
        """Take the fields of these names (lower case) out."""
        self.fields = [field for field in self.fields if field.partition(b":")[0].strip().lower() not in names]

    def add(self, name: str, value: str) -> None:
        """Put a field above all others."""
        self.fields.insert(0, f"{name}: {value}\r\n".encode("utf-8", "surrogateescape"))

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(map(len, self.fields)) + 2 + self._body.size

    @property
    def is_ascii(self) -> bool:
        """Whether no byte is above 127."""
        return self._body.is_ascii and all(map(bytes.isascii, self.fields))

    def pieces(self) -> Iterator[bytes]:
        """The bytes, ended by CRLF; may be asked for again."""
        yield b"".join(self.fields) + b"\r\n"
        yield from self._body.pieces()


def _lines(source: IO[bytes], dot_ends: bool) -> Iterator[bytes]:
    """The lines of the input with CRLF at their end, long ones in pieces."""
    begins = True
    size = 0
    last = b"\n"
    while piece := source.readline(PIECE):
        if dot_ends and begins and piece in (b".\n", b".\r\n", b"."):
            return
        begins = piece.endswith(b"\n")
        if begins and not piece.endswith(b"\r\n") and not (piece == b"\n" and last.endswith(b"\r")):
            piece = piece[:-1] + b"\r\n"
        size += len(piece)
        if size > MAX_SIZE:
            raise Problem(os.EX_DATAERR, f"the message is larger than {MAX_SIZE} bytes")
        last = piece
        yield piece
    if not begins:
        yield b"\r\n"


class _Body:
    """Bytes that go to a file without a name once they are many."""

    def __init__(self) -> None:
        self.size = 0
        self.is_ascii = True
        self._memory = bytearray()
        self._file: IO[bytes] | None = None

    def write(self, data: bytes) -> None:
        self.size += len(data)
        self.is_ascii = self.is_ascii and data.isascii()
        self._memory += data
        if len(self._memory) > IN_MEMORY:
            self._spill()

    def _spill(self) -> None:
        if self._file is None:
            import tempfile

            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open until we end
        self._file.write(self._memory)
        self._memory.clear()

    def pieces(self) -> Iterator[bytes]:
        if self._file is not None:
            self._file.seek(0)
            while piece := self._file.read(PIECE):
                yield piece
            self._file.seek(0, os.SEEK_END)
        yield bytes(self._memory)
