"""Secrets: never printed, and at rest opened only in their own place by their own key."""

import copy
import dataclasses
import functools
import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.errors import ConfigError
from pillarbox.core.log import make_logger
from pillarbox.core.vault import Secret, Vault, header_of, key_id_of

CANARY = "canary-8c1f"
KEY = bytes(range(32))
OTHER = bytes(range(32, 64))


@dataclasses.dataclass
class Credential:
    """What holds a secret."""

    secret: Secret


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


@pytest.mark.parametrize(
    "leak",
    [
        *(functools.partial(pickle.dumps, protocol=number) for number in range(pickle.HIGHEST_PROTOCOL + 1)),
        *(json.dumps, copy.deepcopy, copy.copy, vars, bytes, list),
        *(lambda s: f"{s:>20}", lambda s: s.__getstate__(), lambda s: dataclasses.asdict(Credential(s))),
        *(lambda s: json.dumps(s, default=vars), lambda s: "".join([s])),
    ],
)
def test_whatever_would_copy_it_out_fails(leak: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError) as caught:
        leak(Secret(CANARY))
    assert CANARY not in str(caught.value)


def test_a_log_record_shows_stars(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("it is %s", Secret(CANARY))
    assert caplog.messages == ["it is ********"]


def test_what_holds_a_secret_shows_stars() -> None:
    assert repr(Credential(Secret(CANARY))) == "Credential(secret=********)"
    assert json.dumps({"secret": Secret(CANARY)}, default=str) == '{"secret": "********"}'


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_crash_in_the_log_has_no_local_variables(form: str) -> None:
    file = io.StringIO()

    def fail(password: str, secret: Secret) -> None:
        raise ValueError(secret, len(password))

    try:
        fail(CANARY, Secret(CANARY))
    except ValueError as error:
        make_logger(file, "debug", form, lambda: 0.0).error("unexpected", exc_info=error, secret=Secret(CANARY))
    assert "in fail" in file.getvalue()
    assert CANARY not in file.getvalue()


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


@pytest.mark.parametrize("place", ["credentials/b/sealed", "credentials/a/source", "sign_ins/a/sealed"])
def test_a_value_moved_to_another_row_column_or_table_does_not_open(place: str) -> None:
    vault = Vault(KEY)
    assert code_of(lambda: vault.open(vault.seal(b"x", "credentials/a/sealed"), place)) == "vault.damaged"


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_byte_is_noticed(at: int, change: int) -> None:
    sealed = bytearray(Vault(KEY).seal(b"content", "a"))
    at %= len(sealed)
    sealed[at] ^= change
    code = code_of(lambda: Vault(KEY).open(bytes(sealed), "a"))
    assert code == ("vault.wrong_key" if 0 < at < 5 else "vault.damaged")


@pytest.mark.parametrize("length", range(40))
def test_a_value_that_was_cut_off_is_noticed(length: int) -> None:
    sealed = Vault(KEY).seal(b"content", "a")[:length]
    assert code_of(lambda: Vault(KEY).open(sealed, "a")) in ("vault.wrong_key", "vault.damaged")


def test_the_missing_key_is_named_by_its_id() -> None:
    sealed = Vault(OTHER).seal(b"x", "a")
    with pytest.raises(ConfigError) as caught:
        Vault(KEY).open(sealed, "a")
    missing, present = (key_id_of(header_of(one)) for one in (sealed, Vault(KEY).seal(b"", "a")))
    assert (caught.value.code, caught.value.params["missing"]) == ("vault.wrong_key", missing)
    assert caught.value.params["present"] == present


def test_a_value_of_the_first_release_opens() -> None:
    sealed = bytes.fromhex("0183117859000102030405060708090a0b246db86fa08bb67be2616a0602bdcd0494686f73049353")
    assert Vault(KEY).open(sealed, "credentials/contoso/sealed") == b"content"


# ---- a ring of keys


def test_the_first_key_seals_and_all_open() -> None:
    old = Vault(OTHER).seal(b"x", "a")
    vault = Vault(KEY, OTHER)
    new = vault.seal(b"y", "a")
    assert (vault.open(old, "a"), Vault(KEY).open(new, "a")) == (b"x", b"y")
    assert (header_of(new), header_of(old)) == (vault.header, Vault(OTHER).header)


def test_another_ring_is_taken_at_once() -> None:
    vault = Vault(KEY)
    old = vault.seal(b"x", "a")
    vault.use([OTHER, KEY])
    assert Vault(OTHER).open(vault.seal(b"y", "a"), "a") == b"y"
    assert vault.open(old, "a") == b"x"
    vault.use([OTHER])
    assert code_of(lambda: vault.open(old, "a")) == "vault.wrong_key"


def test_a_ring_with_a_bad_key_changes_nothing() -> None:
    vault = Vault(KEY)
    assert code_of(lambda: vault.use([OTHER, b"short"])) == "vault.key_length"
    assert vault.header == Vault(KEY).header


@pytest.mark.parametrize("header", [b"", b"\x01abc", b"\x02abcd"])
def test_what_is_no_header_names_no_key(header: bytes) -> None:
    assert key_id_of(header) is None


def test_a_key_has_32_bytes() -> None:
    assert code_of(lambda: Vault(b"short")) == "vault.key_length"
