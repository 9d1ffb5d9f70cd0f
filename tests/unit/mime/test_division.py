"""What is taken out of a large message, and that nothing else is touched."""

import email
from email import policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.errors import InvalidInput
from pillarbox.core.mime_shape import Shape
from pillarbox.mime.decoding import decoded
from pillarbox.mime.division import Division, NotDivisible, divide
from pillarbox.mime.naming import name_of
from pillarbox.mime.tree import TooComplex, parse
from tests.unit.mime.mails import mail, with_pdf

BIG = b"%PDF" + bytes(range(256)) * 40
MOST = 2000


def divided(raw: bytes, most: int = MOST) -> Division:
    return divide(raw, parse(raw), most)


def rest(raw: bytes, most: int = MOST) -> bytes:
    return b"".join(divided(raw, most).rest)


def names(raw: bytes, most: int = MOST) -> list[str]:
    return [name_of(raw, one.part) for one in divided(raw, most).taken]


def contents(raw: bytes, most: int = MOST) -> list[bytes]:
    return [b"".join(decoded(raw, one.part)) for one in divided(raw, most).taken]


def test_an_attachment_comes_out_with_its_bytes_and_the_rest_stays_byte_for_byte() -> None:
    made = with_pdf(BIG)
    raw, without = made.as_bytes(), with_pdf(BIG)
    without.get_payload().pop()  # type: ignore[union-attr]
    without.set_boundary(str(made.get_boundary()))
    assert contents(raw) == [BIG]
    assert rest(raw) == without.as_bytes()


def test_only_as_much_is_taken_out_as_must_be_and_the_largest_first() -> None:
    made = with_pdf(BIG, "a.pdf")
    made.add_attachment(BIG * 3, maintype="application", subtype="pdf", filename="b.pdf")
    made.add_attachment(BIG, maintype="application", subtype="pdf", filename="c.pdf")
    raw = made.as_bytes()
    assert names(raw, 30_000) == ["b.pdf"]
    assert names(raw, 17_000) == ["a.pdf", "b.pdf"]
    assert names(raw) == ["a.pdf", "b.pdf", "c.pdf"]


def test_an_inline_image_keeps_what_the_text_calls_it_by() -> None:
    made = mail()
    made.add_alternative("<img src='cid:logo@x'>", subtype="html")
    page = list(made.iter_parts())[1]
    assert isinstance(page, EmailMessage)
    page.add_related(BIG, maintype="image", subtype="png", cid="<logo@x>")
    raw = made.as_bytes()
    (one,) = divided(raw).taken
    assert (one.is_inline, one.part.header["Content-ID"]) == (True, "<logo@x>")
    left = email.message_from_bytes(rest(raw), policy=policy.SMTP)
    assert [part.get_content_type() for part in left.walk()] == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
    ]


def test_a_file_without_a_content_id_is_never_inline_as_outlook_would_hide_it() -> None:
    raw = with_pdf(BIG).as_bytes().replace(b"attachment;", b"inline;")
    assert [one.is_inline for one in divided(raw).taken] == [False]


def test_a_mail_that_is_nothing_but_a_file_becomes_an_empty_text_with_its_header() -> None:
    made = EmailMessage(policy=policy.SMTP)
    made["Subject"], made["Message-ID"] = "scan", "<1@x>"
    made.set_content(BIG, maintype="application", subtype="pdf", filename="scan.pdf")
    raw = made.as_bytes()
    left = email.message_from_bytes(rest(raw), policy=policy.SMTP)
    assert (left["Subject"], left["Message-ID"], left.get_content_type()) == ("scan", "<1@x>", "text/plain")
    assert left.get_content().strip() == ""
    assert (names(raw), contents(raw)) == (["scan.pdf"], [BIG])


def test_a_multipart_whose_only_part_goes_gets_an_empty_text() -> None:
    made = EmailMessage(policy=policy.SMTP)
    made["Subject"] = "scan"
    made.make_mixed()
    made.add_attachment(BIG, maintype="application", subtype="pdf", filename="scan.pdf")
    left = email.message_from_bytes(rest(made.as_bytes()), policy=policy.SMTP)
    assert [part.get_content_type() for part in left.walk()] == ["multipart/mixed", "text/plain"]


def test_a_mail_in_a_mail_comes_out_whole_and_is_named_by_its_subject() -> None:
    inner = with_pdf(BIG)
    inner.replace_header("Subject", "offer 1/2")
    outer = mail()
    outer.add_attachment(inner)
    raw = outer.as_bytes()
    assert names(raw) == ["offer 1-2.eml"]
    assert contents(raw)[0].strip() == inner.as_bytes().strip()


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_a_file_is_decoded_by_its_encoding(encoding: str) -> None:
    text = "żółw = turtle\r\n" * 1000
    made = mail()
    made.add_attachment(text, filename="list.csv", cte=encoding)
    (content,) = contents(made.as_bytes())
    assert content.decode().splitlines() == text.splitlines()


