"""The top header block: what is found in it, and that its recipients become the envelope's and nothing else changes."""

import email
import email.policy
import email.utils
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.errors import InvalidInput
from pillarbox.core.headers import (
    MAX_BLOCK,
    MAX_FIELDS,
    MAX_HOPS,
    MAX_VALUE,
    address_key,
    address_to,
    canonical,
    check_hops,
    edited,
    entries,
    scan,
    value,
    without_comments,
)

A, B, C = "a@x.example", "b@y.example", "mallory@evil.example"


def as_accepted(mime: bytes) -> bytes:
    """A canonical message with its X- field."""
    block = scan(mime)
    return edited(mime, block, [("X-Pillarbox-Id", "1")]) + mime[block.body :]


def as_sent(mime: bytes, *recipients: str) -> bytes:
    """The whole way of a header: made canonical, given its X- field at acceptance, addressed before it is sent."""
    return address_to(as_accepted(canonical(mime)), recipients).mime


def read_by_stdlib(mime: bytes, *names: str) -> list[str]:
    """The addresses that Python's own parser finds in these fields (all recipients if no name is given)."""
    message = email.message_from_bytes(mime, policy=email.policy.compat32)
    fields = [str(one) for name in names or ("To", "Cc", "Bcc") for one in message.get_all(name, [])]
    # Field by field: newer versions (CVE-2023-27043) give nothing for all when one of them is empty.
    found = [address for one in fields for _, address in email.utils.getaddresses([one])]
    return [address for address in found if address.strip()]


def keys(addresses: list[str] | tuple[str, ...]) -> set[str]:
    return {address_key(address) for address in addresses}


def block_of(mime: bytes) -> tuple[list[bytes], bytes]:
    """The names of the fields, and the body."""
    block = scan(mime)
    return [field.name for field in block.fields], mime[block.body :]


# ---- canonical


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (b"a\nb\r\nc", b"a\r\nb\r\nc"),
        (b"a\rb\r\n", b"a b\r\n"),
        (b"a\r\r\nb", b"a \r\nb"),
        (b"a\n\rb", b"a\r\n b"),
        (b"a\n\n\n", b"a\r\n\r\n\r\n"),
        (b"\r", b" "),
        (b"", b""),
    ],
)
def test_every_line_ends_with_crlf(given_: bytes, expected: bytes) -> None:
    assert canonical(given_) == expected


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"x", b"\0", b" "])).map(b"".join))
def test_no_bare_cr_or_lf_is_left(mime: bytes) -> None:
    lines = canonical(mime).split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert canonical(canonical(mime)) == canonical(mime)


def test_a_bare_cr_hides_no_field_from_us() -> None:
    assert read_by_stdlib(as_sent(b"Subject: x\rBcc: mallory@evil.example\r\n\r\n", A)) == [A]


# ---- scan


@pytest.mark.parametrize(
    ("mime", "names", "body"),
    [
        (b"To: a\r\nCC : b\r\n\r\nbody", [b"to", b"cc"], b"body"),
        (b"Subject: a\r\n b\r\n\tc\r\n\r\n", [b"subject"], b""),
        (b"Subject: a\r\n \r\n b\r\n\r\nbody", [b"subject"], b"body"),
        (b"\r\nTo: a\r\n", [], b"To: a\r\n"),
        (b"To: a\r\n", [b"to"], b""),
        (b"To: a", [b"to"], b""),
        (b"To: a\r\n b", [b"to"], b""),
        (b"", [], b""),
    ],
)
def test_the_header_ends_at_the_empty_line_or_with_the_message(mime: bytes, names: list[bytes], body: bytes) -> None:
    assert block_of(mime) == (names, body)


