"""What an answer of sendMail means."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from pillarbox.core.accounts import Account, AppRegistration, Mailbox, SignIn
from pillarbox.core.cause import Cause, Verdict
from pillarbox.core.mail import Outcome
from pillarbox.core.retry_after import seconds_of
from pillarbox.delivery import graph_transport
from pillarbox.delivery.policy import after
from pillarbox.graph.client import Answer
from tests.claimed import claimed

NOON = 1_795_176_000.0  # 2026-11-20 12:00:00 UTC
BY_APP = Mailbox(1, "scanner@contoso.example", AppRegistration(1, "contoso", "t", "c"))
ALICE = Account("t", "o", "alice@contoso.example")


def answer(status: int, code: str = "", text: str = "", **headers: str) -> Answer:
    body = json.dumps({"error": {"code": code, "message": text}}).encode() if code else b""
    return Answer(status, CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}), body)


def judge(answer: Answer, now: float, retry_after_default: float, mailbox: Mailbox = BY_APP) -> Outcome:
    return graph_transport.judge(answer, mailbox, now, retry_after_default)


def verdict(status: int) -> Verdict:
    return judge(answer(status), NOON, 60.0).verdict


def test_right_that_the_chosen_mode_lacks_is_named() -> None:
    lacks = replace(BY_APP, assurance="send-only", chosen_assurance="draft")
    denied = answer(403, "ErrorAccessDenied", "Access is denied.")
    assert "takes Mail.ReadWrite" in judge(denied, NOON, 60.0, lacks).cure
    assert "Mail.Send" in judge(denied, NOON, 60.0, BY_APP).cure
    assert "takes Mail.ReadWrite" not in judge(answer(404, "ErrorInvalidUser"), NOON, 60.0, lacks).cure


@pytest.mark.parametrize(
    ("status", "scope", "app_wide"),
    [
        (429, "Application/ReadWrite/c", True),
        (429, "Tenant_Application/ReadWrite/c/t", True),
        (429, "Tenant/Write/c/t", True),
        (429, "Mailbox/ReadWrite/c/u", False),
        (429, "", False),
        (403, "Application/ReadWrite/c", False),
    ],
)
def test_who_is_to_wait_is_told_by_the_scope(status: int, scope: str, app_wide: bool) -> None:
    code = "ApplicationThrottled" if status == 429 else ""
    assert judge(answer(status, code, x_ms_throttle_scope=scope), NOON, 60.0).app_wide == app_wide


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (202, Verdict.SENT),
        *((status, Verdict.UNCERTAIN) for status in (200, 201, 203, 204, 206, 299)),
        *((status, Verdict.UNCERTAIN) for status in (100, 301, 302, 304, 307, 308)),
        *((status, Verdict.REFUSED) for status in (400, 413)),
        *((status, Verdict.RETRY) for status in (402, 405, 409, 410, 415, 422, 499, 507)),
        (401, Verdict.BROKEN),
        (403, Verdict.BROKEN),
        (404, Verdict.RETRY),
        (408, Verdict.UNCERTAIN),
        (429, Verdict.UNCERTAIN),
        *((status, Verdict.UNCERTAIN) for status in (500, 501, 502, 503, 504, 509, 599)),
    ],
)
def test_the_table(status: int, expected: Verdict) -> None:
    assert verdict(status) is expected


def test_202_says_sent_with_microsofts_request_id_and_nothing_else() -> None:
    outcome = judge(answer(202, request_id="r-1"), NOON, 60.0)
    assert (outcome.request_id, outcome.http_status) == ("r-1", 202)
    assert (outcome.code, outcome.text, outcome.cure, outcome.retry_after) == ("", "", "", None)


@pytest.mark.parametrize(
    ("status", "code", "text", "cause"),
    [
        (400, "", "", Cause.BAD_CONTENT),
        (400, "ErrorInvalidRecipients", "", Cause.BAD_RECIPIENT),
        (400, "ErrorMimeContentInvalidBase64String", "", Cause.BAD_CONTENT),
        (400, "ErrorExceededMessageLimit", "", Cause.QUOTA),
        (400, "ErrorSubmissionQuotaExceeded", "", Cause.QUOTA),
        (429, "ErrorExceededMessageLimit", "", Cause.QUOTA),
        (400, "ExtensionError", "", Cause.NO_MAILBOX),
        (401, "InvalidAuthenticationToken", "", Cause.ACCOUNT_BROKEN),
        (403, "", "", Cause.ACCESS_DENIED),
        (403, "ErrorAccessDenied", "Access is denied.", Cause.ACCESS_DENIED),
        (403, "ErrorAccessDenied", "550 5.7.705 Access denied, tenant has exceeded threshold", Cause.QUOTA),
        (403, "ErrorSomething", "5.7.233 the tenant exceeded its daily limit (TERRL)", Cause.QUOTA),
        (403, "ErrorAccessDenied", "Version 15.7.7051", Cause.ACCESS_DENIED),
        (403, "ErrorSendAsDenied", "", Cause.SEND_AS_DENIED),
        (403, "ErrorCannotSendOnBehalf", "", Cause.SEND_AS_DENIED),
        (403, "ErrorMessageSubmissionBlocked", "", Cause.BLOCKED),
        (403, "ErrorAccountDisabled", "", Cause.ACCOUNT_BROKEN),
        (403, "ErrorQuotaExceeded", "", Cause.MAILBOX_FULL),
        (404, "MailboxNotEnabledForRESTAPI", "", Cause.NO_MAILBOX),
        (413, "", "", Cause.TOO_LARGE),
        (400, "ErrorMessageSizeExceeded", "", Cause.TOO_LARGE),
        (418, "", "", Cause.UNKNOWN),
        (429, "TooManyRequests", "", Cause.THROTTLED),
        (429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.", Cause.CONCURRENCY),
        (429, "CommandConcurrencyLimitReached", "", Cause.CONCURRENCY),
        (507, "", "", Cause.MAILBOX_FULL),
        (507, "quotaLimitReached", "", Cause.MAILBOX_FULL),
    ],
)
def test_the_code_or_the_words_say_more_than_the_status(status: int, code: str, text: str, cause: Cause) -> None:
    assert judge(answer(status, code, text), NOON, 60.0).cause is cause


@pytest.mark.parametrize("code", ["", "UnknownError", "ErrorAccessDenied", "ErrorInvalidRecipients", "http_429"])
def test_a_429_that_graph_does_not_document_may_have_been_taken(code: str) -> None:
    """A proxy's, or one with which mail was seen to leave: https://learn.microsoft.com/answers/questions/5629476."""
    outcome = judge(answer(429, code, "over its MailboxConcurrency limit", Retry_After="9"), NOON, 60.0)
    assert (outcome.cause, outcome.retry_after, outcome.cure) == (Cause.UNCLEAR, 9.0, Cause.UNCLEAR.entry.cure)


