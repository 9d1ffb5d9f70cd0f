"""Exchange's words in SMTP, and aiosmtpd's own replies put into them (facts 4.1; texts without a source there: K)."""

import re

from pillarbox.emulator.exchange.site import BACKEND
from pillarbox.emulator.world.limits import SUBMISSION_QUOTA

SIZE = 157_286_400
"""The largest mail in bytes, as EHLO says."""
OFF = "is disabled for the {place}. Visit https://aka.ms/smtp_auth_disabled for more information."
STORE = "STOREDRV.Submission.Exception"
PERMANENT = (
    "Failed to process message due to a permanent exception with message "
    "[BeginDiagnosticData]Cannot submit message. [EndDiagnosticData]"
)

AUTHENTICATED = "235 2.7.0 Authentication successful"
BAD_CREDENTIALS = "535 5.7.3 Authentication unsuccessful"
BASIC_IS_OFF = "535 5.7.139 Authentication unsuccessful, basic authentication is disabled."
OFF_FOR_TENANT = f"535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication {OFF.format(place='Tenant')}"
OFF_FOR_MAILBOX = f"535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication {OFF.format(place='Mailbox')}"
CANCELLED = "501 5.7.0 Authentication cancelled"
BAD_ARGUMENTS = "501 5.5.4 Invalid arguments"
UNKNOWN_MECHANISM = "504 5.7.4 Unrecognized authentication type"
ALREADY_AUTHENTICATED = "503 5.5.2 Already authenticated"
NOT_AUTHENTICATED = "530 5.7.57 Client not authenticated to send mail."
TLS_TWICE = "503 5.5.2 Only one STARTTLS command can be issued per session"
HELLO_FIRST = "503 5.5.2 Send hello first"
SENDER_OK, RECIPIENT_OK = "250 2.1.0 Sender OK", "250 2.1.5 Recipient OK"
BAD_SENDER, BAD_RECIPIENT = "501 5.1.7 Invalid address", "501 5.1.3 Invalid address"
TOO_MANY_RECIPIENTS = "452 4.5.3 Too many recipients"
TOO_LARGE = "552 5.3.4 Message size exceeds fixed maximum message size"
RESET = "250 2.0.0 Resetting"
HELP = "214 2.0.0 This server supports: HELO EHLO STARTTLS AUTH MAIL RCPT DATA RSET NOOP VRFY HELP QUIT"
TIMEOUT = "451 4.7.0 Timeout waiting for client input"
BROKEN = "451 4.7.0 Temporary server error. Please try again later."
BUSY = "421 4.3.2 The maximum number of concurrent connections has exceeded a limit, closing transmission channel"
# This one comes after DATA, not at AUTH: clients report it as the answer to the mail, with the store's host name.
TOO_MANY_CONNECTIONS = (
    "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information. "
    f"[Hostname={BACKEND}]"
)
MAILBOX_FULL = (
    f"554 5.2.2 mailbox full; {STORE}:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; "
    f"{PERMANENT} [Hostname={BACKEND}]"
)
QUOTA_EXCEEDED = f"554 5.2.0 {STORE}:SubmissionQuotaExceededException; {SUBMISSION_QUOTA} [Hostname={BACKEND}]"

# aiosmtpd's replies by their beginnings.
BUILT_IN = (
    ("220 Ready", "220 2.0.0 SMTP server ready"),
    ("221 Bye", "221 2.0.0 Service closing transmission channel"),
    ("252 ", "252 2.1.5 Cannot VRFY user"),
    ("354 ", "354 Start mail input; end with <CRLF>.<CRLF>"),
    ("500 Command line too long", "500 5.5.2 Line too long"),
    ("500 Line too long", "500 5.5.2 Line too long"),
    ("500 Error:", "500 5.3.3 Unrecognized command 'unknown'"),
    ("501 Syntax", BAD_ARGUMENTS),
    ("501 Error", BAD_ARGUMENTS),
    ("502 5.5.1", "421 4.7.0 Too many errors on this connection, closing transmission channel"),
    ("502 ", "502 5.3.3 Command not implemented"),
    ("503 Error: send", HELLO_FIRST),
    ("503 Error: nested", "503 5.5.2 Sender already specified"),
    ("503 Error: need MAIL", "503 5.5.2 Need mail command"),
    ("503 Error: need RCPT", "503 5.5.2 Need rcpt command"),
    ("552 ", TOO_LARGE),
    ("553 ", BAD_SENDER),
    ("555 ", BAD_ARGUMENTS),
)
UNRECOGNIZED = re.compile(r'500 Error: command "([\x21-\x7e]{1,64})" not recognized')


def send_as_denied(login: str, sender: str) -> str:
    """The refusal of a sender that is another's."""
    text = f"SendAsDenied; {login} not allowed to send as {sender}"
    kind = f"{STORE}:SendAsDeniedException.MapiExceptionSendAsDenied"
    return f"554 5.2.252 {text}; {kind}; {PERMANENT} [Hostname={BACKEND}]"


def accepted(message_id: str) -> str:
    """The reply to a mail that was taken."""
    return f"250 2.0.0 OK {message_id} [Hostname={BACKEND}]"


def in_exchanges_words(reply: str) -> str:
    """A reply of aiosmtpd as Exchange says it; others stay as they are."""
    if reply == "250 OK":
        return "250 2.0.0 OK"
    unrecognized = UNRECOGNIZED.fullmatch(reply)
    if unrecognized:
        return f"500 5.3.3 Unrecognized command '{unrecognized[1]}'"
    return next((ours for start, ours in BUILT_IN if reply.startswith(start)), reply)


def has_trace(reply: str) -> bool:
    """Whether Exchange ends that reply with host, date and id."""
    return reply.startswith(("500 5.3.3", "504 5.7.4", "530 5.7.57", "535 ", "451 4.7.0"))
