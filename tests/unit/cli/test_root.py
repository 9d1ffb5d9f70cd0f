"""The root command: what is said of arguments and variables that are no text."""

import os

import pytest

from pillarbox.cli.root import run


def test_a_variable_of_ours_that_is_no_text_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    os.environb[b"PILLARBOX_CLIENT_SECRET"] = b"p\xe4ssword"
    assert run(["app", "list"]) == 78
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("pillarbox: PILLARBOX_CLIENT_SECRET holds bytes that are no UTF-8.")
    assert (len(told.err.splitlines()), "ssword" in told.err) == (1, False)


def test_a_variable_of_somebody_else_may_hold_what_it_likes(capsys: pytest.CaptureFixture[str]) -> None:
    os.environb[b"OTHER"] = b"p\xe4ssword"
    assert run(["config", "show", "--json"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["app", "list", "--json", "--set", "state_dir=/\udce4"],
        ["mailbox", "add", "\udce4@contoso.example", "--app", "contoso", "--json"],
        ["outbox", "show", "\udce4", "--json"],
        ["graph", "get", "/users/\udce4", "--json"],
        ["token", "get", "--mailbox", "\udce4@contoso.example", "--json"],
    ],
)
def test_an_argument_that_is_no_text_is_one_line_and_no_traceback(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) in (2, 3, 78)
    told = capsys.readouterr()
    assert (told.out, len(told.err.splitlines())) == ("", 1)
