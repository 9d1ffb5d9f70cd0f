"""Secrets: never printed, and at rest opened only in their own place by their own key."""

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.errors import ConfigError
from pillarbox.core.vault import Secret, Vault, parse_master_key, read_master_key

CANARY = "canary-8c1f"
KEY = bytes(range(32))


def code_of(work: Callable[[], object]) -> str:
    """The code of the ConfigError that the work raises."""
    with pytest.raises(ConfigError) as caught:
        work()
    assert str(caught.value)
    return caught.value.code


# ---- a secret that shows stars


@pytest.mark.parametrize(
    "show", [repr, str, format, "{}".format, "{!r}".format, "%s".__mod__, lambda s: str([s]), ascii]
)
def test_only_stars_are_shown(show: Callable[[Secret], str]) -> None:
    assert show(Secret(CANARY)).strip("[]") == "********"


@pytest.mark.parametrize("leak", [json.dumps, pickle.dumps, copy.deepcopy, copy.copy, vars, lambda s: f"{s:>20}"])
def test_whatever_would_copy_it_out_fails(leak: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError) as caught:
        leak(Secret(CANARY))
    assert CANARY not in str(caught.value)


def test_a_log_record_shows_stars(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("it is %s", Secret(CANARY))
    assert caplog.messages == ["it is ********"]


def test_a_traceback_with_local_variables_shows_stars() -> None:
    def fail(secret: Secret) -> None:
        raise ValueError(secret)

    try:
        fail(Secret(CANARY))
    except ValueError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "secret = ********" in shown
    assert "ValueError: ********" in shown


def test_a_secret_is_itself() -> None:
    assert Secret(CANARY).reveal() == CANARY
    assert (Secret("a") == Secret("a"), Secret("a") == Secret("b"), Secret("a") == "a") == (True, False, False)
    assert (bool(Secret("")), len({Secret("a"), Secret("a")})) == (False, 1)


# ---- seal and open


@given(st.binary(), st.text(st.characters(codec="utf-8")))
def test_what_is_sealed_opens_in_its_place(content: bytes, place: str) -> None:
    vault = Vault(KEY)
    assert vault.open(vault.seal(content, place), place) == content


def test_the_content_is_not_in_the_sealed_value_and_no_two_are_alike() -> None:
    one, other = (Vault(KEY).seal(CANARY.encode(), "a") for _ in range(2))
    assert CANARY.encode() not in one
    assert one != other


def test_a_value_moved_to_another_row_does_not_open() -> None:
    vault = Vault(KEY)
    assert code_of(lambda: vault.open(vault.seal(b"x", "apps/3/secret"), "apps/4/secret")) == "vault.damaged"


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_byte_is_noticed(at: int, change: int) -> None:
    sealed = bytearray(Vault(KEY).seal(b"content", "a"))
    at %= len(sealed)
    sealed[at] ^= change
    code = code_of(lambda: Vault(KEY).open(bytes(sealed), "a"))
    assert code == ("vault.wrong_key" if at < 5 else "vault.damaged")


@pytest.mark.parametrize("length", range(40))
def test_a_value_that_was_cut_off_is_noticed(length: int) -> None:
    sealed = Vault(KEY).seal(b"content", "a")[:length]
    assert code_of(lambda: Vault(KEY).open(sealed, "a")) in ("vault.wrong_key", "vault.damaged")


def test_another_key_is_named_as_such() -> None:
    assert code_of(lambda: Vault(bytes(32)).open(Vault(KEY).seal(b"x", "a"), "a")) == "vault.wrong_key"


def test_a_key_has_32_bytes() -> None:
    assert code_of(lambda: Vault(b"short")) == "vault.key_length"


# ---- the key's file


def test_a_new_key_is_made_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    key = read_master_key(path)
    assert (path.stat().st_mode & 0o777, len(key)) == (0o600, 32)
    assert read_master_key(path) == key


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    read_master_key(path)
    path.chmod(mode)
    assert code_of(lambda: read_master_key(path)) == "vault.key_readable"


def test_a_lost_key_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    assert code_of(lambda: read_master_key(path, make=None)) == "vault.key_missing"
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"00" * 31, b"00" * 33, b"zz" * 32])
def test_a_damaged_key_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(content)
    path.chmod(0o600)
    assert code_of(lambda: read_master_key(path)) == "vault.key_format"


@pytest.mark.parametrize("make", [lambda path: path.mkdir(0o700), lambda path: path.write_bytes(b"\xff" * 64)])
def test_a_key_that_cannot_be_read_is_named(tmp_path: Path, make: Callable[[Path], object]) -> None:
    path = tmp_path / "master.key"
    make(path)
    path.chmod(0o700)
    assert code_of(lambda: read_master_key(path)) == "config.unreadable_file"


def test_a_key_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert code_of(lambda: read_master_key(tmp_path / "nowhere" / "master.key")) == "config.state_dir"


def test_the_message_about_a_wrong_key_does_not_hold_it() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_master_key(CANARY, "PILLARBOX_MASTER_KEY")
    assert CANARY not in caught.value.sentence + caught.value.cure
