"""Paths, parameters, sizes and dots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.errors import InvalidInput
from pillarbox.endpoints.smtp import grammar


@pytest.mark.parametrize(
    ("argument", "address"),
    [
        ("FROM:<a@b.example>", "a@b.example"),
        ("from:<a@b.example>", "a@b.example"),
        ("FROM : <a@b.example>", "a@b.example"),
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
        "",
        "FROM",
        "FROM:",
        "FROM:a@b.example",
        "TO:<a@b.example>",
        "FROM:<a@b.example",
        "FROM:a@b.example>",
        "FROM:<<a@b.example>>",
        "FROM:<a@b.example>\n",
        "FROM:<a@b.example> X=1\n",
        "FROM:<a@b.example>SIZE=1",
        "FROM:<a@b@c.example>",
        "FROM:<a>",
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


lines = st.lists(st.binary(max_size=8).map(lambda line: line.replace(b"\r", b".").replace(b"\n", b".")))


@given(lines)
def test_dots_that_were_stuffed_go_and_no_others(text: list[bytes]) -> None:
    stuffed = [b"." + line if line.startswith(b".") else line for line in text]
    assert grammar.without_dots(b"".join(line + b"\r\n" for line in stuffed)) == b"".join(
        line + b"\r\n" for line in text
    )


@given(lines)
def test_dots_stuffed_behind_bare_lf_go_too(text: list[bytes]) -> None:
    text = [line for line in text if line != b"."]
    stuffed = [b"." + line if line.startswith(b".") else line for line in text]
    assert grammar.without_dots(b"".join(line + b"\n" for line in stuffed)) == b"".join(line + b"\n" for line in text)


@pytest.mark.parametrize("data", [b"a\n.b\n", b"a\n.\nb\r\n", b"a\n.\r\nb\r\n", b"a.b\r\n", b"a\r.b\r\n", b""])
def test_other_dots_stay(data: bytes) -> None:
    assert grammar.without_dots(data) == data
