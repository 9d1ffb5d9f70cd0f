"""Non-delivery reports, read by the standard library (RFC 3464)."""

from email import message_from_bytes
from email.policy import SMTP

from pillarbox.emulator.mail.content import Person
from pillarbox.emulator.mail.report import mailbox_full, non_delivery, not_found

ORIGINAL = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@x>\r\n\r\n_000_REPORT_\xff\r\n"
FAILURES = [not_found("ghost@contoso.example"), mailbox_full("full@contoso.example")]
REPORT = non_delivery(ORIGINAL, FAILURES, Person("Alice", "alice@contoso.example"), "contoso.example", "<2@x>", 0.0)


def test_a_report_has_three_parts() -> None:
    mail = message_from_bytes(REPORT, policy=SMTP)
    assert (mail.get_content_type(), mail.get_param("report-type")) == ("multipart/report", "delivery-status")
    assert [part.get_content_type() for part in mail.iter_parts()] == [
        "text/plain",
        "message/delivery-status",
        "message/rfc822",
    ]
    assert not mail.defects
    assert ORIGINAL in REPORT


def test_a_report_says_what_it_is_about() -> None:
    mail = message_from_bytes(REPORT, policy=SMTP)
    assert mail["From"] == "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@contoso.example>"
    assert (mail["Subject"], mail["To"]) == ("Undeliverable: Grüße", "Alice <alice@contoso.example>")
    assert (mail["In-Reply-To"], mail["References"], mail["Message-ID"]) == ("<1@x>", "<1@x>", "<2@x>")
    assert mail["Auto-Submitted"] == "auto-replied"


def test_each_recipient_has_a_status() -> None:
    _, status, _ = message_from_bytes(REPORT, policy=SMTP).iter_parts()
    about, *each = status.iter_parts()
    assert about["Reporting-MTA"] == "dns;contoso.example"
    assert [(one["Final-Recipient"], one["Action"], one["Status"]) for one in each] == [
        ("rfc822;ghost@contoso.example", "failed", "5.1.10"),
        ("rfc822;full@contoso.example", "failed", "5.2.2"),
    ]
    assert "RecipientNotFound" in each[0]["Diagnostic-Code"]


def test_a_mail_without_message_id_is_referred_to_by_none() -> None:
    report = non_delivery(b"x", FAILURES[:1], Person("", "a@x"), "x", "<2@x>", 0.0)
    assert message_from_bytes(report)["In-Reply-To"] is None
