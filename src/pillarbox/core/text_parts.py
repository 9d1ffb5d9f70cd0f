"""Which parts of a message cannot be a file: what is read as its text, and what nobody can decode. Pure."""

import re
from collections.abc import Collection
from typing import Final

KNOWN_ENCODINGS: Final = ("", "7bit", "8bit", "binary", "base64", "quoted-printable")
_NAMED: Final = re.compile(rb'[; \t](?:file)?name(?:\*\d*\*?)?[ \t]*=[ \t]*"?[^ \t";]', re.IGNORECASE)


def is_text(content_types: Collection[bytes], disposition: bytes) -> bool:
    """Whether a part with these Content-Types (in doubt not) and this Content-Disposition is read as text.

    All that is text and has no name is taken for it, unless it says that it is an attachment (RFC 2183 section 2.2).
    """
    if disposition.strip(b"; \t").partition(b";")[0].strip().lower() == b"attachment":
        return False
    return all(map(_is_text, content_types)) and not any(_NAMED.search(one) for one in (*content_types, disposition))


def _is_text(content_type: bytes) -> bool:
    # A multipart that has no parts is one; and what is no type (RFC 2045 section 5.2).
    main, slash, sub = content_type.partition(b";")[0].strip().lower().partition(b"/")
    return main in (b"text", b"multipart") or not slash or b"/" in sub


def is_known(encoding: str) -> bool:
    """Whether this Content-Transfer-Encoding can be decoded (RFC 2045 section 6.1)."""
    return plain_encoding(encoding) in KNOWN_ENCODINGS


def plain_encoding(encoding: str) -> str:
    """A Content-Transfer-Encoding in lower case, without a comment."""
    return encoding.partition("(")[0].strip(" \t\r\n;").lower()
