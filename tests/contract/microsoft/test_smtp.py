"""SMTP submission: greeting, capabilities, logins that are refused, XOAUTH2, and a mail that arrives (facts 4.1)."""

import base64
import smtplib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.microsoft import needs
from tests.contract.microsoft.entra import Entra
from tests.contract.microsoft.mailbox import Mailbox
from tests.contract.microsoft.mails import Mails
from tests.contract.microsoft.needs import needed
from tests.contract.microsoft.record import Record
from tests.contract.microsoft.target import Target
from tests.contract.microsoft.web import Bearer, tls

NAME = "client.contoso.example"
TIMEOUT = 60


@pytest.fixture
def smtp(target: Target) -> Iterator[smtplib.SMTP]:
    """A connection, greeted and nothing more."""
    with smtplib.SMTP(*target.smtp, local_hostname=NAME, timeout=TIMEOUT) as opened:
        yield opened


@pytest.fixture
async def token(entra: Entra, target: Target) -> Bearer:
    """A token for Exchange."""
    return await entra.token(needed(target.exchange, needs.EXCHANGE), entra.exchange_scope)


def sasl(user: str, token: Bearer) -> str:
    """The XOAUTH2 string (facts 4)."""
    return base64.b64encode(f"user={user}\x01auth=Bearer {token.value}\x01\x01".encode()).decode()


def said(reply: tuple[int, bytes]) -> list[str]:
    """The lines of a reply, each with its code."""
    code, text = reply
    return [f"{code} {line}" for line in text.decode().splitlines() or [""]]


def capabilities(smtp: smtplib.SMTP) -> list[str]:
    """What EHLO offers, in order of the alphabet."""
    code, _ = smtp.ehlo()
    assert code == 250
    return sorted((smtp.ehlo_resp or b"").decode().splitlines()[1:])


def secured(smtp: smtplib.SMTP, target: Target) -> smtplib.SMTP:
    """Behind STARTTLS, greeted again."""
    smtp.ehlo()
    smtp.starttls(context=tls(target))
    smtp.ehlo()
    return smtp


def test_greeting(target: Target, record: Record) -> None:
    smtp = smtplib.SMTP(local_hostname=NAME, timeout=TIMEOUT)
    reply = smtp.connect(*target.smtp)
    record.lines("greeting", said(reply))
    assert reply[0] == 220
    smtp.close()


def test_login_is_offered_behind_tls_alone(smtp: smtplib.SMTP, target: Target, record: Record) -> None:
    before = capabilities(smtp)
    record.lines("before", before)
    assert "STARTTLS" in before
    assert not any(each.startswith("AUTH") for each in before)
    smtp.starttls(context=tls(target))
    after = capabilities(smtp)
    record.lines("after", after)
    assert "AUTH LOGIN XOAUTH2" in after
    assert "STARTTLS" not in after


def test_mail_needs_a_login(smtp: smtplib.SMTP, target: Target, record: Record) -> None:
    reply = secured(smtp, target).docmd("MAIL", f"FROM:<{target.sender_address}>")
    record.lines("answer", said(reply))
    assert reply[0] == 530


def test_mail_before_tls(smtp: smtplib.SMTP, target: Target, record: Record) -> None:
    smtp.ehlo()
    reply = smtp.docmd("MAIL", f"FROM:<{target.sender_address}>")
    record.lines("answer", said(reply))
    assert reply[0] == 530


def test_passwords_are_refused(smtp: smtplib.SMTP, target: Target, record: Record) -> None:
    secured(smtp, target)
    record.lines("asks for the name", said(smtp.docmd("AUTH", "LOGIN")))
    record.lines("asks for the password", said(smtp.docmd(base64.b64encode(target.sender_address.encode()).decode())))
    reply = smtp.docmd(base64.b64encode(b"not the password").decode())
    record.lines("answer", said(reply))
    assert reply[0] == 535


def test_token_that_is_none_is_refused(smtp: smtplib.SMTP, target: Target, record: Record) -> None:
    reply = secured(smtp, target).docmd("AUTH", f"XOAUTH2 {sasl(target.sender_address, Bearer('rubbish'))}")
    record.lines("answer", said(reply))
    assert reply[0] == 535


async def test_token_for_graph_is_refused(smtp: smtplib.SMTP, entra: Entra, target: Target, record: Record) -> None:
    login = sasl(target.sender_address, await entra.token(target.sender))
    reply = secured(smtp, target).docmd("AUTH", f"XOAUTH2 {login}")
    record.lines("answer", said(reply))
    assert reply[0] == 535


def test_mailbox_without_a_right_is_refused(smtp: smtplib.SMTP, target: Target, token: Bearer, record: Record) -> None:
    closed = needed(target.closed, needs.CLOSED)
    reply = secured(smtp, target).docmd("AUTH", f"XOAUTH2 {sasl(closed, token)}")
    record.lines("answer", said(reply))
    assert reply[0] == 535


@pytest.mark.parametrize("words", ["PLAIN AGEAYg==", "CRAM-MD5", "XOAUTH2 not-base64!", ""])
def test_login_is_refused(smtp: smtplib.SMTP, target: Target, record: Record, words: str) -> None:
    reply = secured(smtp, target).docmd("AUTH", words)
    record.lines("answer", said(reply))
    assert 500 <= reply[0] < 600


@pytest.mark.parametrize("at_once", [True, False], ids=["one line", "challenge"])
async def test_mail_is_taken_and_arrives(
    smtp: smtplib.SMTP,
    target: Target,
    token: Bearer,
    mails: Mails,
    sender: Mailbox,
    recipient: Mailbox,
    record: Record,
    at_once: bool,
) -> None:
    name, login = f"smtp {'one line' if at_once else 'challenge'}", sasl(target.sender_address, token)
    secured(smtp, target)
    if at_once:
        logged_in = smtp.docmd("AUTH", f"XOAUTH2 {login}")
    else:
        record.lines("challenge", said(smtp.docmd("AUTH", "XOAUTH2")))
        logged_in = smtp.docmd(login)
    record.lines("login", said(logged_in))
    assert logged_in[0] == 235
    record.lines("sender", said(smtp.mail(target.sender_address)))
    record.lines("recipient", said(smtp.rcpt(target.recipient_address)))
    taken = smtp.data(mails.mime(name))
    record.lines("taken", said(taken))
    assert taken[0] == 250
    await recipient.arrived(name)
    await sender.arrived(name, "sentitems")


def test_another_sender_is_refused(
    smtp: smtplib.SMTP, target: Target, token: Bearer, mails: Mails, record: Record
) -> None:
    secured(smtp, target).docmd("AUTH", f"XOAUTH2 {sasl(target.sender_address, token)}")
    other = f"nobody@{target.domain}"
    replies: dict[str, Any] = {"sender": smtp.mail(other), "recipient": smtp.rcpt(target.recipient_address)}
    if replies["recipient"][0] == 250:
        mime = mails.mime("smtp another sender").replace(
            f"From: {target.sender_address}".encode(), f"From: {other}".encode()
        )
        replies["data"] = smtp.data(mime)
    for step, reply in replies.items():
        record.lines(step, said(reply))
    assert max(code for code, _ in replies.values()) >= 500
