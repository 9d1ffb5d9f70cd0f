"""The bytes of DATA: their end, their dots, their newlines, however they are cut."""

import itertools
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pillarbox.endpoints.smtp.data import Incoming, unstuffed
from pillarbox.endpoints.smtp.spool import Budget, Spool
from tests.unit.endpoints.smtp.parts import at_least, text

END = b"\r\n.\r\n"
LONG = "A line has more than 998 bytes; it was left as it came."
PUT_RIGHT = "Lines did not end in CR LF, and do now."


def cut(stream: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(edges)]


def incoming(*, max_size: int = 10**6, strict: bool = False, piece: int = 4) -> Incoming:
    spool = Spool(Budget(10**9), Path(tempfile.gettempdir()))
    return Incoming(spool, max_size, strict=strict, piece=piece)


def feed(message: Incoming, pieces: Sequence[bytes]) -> bytes | None:
    """What is left behind the end; None where the message was not ended."""
    data = bytearray()
    for at, piece in enumerate(pieces):
        data += piece
        if message.take(data):
            return bytes(data) + b"".join(pieces[at + 1 :])
        # It works off what it can, so that a driver need not ask again.
        assert not message.take(data)
    return None


def by_the_rules(data: bytes) -> bytes:
    """What the rules make of everything before the closing dot, line by line."""
    lines, behind_crlf = [], True
    while data:
        line, _, data = data.partition(b"\n")
        crlf = line.endswith(b"\r")
        line = line.removesuffix(b"\r")
        if line.startswith(b".") and (behind_crlf or line != b"."):
            line = line[1:]
        lines.append(line.replace(b"\r", b" ") + b"\r\n")
        behind_crlf = crlf
    return b"".join(lines)


streams = st.lists(st.sampled_from([b"\r", b"\n", b".", b"x", b"\r\n", b"\r\n."]), max_size=30).map(b"".join)
cuts = st.lists(st.integers(min_value=0, max_value=60), max_size=20)


@given(streams, cuts, st.integers(min_value=4, max_value=20))
@at_least(1000)
@example(b"\n.\r", [], 4)
@example(b"\r\r\r\r\r\r\r\r\n\n.", [15], 4)
@example(b"\r\r\n..\r\n", [1, 2, 3, 4, 5], 4)
def test_message_is_what_the_rules_make_of_it_however_it_is_cut(stream: bytes, places: list[int], piece: int) -> None:
    stream += END
    end = (b"\r\n" + stream).index(END)
    message = incoming(piece=piece)
    assert feed(message, cut(stream, places)) == stream[end + 3 :]
    assert text(message.spool) == by_the_rules(stream[:end])
    assert message.received == end + 3
    before = stream[:end].replace(b"\r\n", b"")
    assert (PUT_RIGHT in message.notes) == (b"\r" in before or b"\n" in before)
    message.close()


@given(streams, cuts, st.integers(min_value=4, max_value=20))
@at_least(500)
def test_strict_one_is_broken_by_any_bare_newline_before_the_end(stream: bytes, places: list[int], piece: int) -> None:
    stream += END
    before = stream[: (b"\r\n" + stream).index(END)]
    message = incoming(strict=True, piece=piece)
    assert feed(message, cut(stream, places)) is not None
    paired = before.replace(b"\r\n", b"")
    assert message.broken is (b"\r" in paired or b"\n" in paired)
    assert message.broken or text(message.spool) == by_the_rules(before)
    message.close()


@given(streams, cuts, st.integers(min_value=4, max_value=20), st.integers(min_value=0, max_value=30))
@at_least(500)
def test_size_counts_what_is_kept_however_it_is_cut(stream: bytes, places: list[int], piece: int, limit: int) -> None:
    stream += END
    kept = by_the_rules(stream[: (b"\r\n" + stream).index(END)])
    message = incoming(max_size=limit, piece=piece)
    assert feed(message, cut(stream, places)) is not None
    assert (message.error is None) is (len(kept) <= limit)
    message.close()


