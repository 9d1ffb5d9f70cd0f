"""Where Microsoft's sentences name a tenant, an app or a person: the name goes, the sentence stays.

Names hold apostrophes, dots and brackets, and Microsoft escapes none of them. So it is never asked where a name ends as
its owner would write it, but where Microsoft's own words go on; in doubt more is cut than need be.
"""

import re

NAME = "<name>"
PUBLIC = re.compile(
    r"assertion|client_(?:id|secret|assertion|assertion_type|info)|code(?:_verifier|_challenge(?:_method)?)?|device_code"
    r"|grant_type|id_token|login_hint|password|prompt|redirect_uri|refresh_token|response_(?:mode|type)|user_code"
    r"|username|api-version|Microsoft\.[\w.]+|microsoft\.graph\.\w+|\$\w+|nonsense|magic|none|scope|resource"
)
"""What Microsoft may quote: parameters, types, and our own bad words. Else: names of tenants, apps and people."""

_LEAD = re.compile(rf"(?<!\ba )\b(named|Directory:|App:) +(?!'(?:{PUBLIC.pattern})')")
_GOES_ON = re.compile(
    r" was not found\b|\.?(?=[\r\n]|$)"
    r"|\.(?= +(?:This|Send|You|The|To|If|Please|Ensure|See|Resource|Directory|App|Client|Trace ID)\b)"
)
"""A bare full stop ends nothing, it may be that of `& Co. KG`: Microsoft's next sentence must begin."""
_CONFIGURED = re.compile(r"(?<=configured the application ).*(?= \('(?:[0-9a-fA-F]{8}-|<client))")
_OPENS = re.compile(r"(?<![\w.!?)\]}>'%&*+~])'(?=\S)")
_CLOSES = re.compile(r"(?<=\S)'(?!\w)")
_BRACKET = re.compile(r" ?\(")
_IDENTIFIED = re.compile(r"(?:<guid>|<client:\w+>)(?= ?\()")


def without_names(text: str) -> str:
    """Without what follows `named` and its like, without what stands in quotes, and what in brackets behind them."""
    return "".join(_without_quoted(line) for line in _without_led(text).splitlines(keepends=True))


def without_bracketed(text: str) -> str:
    """Without the name in brackets behind an id that is a placeholder already: `Client app ID: <guid>(Payroll)`."""
    parts, position = [], 0
    while found := _IDENTIFIED.search(text, position):
        parts += [text[position : found.end()], f" ({NAME})"]
        position = _behind_bracket(text, found.end())
    return "".join([*parts, text[position:]])


def _without_led(text: str) -> str:
    text = _CONFIGURED.sub(NAME, text)
    parts, position = [], 0
    while found := _LEAD.search(text, position):
        end = _GOES_ON.search(text, found.end())
        parts += [text[position : found.end()], NAME]
        position = end.start() if end else len(text)
    return "".join([*parts, text[position:]])


def _without_quoted(line: str) -> str:
    opening = [found.start() for found in _OPENS.finditer(line)]
    closing = [found.start() for found in _CLOSES.finditer(line) if found.start() not in opening]
    parts, position = [], 0
    for start in opening:
        if start < position:
            continue
        end = _closing(line, start, opening, closing)
        word = line[start + 1 : end]
        parts += [line[position:start], f"'{word if PUBLIC.fullmatch(word) else '<quoted>'}'"]
        position = end + 1
        if _BRACKET.match(line, position):
            parts.append(f" ({NAME})")
            position = _behind_bracket(line, position)
    return "".join([*parts, line[position:]])


def _closing(line: str, start: int, opening: list[int], closing: list[int]) -> int:
    """Where the quote that begins at `start` ends: at the last apostrophe that may close it before the next opens."""
    behind = [each for each in closing if each > start]
    if not behind:
        return len(line.rstrip("\r\n"))
    if _BRACKET.match(line, behind[0] + 1):
        return behind[0]
    bound = next((each for each in opening if each > behind[0]), len(line))
    return [each for each in behind if each < bound][-1]


def _behind_bracket(text: str, position: int) -> int:
    """Behind the bracket that closes the one that opens there; the end of the line if none does."""
    depth = 0
    for index in range(position, len(text)):
        if text[index] in "\r\n":
            return index
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if text[index] == ")" and depth == 0:
            return index + 1
    return len(text)
