"""A line of somebody's text, fit to be shown: short, without secrets, without control characters.

People paste what holds their secrets, in more shapes than anybody can list. So no shape is looked for: a line in which
any word hints at a secret is not shown. Of such a line there is only what our own catalogue says as well.
"""

import re
from html import unescape
from itertools import takewhile
from typing import Final
from urllib.parse import unquote

_AROUND: Final = 2_000
"""How much of a line is looked at on each side: a line may be the whole text."""
_SHOWN: Final = 160
"""How much of it is shown at most, in characters."""
_SCRUBBED: Final = 500
"""How much of an answer is shown at most, in characters."""
_LAYERS: Final = 3
"""How many times a text may have been encoded for a URL or a page."""
_STARS: Final = "***"

_HINTS: Final = re.compile(
    # Words, also within longer ones: PILLARBOX_CLIENT_SECRET, ClientSecret, AccountKey, sshpass.
    r"secret|pass|pwd|pw|token|assertion|key|cred|auth|login|logon|basic|bearer|sasl|cookie|session|verifier"
    r"|(?:device|user)_?code|signature|\bsig\b|\botp\b|\bpin\b"
    # The same in other languages.
    r"|kennwort|contrase|senha|парол|секрет|ключ|токен|密|金[鑰钥]|令牌|權杖|权杖|パスワード"
    # An option of a command, such as -u, -p, -ap, /p.
    r"|(?:^|[\s\"'`(\[])(?:--?[a-z]|/[a-z]\b)"
    # A name and what belongs to it: user: ..., scanner:... (digits are a port), https://scanner:...@host.
    r"|\buser(?:[_-]?name)?[\"'\\]{0,3}\s{0,3}[:=]|(?:^|\s)[a-z][\w.@-]{0,100}:(?!\d{1,5}\b)[^\s/]|://[^/\s@]{1,300}@"
    # An authorization code, a JWT, the form of Entra's client secrets.
    r"|\bcode=[^&\s]{24}|\beyj[\w-]{5}|\dq~[\w.~-]{20}",
    re.IGNORECASE,
)
_SCHEME: Final = re.compile(r"\b(bearer|basic|negotiate|ntlm)\s{1,9}\S+", re.IGNORECASE)
_LONG: Final = re.compile(r"[\w+/=~%-]{32,}", re.ASCII)
_KNOWN_LONG: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-z_]{32,48}|[^a-z0-9]+", re.IGNORECASE)


def excerpt(text: str, start: int, end: int, known: str = "") -> str:
    """The line around text[start:end], at most 160 characters of it.

    Where the line hints at a secret, only text[start:end] is shown, and what of `known` stands around it: words of the
    catalogue. What is long and looks random is stars. Control characters are written out (`\\x1b`): what others wrote
    must not steer a terminal.
    """
    first = max(text.rfind("\n", 0, start) + 1, start - _AROUND)
    last = text.find("\n", end)
    last = min(len(text) if last < 0 else last, end + _AROUND)
    found = _visible(text[start:end])
    if _hints_at_a_secret(_end_of_name(text, first) + text[first:last]):
        return _visible(_known_around(text, start, end, known))[:_SHOWN]
    safe = _visible(_LONG.sub(_stars, text[first:last]))
    # Where the stars took the code as well, it stands alone: a code is no secret.
    return _cut(safe, found) if found in safe else found[:_SHOWN]


def scrubbed(text: str) -> str:
    """A text of Microsoft's, or of what stands in between, on one line of at most 500 characters.

    Here no line is left out, for it is all there is to go by: what is long and looks random is stars (tokens, mail),
    and so is what follows the name of a scheme of authentication.
    """
    begin = text[:_AROUND] if len(text) <= _AROUND else text[:_AROUND].rpartition(" ")[0]
    shown = _visible(_LONG.sub(_stars, _SCHEME.sub(rf"\1 {_STARS}", begin)))
    return shown if len(shown) <= _SCRUBBED else shown[: _SCRUBBED - 1] + "…"


def _hints_at_a_secret(line: str) -> bool:
    for _ in range(_LAYERS):
        if _HINTS.search(line):
            return True
        line, encoded = unescape(unquote(line)), line
        if line == encoded:
            return False
    return bool(_HINTS.search(line))


def _end_of_name(text: str, first: int) -> str:
    """The line before, where it ends in a name whose value comes next: `password:`, `--user \\`."""
    before = text[max(0, first - _AROUND) : first].rstrip()
    return before.rpartition("\n")[2] + "\n" if before.endswith((":", "=", "\\", ">", "|")) else ""


def _known_around(text: str, start: int, end: int, known: str) -> str:
    """text[start:end], and what stands around it in `known` letter by letter, in whole words."""
    found = text[start:end]
    place = known.lower().find(found.lower())
    if place < 0:
        return found
    first = start - _same(known[:place][::-1], text[max(0, start - _SHOWN) : start][::-1])
    last = end + _same(known[place + len(found) :], text[end : end + _SHOWN])
    while first < start and text[first - 1 : first].isalnum() and text[first].isalnum():
        first += 1
    while last > end and text[last - 1].isalnum() and text[last : last + 1].isalnum():
        last -= 1
    return text[first:last].strip(" \t\r\n,;:.[(")


def _same(one: str, other: str) -> int:
    """How many letters two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one.lower(), other.lower(), strict=False)))


def _stars(run: "re.Match[str]") -> str:
    return run[0] if _KNOWN_LONG.fullmatch(run[0]) else _STARS


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
