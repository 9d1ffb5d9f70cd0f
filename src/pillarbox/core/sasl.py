"""SASL: what a client says at AUTH, decoded, and what we say as one. Pure."""

import binascii
import json
import re
from collections.abc import Callable, Generator, Mapping
from typing import Final, Literal, NamedTuple

from pillarbox.core.errors import Forbidden, InvalidInput
from pillarbox.core.vault import Secret

Mechanism = Literal["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"]


class Credentials(NamedTuple):
    """Who a client says it is, what shall prove it (a password, or a token of ours), and how it said so."""

    name: str
    secret: Secret
    mechanism: Mechanism


Exchange = Generator[bytes, bytes, Credentials]
"""One mechanism's dialogue: yields challenges, is sent responses, both before base64; returns the credentials.

Raises InvalidInput for a response that is not of the mechanism's form, Forbidden for one that is nobody's right.
"""


def decode(response: bytes) -> bytes:
    """The bytes behind a base64 response; `=` stands for an empty one (RFC 4954 section 4).

    Raises InvalidInput `smtp.bad_base64`.
    """
    if response == b"=":
        return b""
    try:
        if len(response) % 4 == 0:
            return binascii.a2b_base64(response, strict_mode=True)
    except binascii.Error:
        pass
    raise InvalidInput("smtp.bad_base64")


def plain(response: bytes) -> Credentials:
    """Name and password of a decoded PLAIN response: authzid NUL authcid NUL password (RFC 4616).

    Raises InvalidInput when it is not of that form, Forbidden when it asks to act for somebody else.
    """
    parts = response.split(b"\0")
    if len(parts) != 3:
        raise InvalidInput("smtp.bad_sasl")
    authzid, authcid, password = (text(part) for part in parts)
    if authzid not in ("", authcid):
        raise Forbidden("smtp.acts_for_another")
    return Credentials(authcid, Secret(password), "PLAIN")


def bearer(response: bytes) -> Credentials:
    """Name and token of a decoded XOAUTH2 response: `user=name^Aauth=Bearer token^A^A`. Raises InvalidInput.

    https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth
    """
    match = _XOAUTH2.fullmatch(text(response))
    if match is None:
        raise InvalidInput("smtp.bad_sasl")
    return Credentials(match[1], Secret(match[2]), "XOAUTH2")


def oauth_bearer(response: bytes) -> Credentials:
    """Name and token of a decoded OAUTHBEARER response (RFC 7628 section 3.1); the name is empty where none is said.

    `n,a=name,^Akey=value^A...^A^A`, with the token in the key `auth`. Channel binding is not offered (RFC 5801).
    Raises InvalidInput.
    """
    match = _OAUTHBEARER.fullmatch(text(response))
    pairs = dict(pair.split("=", 1) for pair in match[2].split("\x01")[:-1]) if match else {}
    token = _BEARER.fullmatch(pairs.get("auth", ""))
    if match is None or token is None:
        raise InvalidInput("smtp.bad_sasl")
    name = (match[1] or "").replace("=2C", ",").replace("=3D", "=")
    return Credentials(name, Secret(token[1]), "OAUTHBEARER")


def text(response: bytes) -> str:
    """The UTF-8 text of a decoded response. Raises InvalidInput `smtp.bad_sasl`."""
    try:
        return response.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput("smtp.bad_sasl") from None


def _one_response(read: Callable[[bytes], Credentials]) -> Callable[[], Exchange]:
    def exchange() -> Exchange:
        return read((yield b""))

    return exchange


def _login() -> Exchange:
    """Asks for name and password, one after the other (draft-murchison-sasl-login)."""
    name = text((yield b"Username:"))
    return Credentials(name, Secret(text((yield b"Password:"))), "LOGIN")


MECHANISMS: Final[Mapping[str, Callable[[], Exchange]]] = {
    "PLAIN": _one_response(plain),
    "LOGIN": _login,
    "XOAUTH2": _one_response(bearer),
    "OAUTHBEARER": _one_response(oauth_bearer),
}
"""What we offer, in this order."""


def failure(mechanism: str) -> bytes:
    """The last challenge to a wrong token, which the client answers before it gets its reply; empty: there is none.

    RFC 7628 section 3.2.2; XOAUTH2 says the status as a number.
    """
    status = {"OAUTHBEARER": "invalid_token", "XOAUTH2": "401"}.get(mechanism)
    return json.dumps({"status": status, "schemes": "bearer"}, separators=(",", ":")).encode() if status else b""


def xoauth2(user: str, token: Secret) -> bytes:
    """What we say to sign in to a mailbox by an access token, before base64.

    https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth
    """
    return b"user=%s\x01auth=Bearer %s\x01\x01" % (user.encode(), token.reveal().encode())


# RFC 6750 section 2.1 has the letters of a token. The scheme has no case (RFC 7235 section 2.1).
_TOKEN: Final = r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]++=*+)"
_BEARER: Final = re.compile(_TOKEN)
_XOAUTH2: Final = re.compile(rf"user=([^\x01]*+)\x01auth={_TOKEN}\x01\x01")
_OAUTHBEARER: Final = re.compile(r"[ny],(?:a=([^,\x01]*+))?,\x01((?:[A-Za-z]++=[^\x01]*+\x01)*+)\x01")
