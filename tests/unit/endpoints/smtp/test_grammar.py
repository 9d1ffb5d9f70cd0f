"""Paths and parameters."""

import contextlib
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.errors import InvalidInput
from pillarbox.core.mail import is_address
from pillarbox.endpoints.smtp import grammar


@pytest.mark.parametrize(
    ("argument", "address"),
    [
        ("FROM:<a@b.example>", "a@b.example"),
        ("from:<a@b.example>", "a@b.example"),
        ("FROM:<>", ""),
        ('FROM:<"a b"@b.example>', '"a b"@b.example'),
        ('FROM:<"<a>"@b.example>', '"<a>"@b.example'),
        (f"FROM:<{'a' * 64}@b.example>", f"{'a' * 64}@b.example"),
    ],
)
def test_path_takes(argument: str, address: str) -> None:
    assert grammar.path(argument, "FROM") == grammar.Path(address, {})


@pytest.mark.parametrize(
    "argument",
    [
        "FROM: <a@b.example>",
        "FROM : <a@b.example>",
        "FROM:a@b.example",
        "FROM: a@b.example",
        "FROM:a@b.example SIZE=5",
        "FROM : a@b.example  SIZE=5",
    ],
)
def test_what_devices_write_is_taken_and_marked(argument: str) -> None:
    path = grammar.path(argument, "FROM")
    assert path is not None
    assert (path.address, path.lenient) == ("a@b.example", True)
    assert path.parameters == ({"SIZE": "5"} if "SIZE" in argument else {})


@pytest.mark.parametrize(
    "argument",
    [
        "",
        "FROM",
        "FROM:",
        "TO:<a@b.example>",
        "FROM:<a@b.example",
        "FROM:a@b.example>",
        "FROM:<<a@b.example>>",
        "FROM:<a@b.example>\n",
        "FROM:<a@b.example> X=1\n",
        "FROM:<a@b.example>SIZE=1",
        "FROM:<a@b@c.example>",
        "FROM:<a>",
        "FROM:a",
        "FROM:<@x:a@b.example>",
        "FROM:@x:a@b.example",
        'FROM:"a b"@b.example',
        "FROM:< a@b.example>",
        "FROM:<a\t@b.example>",
        "FROM:<a@b.example\r>",
        f"FROM:<{'a' * 65}@b.example>",
        f"FROM:<{'ü' * 33}@b.example>",
    ],
)
def test_path_does_not_take(argument: str) -> None:
    assert grammar.path(argument, "FROM") is None


def test_parameters_are_upper_case_and_may_lack_a_value() -> None:
    path = grammar.path("FROM:<a@b.example>  size=5 SMTPUTF8 Body=8bitmime X=", "FROM")
    assert path is not None
    assert path.parameters == {"SIZE": "5", "SMTPUTF8": None, "BODY": "8bitmime", "X": ""}


@pytest.mark.parametrize(("declared", "size"), [("0", 0), ("36700160", 36700160), ("9" * 20, int("9" * 20))])
def test_size(declared: str, size: int) -> None:
    assert grammar.size({"SIZE": declared}) == size


def test_no_size_is_none() -> None:
    assert grammar.size({}) == 0


@pytest.mark.parametrize("declared", ["", None, "-1", "1.5", "٣", "1" * 21, "0x10"])
def test_what_is_no_size(declared: str | None) -> None:
    with pytest.raises(InvalidInput) as caught:
        grammar.size({"SIZE": declared})
    assert caught.value.code == "smtp.syntax"


def refusal(judge: Callable[[grammar.Parameters], object], **parameters: str | None) -> str:
    with pytest.raises(InvalidInput) as caught:
        judge(parameters)
    return caught.value.entry.smtp


def test_parameter_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        grammar.path("FROM:<a@b.example> SIZE=1 size=2", "FROM")
    assert (caught.value.entry.smtp, caught.value.params) == ("501 5.5.4", {"name": "SIZE"})


# ---- delivery status notifications (RFC 3461)


@pytest.mark.parametrize(("said", "read"), [("FULL", "FULL"), ("hdrs", "HDRS")])
def test_ret(said: str, read: str) -> None:
    assert grammar.returned({"RET": said}) == read


@pytest.mark.parametrize("said", [None, "", "BODY", "FULL,HDRS"])
def test_what_is_no_ret(said: str | None) -> None:
    assert refusal(grammar.returned, RET=said) == "501 5.5.4"