@pytest.mark.parametrize("broken", [b"QUJD", b"Q U=\r\nJD", b"QUJ", b"QUJDR", b"QUJD====trash", b"\xffQUJD"])
def test_broken_base64_gives_what_can_be_read(broken: bytes) -> None:
    raw = with_pdf(BIG).as_bytes()
    body = parse(raw).parts[1].body
    raw = raw[:body] + broken + b"\r\n" * 2000
    (content,) = contents(raw)
    assert content
    assert b"ABC".startswith(content[:3])


def test_what_has_an_unknown_encoding_stays() -> None:
    raw = with_pdf(BIG).as_bytes().replace(b"base64", b"x-uuencode")
    with pytest.raises(NotDivisible):
        divided(raw)


def test_the_text_is_never_taken_out() -> None:
    with pytest.raises(NotDivisible) as refused:
        divided(mail("a line\n" * 1000).as_bytes())
    assert refused.value.reason == "text"


def test_another_form_of_the_text_is_never_taken_out() -> None:
    made = mail()
    made.add_alternative(b"BEGIN:VCALENDAR" + BIG, maintype="application", subtype="ics", filename="x.ics")
    with pytest.raises(NotDivisible):
        divided(made.as_bytes())


@pytest.mark.parametrize(
    "sealed",
    [b"multipart/signed; protocol=x", b"MULTIPART/Encrypted", b"application/pkcs7-mime", b"application/x-pkcs7-mime"],
)
def test_nothing_is_taken_out_of_what_is_signed_or_encrypted(sealed: bytes) -> None:
    raw = with_pdf(BIG).as_bytes().replace(b"multipart/mixed", sealed)
    with pytest.raises(NotDivisible) as refused:
        divided(raw)
    assert refused.value.reason == "sealed"


@pytest.mark.parametrize(
    "field",
    [b"Content-Type: application/octet-stream; name=smime.p7m", b"Content-Disposition: attachment; filename=a.p7s"],
)
def test_nor_of_a_message_that_is_one_file_of_that_name(field: bytes) -> None:
    raw = b"From: a@x.example\r\n" + field + b"\r\n\r\n" + BIG
    with pytest.raises(NotDivisible) as refused:
        divided(raw)
    assert refused.value.reason == "sealed"


def test_a_file_of_that_name_beside_a_text_is_a_file_as_all_others_are() -> None:
    assert [one.part.type for one in divided(with_pdf(BIG, "contract.pdf.p7m").as_bytes()).taken] == ["application/pdf"]


def test_a_large_file_beside_a_signed_part_goes_and_the_signed_part_stays_as_it_is() -> None:
    signed = with_pdf(b"small").as_bytes().replace(b"multipart/mixed", b"multipart/signed")
    signed = signed[signed.index(b"Content-Type: multipart/signed") :]
    outer = (
        b"Subject: list\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n"
        b"--o\r\n"
        + signed
        + b"\r\n--o\r\nContent-Type: application/pdf; name=x.pdf\r\n\r\n"
        + b"x" * 9000
        + b"\r\n--o--\r\n"
    )
    assert names(outer) == ["x.pdf"]
    assert signed in rest(outer)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (b'attachment; filename="../../etc/passwd"', "passwd"),
        (b'attachment; filename="C:\\\\x\\\\scan.pdf"', "scan.pdf"),
        (b"attachment; filename*=utf-8''%E6%8E%83%E6%8F%8F.pdf", "掃描.pdf"),
        (b'attachment; filename="=?utf-8?B?5o6D5o+PLnBkZg==?="', "掃描.pdf"),
        (b'attachment; filename="a\x01\x00b\x7f.pdf"', "ab.pdf"),
        (b'attachment; filename="' + b"x" * 900 + b'"', "x" * 255),
        (b"attachment", "attachment.pdf"),
        (b'attachment; filename="=?no-charset?B?AA?="', "=?no-charset?B?AA?="),
    ],
)
def test_a_name_is_readable_and_leads_nowhere(field: bytes, name: str) -> None:
    raw = with_pdf(BIG, "1.pdf").as_bytes().replace(b'attachment; filename="1.pdf"', field)
    assert names(raw) == [name]


def test_more_levels_than_accept_takes_are_refused() -> None:
    raw = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(60))
    with pytest.raises(TooComplex):
        parse(raw)


def test_more_parts_than_accept_takes_are_refused() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n\r\n" * 1200
    with pytest.raises(TooComplex):
        parse(raw)


def test_a_header_that_is_larger_than_accept_takes_is_refused() -> None:
    raw = b"X: y\r\n" * 60_000 + b"\r\n"
    with pytest.raises(TooComplex):
        parse(raw)


def test_the_page_that_pictures_belong_to_is_never_taken_out() -> None:
    made = mail()
    made.make_related()
    raw = made.as_bytes().replace(b"Content-Type: text/plain", b"Content-Type: application/xhtml+xml")
    with pytest.raises(NotDivisible):
        divided(raw.replace(b"page 1", b"<p>" * 3000))