@given(st.lists(st.binary(max_size=8).map(lambda line: line.replace(b"\r", b".").replace(b"\n", b"."))))
def test_dots_that_were_stuffed_go_and_no_others(lines: list[bytes]) -> None:
    stuffed = [b"." + line if line.startswith(b".") else line for line in lines]
    assert unstuffed(b"".join(line + b"\r\n" for line in stuffed)) == b"".join(line + b"\r\n" for line in lines)


@pytest.mark.parametrize(
    "data", [b"a\n.\nb\r\n", b"a\n.\n.\n.\n.\r\nb\r\n", b"a\n.\r\nb\r\n", b"a.b\r\n", b"a\r.b\r\n", b""]
)
def test_other_dots_stay(data: bytes) -> None:
    assert unstuffed(data) == data


@pytest.mark.parametrize("data", [b"a\n.b\n", b"a\n.\r.\n"])
def test_dot_that_begins_a_line_goes_also_behind_a_bare_lf(data: bytes) -> None:
    assert unstuffed(data) == data.replace(b"\n.", b"\n", 1)


@given(st.lists(st.integers(min_value=990, max_value=1005), min_size=1, max_size=4), st.integers(4, 3000))
@at_least(300)
def test_line_of_more_than_998_bytes_is_noted_once_however_it_is_cut(lengths: list[int], piece: int) -> None:
    stream = b"".join(b"x" * length + b"\r\n" for length in lengths)
    message = incoming(piece=piece)
    feed(message, [stream, b".\r\n"])
    assert message.notes == ([LONG] if max(lengths) > 998 else [])


def test_very_long_line_in_many_pieces_is_noted() -> None:
    message = incoming(piece=10)
    feed(message, [b"x" * 100] * 50 + [END])
    assert message.notes == [LONG]


@given(st.lists(st.sampled_from([b"\0", b"x" * 50, b"\r\n"]), max_size=10).map(b"".join), cuts)
def test_nul_is_told_whatever_else_is_wrong(stream: bytes, places: list[int]) -> None:
    message = incoming(max_size=100)
    feed(message, cut(stream + END, places))
    if b"\0" in stream:
        assert message.error is not None
        assert message.error.code == "smtp.nul"


class Nowhere(Spool):
    """Counts, and keeps nothing."""

    def write(self, piece: bytes) -> None:
        self.size += len(piece)


def cost_of(unit: bytes, *, strict: bool = False) -> float:
    """CPU seconds of 3 MB of it, the least of five."""
    body = unit * (3_000_000 // len(unit))
    costs = []
    for _ in range(5):
        data = bytearray()
        message = Incoming(Nowhere(Budget(0), Path("none")), 10**9, strict=strict)
        began = time.process_time()
        for at in range(0, len(body), 256 * 1024):
            data += body[at : at + 256 * 1024]
            message.take(data)
        costs.append(time.process_time() - began)
    return min(costs)


@pytest.mark.parametrize(
    "unit", [b"\n", b"\r", b"\n\r", b"\n.", b"\n.\n", b"\n.\r\n", b"\r\n..", b"\r\r\n.\n", b"\n.\r."]
)
def test_hostile_newlines_cost_little_more_than_lines_of_text(unit: bytes) -> None:
    """About 4 to 7 times as much; with a regular expression, which pays for each newline, it was 15 to 25 times."""
    assert cost_of(unit) < 12 * cost_of(b"x" * 76 + b"\r\n")


def test_looking_for_bare_newlines_costs_little() -> None:
    """About 1.5 times as much; by a regular expression it was 6 times."""
    line = b"x" * 76 + b"\r\n"
    assert cost_of(line, strict=True) < 3 * cost_of(line)


def test_nothing_but_what_may_be_the_end_stays_behind() -> None:
    message, data = incoming(piece=100), bytearray()
    for _ in range(1000):
        data += b"\r\n."
        message.take(data)
        assert len(data) < 110
    message.close()