@pytest.mark.parametrize(
    ("mime", "line"),
    [
        (b"To: a\r\njunk\r\nCc: b\r\n\r\nbody", "junk"),
        (b"To: a\r\nB\xc3\xa4d: x\r\n\r\n", "Bäd: x"),
        (b"To: a\r\nBad Name: x\r\n\r\n", "Bad Name: x"),
        (b" folded first\r\nTo: a\r\n\r\n", " folded first"),
        (b"\tFrom: boss@x\r\n\r\n", "\tFrom: boss@x"),
        (b"From mbox line\r\nTo: a\r\n\r\n", "From mbox line"),
        (b": no name\r\n\r\n", ": no name"),
        (b"hello\r\n", "hello"),
        (b"hello", "hello"),
        (b"a" * 100 + b"\r\n\r\n", "a" * 60),
    ],
)
def test_a_line_that_is_no_field_is_refused_as_parsers_differ_on_it(mime: bytes, line: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        scan(mime)
    assert (caught.value.code, caught.value.params["line"]) == ("mail.bad_header", line)


def test_the_value_is_unfolded() -> None:
    mime = b"Subject:  a\r\n b\r\n\r\n"
    assert value(mime, scan(mime).fields[0]) == b"a b"


def fields_of(count: int) -> bytes:
    return b"X: y\r\n" * count + b"\r\n"


def test_caps_are_exact() -> None:
    assert len(scan(fields_of(MAX_FIELDS)).fields) == MAX_FIELDS
    assert scan(block_of_size(MAX_BLOCK)).body == MAX_BLOCK
    for colon in (b"X:", b"X: ", b"X :\t ", b"X:\r\n "):
        longest = colon + b"y" * MAX_VALUE + b"\r\n\r\n"
        assert value(longest, scan(longest).fields[0]) == b"y" * MAX_VALUE


def block_of_size(size: int) -> bytes:
    """A header block of so many bytes, with the empty line."""
    field = b"X: " + b"y" * 1019 + b"\r\n"
    last = b"X: " + b"y" * (len(field) - 7) + b"\r\n"
    return field * (size // len(field) - 1) + last + b"\r\n" + b"z" * (size % len(field))


@pytest.mark.parametrize(
    ("mime", "code"),
    [
        (fields_of(MAX_FIELDS + 1), "mail.header_too_large"),
        (block_of_size(MAX_BLOCK + 1024), "mail.header_too_large"),
        (b"X: y\r\n" * MAX_BLOCK, "mail.header_too_large"),
        (b"X" * MAX_BLOCK, "mail.header_too_large"),
        (b"X:" + b"y" * (MAX_VALUE + 1) + b"\r\n\r\n", "mail.value_too_large"),
        (b"X: " + b"y" * MAX_VALUE * 2, "mail.value_too_large"),
        (b"X: y\r\n" + b" z\r\n" * MAX_VALUE + b"\r\n", "mail.value_too_large"),
        (b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\r\n\r\n", "mail.header_too_large"),
        (b"Subject:" + b" =?utf-8?q?a?=\r\n" * 8_000 + b"\r\n", "mail.value_too_large"),
        (b"Subject:" + b" =?utf-8?q?a?=\r\n" * 20_000 + b"\r\n", "mail.header_too_large"),
    ],
)
def test_beyond_the_caps_a_header_is_refused(mime: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        scan(mime)
    assert caught.value.code == code


def test_a_name_that_is_refused_is_shown_cut() -> None:
    with pytest.raises(InvalidInput) as caught:
        scan(b"x" * MAX_VALUE + b":" + b"y" * (MAX_VALUE + 1) + b"\r\n\r\n")
    assert caught.value.params["field"] == "x" * 60


def test_the_first_bytes_of_a_message_are_enough() -> None:
    mime = block_of_size(MAX_BLOCK) + b"body" * 10_000
    assert scan(mime[: MAX_BLOCK + 4096]) == scan(mime)


def test_a_message_that_goes_round_in_a_circle_is_refused() -> None:
    check_hops(scan(b"Received: x\r\n" * MAX_HOPS + b"\r\n"))
    with pytest.raises(InvalidInput) as caught:
        check_hops(scan(b"Received: x\r\n" * (MAX_HOPS + 1) + b"\r\n"))
    assert (caught.value.code, caught.value.entry.smtp) == ("mail.loop", "554 5.4.6")


def test_a_large_body_is_no_large_header() -> None:
    assert scan(b"To: a\r\n\r\n" + b"x" * 2 * MAX_BLOCK).body == 9


def test_our_own_fields_put_no_message_beyond_the_caps() -> None:
    assert as_sent(b"To: a@x.example\r\n" + fields_of(MAX_FIELDS - 1), A).endswith(b"X: y\r\n\r\n")
    long = block_of_size(MAX_BLOCK)
    assert as_sent(long, A).endswith(long)


def test_what_was_accepted_before_there_was_a_cap_on_values_is_sent() -> None:
    long = b"X-Pillarbox-Id: 1\r\nX: " + b"y" * MAX_BLOCK + b"\r\n\r\n"
    assert address_to(long, [A]).mime.endswith(long)


# ---- edits


def anew(mime: bytes, above: list[tuple[str, str]], *without: bytes) -> bytes:
    """The message with its header block edited; fields are taken out by their names."""
    block = scan(mime)
    return edited(mime, block, above, list(block.named(*without))) + mime[block.body :]


def test_fields_are_added_above_all_others() -> None:
    assert anew(b"To: a\r\n\r\nb", [("X", "ü"), ("Y", "\udcff")]) == b"X: \xc3\xbc\r\nY: \xff\r\nTo: a\r\n\r\nb"


@pytest.mark.parametrize(
    ("mime", "expected"),
    [
        (b"\r\njust text", b"X: y\r\n\r\njust text"),
        (b"Bcc: m@e", b"X: y\r\nBcc: m@e\r\n\r\n"),
        (b"To: a\r\n", b"X: y\r\nTo: a\r\n\r\n"),
        (b"", b"X: y\r\n\r\n"),
    ],
)
def test_a_missing_empty_line_is_put_in_so_that_every_parser_agrees(mime: bytes, expected: bytes) -> None:
    assert anew(mime, [("X", "y")]) == expected


@pytest.mark.parametrize(
    ("mime", "expected"),
    [
        (b"From: a\r\nTo: b\r\nFROM : c\r\n d\r\n\r\nFrom: e\r\n", b"X: y\r\nTo: b\r\n\r\nFrom: e\r\n"),
        (b"To: b\r\nFrom: a", b"X: y\r\nTo: b\r\n\r\n"),
        (b"From: a\r\n", b"X: y\r\n\r\n"),
    ],
)
def test_fields_are_taken_out_whole_and_nothing_else(mime: bytes, expected: bytes) -> None:
    assert anew(mime, [("X", "y")], b"from") == expected


# ---- address lists


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a@x, B <b@y>", [("a@x",), ("b@y",)]),
        (b'"Doe, Jane" <a@x>', [("a@x",)]),
        (b"=?utf-8?q?Doe=2C_Jane?= <a@x>", [("a@x",)]),
        (b"=?utf-8?b?RG9lLCBKYW5l?= =?utf-8?q?x?= <a@x>", [("a@x",)]),
        (b"a@x (the boss)", [("a@x",)]),
        (b"(x) <a@x>", [("a@x",)]),
        (b"Team: a@x, b@y;", [("a@x",), ("b@y",)]),
        (b"undisclosed-recipients:;", []),
        (b"a@x; b@y", [("a@x",), ("b@y",)]),
        (b'"a b"@x', [('"a b"@x',)]),
        (b"a@[192.0.2.1]", [("a@[192.0.2.1]",)]),
        (b"J\xc3\xbcrgen <j@\xc3\xbc.example>", [("j@ü.example",)]),
        (b"M\xfcller <a@x>", [("a@x",)]),
        (b"b@y <a@x>", [("a@x", "b@y")]),
        (b'"b@y" <a@x>', [("a@x",)]),
        (b'"x\r\n b@y" <a@x>', [()]),
        (b'"Doe, \\"J\\"" <a@x>', [("a@x",)]),
        (b'"Doe \\\\" <a@x>', [("a@x",)]),
        (b'"Doe \\" <b@y>" <a@x>', [()]),
        (b'J. "Jane" Doe (IT) <a@x>', [("a@x",)]),
        (b'x "b, c" <a@x>', [(), ()]),
        (b'=?x?q? "?= <b@y> =?x?q?" ?= <a@x>', [()]),
        (b'x " =?x?q?a " b ?= <a@x>', [()]),
        (b"=?x?q?a?=22 <a@x>", [()]),
        (b"a@x b@y", [()]),
        (b"a@x <", [()]),
        (b"@y:a@x", [()]),
        (b"<@y:a@x>", [()]),
        (b"(b@y) a@x", [()]),
        (b"m\xfc@x", [()]),
        (b"a@x\x0b", [()]),
        (b"a@x\x0c, b@y\0", [(), ()]),
        (b"\x0ba@x", [()]),
        (b", ,;", []),
        (b"", []),
    ],
)
def test_entries(text: bytes, expected: list[tuple[str, ...]]) -> None:
    assert [entry.addresses for entry in entries(text)] == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A@X.example", "a@x.EXAMPLE"),
        ("a@ü.example", "a@xn--tda.example"),
        ("a@Ü.example", "a@ü.example"),
        ("Ü@x", "ü@x"),
    ],
)
def test_one_mailbox_has_one_key(one: str, other: str) -> None:
    assert address_key(one) == address_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("strasse@x", "straße@x"),
        ("mike@x", "mi\u212ae@x"),  # the Kelvin sign
        ("s@x", "\u017f@x"),  # the long s
        ("i@x", "\u0131@x"),  # the dotless i
        ("a@fass.de", "a@faß.de"),  # IDNA 2003 and 2008 differ
        ("a@x", "\u0430@x"),  # Cyrillic
    ],
)
def test_two_mailboxes_have_two_keys(one: str, other: str) -> None:
    assert address_key(one) != address_key(other)


