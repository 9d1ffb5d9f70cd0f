"""Parts to MIME, with the standard library's strict parser as judge."""

from email import message_from_bytes
from email.policy import SMTP

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.emulator.mail.compose import compose
from pillarbox.emulator.mail.content import Attachment, Content, Person
from pillarbox.emulator.mail.parse import parse

TEXT = st.text(st.characters(codec="utf-8"))
WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S"))).map(str.strip)
ADDRESSES = st.from_regex(r"[a-z]{1,20}@[a-z]{1,20}\.example", fullmatch=True)
PEOPLE = st.lists(st.builds(Person, WORDS, ADDRESSES))
FILES = st.builds(
    Attachment,
    id=st.just("1"),
    kind=st.just("file"),
    name=WORDS.filter(bool),
    content_type=st.sampled_from(["text/plain", "image/png", "multipart/mixed", "a/b; c=d", "\r\nX: y", ""]),
    content=st.binary(),
    inline=st.booleans(),
    content_id=st.none() | st.from_regex(r"[a-z0-9.@]{1,20}", fullmatch=True),
)


@settings(deadline=None)
@given(TEXT, TEXT, st.sampled_from(["text", "html"]), PEOPLE, st.lists(FILES, max_size=3))
def test_any_parts_come_back(subject: str, body: str, kind: str, people: list[Person], files: list[Attachment]) -> None:
    content = Content(subject=subject, body=body, to=people, cc=people, bcc=people, attachments=files)
    content.body_type = "html" if kind == "html" else "text"
    mail = compose(content)
    judge = message_from_bytes(mail, policy=SMTP)
    assert not judge.defects
    assert max(map(len, mail.split(b"\r\n"))) <= 998
    back = parse(mail)
    assert (back.body_type, back.body.split()) == (content.body_type, body.split())
    assert [each.address for each in back.to] == [each.address for each in people]
    assert [
        (each.name, each.content, each.content_id) for each in sorted(back.attachments, key=lambda a: a.inline)
    ] == [(each.name, each.content, each.content_id) for each in sorted(files, key=lambda a: a.inline)]


@pytest.mark.parametrize("sign", ["\r\n", "\n", "\r", "\x00", "\x85", "\u2028"])
def test_nothing_ends_a_header_early(sign: str) -> None:
    evil = f"a{sign}Bcc: spy@x.example"
    file = Attachment("1", "file", evil, evil, b"", content_id=evil)
    content = Content(
        subject=evil, message_id=evil, headers=[("X-A", evil)], to=[Person(evil, evil)], attachments=[file]
    )
    judge = message_from_bytes(compose(content))
    assert all(part["Bcc"] is None for part in judge.walk())


def test_text_and_html_stand_beside_each_other() -> None:
    mail = message_from_bytes(compose(Content(body="<p>Grüße</p>", body_type="html")), policy=SMTP)
    assert mail.get_content_type() == "multipart/alternative"
    plain, html = mail.iter_parts()
    assert plain.get_content().strip() == "Grüße"
    assert html.get_content() == "<p>Grüße</p>"


def test_inline_files_are_related_and_others_attached() -> None:
    files = [Attachment("1", "file", "a.gif", "image/gif", b"a", True, "1"), Attachment("2", "file", "b", "a/b", b"b")]
    mail = message_from_bytes(compose(Content(body_type="html", attachments=files)))
    kinds = [part.get_content_type() for part in mail.walk()]
    expected = ["multipart/mixed", "multipart/related", "multipart/alternative", "text/plain", "text/html"]
    assert kinds == [*expected, "image/gif", "a/b"]


def test_a_mail_inside_keeps_its_bytes() -> None:
    inner = compose(Content(subject="inner", body="x", attachments=[Attachment("1", "file", "f", "a/b", b"\xff")]))
    for _ in range(3):
        outer = compose(Content(attachments=[Attachment("1", "item", "m", "message/rfc822", inner)]))
        assert inner in outer
        inner = outer
    assert parse(parse(outer).attachments[0].content).attachments[0].kind == "item"


def test_raw_bytes_of_headers_stay() -> None:
    mail = b"X-Raw: \xff\xc3\xbc\r\nX-Tab: a\tb\r\n\r\n"
    assert b"X-Raw: \xff\xc3\xbc\r\nX-Tab: a\tb\r\n" in compose(parse(mail))


def test_importance_and_receipts() -> None:
    content = Content(from_=Person("", "a@x.example"), importance="high", read_receipt=True, delivery_receipt=True)
    mail = message_from_bytes(compose(content))
    assert (mail["Importance"], mail["X-Priority"]) == ("high", "1")
    assert mail["Disposition-Notification-To"] == mail["Return-Receipt-To"] == "a@x.example"