@pytest.mark.parametrize("status", [200, 302, 408, 500, 502, 503, 504])
@pytest.mark.parametrize("code", ["ErrorSendAsDenied", "ErrorQuotaExceeded", "CommandConcurrencyLimitReached"])
def test_what_is_unclear_stays_unclear_whatever_is_said_beside(status: int, code: str) -> None:
    """Mail was seen to leave although the code said why it could not."""
    outcome = judge(answer(status, code, "5.7.705 over its MailboxConcurrency limit"), NOON, 60.0)
    assert (outcome.cause, outcome.cure) == (Cause.UNCLEAR, Cause.UNCLEAR.entry.cure)


def test_202_is_202_whatever_is_said_beside() -> None:
    assert judge(answer(202, "ErrorSendAsDenied", "5.7.705"), NOON, 60.0).cause is Cause.ACCEPTED


@pytest.mark.parametrize(("status", "cause"), [(418, Cause.UNKNOWN), (507, Cause.MAILBOX_FULL)])
def test_a_refusal_with_the_code_of_a_server_error_is_not_looked_for_in_sent_items(status: int, cause: Cause) -> None:
    assert judge(answer(status, "UnknownError", "No."), NOON, 60.0).cure == cause.entry.cure


def test_the_cure_is_the_causes_where_the_code_says_something_else() -> None:
    outcome = judge(answer(403, "ErrorAccessDenied", "550 5.7.705 Access denied."), NOON, 60.0)
    assert outcome.cure == Cause.QUOTA.entry.cure


