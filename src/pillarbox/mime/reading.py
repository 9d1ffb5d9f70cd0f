"""A message as a person reads it: its header, its text in both forms, and what is attached. Pure.

Nothing is refused that can be read: what is signed is shown, what is encrypted is a file, and what is too long is cut.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from pillarbox.core.text_parts import KNOWN_ENCODINGS
from pillarbox.mime.decoding import decoded
from pillarbox.mime.division import Taken, encoding, is_shown, is_text
from pillarbox.mime.harmless import Harmless, harmless
from pillarbox.mime.naming import words_of
from pillarbox.mime.tree import Buffer, Part

MOST_FIELDS: Final = 200
_LONGEST: Final = 1000
"""Characters of a field."""
_PICTURES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")
_MOST_PICTURE: Final = 1024 * 1024
"""Bytes of all pictures within the text."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found. `html` can be shown; `cut` says that a text went on."""

    fields: tuple[tuple[str, str], ...]
    text: str
    html: Harmless
    cut: bool
    files: tuple[Taken, ...]


def read(buffer: Buffer, root: Part, most: int) -> Reading:
    """Read a message, of each text the first `most` bytes."""
    leaves = tuple(_leaves(root, None))
    plain, page = _first(leaves, "text/plain"), _first(leaves, "text/html")
    files = tuple(Taken(part, is_shown(part, parent)) for part, parent in leaves if part not in (plain, page))
    text, text_cut = _text(buffer, plain, most)
    html, html_cut = _text(buffer, page, most)
    shown = harmless(html, _pictures(buffer, files)) if html else Harmless("", 0)
    return Reading(tuple(_fields(root)), text, shown, text_cut or html_cut, files)


def _leaves(part: Part, parent: Part | None) -> Iterator[tuple[Part, Part | None]]:
    if not part.parts:
        yield part, parent
    for one in part.parts:
        yield from _leaves(one, part)


def _first(leaves: tuple[tuple[Part, Part | None], ...], media_type: str) -> Part | None:
    found = (part for part, _ in leaves if part.type == media_type and is_text(part))
    return next((part for part in found if encoding(part) in KNOWN_ENCODINGS), None)


def _text(buffer: Buffer, part: Part | None, most: int) -> tuple[str, bool]:
    """The text, and whether it was cut."""
    if part is None:
        return "", False
    raw = b""
    for piece in decoded(buffer, part):
        raw += piece
        if len(raw) > most:
            break
    charset = part.header.get_content_charset("utf-8")
    try:
        text = raw[:most].decode(charset, "replace")
    except (LookupError, ValueError):
        text = raw[:most].decode("utf-8", "replace")
    # Half a character of UTF-16 can be no JSON of anybody's.
    return text.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n"), len(raw) > most


def _pictures(buffer: Buffer, files: tuple[Taken, ...]) -> dict[str, str]:
    """Pictures that the text may show, by their Content-ID, as `data:` URLs."""
    found: dict[str, str] = {}
    left = _MOST_PICTURE
    for part in (file.part for file in files):
        name = str(part.header["Content-ID"] or "").strip().removeprefix("<").removesuffix(">")
        if not name or part.type not in _PICTURES or part.size > 2 * left:
            continue
        raw = b"".join(decoded(buffer, part))
        if len(raw) <= left:
            left -= len(raw)
            found[name] = f"data:{part.type};base64,{base64.b64encode(raw).decode()}"
    return found


def _fields(root: Part) -> Iterator[tuple[str, str]]:
    for name, value in islice(root.header.raw_items(), MOST_FIELDS):
        text = " ".join(str(value)[:_LONGEST].encode("utf-8", "surrogateescape").decode("utf-8", "replace").split())
        yield name.encode("utf-8", "replace").decode(), words_of(text).encode("utf-8", "replace").decode()
