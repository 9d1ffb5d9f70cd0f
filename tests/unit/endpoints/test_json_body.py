"""JSON that two programs could read in two ways is refused."""

import json
import time
from typing import Any

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.errors import InvalidInput
from pillarbox.endpoints.api.json_body import MOST_DEPTH, JsonRequest, parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(VALUES, st.booleans())
def test_a_value_comes_in_as_it_was_sent(value: Any, as_ascii: bool) -> None:
    assert parse(json.dumps(value, ensure_ascii=as_ascii).encode()) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b"[1,]",
        b'{"a": 1} x',
        b'"\xff"',
        b'\xef\xbb\xbf"a"',
        '"a"'.encode("utf-16"),
        b'{"to": "a", "to": "b"}',
        b'{"a": {"b": 1, "\\u0062": 2}}',
        b"NaN",
        b'{"a": Infinity}',
        b"-Infinity",
        b"1e999",
        b"9007199254740992",
        b"-9007199254740992",
        b"1" * 5000,
        b'"\\ud800"',
        b'{"\\udfff": 1}',
        b'["\\ude00\\ud83d"]',
        b"[" * (MOST_DEPTH + 1) + b"]" * (MOST_DEPTH + 1),
        b'{"a":' * (MOST_DEPTH + 1) + b"1" + b"}" * (MOST_DEPTH + 1),
        b"[" * 1_000_000,
        b"[" * MOST_DEPTH + b"[],{}]" + b"]" * MOST_DEPTH,
        b"[]," * 100 + b"[" * 100,
    ],
)
def test_what_can_be_read_in_two_ways_or_in_none_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(body)
    assert (refused.value.code, refused.value.entry.http) == ("request.bad_json", 400)


def test_a_refusal_says_nothing_of_what_was_sent() -> None:
    for body in (b'{"canary": 1, "canary": 2}', b'["canary", canary]', b'"canary\\ud800"', b'{"canary": 1e999}'):
        with pytest.raises(InvalidInput) as refused:
            parse(body)
        assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * MOST_DEPTH + b"]" * MOST_DEPTH,
        b'"' + b"[{" * 100 + b'"',
        b"[" + b"[{}]," * 100 + b'{"a": "]"}]',
        b'"\\"' + b"[" * 100 + b'"',
        b"9007199254740991",
        b'"\\ud83d\\ude00"',
        b'{"a": {"x": 1}, "b": {"x": 1}}',
    ],
)
def test_what_only_looks_odd_is_taken(body: bytes) -> None:
    assert parse(body) == json.loads(body)


@pytest.mark.parametrize("piece", [b'\\"', b'"\\'])
def test_strings_without_an_end_take_linear_time(piece: bytes) -> None:
    began = time.process_time()
    with pytest.raises(InvalidInput):
        parse(b"[" * (MOST_DEPTH + 1) + piece * 50_000)
    assert time.process_time() - began < 1  # Ten seconds and more where each quote is looked behind to the end.


def request_with(body: bytes, content_type: str | None) -> JsonRequest:
    """A request with this body."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", content_type.encode())] if content_type is not None else []
    return JsonRequest({"type": "http", "headers": headers}, receive)


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"]
)
async def test_a_body_that_says_that_it_is_json_is_read(content_type: str) -> None:
    assert await request_with(b"[1]", content_type).json() == [1]


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "text/json"])
async def test_a_body_of_another_kind_is_not(content_type: str | None) -> None:
    with pytest.raises(InvalidInput) as refused:
        await request_with(b"[1]", content_type).json()
    assert (refused.value.code, refused.value.entry.http) == ("request.wrong_type", 415)


async def test_no_body_needs_no_kind() -> None:
    assert await request_with(b"", None).json() is None


def test_it_is_a_request_like_any_other() -> None:
    assert isinstance(request_with(b"", None), Request)
