"""The name of an attachment as a person sees it: decoded, without a path, never empty. Pure."""

import mimetypes
import re
from email.errors import MessageError
from email.header import decode_header, make_header
from typing import Final

from pillarbox.mime.tree import Buffer, Part, header_at

LONGEST: Final = 255
_BROKEN: Final = (MessageError, ValueError, LookupError, TypeError)
_MAIL: Final = ("message/rfc822", "message/global")
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_NO_PATH: Final = str.maketrans("/\\", "--")
_NAMES: Final = mimetypes.MimeTypes(())  # What the machine has in /etc decides nothing.


def name_of(buffer: Buffer, part: Part) -> str:
    """Its file name (RFC 2183, RFC 2231, RFC 2047); of a mail in a mail, its subject with `.eml`."""
    name = _clean(_file_name(part))
    if part.type not in _MAIL:
        return name or f"attachment{_NAMES.guess_extension(part.type) or '.bin'}"
    name = name or _clean(_subject(buffer, part).translate(_NO_PATH)) or "message"
    return name if name.lower().endswith(".eml") else f"{name[: LONGEST - 4]}.eml"


def media_type(part: Part) -> str:
    """Its media type, if it is one (RFC 6838 section 4.2), as Graph takes no other."""
    return part.type if _MEDIA_TYPE.fullmatch(part.type) else "application/octet-stream"


def _file_name(part: Part) -> str:
    try:
        return words_of(part.header.get_filename() or "")
    except _BROKEN:
        return ""


def _subject(buffer: Buffer, part: Part) -> str:
    return words_of(str(header_at(buffer, part.body, part.end).get("Subject", "")))


def words_of(text: str) -> str:
    """A value of the header as a person reads it (RFC 2047), whatever its bytes are."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        return str(make_header(decode_header(text))) if "=?" in text else text
    except _BROKEN:
        return text


def _clean(name: str) -> str:
    shown = "".join(" " if c.isspace() else c for c in name if c.isprintable() or c.isspace())
    return " ".join(shown.replace("\\", "/").rpartition("/")[2].split())[:LONGEST]
