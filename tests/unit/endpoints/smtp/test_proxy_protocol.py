"""The PROXY protocol: good headers of both versions, byte by byte, and everything else."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.endpoints.smtp.proxy_protocol import UNTOLD, Malformed, client, missing

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version_2(command: int, family: int, behind: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(behind)) + behind


def addresses(source: str, target: str) -> bytes:
    packed = ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed
    return packed + struct.pack("!HH", 40000, 25)


V4, V6 = addresses("192.0.2.7", "198.51.100.1"), addresses("2001:db8::7", "2001:db8::1")
EXTENSION = b"\x04\x00\x03abc"

HEADERS = {
    b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n": "192.0.2.7",
    b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n": "255.255.255.255",
    b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 25\r\n": "2001:db8::7",
    b"PROXY UNKNOWN\r\n": UNTOLD,
    b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n": UNTOLD,
    version_2(0x21, 0x11, V4): "192.0.2.7",
    version_2(0x21, 0x21, V6): "2001:db8::7",
    version_2(0x21, 0x11, V4 + EXTENSION): "192.0.2.7",
    version_2(0x20, 0x11, V4): None,  # LOCAL: a health check
    version_2(0x20, 0x00, b""): None,
    version_2(0x21, 0x00, b""): UNTOLD,  # UNSPEC
    version_2(0x21, 0x31, b"\0" * 216): UNTOLD,  # a Unix socket
    version_2(0x21, 0x12, V4): UNTOLD,  # UDP
}


def take(stream: bytes) -> tuple[bytes, bytes]:
    """The header in front of a stream, read as from a socket, and what is left on it."""
    header = b""
    while more := missing(header):
        piece, stream = stream[:more], stream[more:]
        if not piece:
            raise Malformed("the connection ended")
        header += piece
    return header, stream


@pytest.mark.parametrize(("header", "address"), HEADERS.items())
@pytest.mark.parametrize("behind", [b"", b"EHLO x\r\n", b"\x16\x03\x01"])
def test_a_header_is_taken_and_nothing_behind_it(header: bytes, address: str | None, behind: bytes) -> None:
    assert take(header + behind) == (header, behind)
    assert client(header) == address


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_may_come_byte_by_byte(header: bytes) -> None:
    for length in range(len(header)):
        assert 0 < missing(header[:length]) <= len(header) - length
    assert missing(header) == 0


BROKEN = [
    b"EHLO printer\r\n",
    b"proxy TCP4 192.0.2.7 198.51.100.1 40000 25\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaa",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 40000\r\n",
    b"PROXY TCP4  192.0.2.7 198.51.100.1 40000 25\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25 \r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 65536\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 25\r\n",
    "PROXY TCP4 192.0.2.7 198.51.100.1 ٣ 25\r\n".encode(),
    b"PROXY TCP4 192.0.2.700 198.51.100.1 40000 25\r\n",
    b"PROXY TCP4 2001:db8::7 2001:db8::1 40000 25\r\n",
    b"PROXY TCP6 192.0.2.7 198.51.100.1 40000 25\r\n",
    b"PROXY TCP6 2001:db8::7 198.51.100.1 40000 25\r\n",
    b"PROXY UDP4 192.0.2.7 198.51.100.1 40000 25\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\n",
    b"PROXY TCP4 192.0.2.7\n198.51.100.1 40000 25\r\n",
    b"PROXY \r\nUNKNOWN\r\n",
    b"PROXY " + b"x" * 200 + b"\r\n",
    version_2(0x22, 0x11, V4),
    version_2(0x11, 0x11, V4),
    version_2(0x21, 0x11, V4[:-1]),
    version_2(0x21, 0x21, V4),
    version_2(0x21, 0x11, V4 + b"\0" * 2048),
    SIGNATURE[:-1] + b"x\x21\x11\x00\x0c" + V4,
]


@pytest.mark.parametrize("stream", BROKEN)
def test_what_is_no_header(stream: bytes) -> None:
    with pytest.raises(Malformed):
        client(take(stream)[0])


def test_a_header_without_end_is_given_up_soon() -> None:
    """107 bytes are the longest of version 1 (section 2.1)."""
    assert missing(b"PROXY " + b"x" * 100) == 1
    with pytest.raises(Malformed):
        missing(b"PROXY " + b"x" * 101)


@given(st.binary(max_size=300) | st.builds(lambda rest: b"PROXY " + rest + b"\r\n", st.binary(max_size=100)))
def test_nothing_but_malformed_is_raised(stream: bytes) -> None:
    try:
        address = client(take(stream)[0])
    except Malformed:
        return
    assert address in (None, UNTOLD) or str(ipaddress.ip_address(address)) == address


@given(st.ip_addresses(), st.ip_addresses(), st.integers(0, 65535), st.sampled_from(["", "EHLO x\r\n"]), st.booleans())
def test_what_a_balancer_says_is_what_is_read(
    source: ipaddress.IPv4Address | ipaddress.IPv6Address,
    target: ipaddress.IPv4Address | ipaddress.IPv6Address,
    port: int,
    behind: str,
    binary: bool,
) -> None:
    if target.version != source.version:
        target = source
    four = source.version == 4
    header = f"PROXY TCP{4 if four else 6} {source} {target} {port} 25\r\n".encode()
    if binary:
        header = version_2(0x21, 0x11 if four else 0x21, source.packed + target.packed + struct.pack("!HH", port, 25))
    assert take(header + behind.encode()) == (header, behind.encode())
    assert client(header) == str(source)
