"""MIME to parts: what people wrote is found, and nothing that comes raises."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.emulator.mail.compose import compose
from pillarbox.emulator.mail.content import Content, Person
from pillarbox.emulator.mail.parse import parse
from tests.unit.emulator.mail.odd import OURS, mails, pythons

LINES = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=a",
        b"Content-Type: text/html; charset=unicode_escape",
        b"Content-Type: message/rfc822",
        b"Content-Transfer-Encoding: base64",
        b"Content-Disposition: attachment; filename*0*=x'y'%; filename*1=b",
        b"Date: 1 Jan 99999 00:00 +9999",
        b"Subject: =?utf-7?q?+2AA-?= =?x?b?!?=",
        b"Subject: =?utf-\xff?q?x?= =?unicode_escape?q?\\d?=",
        b"From: =?utf-8?q?=FF?= <a@x>, \xff@",
        b"--a",
        b"--a--",
        b"",
        b"\\d\xff\x00",
    ]
)

SMALL = st.sampled_from([mail for mail in mails().values() if len(mail) < 5000])


def odd(name: str) -> Content:
    return parse((OURS / f"{name}.eml").read_bytes())


def texts(content: Content) -> bytes:
    """Everything that JSON must be able to carry."""
    people = [content.from_, content.sender, *content.to, *content.cc, *content.bcc, *content.reply_to]
    words = [content.subject, content.body, content.message_id]
    words += [text for each in people if each for text in (each.name, each.address)]
    words += [text for each in content.attachments for text in (each.name, each.content_type, each.content_id or "")]
    return "".join(words).encode()


@pytest.mark.parametrize("mail", [pytest.param(mail, id=name) for name, mail in mails().items()])
def test_odd_mails_are_parsed_and_composed_again(mail: bytes) -> None:
    content = parse(mail)
    texts(content)
    again = parse(compose(content))
    assert (again.subject, again.importance) == (content.subject, content.importance)
    assert [(each.name, each.kind) for each in again.attachments] == [
        (each.name, each.kind) for each in content.attachments
    ]


@settings(deadline=None)
@given(st.lists(LINES | st.binary(max_size=30)))
def test_any_bytes_are_parsed_and_composed_again(lines: list[bytes]) -> None:
    content = parse(b"\r\n".join(lines))
    texts(content)
    texts(parse(compose(content)))


@settings(deadline=None)
@given(SMALL, SMALL, st.floats(0, 1), st.integers(0, 30), st.binary(max_size=2))
def test_damaged_mails_are_parsed_and_composed_again(
    mail: bytes, other: bytes, place: float, length: int, sign: bytes
) -> None:
    at = int(place * len(mail))
    content = parse(mail[:at] + sign + other[at : at + 200] + mail[at + length :])
    texts(content)
    assert len(parse(compose(content)).attachments) == len(content.attachments)


@pytest.mark.parametrize(
    ("name", "body_type", "body"),
    [
        ("plain", "text", "Hello\r\n"),
        ("no-headers", "text", "Only a body, with no header before it.\r\n"),
        ("only-headers", "text", ""),
        ("nested-multipart", "text", "innermost"),
        ("missing-boundary", "text", "--x\r\n\r\none\r\n--x--\r\n"),
        ("unclosed-boundary", "html", "<p>no end"),
        ("eight-bit-no-charset", "text", "Gr\ufffd\ufffde aus M\ufffdnchen\r\n"),
        ("odd-charsets", "html", "\ufffd \xe9"),
        ("mail-in-mail", "text", "see below"),
    ],
)
def test_the_body_is_found(name: str, body_type: str, body: str) -> None:
    content = odd(name)
    assert (content.body_type, content.body) == (body_type, body)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("rfc2231-names", [("file", "Résumé.pdf", "application/pdf", False, None, b"%PDF-1.4")]),
        ("smime-opaque", [("file", "smime.p7m", "application/pkcs7-mime", False, None, bytes(range(256)))]),
        ("mail-in-mail", [("item", "inner", "message/rfc822", False, None, b"Subject: inner\r\n")]),
        (
            "inline-images",
            [
                ("file", "ATT00001", "image/gif", True, "1@x", b"GIF87a"),
                ("file", "b.gif", "image/gif", True, None, b"GIF87a"),
            ],
        ),
    ],
)
def test_attachments_are_found(name: str, found: list[Any]) -> None:
    attachments = odd(name).attachments
    assert [(a.kind, a.name, a.content_type, a.inline, a.content_id) for a in attachments] == [e[:5] for e in found]
    assert all(a.content.startswith(e[5]) for a, e in zip(attachments, found, strict=True))


def test_a_mail_nested_without_end_is_its_own_text() -> None:
    content = odd("bottomless-multipart")
    assert (content.attachments, len(content.body) > 80_000) == ([], True)


def test_attachment_ids_are_the_same_each_time_and_differ() -> None:
    first, second = odd("inline-images").attachments, odd("inline-images").attachments
    assert [each.id for each in first] == [each.id for each in second]
    assert len({each.id for each in first}) == 2


def test_headers_are_read() -> None:
    mail = b"From: =?utf-8?q?J=C3=B6rg?= <j@x>\r\nTo: a@x,\r\n B <b@x>\r\nReply-To: r@x\r\nX-One: 1\r\n"
    mail += b"In-Reply-To: <0@x>\r\nDisposition-Notification-To: j@x\r\nReturn-Receipt-To: j@x\r\n"
    mail += b"Date: Thu, 01 Jan 1970 01:00:00 +0100\r\n\r\n"
    content = parse(mail)
    assert content.from_ == Person("Jörg", "j@x")
    assert (content.to, content.reply_to) == ([Person("", "a@x"), Person("B", "b@x")], [Person("", "r@x")])
    assert (content.read_receipt, content.delivery_receipt, content.date) == (True, True, 0.0)
    assert content.headers == [("X-One", "1"), ("In-Reply-To", "<0@x>")]


@pytest.mark.parametrize(
    ("header", "importance"),
    [
        (b"Importance: High", "high"),
        (b"Importance: low", "low"),
        (b"Importance: odd", "normal"),
        (b"X-Priority: 1 (Highest)", "high"),
        (b"X-Priority: 5", "low"),
        (b"X-Priority: 1\r\nImportance: low", "low"),
        (b"X-Other: 1", "normal"),
    ],
)
def test_importance(header: bytes, importance: str) -> None:
    assert parse(header + b"\r\n\r\n").importance == importance


def test_a_date_without_zone_is_utc() -> None:
    assert parse(b"Date: Thu, 01 Jan 1970 00:00:00 -0000\r\n\r\n").date == 0.0


@pytest.mark.skipif(not pythons(), reason="needs the mails of Python's own tests")
def test_pythons_own_mails_are_there() -> None:
    assert len(pythons()) > 40
