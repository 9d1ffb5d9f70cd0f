"""Mail that nobody may take apart: signed and encrypted, where one byte more or less is another message."""

import re
from binascii import a2b_base64, a2b_qp
from typing import Final

from pillarbox.core.headers import without_comments

_SEALED: Final = (
    "multipart/signed",  # RFC 1847
    "multipart/encrypted",
    "application/pkcs7-mime",  # RFC 8551 section 3.2, and as it was called before
    "application/x-pkcs7-mime",
)
_NAMED: Final = re.compile(r"name(?:\*[0-9]*\*?)?[ \t\r\n]*=[^;]*\.p7[msc][ \t\r\n\"]*(?:;|$)", re.IGNORECASE)
"""By its name a message is known to which a gateway has given another type (RFC 8551 sections 3.2.1 and 3.9)."""
_WORD: Final = re.compile(r"=\?[^?\s]*\?([bq])\?([^?\s]*)\?=", re.IGNORECASE)
_PERCENT: Final = re.compile(r"%([0-9a-f]{2})", re.IGNORECASE)


def is_sealed(content_type: bytes) -> bool:
    """Whether what has this Content-Type, a message or a part, is signed or encrypted."""
    return _plain(content_type).partition(";")[0].strip(" \t\r\n").lower() in _SEALED


def is_sealed_message(content_type: bytes, disposition: bytes) -> bool:
    """Whether a message that has these fields is, also by its name. A part of that name is a file as all others are."""
    return is_sealed(content_type) or any(_NAMED.search(_decoded(_plain(one))) for one in (content_type, disposition))


def _decoded(text: str) -> str:
    """With its percent signs (RFC 2231) and encoded words (RFC 2047) decoded, so far as they are ASCII."""
    return _PERCENT.sub(lambda found: chr(int(found[1], 16)), _WORD.sub(_word, text))


def _word(found: re.Match[str]) -> str:
    coded = found[2].encode("latin-1")
    try:
        read = a2b_base64(coded) if found[1] in "bB" else a2b_qp(coded, header=True)
    except ValueError:
        return found[0]
    return read.decode("latin-1")


def _plain(value: bytes) -> str:
    return without_comments(value.decode("latin-1"))
