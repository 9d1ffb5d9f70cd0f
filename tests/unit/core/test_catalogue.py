"""The catalogue: what the source raises stands in it, with the parameters of its words, and nothing else does."""

import ast
import csv
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import pillarbox
from pillarbox.core import catalogue
from pillarbox.core.catalogue import Entry
from pillarbox.core.cause import Cause, Verdict
from pillarbox.core.errors import PillarboxError

SRC = Path(pillarbox.__file__).parent
CODE = re.compile(r"[a-z0-9]+\.[a-z0-9_]+|internal")


@dataclass(frozen=True)
class Raised:
    """A call in the source that makes an error of a code: where, and with which parameters."""

    where: str
    code: str
    params: frozenset[str]
    """`**` where those of another error are handed on."""


@cache
def trees() -> dict[str, ast.Module]:
    files = (file for file in SRC.rglob("*.py") if "emulator" not in file.relative_to(SRC).parts)
    return {str(file.relative_to(SRC)): ast.parse(file.read_text("utf-8")) for file in files}


@cache
def raised() -> tuple[Raised, ...]:
    return tuple(one for name, tree in trees().items() for one in _raised(name, tree))


def _raised(name: str, tree: ast.Module) -> Iterator[Raised]:
    errors = _error_classes() | {"refuse", "_refuse", "give_up", "_fail", "sentence"}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        code = node.args[0].value
        if called in errors and isinstance(code, str) and CODE.fullmatch(code):
            params = frozenset(word.arg or "**" for word in node.keywords) - _attributes()
            yield Raised(f"{name}:{node.lineno}", code, params)


