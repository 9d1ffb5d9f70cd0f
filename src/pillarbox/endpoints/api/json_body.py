"""JSON that comes in, read in one way alone: what another program could read otherwise is refused (RFC 7493, I-JSON).

Not taken are: names that stand twice in an object, NaN and Infinity, whole numbers that a double cannot hold, halves of
characters, and more depth than any call has.
"""

import json
import math
import re
from email.message import Message
from typing import Any, Final, NoReturn

from fastapi import Request

from pillarbox.core.errors import InvalidInput

MOST_DEPTH: Final = 64
_EXACT: Final = 2**53 - 1
_DIGITS: Final = len(str(_EXACT))
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?+', re.DOTALL)
"""Also one without an end: what is behind it would else be looked through again from each quote in it."""
_OPENING, _PAIR = b"[", b"[]"
_AS_ONE: Final = bytes.maketrans(b"{}", _PAIR)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")


def parse(body: bytes) -> Any:
    """The value of a JSON text. Raises InvalidInput `request.bad_json`. Pure."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        _refuse("it is no UTF-8")
    _check_depth(body)
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_whole, parse_float=_number
        )
    except json.JSONDecodeError as error:
        _refuse(f"{error.msg} at character {error.pos}")
    except RecursionError:
        _refuse("it is too deep")
    if _HALF.search(text):
        _check_characters(value)
    return value


class JsonRequest(Request):
    """A request whose body is to be JSON. Its body and its value raise InvalidInput where it is not."""

    async def body(self) -> bytes:
        """The body. Raises `request.wrong_type` where there is one, and it does not say that it is JSON."""
        body = await super().body()
        if body and not _is_json(given := self.headers.get("content-type", "")):
            raise InvalidInput("request.wrong_type", given=given)
        return body

    async def json(self) -> Any:
        """The value; None of no body. Raises `request.bad_json` too."""
        if not hasattr(self, "_value"):
            body = await self.body()
            self._value: Any = parse(body) if body else None
        return self._value


def _is_json(content_type: str) -> bool:
    message = Message()
    message["content-type"] = content_type
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))


def _refuse(reason: str) -> NoReturn:
    raise InvalidInput("request.bad_json", reason=reason) from None


def _check_depth(body: bytes) -> None:
    """Before it is read, as reading goes as deep as the text does. Quick also where there is little but brackets."""
    if body.count(b"[") + body.count(b"{") <= MOST_DEPTH:
        return
    brackets = _STRING.sub(b"", body).translate(_AS_ONE, _NO_BRACKETS)
    for _ in range(MOST_DEPTH):
        brackets = brackets.replace(_PAIR, b"")  # the innermost of each
    # Those without a partner are no JSON: they are refused where they are read, and count as far as they open.
    if _PAIR in brackets or brackets.startswith(_OPENING * (MOST_DEPTH + 1)):
        _refuse(f"it is deeper than {MOST_DEPTH}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        # Not which name: it may be long, and nothing of what was sent comes back.
        _refuse("a name stands twice in an object")
    return found


def _constant(name: str) -> NoReturn:
    _refuse(f"{name} is no number")


def _whole(digits: str) -> int:
    # The length first: reading a long one takes long.
    if len(digits.lstrip("-")) > _DIGITS or abs(int(digits)) > _EXACT:
        _refuse("a whole number is beyond 2^53 - 1")
    return int(digits)


def _number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        _refuse("a number is beyond what a double holds")
    return number


def _check_characters(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        _refuse("half a character stands alone")
