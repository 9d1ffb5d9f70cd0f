"""The shape of MIME: what is counted, what is refused, that any split gives the same, and that time is linear."""

import email
import email.message
import email.policy
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.core.errors import InvalidInput
from pillarbox.core.mime_shape import MAX_BOUNDARY, MAX_DEPTH, MAX_PART_HEADER, MAX_PARTS, Shape

MIXED = b'multipart/mixed; boundary="b"'


def shape_of(content_type: bytes, *pieces: bytes) -> Shape:
    shape = Shape(content_type)
    for piece in pieces:
        shape.feed(piece)
    return shape


def counts(content_type: bytes, *pieces: bytes) -> tuple[int, int]:
    """Depth and parts."""
    shape = shape_of(content_type, *pieces)
    return shape.depth, shape.parts


def refused(content_type: bytes, *pieces: bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        shape_of(content_type, *pieces)
    assert caught.value.entry.smtp == "554 5.6.0"
    return caught.value.code


def nested(depth: int) -> tuple[bytes, bytes]:
    """Multiparts inside each other, the outermost one's Content-Type apart."""
    types = [b"multipart/mixed; boundary=b%d" % level for level in range(depth)]
    inner = [b"--b%d\r\nContent-Type: %s\r\n\r\n" % (level, one) for level, one in enumerate(types[1:])]
    return types[0], b"".join(inner) + b"--b%d\r\n\r\nhello\r\n" % (depth - 1)


# ---- what is counted


@pytest.mark.parametrize(
    "content_type", [b"", b"text/plain", b"application/pdf; name=x", b"multipart", b"a/multipart/b"]
)
def test_a_message_of_one_part_is_done_at_once(content_type: bytes) -> None:
    shape = shape_of(content_type, b"--b\r\n\r\n--b\r\n")
    assert (shape.is_done, shape.depth, shape.parts) == (True, 0, 0)


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        (MIXED, b"--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n", (1, 2)),
        (MIXED, b"preamble\r\n--b\r\n\r\none\r\n--b--\r\n--b\r\nepilogue", (1, 1)),
        (MIXED, b"--b \t\r\n\r\n--b-- \r\n", (1, 1)),
        (MIXED, b"--bb\r\n--B\r\n --b\r\n-- b\r\n", (1, 0)),
        (b"Multipart/Mixed (x);\tcharset=x; BOUNDARY = b", b"--b\r\n\r\n", (1, 1)),
        (b'multipart/mixed; name="; boundary=x"; boundary=b', b"--x\r\n--b\r\n\r\n", (1, 1)),
        (b'multipart/mixed; x="a\\"b"; boundary="a_b" ; charset=x;', b"--a_b\r\n\r\n", (1, 1)),
        (b'multipart/related; boundary=a=_b; type="text/html"', b"--a=_b\r\n\r\n", (1, 1)),
        (b"(hidden) multipart/mixed; boundary=b", b"--b\r\n\r\n", (1, 1)),
        (b"message/partial", b"Content-Type: " + MIXED + b"\r\n\r\n--b\r\n\r\n", (2, 1)),
        (b"multipart/mixed; boundary=b--", b"--b\r\n--b--\r\n\r\n--b----\r\n", (1, 1)),
        (MIXED, b"--b\r\nContent-Type: multipart/mixed; boundary=b--\r\n\r\n--b--\r\n\r\n--b----\r\n--b--\r\n", (2, 2)),
        (MIXED, b"--b\r\nX: y\r\n--b--\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n", (1, 1)),
        (b"multipart/mixed", b"--\r\n\r\n", (0, 0)),
        (
            MIXED,
            b"--b\r\ncontent-type: multipart/alternative;\r\n boundary=c\r\n\r\n--c\r\n\r\n--c--\r\n--b--\r\n",
            (2, 2),
        ),
        (MIXED, b"--b\r\nContent-Type:\r\n\tmessage/rfc822\r\n\r\nSubject: x\r\n\r\nhello\r\n--b--", (2, 1)),
        (b"message/rfc822", b"Content-Type: " + MIXED + b"\r\n\r\n--b\r\n\r\n", (2, 1)),
        (b"multipart/digest; boundary=b", b"--b\r\n\r\nSubject: a message\r\n\r\n--b\r\n", (2, 2)),
        (b"multipart/digest; boundary=b", b"--b\r\nContent-Type: text/plain\r\n\r\n--b\r\n", (1, 2)),
        (MIXED, b"--b\r\nContent-Type: " + MIXED + b"\r\n\r\n--b\r\n\r\n--b--\r\n--b\r\n", (2, 3)),
        (MIXED, b"--b\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n\r\n", (1, 1)),
        (MIXED, b"--b\r\nContent-Type: %s\r\nContent-Type: %s\r\n\r\n" % (MIXED, MIXED), (2, 1)),
    ],
)
def test_parts_and_depth(content_type: bytes, body: bytes, expected: tuple[int, int]) -> None:
    assert counts(content_type, body) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"--b\r\n\r\nno last boundary",
        b"--b\r\n\r\nno last line end\r\n--b--",
        b"--b\r\nX: only a header\r\n",
        b"--b",
        b"",
        b"--b\r\n--b\r\n--b--\r\n--b--\r\n",
    ],
)
def test_what_is_cut_off_or_empty_is_no_offence(body: bytes) -> None:
    shape_of(MIXED, body)


