"""Filters: what they mean, against a reference; how bad ones are refused; and that any text is one or the other."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.emulator.graph.directory.users import USER
from pillarbox.emulator.graph.mail.schema import MAIL_FOLDER, MESSAGE
from pillarbox.emulator.graph.odata.evaluate import passes
from pillarbox.emulator.graph.odata.lexer import FilterError, moment
from pillarbox.emulator.graph.odata.operands import NotKnown
from pillarbox.emulator.graph.odata.parser import MAX_DEPTH, parse
from pillarbox.emulator.graph.odata.syntax import paths, required

Json = dict[str, Any]
Case = tuple[str, Callable[[Json], bool]]

START = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = st.text(alphabet="aAbB' ßéK", max_size=4)
FLAGS = st.booleans()
MOMENTS = st.integers(0, 40).map(lambda hours: START + timedelta(hours=hours))
ENTITIES = st.fixed_dictionaries(
    {
        "subject": WORDS | st.none(),
        "isRead": FLAGS,
        "receivedDateTime": MOMENTS.map(lambda when: f"{when:%Y-%m-%dT%H:%M:%SZ}"),
        "importance": st.sampled_from(["low", "normal", "high"]),
        "categories": st.lists(WORDS, max_size=2),
        "from": st.none() | st.fixed_dictionaries({"emailAddress": st.fixed_dictionaries({"address": WORDS})}),
    }
)
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda left, right: left == right,
    "ne": lambda left, right: left != right,
    "gt": lambda left, right: left is not None and left > right,
    "ge": lambda left, right: left is not None and left >= right,
    "lt": lambda left, right: left is not None and left < right,
    "le": lambda left, right: left is not None and left <= right,
}
FUNCTIONS: dict[str, Callable[[str, str], bool]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "contains": str.__contains__,
}
STRINGS: dict[str, Callable[[Json], str | None]] = {
    "subject": lambda each: each["subject"],
    "from/emailAddress/address": lambda each: (each["from"] or {"emailAddress": {"address": None}})["emailAddress"][
        "address"
    ],
}


def fold(value: str | None) -> str | None:
    return value if value is None else value.casefold()


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@st.composite
def string_cases(draw: st.DrawFn) -> Case:
    path, word = draw(st.sampled_from(sorted(STRINGS))), draw(WORDS)
    name = draw(st.sampled_from([*OPERATORS, *FUNCTIONS]))
    get = STRINGS[path]
    if name in OPERATORS:
        return f"{path} {name} {quoted(word)}", lambda each: OPERATORS[name](fold(get(each)), word.casefold())

    def holds(each: Json) -> bool:
        value = fold(get(each))
        return value is not None and FUNCTIONS[name](value, word.casefold())

    return f"{name}({path},{quoted(word)})", holds


@st.composite
def other_cases(draw: st.DrawFn) -> Case:
    flag, when, word = draw(FLAGS), draw(MOMENTS), draw(WORDS)
    name, level = draw(st.sampled_from(sorted(OPERATORS))), draw(st.sampled_from(["low", "normal", "high"]))
    text = f"{when:%Y-%m-%dT%H:%M:%SZ}"
    negated = draw(st.sampled_from(["eq", "ne"]))
    cases: list[Case] = [
        (f"isRead {negated} {str(flag).lower()}", lambda each: OPERATORS[negated](each["isRead"], flag)),
        (f"receivedDateTime {name} {text}", lambda each: OPERATORS[name](each["receivedDateTime"], text)),
        (f"importance {negated} '{level}'", lambda each: OPERATORS[negated](each["importance"], level)),
        (f"subject {negated} null", lambda each: OPERATORS[negated](each["subject"], None)),
        (
            f"categories/any(c:c eq {quoted(word)})",
            lambda each: any(fold(one) == word.casefold() for one in each["categories"]),
        ),
        ("categories/any()", lambda each: bool(each["categories"])),
    ]
    return draw(st.sampled_from(cases))


def both(left: Case, right: Case) -> Case:
    return f"{left[0]} and {right[0]}", lambda each: left[1](each) and right[1](each)


def either(left: Case, right: Case) -> Case:
    return f"({left[0]} or {right[0]})", lambda each: left[1](each) or right[1](each)


def negation(case: Case) -> Case:
    return f"not ({case[0]})", lambda each: not case[1](each)


CASES: st.SearchStrategy[Case] = st.recursive(
    string_cases() | other_cases(),
    lambda case: st.builds(both, case, case) | st.builds(either, case, case) | st.builds(negation, case),
    max_leaves=8,
)


@given(CASES, ENTITIES)
def test_a_filter_means_what_the_reference_says(case: Case, entity: Json) -> None:
    text, holds = case
    node, _ = parse(text, MESSAGE)
    assert passes(node, entity.__getitem__) is bool(holds(entity))


WORDS_OF_FILTERS = """
    ( ) , : / ' '' 'a' eq ne gt and or not in any startswith contains( subject isRead from emailAddress c c: true false
    null 1 -1 1e9 99999999999999999999 2026-01-01 2026-13-01T00:00:00Z 2026-01-01T00:00:00Z $it @ ß
