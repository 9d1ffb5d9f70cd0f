"""Mail that nobody may take apart: signed and encrypted, where one byte more or less is another message."""

from typing import Final

_SEALED: Final = (
    b"multipart/signed",  # RFC 1847
    b"multipart/encrypted",
    b"application/pkcs7-mime",  # RFC 8551 section 3.2, and as it was called before
    b"application/x-pkcs7-mime",
)


def is_sealed(content_type: bytes) -> bool:
    """Whether a part of this Content-Type is signed or encrypted. Comments before the type are not looked through."""
    return content_type.partition(b";")[0].strip(b" \t\r\n").lower() in _SEALED