@given(st.text())
def test_a_key_is_found_for_any_text_and_stays(text: str) -> None:
    assert address_key(address_key(text)) == address_key(text)


# ---- the recipients become the envelope's


def test_recipients_that_no_header_names_go_into_one_new_bcc() -> None:
    sent = address_to(b"To: a@x.example\r\nSubject: s\r\n\r\nbody", [A, B]).mime
    assert sent == b"Bcc: b@y.example\r\nTo: a@x.example\r\nSubject: s\r\n\r\nbody"


def test_a_bcc_that_came_is_gone() -> None:
    sent = address_to(
        b"Bcc: mallory@evil.example,\r\n b@y.example\r\nbcc : x@x\r\nResent-Bcc: y@y\r\nTo: a@x.example\r\n\r\n", [A, B]
    )
    assert sent.mime == b"Bcc: b@y.example\r\nTo: a@x.example\r\n\r\n"


def test_who_is_in_a_header_alone_is_taken_out_and_named() -> None:
    sent = address_to(b'To: A <a@x.example>, "M, X" <mallory@evil.example>\r\nCc: mallory@evil.example\r\n\r\n', [A])
    assert sent.mime == b"To: A <a@x.example>\r\n\r\n"
    assert sent.removed == ('"M, X" <mallory@evil.example>', "mallory@evil.example")


