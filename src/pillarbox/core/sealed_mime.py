"""Mail that nobody may take apart: signed and encrypted, where one byte more or less is another message."""

import re
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


def is_sealed(content_type: bytes) -> bool:
    """Whether what has this Content-Type, a message or a part, is signed or encrypted."""
    return _plain(content_type).partition(";")[0].strip(" \t\r\n").lower() in _SEALED


def is_sealed_message(content_type: bytes, disposition: bytes) -> bool:
    """Whether a message that has these fields is, also by its name. A part of that name is a file as all others are."""
    return is_sealed(content_type) or any(_NAMED.search(_plain(one)) for one in (content_type, disposition))


def _plain(value: bytes) -> str:
    return without_comments(value.decode("latin-1"))