# ---- what is refused


def test_fifty_levels_are_taken_and_one_more_is_not() -> None:
    assert counts(*nested(MAX_DEPTH)) == (MAX_DEPTH, MAX_DEPTH)
    assert refused(*nested(MAX_DEPTH + 1)) == "mail.mime_too_deep"
    assert refused(*nested(20_000)) == "mail.mime_too_deep"


def test_messages_inside_messages_are_levels_too() -> None:
    inner = b"Content-Type: message/rfc822\r\n\r\n"
    assert counts(b"message/rfc822", inner * (MAX_DEPTH - 1)) == (MAX_DEPTH, 0)
    assert refused(b"message/rfc822", inner * MAX_DEPTH) == "mail.mime_too_deep"
    assert refused(b"message/rfc822", inner * 5000) == "mail.mime_too_deep"


def test_a_thousand_parts_are_taken_and_one_more_is_not() -> None:
    assert counts(MIXED, b"--b\r\n\r\nx\r\n" * MAX_PARTS) == (1, MAX_PARTS)
    assert refused(MIXED, b"--b\r\n\r\nx\r\n" * (MAX_PARTS + 1)) == "mail.mime_too_many_parts"
    assert refused(MIXED, b"--b\r\n" * 200_000) == "mail.mime_too_many_parts"


@pytest.mark.parametrize("quote", [b"", b'"'])
def test_seventy_characters_of_boundary_are_taken_and_one_more_is_not(quote: bytes) -> None:
    longest = b"x" * MAX_BOUNDARY
    assert counts(b"multipart/mixed; boundary=" + quote + longest + quote, b"--" + longest + b"\r\n") == (1, 1)
    assert refused(b"multipart/mixed; boundary=" + quote + longest + b"x" + quote) == "mail.mime_boundary"
    inner = b"--b\r\nContent-Type: multipart/mixed; boundary=" + longest + b"x\r\n\r\n"
    assert refused(MIXED, inner) == "mail.mime_boundary"


@pytest.mark.parametrize(
    "form",
    [
        b"boundary*=us-ascii''b",
        b"boundary*=us-ascii''%62",
        b"boundary*0=b",
        b"Boundary*0*=us-ascii''b",
        b"boundary=x; boundary=b",
        b"\x0cboundary=b",
        b"(c)boundary=b",
        b"boundary=<b>",
        b'boundary="<b>"',
        b'boundary="\\"b\\""',
        b'boundary="\\b"',
        b"boundary=b (c)",
        b'x=a"; y="z; boundary=b',
        b'x="a\\\\"; boundary=b',
    ],
)
@pytest.mark.parametrize("inner", [False, True])
def test_a_boundary_that_is_not_read_alike_everywhere_is_refused(form: bytes, inner: bool) -> None:
    content_type = b"multipart/mixed; " + form
    types, body = (MIXED, b"--b\r\nContent-Type: " + content_type + b"\r\n\r\n") if inner else (content_type, b"")
    assert refused(types, body) == "mail.mime_boundary_form"


