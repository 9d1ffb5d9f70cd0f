"""A message as Graph's JSON can say it: one text, files, and the few header fields that JSON has. Pure.

Far less than MIME says (https://learn.microsoft.com/graph/api/resources/message): what gets lost is listed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import getaddresses
from typing import Final

from pillarbox.core.text_parts import KNOWN_ENCODINGS
from pillarbox.mime.decoding import decoded
from pillarbox.mime.division import NotDivisible, Taken, encoding, holds_sealed, is_shown, is_text
from pillarbox.mime.naming import words_of
from pillarbox.mime.tree import Buffer, Part

MOST_OWN: Final = 5
"""Fields `X-...` that JSON takes."""
_OURS: Final = "x-pillarbox-id"
_SAID: Final = (
    *("from", "sender", "reply-to", "to", "cc", "bcc", "resent-bcc", "subject", "message-id", "in-reply-to"),
    *("references", "importance", "mime-version"),
)
"""Fields that JSON has a word for, or that the new message gets anew."""
_MOST_LOST: Final = 50
_TEXTS: Final = ("text/plain", "text/html")
_LONGEST: Final = 16 * 1024
"""Signs of a value."""

Person = tuple[str, str]
"""Name and address."""


@dataclass(frozen=True, slots=True)
class Words:
    """What JSON says of a message beside its text; `own` are fields `X-...`, `lost` what it has no word for."""

    is_html: bool
    subject: str
    sender: Person | None
    from_: Person | None
    reply_to: tuple[Person, ...]
    to: tuple[Person, ...]
    cc: tuple[Person, ...]
    message_id: str
    in_reply_to: str
    references: str
    importance: str
    own: tuple[tuple[str, str], ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Conversion:
    """The words, the text as UTF-8, and all other parts as files."""

    words: Words
    text: bytes
    files: tuple[Taken, ...]


def convert(buffer: Buffer, root: Part, most: int) -> Conversion:
    """Say a message in JSON's words. Raises NotDivisible where its text has more than `most` bytes, or it is sealed."""
    if holds_sealed(root):
        raise NotDivisible("sealed")
    body = _text_of(root)
    text = _text(buffer, body) if body is not None else b""
    if len(text) > most:
        raise NotDivisible("text")
    files = tuple(_files(root, None, body))
    kept = ({id(one.part) for one in files} | {id(body)}) - {id(one) for one in _forms(root) if one is not body}
    forms = tuple(dict.fromkeys(one.type for one in _leaves(root) if id(one) not in kept))
    is_html = body is not None and body.type == "text/html"
    return Conversion(_words(root, is_html=is_html, forms=forms), text, files)


# ---- parts


def _text_of(part: Part) -> Part | None:
    """The text that is read: of its forms the HTML one, else the first one."""
    if not part.parts:
        readable = is_text(part) and part.type in _TEXTS and encoding(part) in KNOWN_ENCODINGS
        return part if readable else None
    found = [text for one in part.parts if (text := _text_of(one)) is not None]
    if part.type != "multipart/alternative":
        return found[0] if found else None
    return next((one for one in reversed(found) if one.type == "text/html"), found[-1] if found else None)


def _files(part: Part, parent: Part | None, body: Part | None) -> Iterator[Taken]:
    """All parts but the text and its other forms."""
    if part.parts:
        for one in part.parts:
            yield from _files(one, part, body)
    elif part is not body and not _is_other_form(part, parent, body):
        yield Taken(part, is_shown(part, parent))


def _is_other_form(part: Part, parent: Part | None, body: Part | None) -> bool:
    if parent is None or body is None or parent.type != "multipart/alternative" or part.type not in _TEXTS:
        return False
    return any(one is body for one in _leaves(parent))


def _forms(part: Part) -> Iterator[Part]:
    """Parts that are forms of one text, such as an invitation: a file beside it is no form of it any more."""
    for one in part.parts:
        if part.type == "multipart/alternative" and not one.parts:
            yield one
        yield from _forms(one)


def _leaves(part: Part) -> Iterator[Part]:
    if not part.parts:
        yield part
    for one in part.parts:
        yield from _leaves(one)


def _text(buffer: Buffer, part: Part) -> bytes:
    raw = b"".join(decoded(buffer, part))
    try:
        text = raw.decode(part.header.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):
        text = raw.decode("utf-8", "replace")
    return text.encode("utf-8", "replace")


# ---- header


def _words(root: Part, *, is_html: bool, forms: tuple[str, ...]) -> Words:
    fields = [(_clean(name), _clean(value)) for name, value in root.header.raw_items()]
    first: dict[str, str] = {}
    for name, value in fields:
        first.setdefault(name.lower(), value)

    def people(name: str) -> tuple[Person, ...]:
        return tuple((words_of(who), address) for who, address in getaddresses([first.get(name, "")]) if address)

    own = [field for field in fields if re.fullmatch(r"[xX]-[!-9;-~]+", field[0])]
    # Ours first: by it the message is found again.
    own = sorted(own, key=lambda field: field[0].lower() != _OURS)[:MOST_OWN]
    kept = {name.lower() for name, _ in own}
    lost = [name for name, _ in fields if not _is_said(name.lower()) and name.lower() not in kept]
    importance = first.get("importance", "").lower()
    return Words(
        is_html,
        words_of(first.get("subject", "")),
        next(iter(people("sender")), None),
        next(iter(people("from")), None),
        people("reply-to"),
        people("to"),
        people("cc"),
        first.get("message-id", ""),
        first.get("in-reply-to", ""),
        first.get("references", ""),
        importance if importance in ("low", "normal", "high") else "",
        tuple((name, words_of(value)) for name, value in own),
        tuple(dict.fromkeys((*lost, *forms)))[:_MOST_LOST],
    )


def _is_said(name: str) -> bool:
    return name in _SAID or name.startswith("content-")


def _clean(text: str) -> str:
    """Unfolded, and without what is no UTF-8."""
    text = text[:_LONGEST].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(text.splitlines()).strip()
