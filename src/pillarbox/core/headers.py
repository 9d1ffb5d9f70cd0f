"""The top header block of a message, as bytes: scanned with caps, and edited without touching anything else.

Nothing here parses a body or re-serialises a message: what is not named in docs/explanation/bytes.md leaves as it came.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pillarbox.core.errors import InvalidInput

MAX_BLOCK: Final = 128 * 1024
MAX_FIELDS: Final = 1000

# RFC 5322 section 2.2: printable US-ASCII but the colon; blanks before the colon are obsolete and still met.
_NAME: Final = re.compile(rb"([!-9;-~]+)[ \t]*:")
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_BARE_CR: Final = re.compile(rb"\r(?!\n)")


@dataclass(frozen=True, slots=True)
class Field:
    """One header field: its name in lower case, and where it stands, with folded lines and the last CRLF."""

    name: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Block:
    """The top header block of a message: its fields, and where it ends and the body begins.

    Between `end` and `body` is the empty line. They are equal where a message has none: then its first line that is
    neither field nor folded line begins the body, as in Postfix.
    """

    fields: tuple[Field, ...]
    end: int
    body: int

    def named(self, *names: bytes) -> Iterator[Field]:
        """The fields of these names (lower case), in order."""
        return (field for field in self.fields if field.name in names)


def canonical(mime: bytes) -> bytes:
    """The message with every line ended by CRLF: a bare LF becomes CRLF, any other CR a space.

    A parser further on that takes a bare CR for a line's end would see header fields that we did not.
    """
    lines = mime.count(b"\r\n")
    if mime.count(b"\n") != lines:
        mime = _BARE_LF.sub(b"\r\n", mime)
        lines = mime.count(b"\r\n")
    if mime.count(b"\r") != lines:
        mime = _BARE_CR.sub(b" ", mime)
    return mime


def scan(mime: bytes) -> Block:
    """The header block of a canonical message. Raises InvalidInput `mail.header_too_large` beyond the caps."""
    fields: list[Field] = []
    start = 0
    while True:
        end = mime.find(b"\r\n", start, MAX_BLOCK) + 2
        if end == 1:
            if len(mime) >= MAX_BLOCK:
                raise _too_large()
            # The last line has no CRLF. A header that the message ends in is no body.
            return Block(tuple(fields), start, start)
        if end == start + 2:
            return Block(tuple(fields), start, end)
        if mime[start] in b" \t" and fields:
            last = fields[-1]
            fields[-1] = Field(last.name, last.start, end)
        elif match := _NAME.match(mime, start, end):
            fields.append(Field(match[1].lower(), start, end))
        else:
            return Block(tuple(fields), start, start)
        if len(fields) > MAX_FIELDS:
            raise _too_large()
        start = end


def _too_large() -> InvalidInput:
    return InvalidInput("mail.header_too_large", limit=MAX_BLOCK, fields=MAX_FIELDS)


def value(mime: bytes, field: Field) -> bytes:
    """What stands after the colon, unfolded and stripped."""
    raw = mime[field.start : field.end]
    return raw[raw.index(b":") + 1 :].replace(b"\r\n", b"").strip()


# ---- addresses

# One entry of an address list, strictly: [phrase] <address> or address, and perhaps one comment behind it. Possessive
# quantifiers (Python 3.11) keep it linear. What does not match is not kept in a header, whatever it may mean to
# another parser.
_ADDRESS: Final = rb'(?:[^\s<>()\[\],;:"\\@]++|"(?:[^"\\\r\n]|\\.)*+")@(?:[^\s<>()\[\],;:"\\@]++|\[[^\s<>\[\]\\]*+\])'
_PHRASE: Final = rb'(?:"(?:[^"\\]|\\.)*+"|\([^()\\]*+\)|=\?[^?\s]++\?[bBqQ]\?[^?\s]*+\?=|[^"<>,;:()\\\[\]=]++|=)*+'
_ENTRY: Final = re.compile(
    rb"\s*(?:(?P<phrase>" + _PHRASE + rb")<\s*(?P<angle>" + _ADDRESS + rb")\s*>|(?P<bare>" + _ADDRESS + rb"))"
    rb"\s*(?:\([^()\\]*+\)\s*)?(?=[,;]|\Z)",
    re.DOTALL,
)
_GROUP: Final = re.compile(rb'\s*[^"<>@,;:()\\\[\]]*+:')
_QUOTED: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"')
_LOOKS_LIKE_ADDRESS: Final = re.compile(rb"[^\s<>,;]++@[^\s<>,;]++|[^\s<>,;@]++@[^\s<>,;@]++")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an address list: its text, and the addresses in it.

    Several where a display name looks like an address too; none where the entry could not be understood.
    """

    text: bytes
    addresses: tuple[str, ...]