@pytest.mark.parametrize("status", [400, 403, 404, 413, 429, 503])
def test_microsofts_code_and_text_are_kept_with_our_cure(status: int) -> None:
    outcome = judge(answer(status, "ErrorMessageSizeExceeded", "Too big.", request_id="r-2"), NOON, 60.0)
    assert (outcome.code, outcome.text, outcome.request_id) == ("ErrorMessageSizeExceeded", "Too big.", "r-2")
    assert outcome.cure


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'{"error": "x"}', b'{"error": null}', b"[" * 99_999, b"\xff"]
)
def test_an_answer_without_an_error_envelope_is_named_by_its_status(body: bytes) -> None:
    outcome = judge(Answer(503, {}, body), NOON, 60.0)
    assert (outcome.code, outcome.text) == ("http_503", "Microsoft Graph answered with status 503.")


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (413, "", "about 3 MB"),
        (413, "RequestEntityTooLarge", "about 3 MB"),
        (413, "SomethingNew", "about 3 MB"),
        (403, "ErrorAccessDenied", "admin consent"),
        (403, "SomethingNew", "admin consent"),
        (404, "", "admin.microsoft.com"),
        (400, "ErrorMimeContentInvalid", "the sending program"),
        (429, "TooManyRequests", "goes on by itself"),
        (429, "", "Sent Items"),
        (503, "ErrorServerBusy", "Sent Items"),
        (418, "", "request-id"),
    ],
)
def test_the_cure_is_the_codes_or_else_the_statuses(status: int, code: str, words: str) -> None:
    assert words in judge(answer(status, code, "No."), NOON, 60.0).cure


# ---- who may not send


@pytest.mark.parametrize("shared", [True, False])
def test_item_that_is_not_found_is_a_right_that_a_person_has_not(shared: bool) -> None:
    """In others' mailboxes Exchange says so by 404; waiting mends nothing."""
    mailbox = replace(BY_APP, sign_in=SignIn(("send",), shared=shared, account=ALICE))
    text = "The specified object was not found in the store."
    outcome = judge(answer(404, "ErrorItemNotFound", text, request_id="r-3"), NOON, 60.0, mailbox)
    assert (outcome.verdict, outcome.code, outcome.request_id) == (Verdict.BROKEN, "ErrorItemNotFound", "r-3")
    words = "alice@contoso.example may not send as scanner@contoso.example, or there is no such mailbox."
    assert outcome.text == f"{words} Microsoft says: {text}"
    assert "'Send as'" in outcome.cure
    assert "pillarbox outbox retry --state held" in outcome.cure


def test_item_that_is_not_found_for_an_app_is_a_mailbox_that_is_just_made() -> None:
    assert judge(answer(404, "ErrorItemNotFound", "No."), NOON, 60.0).verdict is Verdict.RETRY


@pytest.mark.parametrize("code", ["ErrorInvalidUser", "MailboxNotEnabledForRESTAPI", ""])
def test_mailbox_that_is_not_there_may_come_for_a_person_too(code: str) -> None:
    mailbox = replace(BY_APP, sign_in=SignIn(("send",), account=ALICE))
    assert judge(answer(404, code, "No."), NOON, 60.0, mailbox).verdict is Verdict.RETRY


