"""The header scan, with the standard library as judge, and edits that keep every other byte."""

from email import message_from_bytes
from email.policy import compat32
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.emulator.mail import headers as mime

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)
BREAKS = st.sampled_from([b"\r\n", b"\n"])


@settings(deadline=None)
@given(st.lists(st.tuples(NAMES, VALUES), min_size=1), BREAKS, st.binary())
def test_headers_as_the_standard_library_reads_them(
    pairs: list[tuple[str, str]], line_break: bytes, body: bytes
) -> None:
    block = b"".join(f"{name}: {value}".encode() + line_break for name, value in pairs)
    judge = message_from_bytes(block + line_break, policy=compat32)
    assert list(mime.headers_of(block + line_break + body)) == judge.items() == pairs


@pytest.mark.parametrize(
    ("block", "headers"),
    [
        (b"A: 1\r\n 2\r\n\t3\r\n\r\nB: no", (("A", "1 2\t3"),)),
        (b"A:1\nB:\n\nC: no", (("A", "1"), ("B", ""))),
        (b"A: 1", (("A", "1"),)),
        (b"A : 1\r\n", (("A", "1"),)),
        (b"no header here\r\nA: 1\r\n\r\n", (("A", "1"),)),
        (b"A: \xc3\xbc \xff\r\n", (("A", "ü \udcff"),)),
        (b"\r\nA: 1\r\n\r\n", ()),
        (b"\nA: 1\n\n", ()),
        (b"", ()),
    ],
)
def test_odd_header_blocks(block: bytes, headers: Any) -> None:
    assert mime.headers_of(block) == headers


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_can_be_scanned(data: bytes) -> None:
    mime.headers_of(data)
    assert len(mime.without(data, b"bcc")) <= len(data)


def test_the_scan_is_capped() -> None:
    assert len(mime.header_block(b"A: " + b"x" * 10_000_000)) == mime.MAX_HEADERS


ADDRESSES = [
    ("a@x", ["a@x"]),
    ("A <a@x>, b@x", ["a@x", "b@x"]),
    ('"Doe, J" <a@x>', ["a@x"]),
    ("a@x, A@X", ["A@X"]),
    ("team: a@x, b@x;", ["a@x", "b@x"]),
    ("undisclosed-recipients:;", []),
    ("", []),
]


@pytest.mark.parametrize(("value", "found"), ADDRESSES)
def test_addresses(value: Any, found: list[str]) -> None:
    assert mime.addresses((("To", value),), "to") == found


@pytest.mark.parametrize(
    "mail",
    [
        b"Bcc: a@x\r\nTo: b@x\r\n\r\nBcc: c",
        b"To: b@x\r\nBCC : a@x,\r\n c@x\r\n\r\nBcc: c",
        b"To: b@x\r\nbcc:\r\n a@x\r\nBcc: d@x\r\n\r\nBcc: c",
    ],
)
def test_bcc_is_taken_out_and_nothing_else(mail: bytes) -> None:
    assert mime.without(mail, b"bcc") == b"To: b@x\r\n\r\nBcc: c"


def test_bcc_as_last_header_of_a_mail_with_bare_line_feeds() -> None:
    assert mime.without(b"To: b@x\nBcc: a@x\n\nbody", b"bcc") == b"To: b@x\n\nbody"


def test_nothing_to_take_out_copies_nothing() -> None:
    mail = b"To: b@x\r\n\r\n"
    assert mime.without(mail, b"bcc") is mail


WORDS = [
    ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
    ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
    ("=?x-none?q?a?=", "=?x-none?q?a?="),
    ("=?unicode_escape?q?=5Cd?=", "=?unicode_escape?q?=5Cd?="),
    ("=?utf-\udcff?q?a?=", "=?utf-\ufffd?q?a?="),
    ("=?utf-8?b?a?=", "=?utf-8?b?a?="),
    ("\udcc3\udcbc", "ü"),
    ("\udcff", "\ufffd"),
    ("\ud800", "\ufffd"),
]


@pytest.mark.parametrize(("value", "text"), WORDS)
def test_headers_as_people_read_them(value: str, text: str) -> None:
    assert mime.decoded(value) == text


@settings(deadline=None)
@given(st.text(st.characters()))
def test_any_header_can_be_read(value: str) -> None:
    mime.decoded(f"=?utf-8?q?{value}?= =?{value}?b?{value}?=").encode()


@pytest.mark.parametrize(
    "mail", [b"To: a@x\r\n\r\nbody", b"Message-ID: <1@x>\r\nTo: a@x\r\nmessage-id: <2@x>\r\n\r\nbody"]
)
def test_there_is_one_message_id_then(mail: bytes) -> None:
    assert mime.with_message_id(mail, "<3@x>") == b"Message-ID: <3@x>\r\nTo: a@x\r\n\r\nbody"
