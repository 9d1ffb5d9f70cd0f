"""The top header block of a message, as bytes: scanned with caps, and edited without touching anything else.

Nothing here parses a body or re-serialises a message: what is not named in docs/explanation/bytes.md leaves as it came.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from pillarbox.core.errors import InvalidInput

MAX_BLOCK: Final = 128 * 1024
MAX_FIELDS: Final = 1000
MAX_VALUE: Final = 16 * 1024
MAX_HOPS: Final = 50
"""Received fields; a message with more of them goes round in a circle (RFC 5321 section 6.3)."""
# What we add ourselves to a message that just kept within the caps must not put it beyond them: with From written
# anew, what stood there goes into Reply-To.
_OUR_BYTES: Final = 3 * MAX_VALUE
_OUR_FIELDS: Final = 8
LONGEST_BLOCK: Final = MAX_BLOCK + _OUR_BYTES
"""Bytes of a header block as it leaves: in so much of a message it stands whole."""
_SHOWN: Final = 60
"""Bytes of a line that was refused that its error shows."""

# RFC 5322 section 2.2: printable US-ASCII but the colon; blanks before the colon are obsolete and still met.
_NAME: Final = re.compile(rb"([!-9;-~]+)[ \t]*:")
_CR_AS_BLANK: Final = bytes.maketrans(b"\r", b" ")
_BLANKS: Final = b" \t\r\n"


class Field(NamedTuple):
    """One header field: its name in lower case, and where it stands, with folded lines and the last CRLF."""

    name: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Block:
    """The top header block of a message: its fields, and where it ends and the body begins.

    Between `end` and `body` is the empty line. They are equal where a message has none: it is all header.
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
    # No expression: it would pay for each newline, and a body may consist of nothing else.
    if b"\r" in mime:
        lines = mime.count(b"\r\n")
        if mime.count(b"\n") == mime.count(b"\r") == lines:
            return mime
        mime = mime.replace(b"\r\n", b"\n").translate(_CR_AS_BLANK)
    return mime.replace(b"\n", b"\r\n")


def scan(mime: bytes, *, max_block: int = MAX_BLOCK, max_fields: int = MAX_FIELDS, max_value: int = MAX_VALUE) -> Block:
    """The header block of a canonical message, of which the first `max_block` bytes are enough.

    A line that is no field, where a field must be, ends the header for one parser and is left out by another: it is
    refused. Raises InvalidInput `mail.bad_header`, `mail.header_too_large` or `mail.value_too_large`.
    """
    block = _scanned(mime, max_block, max_fields)
    for field in block.fields:
        if field.end - field.start > max_value and len(value(mime, field)) > max_value:
            raise InvalidInput("mail.value_too_large", field=_text(field.name[:_SHOWN]), limit=MAX_VALUE)
    return block


def _scanned(mime: bytes, max_block: int, max_fields: int) -> Block:
    fields: list[Field] = []
    start = 0
    while True:
        end = mime.find(b"\r\n", start, max_block) + 2
        if end == start + 2:
            return Block(tuple(fields), start, end)
        if end == 1:
            if len(mime) >= max_block:
                raise _too_large()
            end = len(mime)
            if end == start:
                return Block(tuple(fields), end, end)
        if fields and mime[start] in b" \t":
            fields[-1] = fields[-1]._replace(end=end)
        elif match := _NAME.match(mime, start, end):
            if len(fields) == max_fields:
                raise _too_large()
            fields.append(Field(match[1].lower(), start, end))
        else:
            line = mime[start : min(end, start + _SHOWN)]
            raise InvalidInput("mail.bad_header", line=_text(line.rstrip(b"\r\n")))
        start = end


def _too_large() -> InvalidInput:
    return InvalidInput("mail.header_too_large", limit=MAX_BLOCK, fields=MAX_FIELDS)


def check_hops(block: Block) -> None:
    """Raises InvalidInput `mail.loop` where a message has passed through too many hands."""
    hops = sum([field.name == b"received" for field in block.fields])
    if hops > MAX_HOPS:
        raise InvalidInput("mail.loop", hops=hops)


def value(mime: bytes, field: Field) -> bytes:
    """What stands after the colon, unfolded and stripped."""
    raw = mime[field.start : field.end]
    return raw[raw.index(b":") + 1 :].replace(b"\r\n", b"").strip(_BLANKS)


def without_comments(text: str) -> str:
    """The value of a structured field without its comments (RFC 5322 section 3.2.2), each of which is a blank."""
    kept, depth, is_quoted = [], 0, False
    for token in _TOKEN.findall(text):
        if token == '"' and not depth:
            is_quoted = not is_quoted
        if token == "(" and not is_quoted:
            depth += 1
        elif token == ")" and depth:
            depth -= 1
            kept += [] if depth else [" "]
        elif not depth:
            kept.append(token)
    return "".join(kept)


