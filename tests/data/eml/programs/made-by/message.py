"""Python's email.message and smtplib in the mode of the first argument."""

import logging.handlers
import os
import smtplib
import sys
from email.headerregistry import Address
from email.message import EmailMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import SMTPUTF8
from email.utils import formatdate, make_msgid
from pathlib import Path

MODE = sys.argv[1]
PORT = int(os.environ["PORT"])
SCAN = Path("scan.png").read_bytes()


def letter(text: str = "Grüße 掃描\n.\n.hidden\n") -> EmailMessage:
    """A text from the scanner."""
    made = EmailMessage(policy=SMTPUTF8) if MODE == "smtputf8" else EmailMessage()
    made["From"] = Address("Scänner", "scanner", "contoso.example")
    made["To"] = Address("Alice", "alice", "contoso.example"), Address("", "bob", "contoso.example")
    made["Subject"] = "Grüße 掃描 " * (8 if MODE == "long-lines" else 1)
    made.set_content(text)
    return made


def old() -> MIMEMultipart:
    """By the older classes."""
    made = MIMEMultipart()
    made["From"], made["To"], made["Subject"] = "scanner@contoso.example", "alice@contoso.example", "scan"
    made["Date"], made["Message-ID"] = formatdate(localtime=True), make_msgid()
    made.attach(MIMEText("Grüße\n", "plain", "utf-8"))
    made.attach(MIMEText("<p>page 1</p>", "html"))
    return made


mail = letter()
if MODE == "plain":
    mail.replace_header("From", "scanner@contoso.example")
    mail.set_content("page 1\n")
elif MODE == "alternative":
    mail.add_alternative("<p>Grüße</p>", subtype="html")
elif MODE == "related":
    mail.add_alternative('<img src="cid:scan">', subtype="html")
    mail.get_payload()[1].add_related(SCAN, "image", "png", cid="<scan>")  # type: ignore[union-attr, index]
elif MODE == "attachments":
    mail.add_attachment(SCAN, maintype="image", subtype="png", filename="掃描 1.png")
    mail.add_attachment("a,b\r\n", subtype="csv", filename="table.csv", cte="quoted-printable")
elif MODE == "forwarded":
    mail.add_attachment(letter("the first one\n"))
elif MODE == "calendar":
    mail.add_alternative("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", subtype="calendar", params={"method": "REQUEST"})
elif MODE == "resent":
    mail["Resent-From"], mail["Resent-To"] = "scanner@contoso.example", "alice@contoso.example"
    mail["Resent-Date"] = formatdate()
elif MODE == "long-lines":
    mail.set_content("x" * 2000 + "\n")

if MODE == "logging":
    handler = logging.handlers.SMTPHandler(
        ("localhost", PORT), "scanner@contoso.example", ["alice@contoso.example"], "disk full"
    )
    logging.getLogger().addHandler(handler)
    logging.error("the disk is full")
else:
    with smtplib.SMTP("localhost", PORT) as client:
        client.send_message(old() if MODE == "mimetext" else mail)
