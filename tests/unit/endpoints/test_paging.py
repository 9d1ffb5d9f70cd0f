"""Lists in pages, and their cursors."""

import base64
import json
from contextlib import suppress

import pytest
from fastapi import Request, Response
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.errors import InvalidInput
from pillarbox.endpoints.api.paging import Asked, decode, decode_number, encode

LIST = "/api/v1/things"


def asked(query: str = "", cursor: str | None = None, limit: int = 2) -> Asked:
    """What a request for a page asks for."""
    request = Request({"type": "http", "path": LIST, "query_string": query.encode(), "headers": []})
    return Asked(request, Response(), cursor, limit)


@given(st.text())
def test_a_cursor_stands_for_a_text(text: str) -> None:
    assert decode(LIST, encode(LIST, text)) == text


@given(st.integers(0, 2**63 - 1))
def test_a_cursor_stands_for_a_number(number: int) -> None:
    assert decode_number(LIST, encode(LIST, number)) == number


def forged(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize("key", [["a"], None, "\ud800", 7])
def test_what_is_no_text_is_no_cursor_of_texts(key: object) -> None:
    with pytest.raises(InvalidInput, match="no cursor"):
        decode(LIST, forged([LIST, key]))


@pytest.mark.parametrize("key", ["7", -1, 2**63, True, 1.5, 10**400])
def test_what_is_no_number_is_no_cursor_of_numbers(key: object) -> None:
    with pytest.raises(InvalidInput, match="no cursor"):
        decode_number(LIST, forged([LIST, key]))


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "!!!!",
        "ä",
        "e30",
        forged(None),
        forged(7),
        forged("ab"),
        forged([LIST]),
        forged([LIST, "a", "b"]),
        "[" * 5000,
    ],
)
def test_what_is_no_cursor_at_all_is_refused(cursor: str) -> None:
    for read in (decode, decode_number):
        with pytest.raises(InvalidInput, match="no cursor"):
            read(LIST, cursor)


def test_a_cursor_of_another_list_is_refused() -> None:
    for read, key in ((decode, "a"), (decode_number, 7)):
        with pytest.raises(InvalidInput, match="no cursor"):
            read(LIST, encode("/api/v1/others", key))


@given(st.text())
def test_whatever_is_given_as_a_cursor_is_read_or_refused(text: str) -> None:
    for read in (decode, decode_number):
        with suppress(InvalidInput):
            read(LIST, text)


def test_the_next_page_is_that_of_the_list_that_is_asked() -> None:
    paging = asked(cursor=encode("/api/v1/others", "a"))
    with pytest.raises(InvalidInput, match="no cursor"):
        paging.cut(["a", "b"], key=str)
    paging = asked(cursor=encode("/api/v1/others", 1))
    with pytest.raises(InvalidInput, match="no cursor"):
        _ = paging.after_number


def test_the_pages_of_a_list_are_all_of_it_and_nothing_twice() -> None:
    names = ["e", "b", "d", "a", "c"]
    pages, cursor = [], None
    while True:
        page, cursor = asked(cursor=cursor).cut(names, key=str)
        pages.append(page)
        if cursor is None:
            break
    assert pages == [["a", "b"], ["c", "d"], ["e"]]


def test_a_row_that_was_removed_between_two_pages_hides_no_other() -> None:
    _, cursor = asked().cut(["a", "b", "c"], key=str)
    assert asked(cursor=cursor).cut(["a", "c"], key=str) == (["c"], None)


def test_a_full_page_at_the_end_has_no_next() -> None:
    assert asked().cut(["a", "b"], key=str) == (["a", "b"], None)


def test_the_address_of_the_next_page_keeps_what_was_asked_and_no_host() -> None:
    paging = asked(f"state=held&cursor={encode(LIST, 'old')}&limit=2&submitter=a%26b")
    paging.next("new")
    assert paging.response.headers["Link"] == (
        f'<?state=held&limit=2&submitter=a%26b&cursor={encode(LIST, "new")}>; rel="next"'
    )


def test_at_the_end_there_is_no_link() -> None:
    paging = asked()
    assert paging.next(None) is None
    assert "Link" not in paging.response.headers
