"""Content in memory: canonical, and the same bytes from wherever one begins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.content import PIECE, InMemory, in_memory


def test_what_is_at_hand_becomes_canonical() -> None:
    content = in_memory(b"Subject: x\n\na\rb\r\n")
    assert b"".join(content.pieces()) == b"Subject: x\r\n\r\na b\r\n"
    assert content.size == len(b"Subject: x\r\n\r\na b\r\n")
    content.close()


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7])
def test_no_piece_is_longer_than_one_and_they_may_be_asked_for_again(size: int) -> None:
    content = InMemory(bytes(range(256)) * (size // 256 + 1))
    content = InMemory(content.mime[:size])
    for start in (0, 1, PIECE, size):
        pieces = list(content.pieces(start))
        assert all(len(piece) <= PIECE for piece in pieces)
        assert b"".join(pieces) == content.mime[start:] == b"".join(content.pieces(start))


@given(st.binary(max_size=60), st.integers(0, 70))
def test_the_rest_from_any_place_on_is_the_rest(mime: bytes, start: int) -> None:
    assert b"".join(InMemory(mime).pieces(start)) == mime[start:]
