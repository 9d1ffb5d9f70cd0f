"""A line of somebody's text, fit to be shown: short, without secrets, without control characters."""

import re
from typing import Final

_AROUND: Final = 2_000
"""How much of a line is looked at on each side: a line may be the whole text."""
_SHOWN: Final = 160
"""How much of it is shown at most, in characters."""
_STARS: Final = "***"

_VALUE: Final = r"""(?:\\?"[^"]*"?|'[^']*'?|[^\s&,;"'}]+)"""

_SECRETS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # A field whose name says that its value is secret: form, JSON, header, settings file.
        r"""(?P<keep>(?:client_?secret|client_?assertion|secret(?:_?text)?|pass(?:word|wd|phrase)?|pwd"""
        r"""|(?:refresh_|access_|id_)?token|assertion|code_verifier|device_code|user_code|api[_-]?key|sig|(?:set-)?cookie)["'\\]{0,3}\s{0,3}[:=]\s{0,3})"""
        rf"""(?!AADSTS\s?\d){_VALUE}""",
        # The same as an element of XML and as an option of a command.
        r"(?P<keep><[\w:]{0,30}(?:secret|password|token)[\w:]{0,30}>)[^<\s]+",
        rf"(?P<keep>(?:^|\s)--?[\w-]{{0,30}}(?:secret|password|token)\s{{1,3}})(?!-){_VALUE}",
        rf"(?P<keep>\bConvertTo-SecureString\s{{1,3}}(?:-String\s{{1,3}})?){_VALUE}",
        r"(?P<keep>(?:^|\s)(?:-u|--user)\s{1,3}[^\s:]{1,100}:)\S+",
        # A line of Postfix's sasl_passwd; digits are a port.
        r"(?P<keep>@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}:)(?!\d{1,5}(?!\w))\S+",
        r"(?P<keep>authorization[\"'\\]{0,3}\s{0,3}[:=]\s{0,3}[\"']?(?:[a-z]+\s{1,3})?)[^\s\"',;]+",
        r"(?P<keep>\bbearer\s{1,3})(?!\w+=[\"'\\])[\w.~+/=-]{8,}",
        r"(?P<keep>\bAUTH(?:ENTICATE)?\s+(?:PLAIN|LOGIN|XOAUTH2|OAUTHBEARER)\s+)[\w+/=]{8,}",
        r"(?P<keep>[?&]code=)[^&\s]{24,}",
        r"(?P<keep>://)[^/\s@]{1,300}(?=@)",
        r"(?P<keep>)\beyJ[\w-]{5,}(?:\.[\w-]*){0,4}",
        # The form of Entra's client secrets.
        r"(?P<keep>)[\w.~-]{3}\dQ~[\w.~-]{20,}",
    )
)
_LONG: Final = re.compile(r"[\w+/=~%-]{32,}", re.ASCII)
_KNOWN_LONG: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-z_]{32,48}|[^a-z0-9]+", re.IGNORECASE)


def excerpt(text: str, start: int, end: int) -> str:
    """The line around text[start:end], at most 160 characters of it.

    Secrets are stars: fields that name one, tokens, whatever is long and looks random. Control characters are written
    out (`\\x1b`): what others wrote must not steer a terminal.
    """
    first = max(text.rfind("\n", 0, start) + 1, start - _AROUND)
    last = text.find("\n", end)
    last = min(len(text) if last < 0 else last, end + _AROUND)
    safe = _visible(_without_secrets(text[first:last]))
    found = _visible(text[start:end])
    # Where the stars took the code as well, it stands alone: a code is no secret.
    return _cut(safe, found) if found in safe else found[:_SHOWN]


def _without_secrets(line: str) -> str:
    for pattern in _SECRETS:
        line = pattern.sub(rf"\g<keep>{_STARS}", line)
    return _LONG.sub(lambda run: run[0] if _KNOWN_LONG.fullmatch(run[0]) else _STARS, line)


def _visible(line: str) -> str:
    shown = (c if c.isprintable() else " " if c in "\t\r\n" else f"\\x{ord(c):02x}" for c in line)
    return "".join(shown).strip()


def _cut(line: str, found: str) -> str:
    if len(line) <= _SHOWN:
        return line
    # Mostly after it: what follows a code says more than what comes before.
    room = _SHOWN - 2
    place = line.find(found)
    begin = place - 40 if place > 60 else 0
    # At the beginning of a word, where that is not far.
    begin = max(line.rfind(" ", 0, begin) + 1, begin - 20)
    begin = min(begin, len(line) - room)
    return ("…" if begin else "") + line[begin : begin + room] + ("…" if begin + room < len(line) else "")
