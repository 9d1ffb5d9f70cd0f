"""The master key's file and rings: made once, read with care, replaced whole; and no start with a key that is wrong."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core import master_key
from pillarbox.core.errors import ConfigError
from pillarbox.core.master_key import KEY_BYTES, KeyRing, Needed, key_id

CANARY = "canary-8c1f"
OLD, NEW = b"o" * KEY_BYTES, b"n" * KEY_BYTES
OLD_ID, NEW_ID = key_id(OLD).hex(), key_id(NEW).hex()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "master.key"


def code_of(work: Callable[[], object]) -> str:
    """The code of the ConfigError that the work raises."""
    with pytest.raises(ConfigError) as caught:
        work()
    assert str(caught.value)
    return caught.value.code


def many(*ids: str) -> Needed:
    """What a store needs of which the keys of these ids sealed two values each."""
    return Needed(dict.fromkeys(ids, 2))


# ---- a ring as text


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, unique=True), st.sampled_from([" ", "\n", "\r\n\t "]))
def test_a_ring_is_read_as_it_is_written(keys: list[bytes], between: str) -> None:
    assert master_key.parse(between.join(key.hex() for key in keys) + between, "here") == tuple(keys)


def test_a_key_that_stands_twice_is_one_key() -> None:
    assert master_key.parse(f"{NEW.hex()} {OLD.hex()} {NEW.hex().upper()}", "here") == (NEW, OLD)


@given(st.binary(min_size=32, max_size=32), st.integers(1, 63))
def test_one_key_that_is_broken_into_lines_is_one_key(key: bytes, at: int) -> None:
    text = key.hex()
    assert master_key.parse(f"{text[:at]}\n{text[at:]}\n", "here") == (key,)
    # As `xxd -p` breaks it, which the first release took.
    assert master_key.parse(f"{text[:60]}\n{text[60:]}", "here") == (key,)


@pytest.mark.parametrize(
    "text", ["", " ", "00" * 31, "00" * 33, "zz" * 32, "00" * 64, "00 " * 31, "00 " * 33, f"{'00' * 32} 00", "é" * 64]
)
def test_a_text_that_is_no_ring_is_named(text: str) -> None:
    assert code_of(lambda: master_key.parse(text, "here")) == "vault.key_format"


def test_the_message_about_a_bad_key_does_not_hold_it() -> None:
    with pytest.raises(ConfigError) as caught:
        master_key.parse(CANARY, "PILLARBOX_MASTER_KEY")
    assert CANARY not in caught.value.sentence + caught.value.cure


def test_a_ring_does_not_show_its_keys() -> None:
    assert str(OLD) not in repr(KeyRing((OLD,), "here"))


# ---- the file


def test_a_new_key_is_made_readable_by_its_owner_alone(file: Path) -> None:
    before = os.umask(0)
    try:
        ring = master_key.find(None, file, Needed(), os.urandom)
    finally:
        os.umask(before)
    assert (file.stat().st_mode & 0o777, len(ring.keys[0]), ring.file) == (0o600, 32, file)
    assert master_key.find(None, file, many(*ring.ids), os.urandom) == ring


def test_a_file_is_replaced_whole_and_leaves_nothing_beside_it(file: Path) -> None:
    master_key.write(file, [OLD])
    file.with_name("master.key.new").write_text("what a killed process left")
    first = file.stat().st_ino
    master_key.write(file, [NEW, OLD])
    assert master_key.read(file).keys == (NEW, OLD)
    assert (file.stat().st_mode & 0o777, file.stat().st_ino != first) == (0o600, True)
    assert list(file.parent.iterdir()) == [file]


def test_the_keys_are_on_the_disk_before_they_take_their_place_and_the_place_before_it_returns(file: Path) -> None:
    calls: list[str] = []

    def watch(_frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and called in (os.fsync, os.replace):
            calls.append(called.__name__)

    sys.setprofile(watch)
    try:
        master_key.write(file, [OLD])
    finally:
        sys.setprofile(None)
    assert calls == ["fsync", "replace", "fsync"]


def test_what_is_planted_beside_the_file_is_not_written_to(file: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    file.with_name("master.key.new").symlink_to(tmp_path / "elsewhere")
    master_key.write(file, [OLD])
    assert (tmp_path / "elsewhere").read_text() == ""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o777])
def test_a_key_that_others_can_reach_is_refused(file: Path, mode: int) -> None:
    master_key.write(file, [OLD])
    file.chmod(mode)
    assert code_of(lambda: master_key.read(file)) == "vault.key_readable"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_of_its_owner_alone_is_read(file: Path, mode: int) -> None:
    master_key.write(file, [OLD])
    file.chmod(mode)
    assert master_key.read(file).keys == (OLD,)


@pytest.mark.parametrize("content", [b"", b"00" * 31, b"00" * 33, b"zz" * 32, b"\x00" * 64, b"00" * 100_000])
def test_a_damaged_file_is_named(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    file.chmod(0o600)
    assert code_of(lambda: master_key.read(file)) == "vault.key_format"
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    "make", [lambda path: path.mkdir(0o700), lambda path: path.write_bytes(b"\xff" * 64), lambda p: p.symlink_to(p)]
)
def test_a_file_that_cannot_be_read_is_named(file: Path, make: Callable[[Path], object]) -> None:
    make(file)
    if not file.is_symlink():
        file.chmod(0o700)
    assert code_of(lambda: master_key.read(file)) == "config.unreadable_file"


def test_a_pipe_in_its_place_does_not_hang_the_start(file: Path) -> None:
    os.mkfifo(file, 0o600)
    assert code_of(lambda: master_key.read(file)) == "vault.key_format"


def test_a_key_behind_a_link_is_read_and_is_not_ours_to_write(file: Path, tmp_path: Path) -> None:
    (tmp_path / "mounted").write_text(OLD.hex())
    (tmp_path / "mounted").chmod(0o600)
    file.symlink_to(tmp_path / "mounted")
    assert master_key.read(file) == KeyRing((OLD,), str(file), None)
    (tmp_path / "mounted").chmod(0o644)
    assert code_of(lambda: master_key.read(file)) == "vault.key_readable"


def test_a_link_to_a_key_that_is_not_mounted_is_not_replaced_by_a_new_key(file: Path, tmp_path: Path) -> None:
    file.symlink_to(tmp_path / "mounted")
    assert code_of(lambda: master_key.find(None, file, Needed(), os.urandom)) == "vault.key_missing"
    assert file.is_symlink()
    assert not (tmp_path / "mounted").exists()


def test_a_key_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere" / "master.key"
    assert code_of(lambda: master_key.find(None, nowhere, Needed(), os.urandom)) == "config.state_dir"


# ---- what a store needs


def test_a_lost_key_is_not_replaced_and_named(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        master_key.find(None, file, many(OLD_ID), os.urandom)
    assert (caught.value.code, caught.value.entry.exit) == ("vault.key_missing", 78)
    assert OLD_ID in caught.value.sentence
    assert not file.exists()


def test_a_ring_without_the_keys_of_the_store_is_refused_and_they_are_named(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        master_key.find(KeyRing((NEW,), "PILLARBOX_MASTER_KEY"), file, many(OLD_ID, NEW_ID, "ffffffff"), os.urandom)
    assert (caught.value.code, caught.value.entry.exit) == ("vault.wrong_key", 78)
    missing = ", ".join(sorted([OLD_ID, "ffffffff"]))
    assert caught.value.sentence == (
        f"The store holds secrets sealed by key {missing}, and PILLARBOX_MASTER_KEY has only {NEW_ID}."
    )


def test_a_start_removes_the_keys_that_a_killed_process_left_beside_the_file(file: Path) -> None:
    master_key.write(file, [OLD])
    file.with_name("master.key.new").write_text(NEW.hex())
    with pytest.raises(ConfigError):
        master_key.find(None, file, many(NEW_ID), os.urandom)
    assert file.with_name("master.key.new").exists()  # a start that is refused touches nothing
    master_key.find(None, file, many(OLD_ID), os.urandom)
    assert list(file.parent.iterdir()) == [file]


def test_what_cannot_be_removed_beside_the_file_does_not_stop_a_start(file: Path) -> None:
    master_key.write(file, [OLD])
    file.with_name("master.key.new").mkdir()
    assert master_key.find(None, file, many(OLD_ID), os.urandom).keys == (OLD,)


def test_a_ring_that_was_given_needs_no_file(file: Path) -> None:
    given_ring = KeyRing((NEW, OLD), "PILLARBOX_MASTER_KEY")
    assert master_key.find(given_ring, file, many(OLD_ID), os.urandom) == given_ring
    assert not file.exists()


# ---- what is a lost key, and what a damaged value


DAMAGED = "ffffffff"


@pytest.mark.parametrize(
    ("counts", "missing"),
    [
        ({OLD_ID: 1}, set()),
        ({OLD_ID: 2, DAMAGED: 1}, set()),
        ({OLD_ID: 1, DAMAGED: 1, "eeeeeeee": 1}, set()),
        ({OLD_ID: 5, "": 3}, set()),
        ({NEW_ID: 1}, {NEW_ID}),
        ({NEW_ID: 3, DAMAGED: 1}, {NEW_ID}),
        ({OLD_ID: 9, NEW_ID: 2}, {NEW_ID}),
        ({}, set()),
    ],
)
def test_an_id_that_one_value_alone_names_is_damage_where_the_ring_opens_others(
    counts: dict[str, int], missing: set[str]
) -> None:
    assert Needed(counts).missing(KeyRing((OLD,), "here")) == missing


def test_a_ring_that_sealed_the_only_value_is_the_right_one_whatever_id_the_value_names() -> None:
    assert Needed({DAMAGED: 1}, lambda keys: OLD in keys).missing(KeyRing((OLD,), "here")) == set()
    assert Needed({DAMAGED: 1}, lambda keys: OLD in keys).missing(KeyRing((NEW,), "here")) == {DAMAGED}


@pytest.mark.parametrize("counts", [{DAMAGED: 1}, {"": 1}])
def test_a_store_with_any_sealed_value_gets_no_new_key(file: Path, counts: dict[str, int]) -> None:
    assert code_of(lambda: master_key.find(None, file, Needed(counts), os.urandom)) == "vault.key_missing"
    assert not file.exists()
