"""What a row of the message trace tells, and how it is asked for."""

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.graph.traces import Traced, sent_by, traced_in

NOON = 1_795_176_000.0  # 2026-11-20 12:00:00 UTC
ROW = {"messageId": "<7@x>", "recipientAddress": "bob@contoso.example", "status": "delivered", "size": 7}


def test_a_row_tells_what_became_of_one_recipient() -> None:
    assert traced_in(ROW) == Traced("<7@x>", "bob@contoso.example", "delivered")


@pytest.mark.parametrize("broken", [None, "x", {}, {**ROW, "status": None}, {**ROW, "messageId": ""}])
def test_anything_else_tells_nothing(broken: Any) -> None:
    assert traced_in(broken) is None


def test_it_is_asked_by_sender_and_span_and_no_address_ends_the_text_that_it_stands_in() -> None:
    path = sent_by("o'neill&$top=1@contoso.example", NOON, NOON + 60)
    assert path.count("&") == path.count("?") == 1
    assert unquote(path).endswith(
        "$filter=senderAddress eq 'o''neill&$top=1@contoso.example' and receivedDateTime ge 2026-11-20T12:00:00Z"
        " and receivedDateTime le 2026-11-20T12:01:00Z&$top=1000"
    )


@given(
    st.dictionaries(st.sampled_from(["messageId", "recipientAddress", "status"]), st.none() | st.text() | st.integers())
)
def test_whatever_comes_is_a_row_or_none(row: Any) -> None:
    assert traced_in(row) is None or isinstance(traced_in(row), Traced)
