"""The mail that is kept as a draft for a moment, to see whether that can be done."""

import email.utils
import uuid
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

SUBJECT: Final = "Pillarbox test"


def sample(mailbox: str, now: float) -> EmailMessage:
    """A mail of the mailbox to itself, with a Message-ID of its own."""
    message = EmailMessage(policy=SMTP)
    message["From"] = message["To"] = mailbox
    message["Subject"] = SUBJECT
    message["Date"] = email.utils.formatdate(now)
    message["Message-ID"] = f"<{uuid.uuid4()}@{mailbox.rpartition('@')[2]}>"
    message.set_content("Pillarbox made this draft to see whether it can, and deletes it at once.\n")
    return message
