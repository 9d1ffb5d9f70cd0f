"""What a fault rule makes of an answer that leaves: an empty body, one that explodes, links to a stranger."""

import json
import struct
import zlib
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from pillarbox.emulator.fault import Fault
from pillarbox.emulator.http import Answer

MEGABYTE = 1_000_000
LINKS = ("@odata.nextLink", "@odata.deltaLink", "uploadUrl")


def with_headers(headers: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """The headers with others in place of those of the same name, whose case means nothing (RFC 9110 section 5.1)."""
    names = {name.lower() for name in more}
    return {name: value for name, value in headers.items() if name.lower() not in names} | dict(more)


def spoil(answer: Answer, fault: Fault, now: float) -> Answer:
    """The answer as the rule wants it; the one that was given stays as it is."""
    spoilt = Answer(answer.status, answer.body, dict(answer.headers), answer.code, fault.truncate)
    if fault.status and fault.status < 400:
        spoilt.status = fault.status
        spoilt.headers = with_headers(spoilt.headers, fault.answer_headers(now))
    if fault.empty_body:
        spoilt.body = b""
    elif fault.gzip_bomb:
        spoilt.body = bomb(fault.gzip_bomb)
        plain = with_headers({"Content-Type": "application/json"}, spoilt.headers)
        spoilt.headers = with_headers(plain, {"Content-Encoding": "gzip"})
    elif fault.next_link_host:
        spoilt.body = _lead_away(answer.body, fault.next_link_host)
    return spoilt


@cache
def bomb(megabytes: int) -> bytes:
    """A gzip member (RFC 1952) of so many megabytes of spaces, a thousandth of that in size.

    The compressed megabyte ends with a full flush, so that it may stand any number of times.
    """
    content = b" " * MEGABYTE
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(megabytes):
        checksum = zlib.crc32(content, checksum)
    head = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    return head + packed * megabytes + packer.flush() + struct.pack("<II", checksum, megabytes * MEGABYTE)


def _lead_away(body: bytes, host: str) -> bytes:
    try:
        value = json.loads(body)
    except ValueError:
        return body
    return json.dumps(_led_away(value, host)).encode()


def _led_away(value: Any, host: str) -> Any:
    """The value with other links in its top level, and in that of each answer of a batch."""
    if not isinstance(value, dict):
        return value
    links = {name: _moved(value[name], host) for name in LINKS if isinstance(value.get(name), str)}
    parts = [each | {"body": _led_away(each.get("body"), host)} for each in value.get("responses", ())]
    return value | links | ({"responses": parts} if parts else {})


def _moved(url: str, host: str) -> str:
    return urlsplit(url)._replace(netloc=host).geturl()
