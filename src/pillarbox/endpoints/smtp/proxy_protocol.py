"""The PROXY protocol, versions 1 and 2: a load balancer says first who its client is. Without I/O.

Source: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, sections 2.1 and 2.2. Nothing but the header may be
taken from the socket, as a TLS handshake can come right behind it: `missing` says how many bytes surely belong to it.
"""

import ipaddress
import struct
from typing import Final

UNTOLD: Final = "unknown"
"""The client of a balancer that does not say where it is."""
_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED: Final = struct.Struct("!12sBBH")
"""Version 2: signature, version and command, family and protocol, bytes behind it."""
_MOST_1: Final = 107
"""Bytes of the longest header of version 1, its CRLF counted."""
_MOST_2: Final = 2048
"""Bytes behind the fixed part that are borne: addresses take 36, the rest are extensions that nobody needs here."""
_LEAST: Final = len(b"PROXY UNKNOWN\r\n")
"""No header of either version is shorter."""
_LOCAL, _PROXY = 0x20, 0x21
_ADDRESSES: Final = {0x11: (4, "4s4sHH"), 0x21: (6, "16s16sHH")}
"""Version 2, family and protocol: TCP over IPv4 and IPv6."""


class Malformed(ValueError):
    """This is no header of the PROXY protocol."""


def missing(head: bytes) -> int:
    """How many bytes more belong to the header at least; 0 when it is whole. Raises Malformed."""
    if len(head) < _LEAST:
        _check_beginning(head)
        return _LEAST - len(head)
    if head.startswith(_SIGNATURE):
        return _missing_2(head)
    _check_beginning(head)
    if head.endswith(b"\r\n"):
        return 0
    if b"\n" in head or len(head) >= _MOST_1:
        raise Malformed("version 1 without an end")
    return 1


def client(header: bytes) -> str | None:
    """The address of the client of which a whole header tells; None where the balancer speaks for itself.

    That is LOCAL in version 2 alone, a health check. UNKNOWN in version 1, and another family than TCP over IP in
    version 2, are a client whose address nobody knows: UNTOLD, and never that of the balancer. Raises Malformed.
    """
    return _client_2(header) if header.startswith(_SIGNATURE) else _client_1(header)


def _check_beginning(head: bytes) -> None:
    if not any(begin.startswith(head[: len(begin)]) for begin in (_SIGNATURE, b"PROXY ")):
        raise Malformed("neither version 1 nor 2")


def _client_1(header: bytes) -> str | None:
    words = header.removesuffix(b"\r\n").decode("ascii", "replace").split(" ")
    if words[1] == "UNKNOWN":
        return UNTOLD
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise Malformed("version 1 of another form")
    version = 4 if words[1] == "TCP4" else 6
    try:
        source, target = (ipaddress.ip_address(word) for word in words[2:4])
    except ValueError as error:
        raise Malformed("version 1 with something else than an address") from error
    if (source.version, target.version) != (version, version) or not all(_is_port(word) for word in words[4:]):
        raise Malformed("version 1 with an address or a port that cannot be")
    return str(source)


def _is_port(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 5 and int(word) < 65536


def _missing_2(head: bytes) -> int:
    if len(head) < _FIXED.size:
        return _FIXED.size - len(head)
    command: int
    behind: int
    _, command, _, behind = _FIXED.unpack_from(head)
    if command not in (_LOCAL, _PROXY):
        raise Malformed("version 2 with a version or command that is not known")
    if behind > _MOST_2:
        raise Malformed("version 2 that is too long")
    return _FIXED.size + behind - len(head)


def _client_2(header: bytes) -> str | None:
    _, command, family, behind = _FIXED.unpack_from(header)
    if command == _LOCAL:
        return None
    if family not in _ADDRESSES:
        return UNTOLD
    version, form = _ADDRESSES[family]
    layout = struct.Struct("!" + form)
    if behind < layout.size:
        raise Malformed("version 2 that is too short for its addresses")
    source, *_ = layout.unpack_from(header, _FIXED.size)
    return str(ipaddress.IPv4Address(source) if version == 4 else ipaddress.IPv6Address(source))