@cache
def _attributes() -> frozenset[str]:
    """Keywords that errors keep for the program and that are no parameters of words, such as `retry_after`."""
    classes = [node for tree in trees().values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    made = [node for one in classes if one.name in _error_classes() for node in one.body]
    inits = [node for node in made if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    return frozenset(word.arg for init in inits for word in init.args.kwonlyargs)


@cache
def _error_classes() -> frozenset[str]:
    found = {"PillarboxError"}
    classes = [node for tree in trees().values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    while more := {one.name for one in classes if found & {ast.unparse(base) for base in one.bases}} - found:
        found |= more
    return frozenset(found)


@cache
def texts() -> set[str]:
    """All string constants of the source."""
    nodes = (node for tree in trees().values() for node in ast.walk(tree))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def names_in(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def test_the_scan_sees_the_source() -> None:
    assert len(raised()) > 60
    assert {"config.unknown_key", "store.in_use", "mail.too_large", "microsoft.tls"} <= {one.code for one in raised()}


@pytest.mark.parametrize("one", raised(), ids=lambda one: f"{one.where} {one.code}")
def test_what_is_raised_stands_in_the_catalogue_with_its_parameters(one: Raised) -> None:
    entry = catalogue.entry(one.code)
    named = names_in(entry.sentence) | names_in(entry.cure)
    assert one.params == named or ("**" in one.params and one.params - {"**"} <= named)


COMPOSED = {f"cause.{cause}" for cause in Cause} | {f"notice.{action}" for action in ("failed", "delayed", "relayed")}
"""Codes that the source puts together."""


@pytest.mark.parametrize("code", catalogue.entries())
def test_every_code_is_used_somewhere(code: str) -> None:
    assert code in texts() | COMPOSED


ENTRIES = pytest.mark.parametrize("entry", catalogue.entries().values(), ids=lambda entry: entry.code)


@ENTRIES
def test_codes_of_the_doors_are_sane(entry: Entry) -> None:
    basic, enhanced = entry.smtp.split(" ")
    assert re.fullmatch(r"[45][0-5]\d", basic) or entry.code == "cause.accepted"
    assert re.fullmatch(rf"{basic[0]}\.\d{{1,3}}\.\d{{1,3}}", enhanced)
    assert 400 <= entry.http <= 599
    assert entry.exit in {1, 2, 3, 4, 5, 75, 78}


@ENTRIES
def test_retry_means_the_same_at_every_door(entry: Entry) -> None:
    if entry.retry:
        assert entry.smtp[0] == "4"
    if entry.exit == 75:
        assert entry.retry


@ENTRIES
def test_words_are_one_line(entry: Entry) -> None:
    assert entry.sentence.isprintable()
    assert entry.cure.isprintable()


PARTS = {
    *("mail.recipient_removed", "microsoft.slow_down", "microsoft.no_json", "microsoft.no_token"),
    *("graph.no_text", "graph.unexplained", "identity.no_issuer", "identity.no_keys"),
    *("outbox.may_retry", "outbox.may_cancel", "outbox.may_resolve", "outbox.may_decide", "outbox.was_rejected"),
    *("outbox.by_somebody", "outbox.by_key"),
}
"""Words within a sentence of another entry, which has the cure."""
NOTES = {
    *("sign_in.unproven", "sign_in.released", "sign_in.by_password", "mail.eight_bit_header", "mail.handed_in_again"),
    *("cause.accepted", "microsoft.raw_answer", "mail.divided", "sign_in.not_granted"),
}
"""Words beside a success."""


TRACE = ("look.", "draft.", "route.", "notice.", "outbox.note_")
"""Words of a message's trace, which has the cure of its last attempt."""


@ENTRIES
def test_what_a_person_meets_has_a_cure(entry: Entry) -> None:
    assert entry.cure or entry.code.startswith(("smtp.", *TRACE)) or entry.code in PARTS | NOTES


NOT_ASKED_ABOUT = {
    *("smtp.unknown_command", "smtp.line_too_long", "smtp.control_character", "smtp.not_utf8"),
    *("smtp.plaintext_after_starttls", "smtp.tls_active"),
}
"""Mistakes in commands that no mail depends on: they are told to the client alone (endpoints/smtp/session.py)."""
AT_THE_SMTP_DOOR = [
    entry
    for entry in catalogue.entries().values()
    if entry.code.startswith(("smtp.", "mail.", "submitter."))
    and entry.smtp != Entry("", "").smtp
    and entry.code not in NOT_ASKED_ABOUT
]


@pytest.mark.parametrize("entry", AT_THE_SMTP_DOOR, ids=lambda entry: entry.code)
def test_what_the_smtp_door_refuses_has_a_cure_and_is_told_in_all_languages(entry: Entry) -> None:
    assert entry.cure
    assert entry.translated


@ENTRIES
def test_a_reply_is_of_ascii_and_names_nothing_that_the_words_do_not(entry: Entry) -> None:
    assert entry.reply.isascii()
    assert entry.reply.isprintable()
    assert names_in(entry.reply) <= names_in(entry.sentence) | names_in(entry.cure)


def test_a_client_is_told_less_than_people() -> None:
    error = PillarboxError("smtp.sequence", wanted="EHLO")
    assert error.smtp_reply == "503 5.5.1 Bad sequence of commands: EHLO first"
    assert error.sentence == "Its commands came in the wrong order. Wanted first: EHLO"
    assert PillarboxError("mail.no_recipients").smtp_reply == "503 5.5.1 The message has no recipients."


CAUSES = pytest.mark.parametrize("cause", Cause)


@CAUSES
def test_every_cause_has_words_and_a_status_for_who_waits_and_for_the_bounce(cause: Cause) -> None:
    entry = cause.entry
    assert entry.sentence.endswith(".")
    if cause.verdict is Verdict.BROKEN:
        assert not entry.dsn, "what is held does not fail"
    else:
        assert re.fullmatch(r"[25]\.\d{1,3}\.\d{1,3}", entry.dsn)
        assert (entry.dsn[0] == "2") is (cause.verdict is Verdict.SENT)


@CAUSES
def test_what_is_not_final_is_4_and_what_is_refused_says_the_same_at_once_and_later(cause: Cause) -> None:
    entry = cause.entry
    assert entry.retry is (cause.verdict is Verdict.RETRY)
    if cause.verdict in (Verdict.RETRY, Verdict.BROKEN, Verdict.UNCERTAIN):
        assert entry.smtp[0] == "4"
    else:
        assert entry.smtp.partition(" ")[2] == entry.dsn


def test_only_causes_have_a_status_for_bounces() -> None:
    with_one = {entry.code for entry in catalogue.entries().values() if entry.dsn}
    assert with_one == {f"cause.{cause}" for cause in Cause if cause.verdict is not Verdict.BROKEN}


def test_an_error_renders_its_words() -> None:
    error = PillarboxError("vault.key_readable", path="/k{0}")
    assert (str(error), error.cure) == ("/k{0}: others may read the master key.", "chmod 600 /k{0}")


def test_an_unknown_code_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        catalogue.entry("no.such")


# ---- Microsoft's codes


def rows(file: str) -> list[dict[str, str]]:
    return list(csv.DictReader((SRC / "core" / "catalogue" / file).read_text("utf-8").splitlines()))


@pytest.mark.parametrize("row", rows("aadsts.csv"), ids=lambda row: row["code"])
def test_every_aadsts_row_loads(row: dict[str, str]) -> None:
    found = catalogue.explain_aadsts(int(row["code"]))
    assert found is not None
    assert found == catalogue.explain_aadsts(row["code"])
    assert (found.meaning, found.remedy) == (row["meaning"], row["remedy"])
    kinds = "secret config consent user policy grant pending request cloud transient"
    assert found.kind in kinds.split()
    assert found.remedy


@pytest.mark.parametrize("file", ["aadsts.csv", "graph-errors.csv"])
def test_every_row_has_as_many_fields_as_the_first(file: str) -> None:
    text = (SRC / "core" / "catalogue" / file).read_text("utf-8")
    assert len({len(row) for row in csv.reader(text.splitlines())}) == 1


@pytest.mark.parametrize("row", rows("graph-errors.csv"), ids=lambda row: row["code"])
def test_every_graph_row_loads(row: dict[str, str]) -> None:
    found = catalogue.explain_graph(row["code"])
    assert found is not None
    assert (found.meaning, found.remedy) == (row["meaning"], row["remedy"])


@pytest.mark.parametrize("row", rows("graph-errors.csv"), ids=lambda row: row["code"])
def test_what_a_graph_row_calls_a_cause_is_one_that_ends_an_attempt_for_certain(row: dict[str, str]) -> None:
    found = catalogue.explain_graph(row["code"])
    assert found is not None
    assert found.cause == row["cause"]
    if found.cause:
        assert Cause(found.cause).verdict not in (Verdict.SENT, Verdict.UNCERTAIN)


SENDING = {"400", "401", "403", "404", "405", "409", "413", "415", "429"}
OTHER_CALLS = {
    "InefficientFilter",
    "ValidationError",
    "ErrorSyncFolderNotFound",
    "ErrorFolderExists",
    "nameAlreadyExists",
}
"""Codes of calls that Pillarbox does not make when it sends."""
OTHER_GRANTS = {"50011", "50147", "70004", "80001", "80002", "80007", "80013", "500113", "501491", "900971"}
"""Codes of sign-ins in a browser or with a password."""
MET = [
    row
    for row in (*rows("graph-errors.csv"), *rows("aadsts.csv"))
    if row["code"] not in OTHER_CALLS | OTHER_GRANTS
    and (row.get("class") or "request") not in ("user", "policy", "grant", "pending")
    and ("class" in row or row["http_status"] in SENDING or row["http_status"][0] == "5")
]
DEVELOPERS = re.compile(
    r"upload session|immutable|addPassword|base64|x-www-form|backoff|marker|servicePrincipal|assertion|thumbprint|"
    r"\b(aud|scp|jti|iss|POST|PUT|JSON|GUID|parallelism|resync|innerError|\$\w+)\b|As (for )?\d|As above"
)


@pytest.mark.parametrize("row", MET, ids=lambda row: row["code"])
def test_what_sending_can_meet_is_cured_in_an_administrators_words(row: dict[str, str]) -> None:
    assert len(row["remedy"].split()) > 8
    assert row["remedy"].endswith(".")
    assert not DEVELOPERS.search(row["remedy"])


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (7000215, ["Secret ID", "Certificates & secrets", "pillarbox app secret NAME", "pillarbox outbox retry"]),
        (7000222, ["expired", "Certificates & secrets", "pillarbox app secret NAME", "pillarbox outbox retry"]),
        (700016, ["Application (client) ID", "pillarbox app list"]),
        (90002, ["Directory (tenant) ID", "microsoft.cloud"]),
        (65001, ["Mail.Send", "Grant admin consent"]),
        (7000112, ["Enterprise applications"]),
    ],
)
def test_cures_of_what_goes_wrong_most_name_portal_and_command(number: int, words: list[str]) -> None:
    found = catalogue.explain_aadsts(number)
    assert found is not None
    assert [word for word in words if word not in found.remedy] == []


def test_every_status_that_refuses_has_a_cure_without_a_code() -> None:
    assert {f"http_{status}" for status in SENDING} <= {row["code"] for row in rows("graph-errors.csv")}


def test_unknown_codes_of_microsoft_explain_nothing() -> None:
    assert (catalogue.explain_aadsts(1), catalogue.explain_graph("")) == (None, None)
