"""The place of a message that comes in: memory, file, budget."""

import os
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.content import PIECE
from pillarbox.core.errors import Unavailable
from pillarbox.endpoints.smtp.spool import Budget, Spool
from tests.unit.endpoints.smtp.parts import text


def test_small_message_needs_no_folder() -> None:
    spool = Spool(Budget(100), Path("/nowhere"))
    spool.write(b"abc")
    spool.write(b"def")
    assert (spool.size, list(spool.pieces()), list(spool.pieces(4))) == (6, [b"abc", b"def"], [b"ef"])
    spool.close()


def test_large_message_lies_in_a_file_without_a_name(tmp_path: Path) -> None:
    spool = Spool(Budget(10**7), tmp_path, memory=10)
    spool.write(b"0123456789")
    assert open_files(tmp_path) == 0
    spool.write(b"abc")
    assert (open_files(tmp_path), list(tmp_path.iterdir())) == (1, [])
    assert text(spool) == b"0123456789abc"
    spool.close()
    assert open_files(tmp_path) == 0


def open_files(folder: Path) -> int:
    """Files of this folder that the process has open, with a name or without."""
    links = [Path("/proc/self/fd", number) for number in os.listdir("/proc/self/fd")]
    return sum(os.readlink(link).startswith(str(folder)) for link in links if link.exists() or link.is_symlink())


@given(st.lists(st.binary(max_size=30), max_size=10), st.integers(0, 100), st.integers(0, 400))
def test_pieces_are_what_was_written_from_any_place(written: list[bytes], memory: int, start: int) -> None:
    spool = Spool(Budget(10**6), Path("/tmp"), memory=memory)
    for piece in written:
        spool.write(piece)
    whole = b"".join(written)
    assert spool.size == len(whole)
    assert b"".join(spool.pieces(start)) == whole[start:]
    assert b"".join(spool.pieces()) == whole
    spool.close()


@pytest.mark.parametrize("memory", [0, 10**9])
def test_no_piece_is_longer_than_a_piece(tmp_path: Path, memory: int) -> None:
    spool = Spool(Budget(10**9), tmp_path, memory=memory)
    spool.write(b"x" * (3 * PIECE + 1))
    assert [len(piece) for piece in spool.pieces(1)] == [PIECE, PIECE, PIECE]
    spool.close()


def test_budget_is_of_all_messages_and_given_back_once() -> None:
    budget = Budget(10)
    one, two = Spool(budget, Path("none")), Spool(budget, Path("none"))
    one.write(b"123456")
    two.write(b"1234")
    with pytest.raises(Unavailable, match="Too much mail") as caught:
        two.write(b"5")
    assert (caught.value.entry.smtp, budget.used, two.size) == ("452 4.3.1", 10, 4)
    one.close()
    one.close()
    assert budget.used == 4
    two.need(6)
    with pytest.raises(Unavailable):
        two.need(7)


def test_folder_that_takes_no_file_is_a_passing_failure() -> None:
    spool = Spool(Budget(10**6), Path("/nowhere"), memory=0)
    with pytest.raises(Unavailable) as caught:
        spool.write(b"x")
    assert caught.value.code == "store.failed"
    spool.close()


class OnFullDisk(Spool):
    """One whose file has no room."""

    def make_file(self) -> IO[bytes]:
        return open("/dev/full", "wb", buffering=0)


def test_full_disk_is_told_as_such() -> None:
    spool = OnFullDisk(Budget(10**6), Path("/nowhere"), memory=0)
    with pytest.raises(Unavailable) as caught:
        spool.write(b"x")
    assert (caught.value.code, caught.value.entry.smtp) == ("store.full", "452 4.3.1")
    spool.close()