@pytest.mark.parametrize("composite", [MIXED, b"message/rfc822"])
def test_two_types_of_which_one_has_parts_are_refused(composite: bytes) -> None:
    for types in ([b"text/plain", composite], [composite, b"text/plain"], [composite, b"multipart/mixed; boundary=B"]):
        with pytest.raises(InvalidInput, match="two Content-Type"):
            Shape(*types)
        header = b"".join(b"Content-Type: " + one + b"\r\n" for one in types)
        assert refused(MIXED, b"--b\r\n" + header + b"\r\n") == "mail.mime_two_types"
    Shape(b"text/plain", b"text/html")


def test_messages_of_any_name_are_levels() -> None:
    assert refused(b"message/x-mine", b"Content-Type: message/x-mine\r\n\r\n" * MAX_DEPTH) == "mail.mime_too_deep"


def test_a_boundary_of_a_megabyte_is_refused() -> None:
    inner = b"--b\r\nContent-Type: multipart/mixed; boundary=" + b"x" * 1_000_000 + b"\r\n\r\n"
    assert refused(MIXED, inner) in ("mail.header_too_large", "mail.value_too_large")
    folded = b"--b\r\nContent-Type: multipart/mixed; boundary=" + b"x\r\n " * 10_000 + b"\r\n\r\n"
    assert refused(MIXED, folded) == "mail.value_too_large"


