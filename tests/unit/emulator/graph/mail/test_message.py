"""The message resource and the composing of mails, against anything that may come."""

import json
import secrets
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.emulator.graph.mail.attachment import show_attachment
from pillarbox.emulator.graph.mail.message import PROPERTIES, View, etag, show
from pillarbox.emulator.mail.content import Content
from pillarbox.emulator.world.mailbox import Mailbox, Message
from tests.unit.emulator.mail.odd import mails

NAMES = st.sampled_from([b"From", b"To", b"Subject", b"Content-Type", b"Content-Disposition", b"Sender"])
VALUES = st.binary(max_size=40) | st.sampled_from(
    [
        b"=?x?b?!?=",
        b"=?utf-8?q?=FF?=",
        b"multipart/mixed; boundary=a",
        b"text/html; charset=\xff",
        b"a; filename*=x'y'%",
    ]
)
MAILS = st.builds(
    lambda headers, body: b"".join(b"%s: %s\r\n" % pair for pair in headers) + b"\r\n" + body,
    st.lists(st.tuples(NAMES, VALUES)),
    st.binary(max_size=60) | st.just(b"--a\r\n\r\nx\r\n--a--\r\n"),
)


def stored(mail: bytes | Content, **more: Any) -> Message:
    return Mailbox(secrets.token_bytes).add("inbox", mail, "<1@x>", 0.0, **more)


def shown(mail: bytes | Content, *names: str, **more: Any) -> Any:
    found = show(stored(mail, **more), names)
    return found[names[0]] if len(names) == 1 else found


@settings(deadline=None)
@given(MAILS)
def test_any_mail_can_be_shown(mail: bytes) -> None:
    json.dumps(show(stored(mail), list(PROPERTIES))).encode()


@pytest.mark.parametrize("mail", [pytest.param(mail, id=name) for name, mail in mails().items()])
def test_odd_mails_can_be_shown(mail: bytes) -> None:
    message = stored(mail)
    attachments = [show_attachment(message, each, item=True) for each in message.content.attachments]
    json.dumps([show(message, list(PROPERTIES)), attachments]).encode()


def test_headers_alone_do_not_parse_the_body() -> None:
    names = set(PROPERTIES) - {"body", "bodyPreview", "hasAttachments"}
    message = stored(b"Subject: x\r\n\r\nbody")
    show(message, names)
    assert message._content is None


def test_a_draft_shows_its_own_date_and_others_the_services() -> None:
    mail = b"Date: Thu, 01 Jan 1970 01:00:00 +0000\r\n\r\n"
    assert shown(mail, "sentDateTime") == "1970-01-01T00:00:00Z"
    assert shown(mail, "sentDateTime", draft=True) == "1970-01-01T01:00:00Z"


def test_replies_share_the_conversation_of_the_first_mail() -> None:
    ids = [
        shown(mail, "conversationId")
        for mail in (b"\r\n", b"In-Reply-To: <1@x>\r\n\r\n", b"References: <1@x>\r\n <2@x>\r\n\r\n")
    ]
    assert len(set(ids)) == 1
    assert shown(b"In-Reply-To: <3@x>\r\n\r\n", "conversationId") not in ids


def test_the_preview_is_text() -> None:
    html = Content(body="<style>p {}</style><p>Hi &amp; bye" + "x" * 300, body_type="html")
    assert shown(html, "bodyPreview").startswith("Hi & bye")
    assert len(shown(html, "bodyPreview")) == 255


def test_each_change_has_a_key_of_its_own() -> None:
    mailbox = Mailbox(secrets.token_bytes)
    message = mailbox.add("inbox", b"\r\n", "<1@x>", 0.0)
    before = etag(message)
    mailbox.edit(message, 1.0)
    assert etag(message) != before
    assert show(message, ["changeKey"])["@odata.etag"] == f'W/"{show(message, ["changeKey"])["changeKey"]}"'


def test_a_written_mail_shows_headers_without_being_composed() -> None:
    message = stored(Content(subject="Grüße", headers=[("x-a", "1")]))
    assert View(message).text("subject") == "Grüße"
    assert {"name": "x-a", "value": "1"} in View(message).show_headers()
    assert message._mime is None