"""
PIECES = st.sampled_from(WORDS_OF_FILTERS.split())


@given(st.text(max_size=60) | st.lists(PIECES, max_size=25).map(" ".join) | st.lists(PIECES, max_size=25).map("".join))
def test_any_text_is_a_filter_or_is_refused(text: str) -> None:
    with contextlib.suppress(FilterError, NotKnown):
        node, _ = parse(text, MESSAGE)
        passes(node, lambda name: None)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "Expression expected at position 0 in ''."),
        ("subject eq", "Expression expected at position 10 in 'subject eq'."),
        ("subject eq 'a", "There is an unterminated string literal at position 13 in 'subject eq 'a'."),
        ("subject eq 'a' 'b'", "Syntax error at position 15 in 'subject eq 'a' 'b''."),
        ("(subject eq 'a'", "')' or operator expected at position 15 in '(subject eq 'a''."),
        ("subject & 'a'", "Syntax error: character '&' is not valid at position 8 in 'subject & 'a''."),
        ("colour eq 'red'", "Could not find a property named 'colour' on type 'microsoft.graph.message'."),
        ("from/colour eq 'red'", "Could not find a property named 'colour' on type 'from'."),
        ("isRead eq 'true'", "Found operand types 'Edm.Boolean' and 'Edm.String' for operator kind 'Equal'."),
        ("receivedDateTime ge '2026-01-01'", "'Edm.DateTimeOffset' and 'Edm.String'"),
        ("receivedDateTime ge 2026-01-01T00:00:00", "The DateTimeOffset text '2026-01-01T00:00:00' should be in"),
        ("receivedDateTime ge 2026-02-30", "The DateTimeOffset text"),
        ("isRead gt true", "for operator kind 'GreaterThan'."),
        ("not subject", "Found operand type 'Edm.String' for operator kind 'Not'."),
        ("subject", "The $filter expression must evaluate to a single boolean value."),
        ("importance eq 'urgent'", "The string 'urgent' is not a valid enumeration type constant."),
        ("startswith(isRead,'a')", "No function signature for the function with name 'startswith'"),
        ("startswith(subject 'a')", "')' or ',' expected at position 19"),
        ("subject/any(c:c eq 'a')", "Any/All may only be used following a collection."),
        ("categories/any(c c eq 'a')", "Syntax error at position 17"),
        ("'" + "a" * 9000 + "' eq subject", "Recursion depth exceeded allowed limit."),
    ],
)
def test_a_bad_filter_is_refused_in_the_words_of_microsofts_library(text: str, complaint: str) -> None:
    with pytest.raises(FilterError) as refused:
        parse(text, MESSAGE)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "tolower(subject) eq 'a'",
        "startswith(tolower(subject),'a')",
        "categories/all(c:c eq 'a')",
        "toRecipients/any(r:r/emailAddress/address eq 'a@contoso.example')",
        "subject in ('a','b')",
        "isRead",
        "true",
        "'a' eq 'a'",
        "subject eq bodyPreview",
        "webLink eq 'a'",
        "subject/length eq 1",
        "categories/any(c:subject eq 'a')",
    ],
)
def test_good_odata_that_exchange_does_not_know(text: str) -> None:
    with pytest.raises(NotKnown):
        parse(text, MESSAGE)


@pytest.mark.parametrize("bomb", ["(" * 5000, "not " * 2000, "categories/any(c:" * 400, "not (" * 1600])
def test_a_deep_filter_is_refused_before_the_stack_is_full(bomb: str) -> None:
    with pytest.raises((FilterError, NotKnown)):
        parse(bomb, MESSAGE)


def test_as_deep_as_allowed() -> None:
    node, _ = parse("(" * MAX_DEPTH + "isRead eq true" + ")" * MAX_DEPTH, MESSAGE)
    assert passes(node, {"isRead": True}.__getitem__)


def test_a_long_chain_is_not_deep() -> None:
    node, _ = parse(" or ".join(["isRead eq true"] * 400), MESSAGE)
    assert not passes(node, {"isRead": False}.__getitem__)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("true eq isRead", True),
        ("2026-01-01T12:00:00Z lt receivedDateTime", False),
        ("2026-01-01 le receivedDateTime", True),
        ("receivedDateTime eq 2026-01-01T01:00:00.000+01:00", True),
        ("receivedDateTime eq 2026-01-01T00:00Z", True),
        ("contains(subject,'LLO') eq true", True),
        ("contains(subject,'llo') eq false", False),
        ("not contains(subject,'x')", True),
        ("not isRead eq true", None),
        ("SUBJECT EQ 'HELLO'", True),
        ("internetMessageId eq '<A@x>'", False),
        ("internetMessageId eq '<a@x>'", True),
        ("sender/emailAddress/address eq null", True),
        ("isRead eq true or isRead eq true and isRead eq false", True),
    ],
)
def test_details_of_meaning(text: str, holds: bool | None) -> None:
    entity = {
        "isRead": True,
        "receivedDateTime": "2026-01-01T00:00:00Z",
        "subject": "Hello",
        "internetMessageId": "<a@x>",
        "sender": None,
    }
    if holds is None:
        with pytest.raises(NotKnown):
            parse(text, MESSAGE)
    else:
        assert passes(parse(text, MESSAGE)[0], entity.__getitem__) is holds


@pytest.mark.parametrize(("text", "holds"), [("totalItemCount gt 2.5", True), ("totalItemCount lt -3", False)])
def test_numbers(text: str, holds: bool) -> None:
    assert passes(parse(text, MAIL_FOLDER)[0], {"totalItemCount": 3}.__getitem__) is holds


def test_the_directory_knows_lists_of_values() -> None:
    node, used = parse("displayName in ('Alice','bob')", USER)
    assert used == {"in"}
    assert [passes(node, {"displayName": name}.__getitem__) for name in ("alice", "Bob", "carol")] == [
        True,
        True,
        False,
    ]


def test_the_directory_takes_fifteen_alternatives() -> None:
    parse(" or ".join(["displayName eq 'a'"] * 15), USER)
    with pytest.raises(FilterError, match="Too many child clauses"):
        parse(" or ".join(["displayName eq 'a'"] * 16), USER)


def test_properties_in_order_of_appearance() -> None:
    node, _ = parse("receivedDateTime ge 2026-01-01 and not (isRead eq true or from/emailAddress/name eq 'a')", MESSAGE)
    assert list(paths(node)) == ["receivedDateTime", "isRead", "from/emailAddress/name"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("internetMessageId eq '<A''@x>'", "<A'@x>"),
        ("isRead eq false and (internetMessageId eq '<a@x>' and isDraft eq false)", "<a@x>"),
        ("internetMessageId eq '<a@x>' or isRead eq true", None),
        ("not (internetMessageId eq '<a@x>')", None),
        ("internetMessageId ne '<a@x>'", None),
    ],
)
def test_a_value_that_every_match_has_can_be_looked_up(text: str, value: str | None) -> None:
    assert required(parse(text, MESSAGE)[0], "internetMessageId") == value


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999999999-23:59"])
def test_the_ends_of_time(text: str) -> None:
    assert isinstance(moment(text), float)
