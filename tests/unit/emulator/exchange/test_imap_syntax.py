"""The lines of IMAP, also of those who mean harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pillarbox.emulator.exchange.imap_syntax import Command, Literal, literal_ahead, parse_command, tag_of


@pytest.mark.parametrize(
    ("line", "tag", "name", "arguments"),
    [
        (b"a1 noop", "a1", "NOOP", []),
        (b"A.1 Select INBOX", "A.1", "SELECT", ["INBOX"]),
        (b'a EXAMINE "Sent Items"', "a", "EXAMINE", ["Sent Items"]),
        (rb'a SELECT "a\"b\\c"', "a", "SELECT", ['a"b\\c']),
        (b'a ID ("name" "x")', "a", "ID", ["(", "name", "x", ")"]),
        (b"a AUTHENTICATE XOAUTH2 YQ==", "a", "AUTHENTICATE", ["XOAUTH2", "YQ=="]),
        (b"a uid fetch 1:2", "a", "UID FETCH", ["1:2"]),
        ('a SELECT "Entwürfe"'.encode(), "a", "SELECT", ["Entwürfe"]),
    ],
)
def test_commands(line: bytes, tag: str, name: str, arguments: list[str]) -> None:
    command = parse_command([line])
    assert (command.tag, command.name, command.arguments()) == (tag, name, arguments)


def test_literals_stand_for_arguments() -> None:
    command = parse_command([b"a LOGIN ", Literal(b"al ice"), b" ", Literal(b"pass")])
    assert command.arguments() == ["al ice", "pass"]


@pytest.mark.parametrize(
    "line", [b"", b"a", b"a ", b"+ NOOP", b"a* NOOP", b" a NOOP", b"a 1", b"\xff NOOP", b"a  NOOP"]
)
def test_lines_that_are_no_commands(line: bytes) -> None:
    with pytest.raises(ValueError, match="command"):
        parse_command([line])


@pytest.mark.parametrize("rest", [b" ", b"  a", b'"a', b'"a"b', b"a%", b"\xff", b"a  b", b'"\xff"', b"a\\"])
def test_arguments_without_form(rest: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which one says nothing
        Command("a", "SELECT", (rest,)).arguments()


@pytest.mark.parametrize(
    ("line", "ahead"),
    [
        (b"a LOGIN {5}", (5, True)),
        (b"a LOGIN {5+}", (5, False)),
        (b"a LOGIN {}", None),
        (b"a LOGIN {5} ", None),
        (b"a LOGIN {12345678901}", None),
    ],
)
def test_literals_are_announced(line: bytes, ahead: tuple[int, bool] | None) -> None:
    assert literal_ahead(line) == ahead


@pytest.mark.parametrize(("line", "tag"), [(b"a1 \xff", "a1"), (b"\xff", None), (b"+ x", None), (b"a", None)])
def test_the_tag_of_a_bad_line(line: bytes, tag: str | None) -> None:
    assert tag_of(line) == tag


PIECES = [b"a", b" ", b"NOOP", b'"', b"\\", b"(", b")", b"{3}", b"{3+}", b"\xff", b"\0", b"UID ", b"%", b"*", b"="]


@given(some.lists(some.sampled_from(PIECES), max_size=12).map(b"".join) | some.binary(max_size=80))
def test_any_line_is_a_command_or_refused(line: bytes) -> None:
    literal_ahead(line)
    tag_of(line)
    try:
        command = parse_command([line, Literal(line), line])
        assert all(isinstance(each, str) for each in command.arguments())
    except ValueError:
        pass
