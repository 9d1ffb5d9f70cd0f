"""The pure parts: what a Date header says of our clock, what a token says of its rights, and all words of a test."""

import ast
import string
from email.utils import formatdate
from pathlib import Path

import jwt
import pytest

from pillarbox.admin.check import clock, token
from pillarbox.admin.check.steps import Failed, Status
from pillarbox.core import catalogue
from pillarbox.core.scopes import Resource

NOON = 1_795_176_000.0  # 2026-11-20 12:00:00 UTC
DATE = formatdate(NOON, usegmt=True)
DAY = 86400


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (0.5, "to the second"),
        (2.5, "2 seconds from Microsoft's"),
        (-59, "60 seconds from Microsoft's"),
        (299, "5 minutes from Microsoft's"),
    ],
)
def test_clock_within_5_minutes_is_right(ahead: float, words: str) -> None:
    assert clock.judge("h", NOON + ahead, DATE).params == {"difference": words}


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (301, "5 minutes fast"),
        (-300, "5 minutes slow"),
        (3600.5, "1 hour fast"),
        (-2 * 3600, "2 hours slow"),
        (-365 * DAY, "365 days slow"),
    ],
)
def test_clock_that_is_wrong_is_told_in_words(ahead: float, words: str) -> None:
    with pytest.raises(Failed) as caught:
        clock.judge("h", NOON + ahead, DATE)
    assert caught.value.sentence == f"The clock of this machine is {words}."
    assert caught.value.evidence["date"] == DATE


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Nov 2026 12:00:00 GMT", "\x00"])
def test_answer_without_a_date_tells_nothing(date: str) -> None:
    found = clock.judge("login.contoso.example", NOON, date)
    assert (found.status, found.code) == (Status.SKIP, "check.clock_untold")


def made(**claims: object) -> str:
    return jwt.encode(claims, "a key of nobody, and 32 bytes long", algorithm="HS256")


def test_claims_that_are_shown_are_those_that_tell_something() -> None:
    claims = token.claims_of(made(aud="a", tid="t", roles=["Mail.Send"], uti="secret-ish", exp=NOON))
    assert claims == {"aud": "a", "tid": "t", "roles": ["Mail.Send"], "exp": NOON}


@pytest.mark.parametrize("opaque", ["", "EwB4A8l6BAAUO9", "a.b.c", "ey.ey.ey", f"{made()}x" * 2])
def test_opaque_token_is_no_fault(opaque: str) -> None:
    claims = token.claims_of(opaque)
    assert claims == {}
    assert token.judge({Resource.GRAPH: claims}).code == "check.rights_opaque"


@pytest.mark.parametrize(
    ("graph", "exchange", "code", "rights"),
    [
        ({"roles": ["Mail.Send"]}, {}, "check.rights_app", "Mail.Send"),
        ({"roles": ["Mail.Send", "Mail.ReadWrite"]}, {}, "check.rights_app", "Mail.Send, Mail.ReadWrite"),
        ({"roles": ["Mail.ReadWrite"]}, {}, "check.rights_other", "Mail.ReadWrite"),
        ({"roles": ["Mail.Send", "User.Read.All"]}, {}, "check.rights_wide", "Mail.Send, User.Read.All"),
        ({"appid": "a"}, {}, "check.rights_none", None),
        ({"appid": "a"}, {"roles": ["SMTP.SendAsApp"]}, "check.rights_exchange", "SMTP.SendAsApp"),
        ({"scp": "Mail.Send openid email", "upn": "a@x"}, {}, "check.rights_delegated", "Mail.Send"),
        ({}, {"scp": "SMTP.Send", "upn": "a@x"}, "check.rights_delegated_wide", "SMTP.Send"),
        ({"roles": "Mail.Send", "appid": "a"}, {}, "check.rights_none", None),
    ],
)
def test_rights_are_told(graph: dict[str, object], exchange: dict[str, object], code: str, rights: str | None) -> None:
    found = token.judge({Resource.GRAPH: graph, Resource.EXCHANGE: exchange})
    assert (found.code, found.params.get("rights")) == (code, rights)


def test_what_a_sign_in_did_not_ask_for_is_told() -> None:
    graph = {"scp": "Mail.ReadWrite Mail.Send User.Read openid", "upn": "a@x"}
    found = token.judge({Resource.GRAPH: graph}, {"Mail.Send", "User.Read"})
    assert (found.code, found.params["surplus"]) == ("check.rights_delegated_wide", "Mail.ReadWrite")
    asked = {"Mail.Send", "Mail.ReadWrite", "User.Read"}
    assert token.judge({Resource.GRAPH: graph}, asked).code == "check.rights_delegated"


def test_end_of_a_token_is_shown_as_a_time() -> None:
    found = token.judge({Resource.GRAPH: {"exp": NOON, "roles": ["Mail.Send"]}})
    assert found.evidence["graph"] == {"exp": "2026-11-20T12:00:00Z", "roles": ["Mail.Send"]}


@pytest.mark.parametrize("end", [1e300, -1e300, float("nan"), "soon"])
def test_end_that_is_no_time_is_left_as_it_is(end: object) -> None:
    found = token.judge({Resource.GRAPH: {"exp": end, "roles": ["Mail.Send"]}})
    assert isinstance(found.evidence["graph"], dict)


# ---- words


TELL = ("found", "doubtful", "left_out", "Failed")
UNUSED = {"check.smtp_unused", "check.imap_unused"}


def _said() -> dict[str, set[str]]:
    """All codes that the steps name, and the parameters that they come with."""
    found: dict[str, set[str]] = {}
    for file in Path(token.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in TELL:
                continue
            for code in (one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant)):
                if isinstance(code, str) and code.startswith("check."):
                    found.setdefault(code, set()).update(word.arg or "" for word in node.keywords)
    return found


def _names_in(entry: catalogue.Entry) -> set[str]:
    texts = (entry.sentence, entry.cure)
    return {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name is not None}


MODES = {"check.mode_", "check.mode_send_only", "check.mode_verify", "check.mode_draft"}
KNOWN = {**catalogue.entries(), **catalogue.findings()}


@pytest.mark.parametrize("code", sorted(_said().keys() - MODES))
def test_step_gives_its_words_the_parameters_that_they_have(code: str) -> None:
    assert _names_in(KNOWN[code]) == _said()[code]


@pytest.mark.parametrize("code", sorted(code for code in catalogue.findings() if code.startswith("check.")))
def test_no_word_is_without_a_step(code: str) -> None:
    assert code in _said().keys() | MODES | UNUSED | {"check.skipped"}
    assert _names_in(catalogue.findings()[code]) <= _said().get(code, {"mailbox", "step"})


def test_no_code_stands_in_both_files() -> None:
    assert catalogue.entries().keys() & catalogue.findings().keys() == set()
