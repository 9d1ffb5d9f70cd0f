"""SASL: what a client says at AUTH, decoded, and what we say as one. Pure."""

import base64
import binascii

from pillarbox.core.errors import InvalidInput
from pillarbox.core.vault import Secret


def decode(response: bytes) -> bytes:
    """The bytes behind a base64 response; `=` stands for an empty one (RFC 4954 section 4).

    Raises InvalidInput `smtp.bad_base64`.
    """
    if response == b"=":
        return b""
    try:
        return base64.b64decode(response, validate=True)
    except binascii.Error:
        raise InvalidInput("smtp.bad_base64") from None


def plain(response: bytes) -> tuple[str, Secret]:
    """Name and password of a decoded PLAIN response: authzid NUL authcid NUL password (RFC 4616).

    Raises InvalidInput when it is not of that form or asks to act for somebody else.
    """
    parts = response.split(b"\0")
    if len(parts) != 3:
        raise InvalidInput("smtp.bad_sasl")
    authzid, authcid, password = (text(part) for part in parts)
    if authzid not in ("", authcid):
        raise InvalidInput("smtp.bad_sasl")
    return authcid, Secret(password)


def text(response: bytes) -> str:
    """The UTF-8 text of a decoded response. Raises InvalidInput `smtp.bad_sasl`."""
    try:
        return response.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput("smtp.bad_sasl") from None


def xoauth2(user: str, token: Secret) -> bytes:
    """What we say to sign in to a mailbox by an access token, before base64.

    https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth
    """
    return b"user=%s\x01auth=Bearer %s\x01\x01" % (user.encode(), token.reveal().encode())
