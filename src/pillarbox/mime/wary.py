"""What may stand in a header that is composed of somebody's words: nothing that ends a line, or reorders what is shown.

Each text is looked at as it came, and as a mail program shows it after it has read the encoded words in it (RFC 2047):
what one parser decodes early becomes another one's header. Nothing is mended here: what is wrong is refused.
"""

import binascii
import itertools
import quopri
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from pillarbox.core.errors import InvalidInput
from pillarbox.core.mail import is_address

_REFUSED: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls (C0, DEL, C1, the separators), what turns the direction of text around, and surrogates without a partner."""
_NO_TEXT: Final = re.compile("[\x00\ud800-\udfff]")
_WORD: Final = re.compile(r"=\?([^?]*)\?([bBqQ])\?([^?]*)(?:\?=|\Z)")
_LAX_WORD: Final = re.compile(r"=\?([^?]*)\?([bBqQ])\?(.*?)(?:\?=|\Z)", re.DOTALL)
"""As Python's own parser reads it, among others: with `?` in its text."""
_MOST_ROUNDS: Final = 8
"""Encoded words within encoded words that are looked into; each one is shorter than what it stood in."""
_MOST_NAME: Final = 200
"""Characters of a file name; Exchange and file systems take 255 bytes or so."""
_EXTENSION: Final = 20
_NOT_IN_NAMES: Final = str.maketrans('<>:"|?*', "_______")
"""What Windows takes in no file name."""
_DEVICES: Final = re.compile(r"(?i)(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)")
"""Names that are devices in Windows, whatever their extension is."""


def check_text(text: str, pointer: str) -> None:
    """Raises InvalidInput `compose.bad_character` for what may stand in no header."""
    for shape in _shapes(text):
        if found := _REFUSED.search(shape):
            raise InvalidInput("compose.bad_character", pointer=pointer, character=f"U+{ord(found[0]):04X}")


def check_body(text: str, pointer: str) -> None:
    """Raises InvalidInput `compose.bad_character` for what is no text: it is encoded, so that the rest does no harm."""
    if found := _NO_TEXT.search(text):
        raise InvalidInput("compose.bad_character", pointer=pointer, character=f"U+{ord(found[0]):04X}")


def plain_address(text: str, pointer: str) -> str:
    """An address in ASCII, as it may stand in any header: its domain by IDNA, its local part without quotes.

    Raises InvalidInput `compose.bad_address`, also for a local part that is not ASCII (RFC 6532 is not used), and for a
    domain that IDNA would make another one of.
    """
    check_text(text, pointer)
    local, _, domain = text.rpartition("@")
    if is_address(text) and local.isascii() and not local.startswith('"') and "=?" not in text:
        try:
            plain = f"{local}@{domain if domain.isascii() else _by_idna(domain)}"
        except UnicodeError:
            plain = ""
        if is_address(plain):
            return plain
    raise InvalidInput("compose.bad_address", pointer=pointer, address=text[:_MOST_NAME])


def _by_idna(domain: str) -> str:
    """The domain as DNS knows it (RFC 3490). Raises UnicodeError, also where that is read as something else.

    Its mapping deletes signs that nobody sees, and makes `ss` of `ß`, which by RFC 5891 is a domain of its own.
    """
    plain = domain.encode("idna")
    if plain.decode("idna").lower() != unicodedata.normalize("NFC", domain).lower():
        raise UnicodeError
    return plain.decode("ascii")


def file_name(name: str, pointer: str) -> str:
    """A file name that is safe wherever it is saved: no path, no device, no sign that a file system refuses.

    Raises InvalidInput `compose.bad_character`.
    """
    check_text(name, pointer)
    last = re.split(r"[/\\]", name)[-1].translate(_NOT_IN_NAMES).strip(". ")
    if _DEVICES.match(last):
        last = f"_{last}"
    if len(last) > _MOST_NAME:
        stem, dot, extension = last.rpartition(".")
        kept = dot + extension if stem and len(extension) <= _EXTENSION else ""
        last = last[: _MOST_NAME - len(kept)] + kept
    return last or "attachment"


def _shapes(text: str) -> Iterator[str]:
    """The text, and what it becomes for each kind of reader, who may read again what came of it.

    One reader stays the same one in all rounds: mixtures would be two to the power of the rounds.
    """
    yield text
    for word, reader in itertools.product((_WORD, _LAX_WORD), (_by_charset, _by_byte)):
        shape = text
        for _ in range(_MOST_ROUNDS):
            if "=?" not in shape:
                break
            shape = word.sub(reader, shape)
            yield shape


def _by_charset(word: re.Match[str]) -> str:
    charset = word[1].partition("*")[0]  # RFC 2231 section 5: a language may follow
    try:
        return _content(word).decode(charset, "replace")
    except (LookupError, ValueError):
        return _by_byte(word)


def _by_byte(word: re.Match[str]) -> str:
    return _content(word).decode("latin-1")


def _content(word: re.Match[str]) -> bytes:
    raw = word[3].encode("utf-8", "replace")
    if word[2] in "qQ":
        return quopri.decodestring(raw, header=True)
    try:
        return binascii.a2b_base64(raw + b"===")
    except binascii.Error:
        return b""
