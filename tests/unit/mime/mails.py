"""Mails for the tests of mime: put together by Python's email package, and as bytes with CRLF."""

import tempfile
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import IO

HEADER = {"From": "scanner@contoso.example", "To": "alice@contoso.example", "Subject": "scan", "Message-ID": "<1@x>"}


def mail(text: str = "page 1\n") -> EmailMessage:
    """A mail with a text."""
    made = EmailMessage(policy=SMTP)
    for name, value in HEADER.items():
        made[name] = value
    made.set_content(text)
    return made


def with_pdf(content: bytes, name: str = "scan.pdf") -> EmailMessage:
    """A mail with a PDF."""
    made = mail()
    made.add_attachment(content, maintype="application", subtype="pdf", filename=name)
    return made


def on_disk(raw: bytes, folder: Path) -> IO[bytes]:
    """In a file that has no name."""
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed with the test)
    file.write(raw)
    return file
