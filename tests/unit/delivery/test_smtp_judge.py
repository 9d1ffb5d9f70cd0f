"""What Exchange's refusals in SMTP mean: the table of core/catalogue/exchange-replies.csv."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core import catalogue
from pillarbox.core.cause import Cause, Verdict
from pillarbox.delivery.smtp_transport import judge

STOREDRV = "STOREDRV.Submission.Exception:"
KNOWN = [
    ("535 5.7.3 Authentication unsuccessful [SN2PR00CA0018.namprd00.prod.outlook.com]", Cause.ACCOUNT_BROKEN),
    ("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.", "account_broken"),
    (
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.",
        "account_broken",
    ),
    ("535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be", "account_broken"),
    ("550 5.7.30 Basic authentication is not supported for Client Submission.", Cause.ACCOUNT_BROKEN),
    ("530 5.7.57 Client not authenticated to send mail.", Cause.ACCOUNT_BROKEN),
    ("504 5.7.4 Unrecognized authentication type", Cause.ACCOUNT_BROKEN),
    ("432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending", Cause.CONCURRENCY),
    ("432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", Cause.CONCURRENCY),
    ("421 4.3.2 The maximum number of concurrent connections has exceeded a limit", Cause.CONCURRENCY),
    ("451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (AS777125)", Cause.THROTTLED),
    ("451 4.7.699 Server busy. (AS777126)", Cause.THROTTLED),
    ("451 4.7.0 Temporary server error. Please try again later.", Cause.BUSY),
    ("421 4.4.2 Connection dropped due to SocketError", Cause.BUSY),
    ("452 4.3.1 Insufficient system resources", Cause.BUSY),
    (f"554 5.2.2 mailbox full; {STOREDRV}QuotaExceededException.MapiExceptionShutoffQuotaExceeded", Cause.MAILBOX_FULL),
    (f"554 5.2.0 {STOREDRV}SubmissionQuotaExceededException; The message cannot be submitted", Cause.QUOTA),
    (f"554 5.2.252 SendAsDenied; a@x.example not allowed to send as b@x.example; {STOREDRV}x", Cause.SEND_AS_DENIED),
    (f"554 5.2.0 {STOREDRV}SendAsDeniedException.MapiExceptionSendAsDenied; x", Cause.SEND_AS_DENIED),
    ("550 5.1.8 Access denied, bad outbound sender", Cause.BLOCKED),
    ("550 5.7.705 Access denied, tenant has exceeded threshold", Cause.QUOTA),
    ("550 5.7.708 Access denied, traffic not accepted from this IP", Cause.QUOTA),
    ("550 5.7.232 Your message can't be sent because your trial tenant has exceeded its daily limit", Cause.QUOTA),
    ("550 5.7.233 Your message can't be sent because your tenant exceeded its daily limit", Cause.QUOTA),
    ("554 5.7.705 Access denied, tenant has exceeded threshold", Cause.QUOTA),
    ("550 5.7.60 SMTP; Client does not have permissions to send as this sender", Cause.SEND_AS_DENIED),
    ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", Cause.BAD_RECIPIENT),
    ("552 5.3.4 Message size exceeds fixed maximum message size", Cause.TOO_LARGE),
    ("554 5.6.211 Invalid MIME Content: Single text value size", Cause.BAD_CONTENT),
    ("554 5.6.0 Invalid message content", Cause.BAD_CONTENT),
    ("550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal", Cause.BAD_CONTENT),
    ("501 5.1.3 Invalid address", Cause.BAD_RECIPIENT),
    ("599 5.9.9 Something new", Cause.UNKNOWN),
    ("554 Transaction failed", Cause.UNKNOWN),
]


@pytest.mark.parametrize(("reply", "cause"), KNOWN, ids=[reply[:40] for reply, _ in KNOWN])
def test_reply_is_of_its_cause(reply: str, cause: str) -> None:
    outcome = judge(reply, 60.0)
    assert outcome.cause == cause
    assert outcome.cure


@pytest.mark.parametrize(
    "row", [one for one in catalogue.replies() if one.protocol == "smtp"], ids=lambda one: one.example
)
def test_each_row_has_a_cause_that_is_none_of_success_and_serves_its_own_example(row: catalogue.Reply) -> None:
    assert Cause(row.cause).verdict not in (Verdict.SENT, Verdict.UNCERTAIN)
    assert catalogue.reply_of(row.example).cause == row.cause


def test_code_and_text_are_exchanges_own() -> None:
    outcome = judge("550 5.7.60 SMTP; Client does not", 60.0)
    assert (outcome.code, outcome.text) == ("550 5.7.60", "SMTP; Client does not")
    bare = judge("554 Transaction 5.7.60 failed", 60.0)
    assert (bare.code, bare.text) == ("554", "Transaction 5.7.60 failed")


def test_only_a_throttling_answer_pauses() -> None:
    assert judge("451 4.7.500 Server busy.", 60.0).retry_after == 60.0
    assert judge("451 4.3.0 Oops.", 60.0).retry_after is None


def test_refusal_of_one_recipient_that_nobody_knows_is_theirs_and_names_them() -> None:
    assert judge("550 5.1.10 no", 1.0, "bob@contoso.example").recipient == "bob@contoso.example"
    assert judge("550 5.1.10 no", 1.0).recipient == ""
    outcome = judge("550 5.7.1 no", 60.0, "bob@contoso.example")
    assert (outcome.cause, outcome.text) == (Cause.BAD_RECIPIENT, "bob@contoso.example: no")


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        ("451 4.7.500 Server busy. (AS77713)", Cause.THROTTLED),
        ("432 4.3.2 Concurrent connections limit exceeded.", Cause.CONCURRENCY),
        ("550 5.7.60 SMTP; Client does not have permissions to send as this sender", Cause.SEND_AS_DENIED),
        ("550 5.1.8 Access denied, bad outbound sender", Cause.BLOCKED),
        ("550 5.7.233 Exceeded its daily limit (TERRL)", Cause.QUOTA),
    ],
)
def test_what_is_said_at_a_recipient_and_is_none_s_blames_nobody_and_keeps_its_words(reply: str, cause: Cause) -> None:
    outcome = judge(reply, 60.0, "bob@contoso.example")
    assert (outcome.cause, outcome.recipient) == (cause, "")
    assert f"{outcome.code} {outcome.text}" == reply


def test_what_is_refused_for_now_at_a_recipient_tells_at_whom_and_is_of_all() -> None:
    outcome = judge("450 4.2.1 Later.", 60.0, "bob@contoso.example")
    assert (outcome.cause, outcome.text, outcome.recipient) == (Cause.BUSY, "bob@contoso.example: Later.", "")


@given(st.integers(400, 599), st.text())
def test_whatever_is_refused_has_an_outcome(status: int, text: str) -> None:
    verdict = judge(f"{status} {text}", 60.0).verdict
    assert verdict not in (Verdict.SENT, Verdict.UNCERTAIN)


@pytest.mark.parametrize("recipient", ["", "bob@contoso.example"])
@pytest.mark.parametrize(
    "reply",
    [
        *("550 5.7.705 Access denied", "554 5.7.705 Access denied", "550 5.7.708 Not from this IP"),
        *("550 5.7.232 Trial limit", "550 5.7.233 Daily limit", "550 5.7.1 Over its limit (TERRL)"),
    ],
)
def test_a_limit_of_the_tenant_is_of_all_its_mailboxes_wherever_it_is_said(reply: str, recipient: str) -> None:
    outcome = judge(reply, 60.0, recipient)
    assert (outcome.cause, outcome.app_wide, outcome.recipient) == (Cause.QUOTA, True, "")
    known = catalogue.reply_of(reply)
    assert outcome.cure == (known.explanation.remedy if known.cause == Cause.QUOTA else Cause.QUOTA.entry.cure)


@pytest.mark.parametrize("reply", ["554 5.2.2 mailbox full", "554 5.2.0 x:SubmissionQuotaExceededException; y"])
def test_a_limit_of_the_mailbox_is_its_own(reply: str) -> None:
    assert not judge(reply, 60.0).app_wide
