"""Patterns of rules: what they find, and that none takes long."""

import time

import pytest

from pillarbox.emulator import Fault
from pillarbox.emulator.pattern import MAX_PATTERN, MAX_TEXT, fits, problem

LONGEST = "POST graph.microsoft.com/v1.0/users/00000000-0000-0000-0000-000000000000/messages/" + "A" * 152 + "/send"


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "sendMail",
        r"^POST .*/users/[^/]+/messages/[^/]+/send$",
        r"^(?:GET|POST) .*/messages(?:/.+)?$",
        r"(?i)SENDMAIL",
        r"(ab)+c",
        r"[(+*]+\(a+\)+",
        r"a{3}(?=b)(?!c)(?<=a)(?<!b)(?P<name>d)(?>e)",
        r"(a+)x+",
        r"[]+]*\+?",
    ],
)
def test_usual_patterns_are_taken(pattern: str) -> None:
    assert problem(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$",
        r"(a*)*",
        r"(?:a|a)*b",
        r"(?:a|a){9,}b",
        r"((a+))+",
        r"(a?){30}",
        r"(\)a+)+",
        r"(x(?:a|b)y)*?",
        "a?" * 40,
        ".*.*.*.*x",
        "(a|b)" * 20,
    ],
)
def test_patterns_that_could_take_for_ever_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="can take for ever"):
        Fault(status=500, pattern=pattern)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing"),
        (")", "unbalanced"),
        ("a{99999999999999999999}", "pattern: "),
        ("(?x)( a+ ) +", r"of the groups"),
        ("(a)?(?(1)b|c)", r"of the groups"),
        ("a" * (MAX_PATTERN + 1), "at most 1000 characters"),
        ("(" * 900 + ")" * 900, "pattern"),
    ],
)
def test_what_is_no_pattern_is_refused_with_a_reason(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Fault(status=500, pattern=pattern)


@pytest.mark.parametrize("pattern", [".*.*.*x", ".*.*a?a?a?a?b", ".*" + "a?" * 8 + "b"])
def test_the_costliest_patterns_end(pattern: str) -> None:
    assert problem(pattern) is None
    begun = time.process_time()
    assert not fits(pattern, "a" * 100_000)
    assert time.process_time() - begun < 10  # A second at worst, on a slow machine too.


def test_a_pattern_sees_the_beginning_of_the_text() -> None:
    assert len(LONGEST) <= MAX_TEXT
    assert fits("/send$", LONGEST)
    assert not fits("x", "a" * MAX_TEXT + "x")