def test_what_was_removed_can_be_written_down_whatever_bytes_it_was() -> None:
    (removed,) = address_to(b"To: M\xfcller <m@evil.example>\r\n\r\n", [A]).removed
    assert removed.encode("utf-8").startswith(b"M")


@pytest.mark.parametrize(
    "to",
    [
        b'To:  "Doe, J" <A@X.example> (boss),\r\n\tb@y.example\r\n',
        b"To: =?utf-8?q?J=2C?= <a@x.example>\r\n",
        b"To: undisclosed-recipients:;\r\n",
        b"To:\r\n",
        b"To: <a@x.example>,\r\n",  # empty entries
        b"To: , A <a@x.example>,,\r\n b@y.example ,\r\n",
        b"To: (boss) a@x.example\r\n",
    ],
)
def test_a_field_that_needs_no_edit_stays_byte_for_byte(to: bytes) -> None:
    sent = address_to(to + b"\r\nbody", [A, B])
    assert sent.mime.endswith(to + b"\r\nbody")
    assert sent.removed == ()


HOSTILE = st.lists(
    st.sampled_from(
        [
            *(A.encode(), B.encode(), C.encode(), b"<a@x.example>", b"<mallory@evil.example>", b"A", b"@", b"<", b">"),
            *(b'"', b"(", b")", b",", b";", b":", b"\\", b" ", b"\r\n ", b"\n\t", b"\r", b"[", b"]", b".", b"\0"),
            *(b"=?utf-8?q?x=2C?=", b"=?utf-8?q?", b"?=", b"mallory@evil.example,", b"\xff", b"\xc3\xbc", b"\x0b", b"'"),
        ]
    ),
    max_size=14,
).map(b"".join)
NAMES = st.sampled_from([b"To", b"cc", b"BCC", b"Subject", b"Resent-Bcc", b"X", b"Date"])
FIELDS = st.lists(st.tuples(NAMES, HOSTILE).map(lambda pair: pair[0] + b": " + pair[1] + b"\r\n"), max_size=5)
BODIES = st.sampled_from(
    [b"\r\nBcc: mallory@evil.example\r\n\r\n\0\xff", b"\r\n", b"", b"\r\njunk\r\nTo: mallory@evil.example\r\n"]
)
HEADERS = st.tuples(FIELDS.map(b"".join), BODIES).map(b"".join)


@given(HEADERS, st.sampled_from([(A,), (B,), (A, B)]))
def test_the_standard_library_reads_exactly_the_envelope(mime: bytes, recipients: tuple[str, ...]) -> None:
    assert keys(read_by_stdlib(as_sent(mime, *recipients))) == keys(recipients)


@given(HEADERS, st.sampled_from([(A,), (A, B)]))
def test_there_is_at_most_one_bcc_and_it_names_only_the_rest(mime: bytes, recipients: tuple[str, ...]) -> None:
    sent = as_sent(mime, *recipients)
    blind = read_by_stdlib(sent, "Bcc")
    assert keys(blind) <= keys(recipients) - keys(read_by_stdlib(sent, "To", "Cc"))
    assert [name for name, _ in block_fields(sent)].count(b"bcc") == bool(blind)


