"""Addresses in a header field and on the command line."""

import os
import re
from typing import Final

from pillarbox.sendmail.problem import Problem

_ADDRESS: Final = re.compile(r'(?:"(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*"|[^\s"<>(),;:\\\x00-\x1f\x7f])+')
"""An address or a local name. Nothing that could end the command of SMTP in which it will stand."""
_TOKEN: Final = re.compile(
    rb'"(?:[^"\\]|\\.)*"?'  # a quoted string
    rb"|<[^>]*>?"  # what is between angle brackets
    rb'|[()\\]|[,;:]|[^"<>()\\,;:]+|>',
    re.DOTALL,
)
_LONGEST: Final = 1000


def checked(text: str, exit_code: int) -> str:
    """This address or local name. Raises Problem for what can be neither, such as bytes that are no UTF-8."""
    if len(text) > _LONGEST or "\ufffd" in text or not text.isprintable() or _ADDRESS.fullmatch(text) is None:
        shown = ascii(text[:80])
        raise Problem(exit_code, f"{shown} is no mail address")
    return text


def listed(value: bytes, exit_code: int) -> list[str]:
    """The addresses and local names in the value of an address field (RFC 5322 section 3.4). Raises Problem."""
    return [checked(entry.decode("utf-8", "replace"), exit_code) for entry in _entries(value)]


def given(operand: str) -> list[str]:
    """The addresses in an argument of the command line: one, or several with commas between. Raises Problem (64)."""
    if not operand.isprintable():
        # In a header a line break means nothing; here it is a mistake, or somebody who tries.
        raise Problem(os.EX_USAGE, f"{operand[:80]!a} is no mail address")
    return listed(operand.encode(), os.EX_USAGE)


def _entries(value: bytes) -> list[bytes]:
    """The addresses, without names and comments; names of groups are left out."""
    found: list[bytes] = []
    plain = angle = b""
    depth = 0
    escaped = False
    for token in _TOKEN.findall(value):
        if escaped or token == b"\\":
            escaped = not escaped and token == b"\\"
            plain += b"" if depth else token
        elif token == b"(":
            depth += 1
        elif token == b")":
            depth = max(0, depth - 1)
        elif depth:
            continue
        elif token[:1] == b"<":
            angle += token  # two of them are no address
        elif token in (b",", b";"):
            found.append(_entry(plain, angle))
            plain = angle = b""
        elif token == b":" and not angle:
            plain = b""  # it was the name of a group
        else:
            plain += token
    found.append(_entry(plain, angle))
    return [entry for entry in found if entry]


def _entry(plain: bytes, angle: bytes) -> bytes:
    if not angle:
        return plain.strip()
    if not angle.endswith(b">"):
        return angle  # no address
    # A source route before the address is ignored (RFC 5321 section 4.1.1.3).
    return angle[1:-1].rpartition(b":")[2].strip()
