"""The report that a mail could not be delivered (RFC 3464), as Exchange Online writes it to the sender."""

from dataclasses import dataclass
from email.utils import formatdate

from pillarbox.emulator.mail import headers as mime
from pillarbox.emulator.mail.compose import compose_headers
from pillarbox.emulator.mail.content import Content, Person
from pillarbox.emulator.mail.headers import clean, decoded

POSTMASTER = "MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e"
"""The local part from which Exchange sends its reports, in every tenant."""


@dataclass(frozen=True)
class Failure:
    """Why one recipient got nothing: enhanced status (RFC 3463), what the server said, and what people read."""

    recipient: str
    status: str
    diagnostic: str
    text: str


def not_found(recipient: str) -> Failure:
    """There is no such recipient in the tenant."""
    local, _, domain = recipient.rpartition("@")
    said = "smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"
    return Failure(recipient, "5.1.10", said, f"{local} wasn't found at {domain}.")


def mailbox_full(recipient: str) -> Failure:
    """The recipient's mailbox takes no more."""
    said = "smtp;554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException; Failed to process message"
    return Failure(recipient, "5.2.2", said, f"The mailbox of {recipient} is full and can't accept messages now.")


def non_delivery(original: bytes, failures: list[Failure], to: Person, domain: str, ident: str, now: float) -> bytes:
    """The report about a mail to its sender. `domain` is the tenant's, `ident` the new Message-ID, `now` in seconds."""
    headers = mime.headers_of(original)
    about = clean(mime.header(headers, "message-id") or "")
    report = Content(
        subject=f"Undeliverable: {decoded(mime.header(headers, 'subject') or '')}",
        from_=Person("Microsoft Outlook", f"{POSTMASTER}@{domain}"),
        to=[to],
        date=now,
        message_id=ident,
        headers=[("Auto-Submitted", "auto-replied"), ("X-MS-Exchange-Message-Is-Ndr", "")],
    )
    if about:
        report.headers += [("In-Reply-To", about), ("References", about)]
    parts = [
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + _text(failures),
        b"Content-Type: message/delivery-status\r\n\r\n" + _status(failures, domain, now),
        b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + original,
    ]
    boundary = _boundary(original)
    kind = b'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="%s"\r\n\r\n' % boundary
    inside = b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in parts)
    return b"%s%s%s--%s--\r\n" % (compose_headers(report), kind, inside, boundary)


def _text(failures: list[Failure]) -> bytes:
    lines = [f"Your message to {each.recipient} couldn't be delivered.\r\n{each.text}\r\n" for each in failures]
    said = [f"{each.recipient}\r\nRemote server returned '{each.diagnostic.partition(';')[2]}'" for each in failures]
    return "\r\n".join([*lines, "Diagnostic information for administrators:", *said, ""]).encode("utf-8", "replace")


def _status(failures: list[Failure], domain: str, now: float) -> bytes:
    """One group of fields about the mail, and one about each recipient (RFC 3464 section 2.1)."""
    groups = [f"Reporting-MTA: dns;{domain}\r\nArrival-Date: {formatdate(now)}\r\n"]
    groups += [
        f"Final-Recipient: rfc822;{each.recipient}\r\nAction: failed\r\nStatus: {each.status}\r\n"
        f"Diagnostic-Code: {each.diagnostic}\r\n"
        for each in failures
    ]
    return "\r\n".join(groups).encode("utf-8", "replace")


def _boundary(original: bytes) -> bytes:
    number = 0
    while b"_%03d_REPORT_" % number in original:
        number += 1
    return b"_%03d_REPORT_" % number
