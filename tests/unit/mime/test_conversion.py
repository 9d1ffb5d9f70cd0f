"""What JSON can say of a message, and what gets lost."""

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.errors import InvalidInput
from pillarbox.core.mime_shape import Shape
from pillarbox.mime.conversion import Conversion, convert
from pillarbox.mime.division import NotDivisible
from pillarbox.mime.naming import media_type, name_of
from pillarbox.mime.tree import parse
from tests.unit.mime.mails import mail, with_pdf

MOST = 1_000_000


def converted(raw: bytes, most: int = MOST) -> Conversion:
    return convert(raw, parse(raw), most)


def test_of_the_forms_of_a_text_the_html_one_is_taken_and_the_other_is_told_as_lost() -> None:
    made = mail("plain ä\n")
    made.add_alternative("<p>ä</p>", subtype="html")
    made.add_attachment(b"x", maintype="application", subtype="pdf", filename="a.pdf")
    found = converted(made.as_bytes())
    assert (found.words.is_html, found.text.decode().strip()) == (True, "<p>ä</p>")
    assert "text/plain" in found.words.lost
    assert [one.part.type for one in found.files] == ["application/pdf"]


def test_a_second_text_is_a_file() -> None:
    made = with_pdf(b"x")
    made.add_attachment("footer", disposition="inline")
    found = converted(made.as_bytes())
    assert found.text.strip() == b"page 1"
    assert [one.part.type for one in found.files] == ["application/pdf", "text/plain"]


def test_an_invitation_beside_the_text_goes_as_a_file_and_a_picture_stays_inline() -> None:
    made = mail()
    made.add_alternative("<img src=cid:a>", subtype="html")
    page = list(made.iter_parts())[1]
    page.add_related(b"png", maintype="image", subtype="png", cid="<a>")
    made.add_alternative("BEGIN:VCALENDAR", subtype="calendar")
    found = converted(made.as_bytes())
    assert [(one.part.type, one.is_inline) for one in found.files] == [("image/png", True), ("text/calendar", False)]
    assert "text/calendar" in found.words.lost
    assert "image/png" not in found.words.lost


def test_a_mail_without_a_text_has_an_empty_one() -> None:
    raw = b"From: a@x.example\r\nContent-Type: application/pdf\r\n\r\n%PDF"
    found = converted(raw)
    assert (found.text, len(found.files), found.words.from_) == (b"", 1, ("", "a@x.example"))


def test_words_of_the_header_are_read_and_what_json_has_no_word_for_is_listed() -> None:
    raw = (
        b"From: =?utf-8?q?J=C3=B6rg?= <a@x.example>\r\nTo: B <b@x.example>, c@x.example\r\nCc: d@x.example\r\n"
        b"Reply-To: r@x.example\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n later\r\nImportance: High\r\n"
        b"List-Id: <l.x.example>\r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\n"
        + b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(6))
        + b"X-Pillarbox-Id: ID\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=nonsense\r\n\r\n\xe4"
    )
    words = converted(raw).words
    assert (words.from_, words.subject, words.importance) == (("Jörg", "a@x.example"), "café later", "high")
    assert (words.to, words.cc) == ((("B", "b@x.example"), ("", "c@x.example")), (("", "d@x.example"),))
    assert [name for name, _ in words.own] == ["X-Pillarbox-Id", "X-0", "X-1", "X-2", "X-3"]
    assert words.lost == ("List-Id", "Date", "X-4", "X-5")


@pytest.mark.parametrize("sealed", [b"multipart/signed", b"application/pkcs7-mime"])
def test_what_is_signed_or_encrypted_is_not_said_in_other_words(sealed: bytes) -> None:
    with pytest.raises(NotDivisible) as refused:
        converted(with_pdf(b"x").as_bytes().replace(b"application/pdf", sealed))
    assert refused.value.reason == "sealed"


def test_a_text_that_is_too_large_is_refused() -> None:
    with pytest.raises(NotDivisible) as refused:
        converted(mail().as_bytes() + b"y\r\n" * MOST)
    assert refused.value.reason == "text"


def test_a_media_type_that_is_none_is_that_of_any_file() -> None:
    raw = with_pdf(b"x").as_bytes().replace(b"application/pdf", b"application/" + b"p" * 9000)
    (one,) = converted(raw).files
    assert media_type(one.part) == "application/octet-stream"


_LINES = st.sampled_from(
    [
        *(
            b"--a",
            b"--a--",
            b"--b",
            b"--b--",
            b"",
            b"",
            b"text",
            b" folded",
            b"Subject: =?utf-8?b?/w==?=",
            b"References: \xff",
        ),
        *(
            b"Content-Type: multipart/alternative; boundary=b",
            b"Content-Type: text/html; charset=utf-7",
            b"<p>\xe4+AGE",
        ),
        *(b"Content-Type: message/rfc822", b"Content-Transfer-Encoding: base64", b"QUJD", b'From: "\\" <a@x>, (:;'),
    ]
)


@given(st.lists(_LINES, max_size=40))
def test_whatever_comes_its_words_are_text(lines: list[bytes]) -> None:
    raw = b"\r\n".join((b"Content-Type: multipart/mixed; boundary=a", *lines))
    try:
        Shape(b"multipart/mixed; boundary=a").feed(raw)
    except InvalidInput:
        return
    found = converted(raw)
    json.dumps(asdict(found.words), ensure_ascii=False).encode()
    found.text.decode()
    for one in found.files:
        name_of(raw, one.part).encode()