# ---- how long to wait


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("2.128", 2.128),
        (" 5 ", 5.0),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30.0),
        ("Friday, 20-Nov-26 12:00:30 GMT", 30.0),
        ("Fri Nov 20 12:00:30 2026", 30.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 1.0),  # past, or our clock is ahead: no storm of attempts
        ("0", 1.0),
        ("-5", 1.0),
        ("-inf", 1.0),
        ("nan", 60.0),
        ("soon", 60.0),
        ("Fri, 99 Nov 2026 99:00:00 GMT", 60.0),
        ("Fri, 20 Nov 99999999999999999999 12:00:00 GMT", 60.0),
        ("3601", 3600.0),  # once an hour it is tried all the same
        ("1e300", 3600.0),
        ("inf", 3600.0),
        ("9" * 400, 3600.0),
        ("Fri, 20 Nov 2126 12:00:00 GMT", 3600.0),
    ],
)
def test_retry_after(header: str, seconds: float) -> None:
    assert judge(answer(429, "TooManyRequests", Retry_After=header), NOON, 7.0).retry_after == seconds


DATES = st.builds(
    "{}, {} {} {} {}:00:00 {}".format,
    *[
        st.sampled_from(["Fri", "20", "Nov", "2026", "12", "GMT", "-0000", "0"]),
        *[st.integers(-9, 10**21)] * 4,
        st.text(max_size=5),
    ],
)


@given(st.text() | st.floats().map(str) | DATES)
def test_whatever_it_says_the_wait_is_between_a_second_and_a_day(header: str) -> None:
    assert 1.0 <= seconds_of(header, NOON) <= 86400.0


@pytest.fixture
def _new_york() -> Iterator[None]:
    os.environ["TZ"] = "America/New_York"
    time.tzset()
    yield
    del os.environ["TZ"]
    time.tzset()


@pytest.mark.usefixtures("_new_york")
@pytest.mark.parametrize("date", ["Fri Nov 20 12:00:30 2026", "Fri, 20 Nov 2026 12:00:30 -0000"])
def test_a_date_without_a_zone_is_gmt_wherever_we_are(date: str) -> None:
    assert seconds_of(date, NOON) == 30.0


def test_without_the_header_the_settings_wait_counts() -> None:
    assert judge(answer(429, "TooManyRequests"), NOON, 7.0).retry_after == 7.0


@pytest.mark.parametrize("status", [202, 400, 403, 404, 423, 429, 503, 507])
def test_whatever_is_not_refused_for_ever_may_say_how_long_to_wait(status: int) -> None:
    outcome = judge(answer(status, Retry_After="9"), NOON, 60.0)
    assert outcome.retry_after == (None if status in (400, 403) else 9.0)


@pytest.mark.parametrize(
    ("code", "seconds"), [("CommandConcurrencyLimitReached", 9.0), ("ErrorExceededMessageLimit", 2880.0)]
)
def test_a_quota_of_a_day_does_not_end_when_throttling_does(code: str, seconds: float) -> None:
    outcome = judge(answer(429, code, "No.", Retry_After="9"), NOON, 60.0)
    message = claimed(BY_APP, "bob@contoso.example", started_at=NOON)
    assert after(outcome, message, (120.0,), NOON, 0.0).due_at == NOON + seconds


@pytest.mark.parametrize("said", ["550 5.7.705 Access denied", "550 5.7.708 Access denied", "over its limit (TERRL)"])
def test_a_limit_of_the_tenant_is_of_all_its_mailboxes(said: str) -> None:
    assert judge(answer(403, "ErrorAccessDenied", said), NOON, 60.0).app_wide


def test_a_limit_of_one_mailbox_is_of_no_other() -> None:
    assert not judge(answer(403, "ErrorExceededMessageLimit", "a day"), NOON, 60.0).app_wide
