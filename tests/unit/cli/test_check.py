"""How the steps of a test are printed, and what the exit code says."""

from typing import Any

import pytest

from pillarbox.cli.check import Printout, lines
from pillarbox.core.errors import PillarboxError


def step(name: str, status: str, title: str, hint: str = "", code: str = "check.x") -> dict[str, Any]:
    return {"name": name, "status": status, "code": code, "title": title, "hint": hint, "evidence": {}}


VERDICT = step("mode", "ok", "scanner@contoso.example can send. Mode: send-only. A person must look.")


def test_each_step_is_a_line_and_the_verdict_the_last() -> None:
    assert list(lines([step("token", "ok", "Microsoft gives a new token for Graph."), VERDICT])) == [
        "ok   token       Microsoft gives a new token for Graph.",
        "",
        "scanner@contoso.example can send. Mode: send-only. A person must look.",
    ]


def test_a_step_is_printed_at_once_and_those_left_out_for_one_reason_once_another_comes() -> None:
    printed: list[str] = []
    printout = Printout(printed.append)
    printout.step(step("token", "fail", "No."))
    assert printed == ["FAIL token       No."]
    printout.step(step("rights", "skip", "Not tried.", code="check.skipped"))
    printout.step(step("send", "skip", "Not tried.", code="check.skipped"))
    assert len(printed) == 1
    printout.step(step("smtp", "ok", "It works."))
    assert printed[1:] == ["skip rights, send: Not tried.", "ok   smtp        It works."]


def test_cure_stands_indented_below_what_failed() -> None:
    failed = step("clock", "fail", "The clock of this machine is 7 minutes slow.", "Set it, and keep it right by NTP.")
    assert list(lines([failed, VERDICT]))[:2] == [
        "FAIL clock       The clock of this machine is 7 minutes slow.",
        "                 -> Set it, and keep it right by NTP.",
    ]


def test_nothing_is_wider_than_80_columns_and_words_stay_whole() -> None:
    path = "docs/how-to/limit-an-app-to-some-mailboxes.md"
    long = step("rights", "ok", "The token names a right, " * 9, f"Read that, and do it at once: {path} says how.")
    printed = list(lines([long, VERDICT]))
    assert max(map(len, printed)) <= 80
    assert any(path in line for line in printed)


def test_steps_that_were_left_out_for_one_reason_share_a_line() -> None:
    reason = "Not tried, as 'token' failed."
    left_out = [step(name, "skip", reason, code="check.skipped") for name in ("rights", "mailbox", "send")]
    assert list(lines([step("token", "fail", "No.", "Do."), *left_out, VERDICT]))[2] == (
        "skip rights, mailbox, send: Not tried, as 'token' failed."
    )


def test_steps_that_say_the_same_for_reasons_of_their_own_do_not() -> None:
    alike = [step("smtp", "ok", "It works."), step("imap", "ok", "It works.")]
    assert [line[:17] for line in lines([*alike, VERDICT])][:2] == ["ok   smtp        ", "ok   imap        "]


def test_cure_of_the_verdict_is_told() -> None:
    verdict = step("mode", "skip", "It cannot send.", "Connect it anew.")
    assert list(lines([verdict])) == ["", "It cannot send.", "-> Connect it anew."]


@pytest.mark.parametrize("evil", ["\x1b[2J", "a\nb", "\u202eabc"])
def test_what_microsoft_says_does_not_steer_the_terminal(evil: str) -> None:
    printed = list(lines([step("send", "fail", f"It says {evil}.", f"Do {evil}."), VERDICT]))
    assert evil not in "\n".join(printed)


def test_words_of_the_catalogue_fit_the_printing() -> None:
    error = PillarboxError("check.clock", difference="7 minutes fast")
    assert list(lines([step("clock", "fail", error.sentence, error.cure), VERDICT]))[1].startswith(
        " " * 17 + "-> Set it"
    )