def test_the_header_of_a_part_has_an_end() -> None:
    shape_of(MIXED, b"--b\r\n" + b"X: y\r\n" * (MAX_PART_HEADER // 6) + b"\r\n")
    assert refused(MIXED, b"--b\r\n" + b"X: y\r\n" * (MAX_PART_HEADER // 6 + 1) + b"\r\n") == "mail.header_too_large"
    assert refused(MIXED, b"--b\r\n", b"X" * MAX_PART_HEADER, b"X") == "mail.header_too_large"


# ---- any split gives the same

PIECES = st.lists(
    st.sampled_from(
        [
            *(b"--b", b"--c", b"--b--", b"--c--", b"--", b"-", b"\r\n", b"\r\n", b"\r\n\r\n", b" ", b"x", b"x" * 300),
            *(b"Content-Type:", b"content-type: ", b"multipart/mixed; boundary=c", b" boundary=b", b"; boundary=c"),
            *(b"message/rfc822", b"multipart/digest;", b"text/plain", b"X: y", b"\r\n ", b" " * 300, b'"', b"\\"),
        ]
    ),
    max_size=40,
)


def outcome(*pieces: bytes) -> tuple[int, int] | str:
    """Depth and parts, or why it is refused."""
    try:
        return counts(MIXED, *pieces)
    except InvalidInput as error:
        return error.code


@given(PIECES, st.lists(st.integers(0, 2000), max_size=8))
def test_any_split_gives_the_same(pieces: list[bytes], cuts: list[int]) -> None:
    body = b"--b\r\n" + b"".join(pieces)
    ends = sorted({min(cut, len(body)) for cut in cuts})
    split = [body[start:end] for start, end in zip([0, *ends], [*ends, len(body)], strict=True)]
    assert outcome(*split) == outcome(body)


@given(PIECES)
def test_byte_by_byte_gives_the_same(pieces: list[bytes]) -> None:
    body = b"--b\r\n" + b"".join(pieces)
    assert outcome(*(body[at : at + 1] for at in range(len(body)))) == outcome(body)


def test_a_delimiter_with_many_blanks_behind_is_one_however_it_is_cut() -> None:
    for behind, parts in ((b" " * 150, 1), (b" " * 149 + b"x", 0)):
        assert counts(MIXED, b"--b" + b" " * 150, behind, b"\r\n\r\n") == (1, parts)


# ---- as Python's email package sees it

Tree = int | tuple[str, list["Tree"]]
TREES: st.SearchStrategy[Tree] = st.recursive(
    st.integers(0, 9),
    lambda inner: st.tuples(st.sampled_from(["mixed", "digest", "message"]), st.lists(inner, min_size=1, max_size=4)),
    max_leaves=12,
)


def written(tree: Tree, names: list[int]) -> bytes:
    """An entity with its header."""
    if isinstance(tree, int):
        return b"Content-Type: text/plain\r\n\r\n" + b"line\r\n" * tree
    kind, inner = tree
    if kind == "message":
        return b"Content-Type: message/rfc822\r\n\r\n" + written(inner[0], names)
    names.append(0)
    boundary = b"b%d" % len(names)
    parts = b"".join(b"\r\n--" + boundary + b"\r\n" + written(one, names) for one in inner)
    return (
        b"Content-Type: multipart/%s; boundary=%s\r\n" % (kind.encode(), boundary)
        + parts
        + b"\r\n--%s--\r\n" % boundary
    )


def seen_by_stdlib(message: email.message.Message, depth: int = 0) -> tuple[int, int]:
    children = message.get_payload()
    if not isinstance(children, list):
        return depth, 0
    found = [seen_by_stdlib(child, depth + 1) for child in children if isinstance(child, email.message.Message)]
    own = len(found) if message.get_content_maintype() == "multipart" else 0
    return max([depth + 1, *(one[0] for one in found)]), own + sum(one[1] for one in found)


@given(TREES)
def test_the_standard_library_sees_the_same_shape(tree: Tree) -> None:
    mime = written(tree, [])
    head, _, body = mime.partition(b"\r\n\r\n")
    content_type = head.partition(b":")[2].strip()
    assert counts(content_type, body) == seen_by_stdlib(email.message_from_bytes(mime, policy=email.policy.compat32))


CONTENT_TYPES = st.lists(
    st.sampled_from(
        [
            *(b"boundary", b"BOUNDARY", b"=", b"=", b";", b"; ", b"; boundary=", b"b", b"x", b'"', b"\\", b"*", b"0"),
            *(b"*=us-ascii''", b"%62", b"<", b">", b"(", b")", b"\x0b", b"\x1c", b"\t", b" ", b"'", b"--", b"\xc3\xbc"),
        ]
    ),
    max_size=14,
).map(b"".join)


@given(CONTENT_TYPES)
@settings(max_examples=1000)
def test_the_standard_library_finds_no_other_boundary(text: bytes) -> None:
    content_type = b"multipart/mixed; " + text
    message = email.message_from_bytes(b"Content-Type: %s\r\n\r\n" % content_type, policy=email.policy.compat32)
    if message.get_content_maintype() != "multipart" or (boundary := message.get_boundary()) is None:
        return
    found = boundary.encode("ascii", "surrogateescape" if text.isascii() else "replace")
    try:
        shape = shape_of(content_type, b"--" + found + b"\r\n\r\n")
    except InvalidInput:
        return
    assert shape.parts == 1 or not text.isascii()


# ---- what cannot be taken out


def staying(content_type: bytes, *pieces: bytes, disposition: bytes = b"") -> tuple[int, bool]:
    """Bytes that stay, and whether something is sealed."""
    shape = Shape(*filter(None, [content_type]), disposition=disposition)
    for piece in pieces:
        shape.feed(piece)
    shape.end(sum(map(len, pieces)))
    return shape.staying, shape.holds_sealed


TEXT = b"0123456789\r\n" * 10
PDF = b"--b\r\nContent-Type: application/pdf\r\n\r\n" + TEXT
SIGNED = b"--b\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n" + PDF[5:] + b"\r\n--s--\r\n"


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        (b"", TEXT, (120, False)),
        (b"text/html", TEXT, (120, False)),
        (b"application/pdf", TEXT, (0, False)),
        (b"text/csv; name=x.csv", TEXT, (0, False)),
        (b"multipart/signed; boundary=x", TEXT, (120, True)),
        (b"application/octet-stream; name=smime.p7m", TEXT, (120, True)),
        (b"message/rfc822", b"\r\n" + TEXT, (0, False)),
        (MIXED, b"preamble\r\n--b\r\n\r\n" + TEXT + b"\r\n" + PDF + b"\r\n--b--\r\n" + TEXT, (257, False)),
        (MIXED, b"--b\r\nContent-Disposition: inline;\r\n filename=x\r\n\r\n" + TEXT + b"\r\n--b--", (0, False)),
        (MIXED, b"--b\r\nContent-Type: message/rfc822\r\n\r\n\r\n" + TEXT + b"\r\n--b--", (0, False)),
        (b"multipart/alternative; boundary=b", PDF + b"\r\n--b\r\n\r\n" + TEXT + b"\r\n--b--\r\n", (249, False)),
        (b"multipart/alternative; boundary=b", b"--b\r\nContent-Type: multipart/x\r\n\r\n" + TEXT, (120, False)),
    ],
)
def test_text_and_what_is_sealed_stays(content_type: bytes, body: bytes, expected: tuple[int, bool]) -> None:
    assert staying(content_type, body) == expected
    pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
    assert staying(content_type, *pieces) == expected


def test_a_signed_part_stays_whole_and_what_follows_it_does_not() -> None:
    alone, is_sealed = staying(MIXED, SIGNED + b"--b--")
    assert is_sealed
    assert len(TEXT) <= alone <= len(SIGNED)
    followed, is_sealed = staying(MIXED, SIGNED + PDF + b"\r\n--b--")
    assert is_sealed
    assert len(TEXT) <= followed <= alone
    unclosed = SIGNED.replace(b"--s--\r\n", b"")
    assert staying(MIXED, unclosed + PDF + b"\r\n--b--")[0] <= len(unclosed)
    assert staying(MIXED, unclosed + b"--b--\r\n" + TEXT * 9)[0] <= len(unclosed) + len(TEXT * 9)


AGAIN = b"Content-Type: " + MIXED + b"\r\n\r\n"
MAIL = b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n"


@pytest.mark.parametrize("before", [b"--b\r\n", b"--b\r\n" + MAIL, PDF + b"--b\r\n" + MAIL + MAIL])
@pytest.mark.parametrize("behind", [PDF + b"--b--\r\n", PDF + b"--b--\r\n" + PDF + b"--b--\r\n", PDF + SIGNED, MAIL])
def test_from_a_boundary_on_that_is_repeated_all_stays(before: bytes, behind: bytes) -> None:
    alone = staying(MIXED, before + AGAIN)[0]
    assert staying(MIXED, before + AGAIN + behind)[0] == alone + len(behind)


@pytest.mark.parametrize(
    "body",
    [
        # One after the other, or within messages alone.
        SIGNED.replace(b"signed", b"mixed") * 2 + b"--b--",
        b"--b\r\n" + MAIL + b"Content-Type: multipart/mixed; boundary=s\r\n\r\n--s\r\n" * 2 + TEXT + b"\r\n--b--",
    ],
)
def test_a_boundary_that_is_no_open_one_s_of_the_message_itself_is_not_repeated(body: bytes) -> None:
    assert staying(MIXED, body)[0] < len(TEXT)


def test_a_name_is_no_text_also_where_the_disposition_alone_tells_it() -> None:
    assert staying(b"text/plain", TEXT, disposition=b"attachment; filename=x") == (0, False)


# ---- time


def cost(content_type: bytes, pieces: Sequence[bytes]) -> float:
    """CPU seconds, the least of three."""
    costs = []
    for _ in range(3):
        began = time.process_time()
        shape_of(content_type, *pieces)
        costs.append(time.process_time() - began)
    return min(costs)


@pytest.mark.parametrize("line", [b"--\r\n", b"--x\r\n", b"\r\n"])
@pytest.mark.parametrize(
    ("outer", "before"),
    [
        (MIXED, b""),
        (MIXED, b"--b--\r\n"),
        (b"message/rfc822", b"\r\n"),
        (MIXED, b"--b\r\nContent-Type: message/x\r\n\r\n\r\n"),
    ],
)
def test_lines_that_can_be_no_delimiter_are_not_looked_at_one_by_one(outer: bytes, before: bytes, line: bytes) -> None:
    """They cost 5 to 15 times as much as text of long lines; one by one, it was 200 times."""
    text = b"x" * 76 + b"\r\n"
    hostile = cost(outer, [before + line * (2_000_000 // len(line))])
    assert hostile < 40 * cost(MIXED, [text * (2_000_000 // len(text))])


@pytest.mark.parametrize(
    "line", [b"x", b"--", b"--\r\n", b"--x\r\n", b"\r\n", b"--b--\r\n", b"--b ", b" ", b"\r\n--", b'";', b"; boundary="]
)
@pytest.mark.parametrize("before", [b"", b"--b\r\n\r\n"])
def test_time_is_linear(line: bytes, before: bytes) -> None:
    """Eight times as much may take 24 times as long, on a busy machine; a square would take 64 times."""
    small, large = ([before, *[line * (4096 // len(line))] * count] for count in (64, 512))
    assert cost(MIXED, large) < 24 * max(cost(MIXED, small), 0.0005)