_LINES = st.sampled_from(
    [
        *(b"--a", b"--a--", b"--b", b"--b--", b"--a ", b"--ax", b"", b"", b"text", b" folded", b"no field"),
        *(b"Content-Type: multipart/mixed; boundary=a", b"Content-Type: multipart/related; boundary=b"),
        *(
            b"Content-Type: application/pdf; name=x",
            b"Content-Type: message/rfc822",
            b"Content-Transfer-Encoding: base64",
        ),
        *(b"Content-Disposition: attachment", b"QUJD" * 20, b"=3D=\xff", b"Content-Type: multipart/signed; boundary=b"),
    ]
)


@given(st.lists(_LINES, max_size=40))
def test_whatever_comes_in_what_stays_is_a_part_of_it_and_all_can_be_read(lines: list[bytes]) -> None:
    raw = b"\r\n".join(lines)
    try:
        Shape(b"multipart/mixed; boundary=a").feed(raw)
    except InvalidInput:
        return
    try:
        found = divided(raw, len(raw) // 2)
    except NotDivisible:
        return
    assert sum(map(len, found.rest)) <= max(len(raw) // 2, len(raw) if not found.taken else 0)
    for one in found.taken:
        assert 0 <= one.part.line <= one.part.start <= one.part.body <= one.part.end <= one.part.after <= len(raw)
        assert name_of(raw, one.part)
        b"".join(decoded(raw, one.part))


TEXT_PART = b"Content-Type: text/plain\r\n\r\nhi"
_LONG = b"0123456789012345678901234567890\r\n" * 300
_LONG_TEXT = b"Content-Type: text/plain\r\n\r\n" + _LONG
_SIGNED = b"Content-Type: multipart/signed; boundary=q\r\n\r\n--q\r\n\r\n" + _LONG + b"\r\n--q--"


def _of(kind: bytes, *parts: bytes, epilogue: bytes = b"") -> bytes:
    inner = b"".join(b"--o\r\n" + part + b"\r\n" for part in parts)
    return b"Content-Type: multipart/" + kind + b"; boundary=o\r\n\r\n" + inner + b"--o--\r\n" + epilogue


@pytest.mark.parametrize(
    ("raw", "is_divided"),
    [
        (_of(b"mixed", TEXT_PART, b"Content-Type: text/html\r\nContent-Disposition: attachment\r\n\r\n" + _LONG), True),
        (_of(b"mixed", TEXT_PART, b"Content-Type: text/html\r\nContent-Disposition: inline\r\n\r\n" + _LONG), False),
        (_of(b"mixed", TEXT_PART, b"Content-Disposition: inline; filename=x\r\n\r\n" + _LONG), True),
        (_of(b"mixed", TEXT_PART, b"Content-Type: text/plain; charset=filename\r\n\r\n" + _LONG), False),
        (_of(b"mixed", TEXT_PART, b'Content-Type: text/plain; name=""\r\n\r\n' + _LONG), False),
        (_of(b"mixed", TEXT_PART, b"Content-Type: pdf\r\n\r\n" + _LONG), False),
        (_of(b"mixed", TEXT_PART, b"Content-Type: a/b\r\nContent-Transfer-Encoding: x-uu\r\n\r\n" + _LONG), False),
        (b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: x-uu\r\n\r\n" + _LONG, False),
        (_of(b"mixed", TEXT_PART, b"Content-Type: multipart/mixed\r\n\r\n" + _LONG), False),
        (_of(b"mixed", TEXT_PART, b"Content-Type: message/rfc822\r\n\r\n" + _SIGNED), True),
        (_of(b"signed", TEXT_PART, b"Content-Type: message/rfc822\r\n\r\n" + _SIGNED), False),
        (_of(b"alternative", TEXT_PART, b"Content-Type: message/rfc822\r\n\r\n" + _SIGNED), False),
        (_of(b"mixed", TEXT_PART, _SIGNED), False),
        (_of(b"related", b"Content-Type: application/pdf\r\n\r\n" + _LONG, TEXT_PART), False),
        (_of(b"related", TEXT_PART, b"Content-Type: image/png\r\n\r\n" + _LONG), True),
        (_of(b"mixed", TEXT_PART, epilogue=_LONG), False),
        (_of(b"mixed", TEXT_PART).replace(b"--o\r\n", _LONG + b"--o\r\n", 1), False),
        # A mail in the mail with the same boundary, as programs write it that have but one.
        (_of(b"mixed", TEXT_PART, b"Content-Type: message/rfc822\r\n\r\n" + _of(b"mixed", _LONG_TEXT)), False),
        (_of(b"mixed", TEXT_PART, _of(b"mixed", _LONG_TEXT)), False),
    ],
)
def test_the_door_takes_what_can_be_divided_and_nothing_else(raw: bytes, *, is_divided: bool) -> None:
    header, _, body = raw.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in header.split(b"\r\n"))
    shape = Shape(fields[b"Content-Type"], encoding=fields.get(b"Content-Transfer-Encoding", b""))
    shape.feed(body)
    shape.end(len(body))
    assert (shape.staying <= MOST) is is_divided
    if is_divided:
        assert divided(raw).taken
    else:
        with pytest.raises(NotDivisible):
            divided(raw)
