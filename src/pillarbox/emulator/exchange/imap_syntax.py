"""The lines of IMAP: tag, command, arguments, literals (RFC 3501 section 9; LITERAL+ of RFC 7888). Pure."""

import re
from dataclasses import dataclass

LITERAL = re.compile(rb"\{([0-9]{1,10})(\+?)\}\Z")
COMMAND = re.compile(rb"([!#$&',-.0-\[\]^-z|}~/]+) ((?:UID )?[A-Z]+)(?: (.*))?", re.IGNORECASE | re.DOTALL)
TAG = re.compile(rb"([!#$&',-.0-\[\]^-z|}~/]+) ")
TOKEN = re.compile(rb'"((?:[^"\\\r\n\0]|\\["\\])*)"|([()])|([^\s(){"%*\\\x00-\x1f\x7f-\xff]+)')
ESCAPE = re.compile(rb'\\(["\\])')


@dataclass(frozen=True)
class Literal:
    """A literal's octets."""

    octets: bytes


Part = bytes | Literal


@dataclass(frozen=True)
class Command:
    """One command; `parts` is what follows its name: pieces of lines with the literals between them."""

    tag: str
    name: str
    parts: tuple[Part, ...]

    def arguments(self) -> list[str]:
        """The arguments in order, quoted strings and literals without their wrapping, parentheses as `(` and `)`.

        A ValueError if they have no form.
        """
        found: list[str] = []
        for place, part in enumerate(self.parts):
            if isinstance(part, Literal):
                found.append(part.octets.decode("utf-8"))
            else:
                found += _tokens(part, glued=place > 0)
        return found


def literal_ahead(line: bytes) -> tuple[int, bool] | None:
    """Size of the literal that a line announces at its end, and whether the client waits for leave to send it."""
    found = LITERAL.search(line)
    return (int(found[1]), not found[2]) if found else None


def parse_command(parts: list[Part]) -> Command:
    """Read a whole command, its lines without CRLF and without the announcements of literals; a ValueError if bad."""
    first = parts[0] if parts else b""
    found = COMMAND.fullmatch(first) if isinstance(first, bytes) else None
    if found is None:
        raise ValueError("no command")
    rest: tuple[Part, ...] = (found[3],) if found[3] is not None else ()
    return Command(found[1].decode(), found[2].decode().upper(), (*rest, *parts[1:]))


def tag_of(line: bytes) -> str | None:
    """The tag of a line that is no command, if it has one: the refusal names it."""
    found = TAG.match(line)
    return found[1].decode() if found else None


def _tokens(text: bytes, *, glued: bool) -> list[str]:
    """The arguments in a piece of a line; a glued one goes on right behind a literal."""
    found, at = [], 0
    while at < len(text):
        if glued or at:
            if text[at : at + 1] == b" ":
                at += 1
                if at == len(text):
                    break  # What follows is a literal.
            elif text[at : at + 1] != b")" and text[at - 1 : at] != b"(":
                raise ValueError("no space between arguments")
        match = TOKEN.match(text, at)
        if match is None:
            raise ValueError("no argument")
        token = match[1] if match[1] is not None else match[2] or match[3]
        found.append(ESCAPE.sub(rb"\1", token).decode("utf-8") if match[1] is not None else token.decode())
        at = match.end()
    return found