@pytest.mark.parametrize("said", ["QQ314159", "a+2Bb", "+40", "x" * 100])
def test_envid_is_kept_as_it_was_written(said: str) -> None:
    assert grammar.envelope_id({"ENVID": said}) == said


@pytest.mark.parametrize(
    "said", [None, "", "a=b", "a+b", "+2b", "+4", "a+0D+0Ab", "+00", "+1B", "+7F", "+E4", "\t", "ü", "x" * 101]
)
def test_what_is_no_envid(said: str | None) -> None:
    assert refusal(grammar.envelope_id, ENVID=said) == "501 5.5.4"


@pytest.mark.parametrize("said", ["NEVER", "SUCCESS", "success,Failure", "DELAY,FAILURE,SUCCESS"])
def test_notify(said: str) -> None:
    assert grammar.notify({"NOTIFY": said}) == said.upper()


@pytest.mark.parametrize(
    "said", [None, "", "NEVER,SUCCESS", "ALWAYS", "SUCCESS,", ",DELAY", "SUCCESS DELAY", "SUCCESS,success"]
)
def test_what_is_no_notify(said: str | None) -> None:
    assert refusal(grammar.notify, NOTIFY=said) == "501 5.5.4"


@pytest.mark.parametrize(
    "said", ["rfc822;alice+40contoso.example", "X400;c=us".replace("=", "+3D"), "utf-8;олена@contoso.example"]
)
def test_orcpt_is_kept_as_it_was_written(said: str) -> None:
    assert grammar.original({"ORCPT": said}) == said


@pytest.mark.parametrize(
    "said",
    [
        None,
        "",
        "alice",
        "rfc822;",
        ";alice",
        "rfc822;a=b",
        "rfc822;a+4",
        "rfc822;ü",
        "rfc822;a+0A",
        "utf-8;ü+00",
        "rfc822;" + "x" * 494,
    ],
)
def test_what_is_no_orcpt(said: str | None) -> None:
    assert refusal(grammar.original, ORCPT=said) == "501 5.5.4"


@pytest.mark.parametrize("said", [None, ""])
def test_what_is_no_auth(said: str | None) -> None:
    assert refusal(grammar.check_auth, AUTH=said) == "501 5.5.4"


def test_what_is_not_said_is_empty() -> None:
    readers = (grammar.returned, grammar.envelope_id, grammar.notify, grammar.original)
    assert [read({}) for read in readers] == ["", "", "", ""]


# ---- any text


@given(st.text() | st.text('FROM:TO<>@ab."\\ ;=').map("FROM:".__add__))
def test_any_text_is_a_path_with_a_valid_address_or_refused(argument: str) -> None:
    try:
        path = grammar.path(argument, "FROM")
    except InvalidInput:
        return
    if path is not None and path.address:
        assert is_address(path.address)
        assert f"{path.address}" in argument


WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)


@given(WORDS, WORDS)
def test_any_parameters_are_judged_without_breaking(name: str, value: str) -> None:
    parameters = {"SIZE": value, "RET": value, "ENVID": value, "NOTIFY": value, "ORCPT": value, name: value}
    for judge in (grammar.size, grammar.returned, grammar.envelope_id, grammar.notify, grammar.original):
        with contextlib.suppress(InvalidInput):
            assert str(judge(parameters)).upper() in (value.upper(), str(int(value)) if value.isdecimal() else "")


# ---- what it costs (threat 37)


@pytest.mark.parametrize(
    "unit", ["(", "<", "a", "a@", "<a", '"', '"\\', "<>", " ", "= ", "+", "+4", ";", ",DELAY", "a.", '"a"@'], ids=repr
)
@pytest.mark.parametrize("front", ["FROM:", "FROM:<", 'FROM:<"', "FROM: ", "FROM:<a@b.example> X="])
def test_any_length_costs_linear_time(front: str, unit: str) -> None:
    def cost(count: int) -> float:
        argument = front + unit * (count // len(unit))
        best = 1e9
        for _ in range(3):
            began = time.process_time()
            with contextlib.suppress(InvalidInput):
                grammar.path(argument, "FROM")
                grammar.notify({"NOTIFY": argument})
                grammar.original({"ORCPT": f"utf-8;{argument}"})
            best = min(best, time.process_time() - began)
        return best

    once, twice = cost(100_000), cost(200_000)
    assert once < 0.05
    assert twice < 2.5 * once + 0.01