def entries(addresses: bytes) -> Iterator[Entry]:
    """The entries of the value of a From, To or Cc field (RFC 5322 section 3.4); names of groups are left out."""
    position = 0
    while position < len(addresses):
        if group := _GROUP.match(addresses, position):
            position = group.end()
            continue
        if match := _ENTRY.match(addresses, position):
            yield Entry(match[0].strip(), tuple(_addresses_of(match)))
            position = match.end() + 1
            continue
        end = _next_separator(addresses, position)
        if text := addresses[position:end].strip():
            yield Entry(text, ())
        position = end + 1


def _addresses_of(match: re.Match[bytes]) -> Iterator[str]:
    yield _text(match["angle"] or match["bare"])
    # `a@x <b@x>`: which of the two another parser takes is not ours to guess.
    phrase = _QUOTED.sub(b"", match["phrase"] or b"")
    yield from (_text(found) for found in _LOOKS_LIKE_ADDRESS.findall(phrase))


def _next_separator(addresses: bytes, position: int) -> int:
    found = [at for at in (addresses.find(b",", position), addresses.find(b";", position)) if at >= 0]
    return min(found, default=len(addresses))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def address_key(address: str) -> str:
    """An address as it is compared: without case (as Exchange does), an international domain in its ASCII form."""
    local, _, domain = address.rpartition("@")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            pass
    return f"{local}@{domain}".casefold()


# ---- edits


def add_fields(mime: bytes, block: Block, fields: Iterable[tuple[str, str]]) -> bytes:
    """The message with these fields above all others, and the empty line after the block where it was missing."""
    added = b"".join(f"{name}: {text}\r\n".encode("utf-8", "surrogateescape") for name, text in fields)
    separator = b"" if block.body > block.end else b"\r\n"
    return b"".join((added, mime[: block.end], separator, mime[block.end :]))


@dataclass(frozen=True, slots=True)
class Addressed:
    """A message whose recipient headers say what the envelope says, and what was taken out for that."""

    mime: bytes
    removed: tuple[str, ...]


def address_to(mime: bytes, recipients: Collection[str]) -> Addressed:
    """Make the recipients in the top header block equal to the envelope's, as Graph knows no other envelope.

    A Bcc that came is removed. Entries of To and Cc that are not recipients, or that cannot be understood, are taken
    out. Recipients that stand in no header go into one new Bcc. Everything else stays as it came, byte for byte.
    """
    block = scan(mime)
    wanted = {address_key(recipient): recipient for recipient in recipients}
    seen: set[str] = set()
    removed: list[str] = []
    parts: list[bytes] = []
    position = 0
    for field in block.named(b"to", b"cc", b"bcc", b"resent-bcc"):
        parts.append(mime[position : field.start])
        position = field.end
        if field.name in (b"to", b"cc"):
            parts.append(_filtered(mime[field.start : field.end], wanted, seen, removed))
    parts.append(mime[position:])
    blind = [address for key, address in wanted.items() if key not in seen]
    if blind:
        parts.insert(0, b"Bcc: " + b",\r\n ".join(a.encode("utf-8", "surrogateescape") for a in blind) + b"\r\n")
    return Addressed(b"".join(parts), tuple(removed))


def _filtered(field: bytes, wanted: Collection[str], seen: set[str], removed: list[str]) -> bytes:
    colon = field.index(b":") + 1
    kept: list[bytes] = []
    changed = False
    for entry in entries(field[colon:].strip()):
        keys = {address_key(address) for address in entry.addresses}
        if keys and keys <= set(wanted):
            kept.append(entry.text)
            seen |= keys
        else:
            changed = True
            removed.append(_text(entry.text))
    if not changed:
        return field
    return field[:colon] + b" " + b",\r\n ".join(kept) + b"\r\n" if kept else b""
