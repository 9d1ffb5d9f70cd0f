"""Header fields as bytes: folded, encoded where they must be, and never with a line's end that was not put there.

Our own, not `email`: what that folds, and what it lets through, differs from one Python to the next. Everything here
takes texts that `mime.wary` let through, and writes ASCII. Pure.
"""

import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import quote

_LINE: Final = 78
"""Characters of a line as it should be (RFC 5322 section 2.1.1); a word that is longer stands alone."""
_LONGEST_WORD: Final = 900
"""Characters of a word that stays as it is: a line has 998 at the most."""
_WORD_BYTES: Final = 39
"""Bytes of an encoded word's text: 64 characters with all around it, so that one fits behind the name of its field."""
_PLAIN: Final = re.compile(r"(?:[!-~]|(?<!\A) (?!\Z))*")
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/^_`{|}~-]+)*")
_QUOTABLE: Final = re.compile(r"(?! )[A-Za-z0-9 !#$%&'()*+,./:;^_`{|}~-]*(?<! )")
"""What stands in a quoted string without a doubt: no quotes, no backslash, no @ or <, nothing of an encoded word."""
_PARAMETER: Final = re.compile(r"[A-Za-z0-9 !#$&'()+,.;=^_`{}~-]*")
_PARAMETER_CHARACTERS: Final = 50


def field(name: str, tokens: Iterable[str]) -> bytes:
    """A field of these words, a line's end before each that does not fit. Each brings its own blank before it."""
    lines, line = [], f"{name}:"
    for token in tokens:
        if len(line) + len(token) > _LINE and line != f"{name}:":
            lines.append(line)
            line = ""
        line += token
    return "".join(f"{each}\r\n" for each in (*lines, line)).encode("ascii")


def text(name: str, value: str) -> bytes:
    """A field without a form, such as Subject: as it is where that is ASCII, else as encoded words (RFC 2047)."""
    if _PLAIN.fullmatch(value) and "=?" not in value:
        # Only now: of blanks before another character this would take a time that is quadratic.
        words = re.findall(r" *[!-~]+", f" {value}")
        if all(len(word) <= _LONGEST_WORD for word in words):
            return field(name, words)
    return field(name, _encoded(value))


def mailboxes(name: str, people: Sequence[tuple[str, str]]) -> bytes:
    """A field of addresses, each with its display name or none (RFC 5322 section 3.4)."""
    tokens: list[str] = []
    for number, (shown, address) in enumerate(people, 1):
        *phrase, last = [*_phrase(shown), f" <{address}>" if shown else f" {address}"]
        tokens += [*phrase, last + ("," if number < len(people) else "")]
    return field(name, tokens)


def with_parameters(name: str, value: str, parameters: Iterable[tuple[str, str]]) -> bytes:
    """A field such as Content-Type: a value, and parameters (RFC 2045 section 5.1, RFC 2231)."""
    written = [one for key, given in parameters for one in _parameter(key, given)]
    return field(name, [f" {value}" + (";" if written else ""), *_separated(written)])


def _separated(written: Sequence[str]) -> Iterator[str]:
    for number, one in enumerate(written, 1):
        yield f" {one}" + (";" if number < len(written) else "")


def _parameter(key: str, value: str) -> Iterator[str]:
    if _PARAMETER.fullmatch(value) and len(value) <= _PARAMETER_CHARACTERS:
        yield f'{key}="{value}"'
        return
    pieces = list(_percent_encoded(value))
    if len(pieces) == 1:
        yield f"{key}*=utf-8''{pieces[0]}"
        return
    for number, piece in enumerate(pieces):
        charset = "" if number else "utf-8''"
        yield f"{key}*{number}*={charset}{piece}"


def _percent_encoded(value: str) -> Iterator[str]:
    """The text in pieces that each fit in a line; no character is cut."""
    piece = ""
    for character in value:
        one = quote(character, safe="")
        if len(piece) + len(one) > _PARAMETER_CHARACTERS:
            yield piece
            piece = ""
        piece += one
    yield piece


def _phrase(shown: str) -> Iterator[str]:
    if not shown:
        return
    if _ATOMS.fullmatch(shown) and "=?" not in shown:
        yield from (f" {word}" for word in shown.split(" "))
    elif _QUOTABLE.fullmatch(shown):
        yield f' "{shown}"'
    else:
        yield from _encoded(shown)


def _encoded(value: str) -> Iterator[str]:
    """Encoded words, each with its blank: what stands between two of them is no text (RFC 2047 section 6.2)."""
    piece = b""
    for character in value:
        one = character.encode("utf-8")
        if len(piece) + len(one) > _WORD_BYTES:
            yield _word(piece)
            piece = b""
        piece += one
    yield _word(piece)


def _word(piece: bytes) -> str:
    return f" =?utf-8?B?{binascii.b2a_base64(piece, newline=False).decode('ascii')}?="