_TOKEN: Final = re.compile(r'\\.|["()]|[^\\"()]+|\\', re.DOTALL)


# ---- addresses

# One entry of an address list, strictly: [phrase] <address> or address, and perhaps one comment behind; before an
# address without brackets too, where there is nothing in it that an encoded word or a group begins with. What does not
# match is not kept in a header, whatever it may mean to another parser: its recipients go into the new Bcc; and it is
# nobody's sender. So the phrase is an address again as Outlook writes it, or words, or one quoted string; and nowhere
# in it is there an @ or < that a parser which splits elsewhere could take for an address: one that knows no escapes,
# or reads encoded words (RFC 2047) before it looks for quotes, so that an encoded word ends where it seems to, and a
# quoted word beside one holds no `?`.
# Nor is there a comma outside quotes, also in an encoded word, where RFC 2047 section 5 (3) has none and some devices
# leave it: who splits at it first finds two entries, the first of them an encoded word without an end, which some
# forgive. What it says then (`=?utf-8?Q?boss=40contoso.example,_x?= <a@b>`) depends on reader and charset, so it is
# refused also where it is harmless. Such a device is helped by `--force-from`.
# Possessive quantifiers keep it linear, of single characters alone: a possessive group that fails within stays where it
# failed in Python up to 3.11.4 (gh-106052; Debian 12 has 3.11.2). What such a group would give back begins with what
# cannot follow it, so it need not be possessive.
# Only blank, tab and fold are white space: to other parsers a form feed is none.
_WS: Final = rb"[ \t\r\n]*+"
_ATOM: Final = rb'[^\x00-\x20\x7f<>()\[\],;:"\\@]++'
_ADDRESS: Final = rb"(?:" + _ATOM + rb'|"[^"\\\r\n@]*+")@(?:' + _ATOM + rb"|\[[^\x00-\x20\x7f<>\[\]\\]*+\])"
_QUOTED: Final = rb'"(?:[^"\\\r\n@]*+"|[^"\\\r\n,;<>]*+"|(?:[^"\\\r\n@<>]++|\\["\\])*")'
_COMMENT: Final = rb'\([^()\\"@<>,;]*+\)'
_PLAIN: Final = rb'[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f"<>,;:()\\\[\]@'
_ENCODED: Final = rb"=\?[A-Za-z0-9._*+-]++\?[BbQq]\?" + _PLAIN + rb"?]*+\?=(?=[ \t\r\n<]|=\?)"
_WORDS: Final = rb"(?:" + _PLAIN + rb"=]++|=(?!\?)|" + _ENCODED + rb"|" + _COMMENT + rb'|"' + _PLAIN + rb'?]*+")+'
_BEFORE: Final = rb"(?:\(" + _PLAIN + rb"?]*+\)[ \t\r\n]++)?"
_PHRASE: Final = rb"(?:(?P<again>" + _ADDRESS + rb")|" + _WORDS + rb"|" + _QUOTED + rb")?"
_ENTRY: Final = re.compile(
    _WS + rb"(?:" + _PHRASE + _WS + rb"<" + _WS + rb"(?P<angle>" + _ADDRESS + rb")" + _WS + rb">"
    rb"|" + _BEFORE + rb"(?P<bare>" + _ADDRESS + rb"))" + _WS + rb"(?:" + _COMMENT + _WS + rb")?(?=[,;]|\Z)"
)
_GROUP: Final = re.compile(rb'[^"<>@,;:()\\\[\]\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*+:')
_SEPARATOR: Final = re.compile(rb"[,;]")
CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_IN_QUOTES: Final = re.compile(rb'=\?[A-Za-z0-9._*+-]++\?[BbQq]\?[^?"<>@]*+\?=(?=[ \t<")]|=\?|\Z)')
_NOBODY: Final = re.compile(_WS + rb"(?:[A-Za-z -]++:" + _WS + rb";)?" + _WS)
"""No recipients at all: nothing, or `undisclosed-recipients:;`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an address list: its text, and the addresses in it.

    Two where the display name is an address too; none where the entry could not be understood.
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
            yield Entry(match[0].strip(_BLANKS), _addresses_of(match))
            position = match.end() + 1
            continue
        separator = _SEPARATOR.search(addresses, position)
        end = separator.start() if separator else len(addresses)
        if text := addresses[position:end].strip(_BLANKS):
            yield Entry(text, ())
        position = end + 1


def mailbox(value: bytes) -> str:
    """The one address in a field, or nothing where there is anything but one: a list, a group, a doubt.

    The value is unfolded. `[phrase] <address>` or `address` (RFC 5322 section 3.4), and perhaps a comment, and empty
    entries behind it (section 4.4): a last `,` or `;`. The phrase may be the same address again.
    """
    match = _ENTRY.match(value)
    if match is None or value[match.end() :].strip(b" \t,;") or CONTROL.search(value):
        return ""
    if b"=?" in _IN_QUOTES.sub(b" ", value):
        return ""  # Some parsers read an encoded word without an end on beyond the quotes that it stands in.
    address, *again = _addresses_of(match) or ("",)
    return address if all(address_key(other) == address_key(address) for other in again) else ""


def _addresses_of(match: re.Match[bytes]) -> tuple[str, ...]:
    found = [match["angle"] or match["bare"], match["again"]]
    try:
        return tuple(address.decode("utf-8") for address in found if address)
    except UnicodeDecodeError:
        return ()


def _text(raw: bytes) -> str:
    # Bytes that are no UTF-8 become no surrogates: neither the store, nor JSON, nor a log could write those.
    return raw.decode("utf-8", "replace")


def address_key(address: str) -> str:
    """An address as it is compared: without case (as Exchange does), an international domain in its ASCII form.

    Two addresses that may be two mailboxes never have one key: letters of which only Unicode's folding makes others
    (the Kelvin sign, the sharp s) stay what they are, also in domains, where IDNA 2003 and 2008 disagree on them.
    """
    local, _, domain = address.rpartition("@")
    if not domain.isascii() and _DISPUTED.isdisjoint(domain):
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            pass
    return _lower(f"{local}@{domain}")


_DISPUTED: Final = frozenset("ßẞς\u200c\u200d")


def _lower(text: str) -> str:
    if text.isascii():
        return text.lower()
    return "".join(small if (small := letter.lower()).upper() == letter else letter for letter in text)


# ---- edits


def edited(mime: bytes, block: Block, above: Iterable[tuple[str, str]], without: Iterable[Field] = ()) -> bytes:
    """The header block anew, with the empty line: these fields `above` all others, and the fields `without` left out.

    What the message goes on with stands from `block.body` on.
    """
    parts = [f"{name}: {text}\r\n".encode("utf-8", "surrogateescape") for name, text in above]
    position = 0
    for field in without:
        parts.append(mime[position : field.start])
        position = field.end
    parts.append(mime[position : block.body])
    if block.body == block.end:
        # The empty line is missing, and perhaps the end of the last field too.
        unended = block.end > position and not mime.endswith(b"\r\n", 0, block.end)
        parts.append(b"\r\n\r\n" if unended else b"\r\n")
    return b"".join(parts)


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
    block = _scan_accepted(mime)
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


def without_blind(mime: bytes) -> bytes:
    """Take a Bcc that came out of the top header block, for a way out that has an envelope; all else stays as it came.

    The first `LONGEST_BLOCK` bytes of a message are enough.
    """
    block = _scan_accepted(mime)
    blind = list(block.named(b"bcc", b"resent-bcc"))
    return edited(mime, block, (), blind) + mime[block.body :] if blind else mime


def _scan_accepted(mime: bytes) -> Block:
    """The header block of a message that was within the caps when it came, with what we have added since."""
    return scan(mime, max_block=LONGEST_BLOCK, max_fields=MAX_FIELDS + _OUR_FIELDS, max_value=LONGEST_BLOCK)


def _filtered(field: bytes, wanted: Collection[str], seen: set[str], removed: list[str]) -> bytes:
    colon = field.index(b":") + 1
    if _NOBODY.fullmatch(field, colon):
        return field
    name = field[: colon - 1].rstrip(_BLANKS) + b":"
    found = list(entries(field[colon:].strip(_BLANKS)))
    kept = [entry.text for entry in found if _is_wanted(entry, wanted)]
    seen |= {address_key(entry.addresses[0]) for entry in found if _is_wanted(entry, wanted)}
    removed += [_text(entry.text) for entry in found if not _is_wanted(entry, wanted)]
    if kept and field[:colon] == name and _squeezed(field[colon:]) == _squeezed(b"".join(kept)):
        # Nothing was taken out but perhaps empty entries, which every parser must take (RFC 5322 section 4.4): not an
        # entry, nor the name of a group, nor a separator that some parsers do not know. All that stands in `kept`
        # stands in the field, so that what else is there is blanks and commas.
        return field
    return name + b" " + b",\r\n ".join(kept) + b"\r\n" if kept else b""


def _squeezed(text: bytes) -> bytes:
    return text.translate(None, _BLANKS + b",")


def _is_wanted(entry: Entry, wanted: Collection[str]) -> bool:
    # Of `a@x <b@x>` one would go without: both are better off in the new Bcc.
    keys = {address_key(address) for address in entry.addresses}
    return len(keys) == 1 and keys <= set(wanted)
