"""Which attachments go out of a message that is too large for one request, and what is left of it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from pillarbox.core import headers, text_parts
from pillarbox.core.sealed_mime import is_sealed, is_sealed_message
from pillarbox.core.text_parts import KNOWN_ENCODINGS
from pillarbox.mime.tree import Buffer, Part

_EMPTY: Final = b"Content-Type: text/plain; charset=us-ascii\r\n\r\n\r\n"
"""In the place of the last part of a multipart, which must have one (RFC 2046 section 5.1.1)."""
_DESCRIBING: Final = (
    b"content-type",
    b"content-transfer-encoding",
    b"content-disposition",
    b"content-id",
    b"content-description",
)

Reason = Literal["sealed", "text"]


class NotDivisible(Exception):
    """What must stay is too large: because it is signed or encrypted (`sealed`), or because it is `text`."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class Taken:
    """An attachment that is taken out, and whether it is shown within the text (RFC 2387)."""

    part: Part
    is_inline: bool


@dataclass(frozen=True, slots=True)
class Division:
    """The attachments in order, and the message without them, as pieces."""

    taken: tuple[Taken, ...]
    rest: tuple[bytes, ...]


def divide(buffer: Buffer, root: Part, most: int) -> Division:
    """Take out the largest attachments until no more than `most` bytes are left. Raises NotDivisible."""
    found = () if _is_sealed_message(root) else _attachments(root, None)
    candidates = sorted(found, key=lambda one: one.part.size, reverse=True)
    taken: list[Taken] = []
    left = len(buffer)
    while left > most and candidates:
        taken.append(candidates.pop(0))
        left -= taken[-1].part.size
    taken.sort(key=lambda one: one.part.start)
    rest = _alone(buffer, root) if taken and taken[0].part is root else _without(buffer, root, taken)
    if sum(map(len, rest)) > most:
        raise NotDivisible("sealed" if holds_sealed(root) else "text")
    return Division(tuple(taken), rest)


def _attachments(part: Part, parent: Part | None) -> Iterator[Taken]:
    """The parts that may be taken out: neither the text, nor another form of it, nor anything that is sealed."""
    if _is_sealed(part):
        return
    if part.parts:
        for one in part.parts:
            yield from _attachments(one, part)
        return
    within = parent.type if parent is not None else ""
    is_form = within == "multipart/alternative"
    is_root = within == "multipart/related" and parent is not None and parent.parts[0] is part
    if is_form or is_root or is_text(part) or encoding(part) not in KNOWN_ENCODINGS:
        return
    yield Taken(part, is_shown(part, parent))


def is_shown(part: Part, parent: Part | None) -> bool:
    """Whether a file is shown within the text (RFC 2387)."""
    disposition = part.header.get_content_disposition()
    is_related = parent is not None and parent.type == "multipart/related"
    shown = disposition == "inline" or (is_related and disposition != "attachment")
    # Outlook shows no inline attachment that nothing in the text refers to.
    return shown and part.header["Content-ID"] is not None


def encoding(part: Part) -> str:
    """Its Content-Transfer-Encoding, in lower case."""
    return text_parts.plain_encoding(str(part.header.get("Content-Transfer-Encoding", "")))


def is_text(part: Part) -> bool:
    """Whether it is (part of) the text that is read."""
    types = _values(part, "Content-Type") or [part.type.encode()]
    return text_parts.is_text(types, b"; ".join(_values(part, "Content-Disposition")))


def _is_sealed(part: Part) -> bool:
    # Of two Content-Types one counts, whichever a reader takes.
    return any(map(is_sealed, _values(part, "Content-Type")))


def _is_sealed_message(root: Part) -> bool:
    disposition = b"; ".join(_values(root, "Content-Disposition"))
    return any(is_sealed_message(one, disposition) for one in _values(root, "Content-Type") or [b""])


def _values(part: Part, name: str) -> list[bytes]:
    return [str(one).encode("utf-8", "replace") for one in part.header.get_all(name, ())]


def holds_sealed(root: Part) -> bool:
    """Whether anything in a message is signed or encrypted, or itself is."""
    return _is_sealed_message(root) or any(map(_holds_sealed, root.parts))


def _holds_sealed(part: Part) -> bool:
    return _is_sealed(part) or any(map(_holds_sealed, part.parts))


def _alone(buffer: Buffer, root: Part) -> tuple[bytes, ...]:
    """A message that is one attachment and nothing else, as scanners send them: its header above an empty text."""
    raw = bytes(buffer[: root.body])
    most = len(raw) + 1
    block = headers.scan(raw, max_block=most, max_fields=most, max_value=most)
    above = [("Content-Type", "text/plain; charset=us-ascii")]
    return (headers.edited(raw, block, above, block.named(*_DESCRIBING)), b"\r\n")


def _without(buffer: Buffer, root: Part, taken: list[Taken]) -> tuple[bytes, ...]:
    gone = {one.part.start for one in taken}
    emptied = {part.parts[0].start for part in _multiparts(root) if all(one.start in gone for one in part.parts)}
    pieces: list[bytes] = []
    at = 0
    for part in (one.part for one in taken):
        pieces.append(bytes(buffer[at : part.line]))
        if part.start in emptied:
            pieces += [bytes(buffer[part.line : part.start]), _EMPTY]
        at = part.after
    pieces.append(bytes(buffer[at : len(buffer)]))
    return tuple(pieces)


def _multiparts(part: Part) -> Iterator[Part]:
    if part.parts:
        yield part
        for one in part.parts:
            yield from _multiparts(one)