def block_fields(mime: bytes) -> list[tuple[bytes, bytes]]:
    return [(field.name, mime[field.start : field.end]) for field in scan(mime).fields]


@given(HEADERS, st.sampled_from([(A,), (A, B)]))
def test_other_fields_and_the_body_stay_byte_for_byte(mime: bytes, recipients: tuple[str, ...]) -> None:
    before = as_accepted(canonical(mime))
    after = address_to(before, recipients).mime
    edited = (b"to", b"cc", b"bcc", b"resent-bcc")
    assert [f for f in block_fields(after) if f[0] not in edited] == [
        f for f in block_fields(before) if f[0] not in edited
    ]
    assert after[scan(after).body :] == before[scan(before).body :]


@pytest.mark.parametrize(
    "piece",
    [
        *(b"(", b'"', b"<", b"=?", b"a@", b",", b"a", b":", b"a@b ", b"\\", b"\xc3\xbc", b"[", b"a@b,"),
        *(b"@,", b'\\"', b'\\",', b'"\\",', b'"a"', b'a"b', b"(a)", b'",', b"(,"),
    ],
)
@pytest.mark.parametrize("ending", [b"", b" <a@x.example>"])
def test_time_is_linear(piece: bytes, ending: bytes) -> None:
    """Eight times as much may take 24 times as long, on a busy machine; a square would take 64 times."""
    small, large = (b"To: " + piece * (size // len(piece)) + ending + b"\r\n\r\n" for size in (12_500, 100_000))
    assert read_by_stdlib(address_to(large, [A]).mime, "Bcc") in ([A], [])
    assert cost(large) < 24 * cost(small)


def cost(mime: bytes) -> float:
    """CPU seconds to address it, the least of five."""
    costs = []
    for _ in range(5):
        began = time.process_time()
        address_to(mime, [A])
        costs.append(time.process_time() - began)
    return min(costs)


def test_of_two_addresses_in_one_entry_both_still_get_the_mail() -> None:
    mail = b"To: a@contoso.example <b@contoso.example>\r\n\r\nx\r\n"
    addressed = address_to(mail, ["a@contoso.example", "b@contoso.example"])
    assert addressed.mime == b"Bcc: a@contoso.example,\r\n b@contoso.example\r\n\r\nx\r\n"


def test_a_blank_before_the_colon_is_taken_out_as_some_parsers_see_no_field_there() -> None:
    addressed = address_to(b"To : a@contoso.example\r\n\r\nx\r\n", ["a@contoso.example"])
    assert addressed.mime == b"To: a@contoso.example\r\n\r\nx\r\n"


@pytest.mark.parametrize(
    "to",
    [
        b'a@x.example"b@y.example" =?x?q?"?= <a@x.example>',
        b'"b@y.example"a@x.example"x" <a@x.example>',
        b'=?utf-8?q?5"_disk?= <a@x.example>',
        b'"x, b@y.example, y" <a@x.example>',
        b'"x\\" b@y.example \\"y" <a@x.example>',
        b"x (b@y.example) <a@x.example>",
        b"a@x.example (b@y.example)",
    ],
)
def test_an_entry_in_which_a_parser_may_see_somebody_else_goes_into_the_bcc(to: bytes) -> None:
    addressed = address_to(b"To: " + to + b"\r\n\r\nx\r\n", ["a@x.example"])
    assert addressed.mime == b"Bcc: a@x.example\r\n\r\nx\r\n"
    assert addressed.removed


@pytest.mark.parametrize(
    "to", [b"Team: a@x.example, b@y.example;", b"a@x.example;b@y.example", b"Fwd: To: a@x.example,b@y.example"]
)
def test_groups_and_foreign_separators_are_written_as_a_list(to: bytes) -> None:
    addressed = address_to(b"To: " + to + b"\r\n\r\nx\r\n", ["a@x.example", "b@y.example"])
    assert addressed.mime == b"To: a@x.example,\r\n b@y.example\r\n\r\nx\r\n"


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("a/b", "a/b"),
        ('(x) a (y (z) \\) " )b', "  a  b"),
        ('a="(x)"; b="\\"(y)"', 'a="(x)"; b="\\"(y)"'),
        ("a (x", "a "),
        ("a) b", "a) b"),
        ("a\\", "a\\"),
    ],
)
def test_comments_are_left_out_of_a_value(said: str, plain: str) -> None:
    assert without_comments(said) == plain
