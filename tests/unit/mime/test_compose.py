"""Composed messages: whatever somebody's words are, the header fields are those that were asked for."""

import base64
import email
import email.parser
import email.policy
import email.utils
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from typing import Any, Final

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core import headers
from pillarbox.core.content import PIECE, InMemory
from pillarbox.core.errors import InvalidInput, PillarboxError
from pillarbox.mime.compose import check_names, compose
from pillarbox.mime.letter import Attachment, Letter, Person, person_of

ME, YOU = Person("scanner@contoso.example"), Person("alice@contoso.example")
PLAIN: Final = Letter(ME, to=[YOU], subject="s", text="t\n")
FILE: Final = Attachment("a.pdf", "application/pdf", InMemory(b"%PDF"))
CASES: Final = 20_000
"""Letters with hostile words that are composed in all."""

PIECES: Final = (
    *("\r\n", "\n", "\r", "\0", "\t", "\x0b", "\x1f", "\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\u2066", "\ud800"),
    *(
        "Bcc: mallory@evil.example",
        "Bcc:mallory@evil.example",
        "Content-Type: text/html",
        "X-Evil: 1",
        "%0d%0a",
        "\\r\\n",
    ),
    *("=?utf-8?q?", "=?utf-8?b?", "?=", "=0d=0aBcc:_x", "DQpCY2M6IHg=", "=?utf-7?q?+AA0ACg-?=", "=?x", "=_mixed", "--"),
    *('"', "\\", "<", ">", "@", ",", ";", ":", "(", ")", "[", "]", "=", "?", "'", "*", "%", "/", ".", "..", " ", "  "),
    *("a", "Alice", "x" * 90, "contoso.example", "é", "漢字", "🎉", "\u200f", "ﬁ", "İ", "ß", "\xa0", "\ufeff"),
)
HOSTILE: Final = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=7).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=3).map(lambda pieces: "".join(pieces) + " <a@b.example>"),
    st.text(max_size=60),
)


def with_file(**more: Any) -> Letter:
    return replace(PLAIN, attachments=[replace(FILE, **more)])


PLACES: Final[dict[str, Callable[[str], Letter]]] = {
    "subject": lambda words: replace(PLAIN, subject=words),
    "from": lambda words: replace(PLAIN, author=person_of(words, "/from")),
    "from name": lambda words: replace(PLAIN, author=replace(ME, name=words)),
    "sender": lambda words: replace(PLAIN, sender=person_of(words, "/sender")),
    "to": lambda words: replace(PLAIN, to=[person_of(words, "/to/0"), YOU]),
    "to name": lambda words: replace(PLAIN, to=[replace(YOU, name=words), YOU]),
    "to address": lambda words: replace(PLAIN, to=[Person(words)]),
    "cc name": lambda words: replace(PLAIN, cc=[replace(YOU, name=words)]),
    "bcc": lambda words: replace(PLAIN, bcc=[person_of(words, "/bcc/0")]),
    "reply to": lambda words: replace(PLAIN, reply_to=[person_of(words, "/reply_to/0")]),
    "header name": lambda words: replace(PLAIN, headers=[(words, "v")]),
    "header value": lambda words: replace(PLAIN, headers=[("X-Ours", words)]),
    "in reply to": lambda words: replace(PLAIN, in_reply_to=words),
    "reference": lambda words: replace(PLAIN, references=["<1@x.example>", words]),
    "unsubscribe": lambda words: replace(PLAIN, list_unsubscribe=[words]),
    "file name": lambda words: with_file(name=words),
    "media type": lambda words: with_file(media_type=words),
    "content id": lambda words: with_file(content_id=words),
    "text": lambda words: replace(PLAIN, text=words),
    "html": lambda words: replace(PLAIN, html=words),
}


def whole(letter: Letter) -> bytes:
    composed = compose(letter)
    mime = b"".join(composed.pieces())
    assert len(mime) == composed.size
    return mime


def parsed(letter: Letter) -> EmailMessage:
    return email.message_from_bytes(whole(letter), policy=email.policy.default)


def content(part: Message) -> bytes:
    """The bytes of a part, decoded."""
    found = part.get_payload(decode=True)
    assert isinstance(found, bytes)
    return found


def names_meant(letter: Letter) -> list[str]:
    """The header fields that a letter asks for."""
    asked = {
        "From": True,
        "Sender": letter.sender,
        "Reply-To": letter.reply_to,
        "To": letter.to,
        "Cc": letter.cc,
        "Subject": True,
        "In-Reply-To": letter.in_reply_to,
        "References": letter.references,
        "List-Unsubscribe": letter.list_unsubscribe,
    }
    last = ["MIME-Version", "Content-Type"]
    encoded = [] if letter.attachments or letter.html is not None else ["Content-Transfer-Encoding"]
    return [*(name for name, given in asked.items() if given), *(name for name, _ in letter.headers), *last, *encoded]


def names_found(mime: bytes) -> Iterator[list[str]]:
    """The names of the top block, by readers that do not agree on everything."""
    block = headers.scan(mime)
    yield [mime[field.start : mime.index(b":", field.start)].decode() for field in block.fields]
    yield list(email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(mime).keys())
    # Who takes any newline for the end of a line finds no more.
    yield [line.partition(":")[0] for line in mime[: block.end].decode("latin-1").splitlines() if line[:1] not in "\t "]


# ---- 20,000 letters with hostile words


@pytest.mark.parametrize("place", PLACES)
def test_no_words_add_a_header_field(place: str) -> None:
    @hypothesis.settings(max_examples=CASES // len(PLACES), database=None)
    @given(HOSTILE)
    def holds(words: str) -> None:
        try:
            letter = PLACES[place](words)
            mime = whole(letter)
        except InvalidInput:
            return
        assert all(found == names_meant(letter) for found in names_found(mime))
        assert mime.isascii()
        assert headers.canonical(mime) == mime
        assert max(map(len, mime.split(b"\r\n"))) <= 998
        for part in email.message_from_bytes(mime).walk():
            assert set(part.keys()) <= {
                *names_meant(letter),
                "Content-Type",
                "Content-Transfer-Encoding",
                "Content-Disposition",
                "Content-ID",
            }

    holds()


# ---- what is refused (threat 7), with the place where it stands

INJECTIONS: Final = (
    "x\r\nBcc: y@evil.example",
    "x\nBcc: y@evil.example",
    "x\rBcc: y@evil.example",
    "x\x85Bcc: y@evil.example",
    "x\u2028Bcc: y@evil.example",
    "x\u2029Bcc: y@evil.example",
    "x\0y",
    "x\x1by",
    "x\x7fy",
    "x\x9by",
    "x\ud800y",
    "x\u202egnp.exe",
    "=?utf-8?q?a=0d=0aBcc:_x?=",
    "=?utf-8?Q?a=0ABcc:_x",
    "=?utf-8?b?YQ0KQmNjOiB4?=",
    "=?utf-8?b?YQ0KQmNjOiB4",
    "=?utf-8*en?q?=0d?=",
    "=?utf-7?q?+AA0ACg-?=",
    "=?utf-16?b?DQAKAA==?=",
    "=?nonsense?q?=0a?=",
    "=?utf-8?q?=3D=3Futf-8=3Fq=3F=0a=3F=3D?=",
    "=?utf-8?q?=3D=3Futf-8=3Fq=3F=3D0a=3F=3D?=",
    "=?utf-8?q?=E2=80=AE?=",
    "=?utf-8?q?a=0d=0aBcc:_x?y@evil.example?=",
    "=?utf-8?b?x =?utf-8?q?=0d=0aBcc:_y?=",
)
POINTERS: Final = {
    "subject": "/subject",
    "from": "/from",
    "from name": "/from",
    "sender": "/sender",
    "to": "/to/0",
    "to name": "/to/0",
    "to address": "/to/0",
    "cc name": "/cc/0",
    "bcc": "/bcc/0",
    "reply to": "/reply_to/0",
    "header value": "/headers/X-Ours",
    "in reply to": "/in_reply_to",
    "reference": "/references/1",
    "unsubscribe": "/list_unsubscribe/0",
    "file name": "/attachments/0/name",
    "media type": "/attachments/0/media_type",
    "content id": "/attachments/0/content_id",
}


@pytest.mark.parametrize("place", POINTERS)
@pytest.mark.parametrize("words", INJECTIONS, ids=ascii)
def test_what_ends_a_line_is_refused_before_and_after_it_is_decoded(place: str, words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        compose(PLACES[place](words))
    assert refused.value.pointer == POINTERS[place]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("in reply to", "<a=?utf-8?q?=0A?=@x.example>"),
        ("reference", "<a=?utf-8?q?=0D=0ABcc:_y?=@x.example>"),
        ("unsubscribe", "https://x.example/=?utf-8?q?=0D=0ABcc:_x@y.example?="),
        ("unsubscribe", "mailto:u@x.example?subject==?utf-8?q?a=0D=0Ab?="),
        ("unsubscribe", "https://x.example/=?utf-8?q?=E2=80=AE?="),
    ],
)
def test_an_encoded_word_in_an_id_or_a_link_ends_no_line_either(place: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=r"U\+") as refused:
        compose(PLACES[place](words))
    assert refused.value.pointer == POINTERS[place]


def test_a_quoted_name_with_a_newline_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"U\+000D"):
        person_of('"x\r\nBcc: y" <a@b.example>', "/to/0")


def test_people_are_read_in_linear_time() -> None:
    words = "é"
    for _ in range(9):
        words = f"é=?utf-8?b?{base64.b64encode(words.encode()).decode()}?="
    began = time.process_time()
    for _ in range(100):
        for written in (" " * 768, f'"{words}" <a@b.example>', f"{words} <a@b.example>"):
            person_of(written, "/to/0")
    assert time.process_time() - began < 1  # A tenth of that on a slow machine; seconds where anything is quadratic.


def test_a_header_value_is_written_in_linear_time() -> None:
    letter = replace(PLAIN, headers=[(f"X-{number}", " " * 4000 + "é") for number in range(10)])
    began = time.process_time()
    for _ in range(10):
        compose(letter)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("words", ["%0d%0aBcc: x", "a\\r\\nBcc: x", "=?utf-8?q?caf=C3=A9?=", "=?", "?="])
def test_what_only_looks_like_it_stays_as_it_is(words: str) -> None:
    assert parsed(replace(PLAIN, subject=words))["Subject"] == words


@pytest.mark.parametrize(
    "name",
    ["Bcc", "bcc", "Subject", "X-", "X-Pillarbox-Id", "x-pillarbox-id", "X-MS-Exchange-Organization", "X-a b", "X-é"],
)
def test_headers_that_are_not_the_clients_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="no header that can be chosen"):
        compose(replace(PLAIN, headers=[(name, "v")]))


@pytest.mark.parametrize(
    "address",
    ["", "a", "a@", "@b", "a@b, c@d", "a b@x.example", '"a b"@x.example', "é@x.example", "=?utf-8?q?a?=@x.example"],
)
def test_what_is_not_one_plain_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="not one mail address"):
        compose(replace(PLAIN, to=[Person(address)]))


@pytest.mark.parametrize(
    "domain",
    [
        "cont\u00adoso.example",
        "contoso.exa\u200bmple",
        "contoso.example\ufeff",
        "stra\u00dfe.example",
        "\uff43ontoso.example",
    ],
    ids=ascii,
)
def test_a_domain_that_would_become_another_one_is_refused(domain: str) -> None:
    with pytest.raises(InvalidInput, match="not one mail address"):
        compose(replace(PLAIN, to=[Person(f"bob@{domain}")]))


@pytest.mark.parametrize(
    "head", [b"From: a\r\nBcc: b\r\n", b"", b"From: a\r\n\r\nBcc: b\r\n", b"From: a\r\nfrom: a\r\n"]
)
def test_a_header_with_other_fields_than_were_meant_is_never_sent(head: bytes) -> None:
    with pytest.raises(PillarboxError, match="unforeseen"):
        check_names(head, ["From"])


def test_one_click_needs_a_link_that_can_be_clicked() -> None:
    with pytest.raises(InvalidInput, match="One click"):
        compose(replace(PLAIN, list_unsubscribe=["mailto:out@contoso.example"], one_click=True))


# ---- what goes in comes out

NAMES: Final = st.text(
    st.characters(
        exclude_categories=["Cc", "Cs", "Zl", "Zp"],
        exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    ),
    max_size=40,
).filter(lambda name: "=?" not in name)


@given(NAMES)
def test_names_and_subjects_come_out_as_they_went_in(name: str) -> None:
    mime = whole(replace(PLAIN, subject=name, to=[replace(YOU, name=name)]))
    assert email.message_from_bytes(mime, policy=email.policy.default)["Subject"] == name
    # The newer parser puts a blank between two encoded words of a phrase.
    shown, address = email.utils.parseaddr(str(email.message_from_bytes(mime)["To"]))
    assert str(make_header(decode_header(shown))) == name.strip()
    assert address == YOU.address


@given(st.text(max_size=300), st.text(max_size=300))
def test_texts_come_out_as_they_went_in(text: str, html: str) -> None:
    message = parsed(replace(PLAIN, text=text.replace("\0", ""), html=html.replace("\0", "")))
    for given_, subtype in ((text, "plain"), (html, "html")):
        part = message.get_body((subtype,))
        assert part is not None
        wanted = given_.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
        assert content(part).decode().replace("\r\n", "\n").rstrip("\n") == wanted.rstrip("\n")


@given(st.binary(max_size=400), st.integers(0, 900))
def test_files_come_out_as_they_went_in_from_wherever_they_are_read(data: bytes, start: int) -> None:
    letter = with_file(content=InMemory(data))
    (part,) = parsed(letter).iter_attachments()
    assert part.get_payload(decode=True) == data
    assert b"".join(compose(letter).pieces(start)) == whole(letter)[start:]


@pytest.mark.parametrize(
    ("given_", "cleaned"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\r.pdf", "r.pdf"),
        ("", "attachment"),
        ("..", "attachment"),
        (".htaccess", "htaccess"),
        ("a<b>|?.pdf. ", "a_b___.pdf"),
        ("CON.txt", "_CON.txt"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
        ("Rechnung Nr. 5 — Müller & Söhne.pdf", "Rechnung Nr. 5 — Müller & Söhne.pdf"),
        ("漢字" * 60 + ".pdf", "漢字" * 60 + ".pdf"),
        ("quote\"s; and 'more'.txt", "quote_s; and 'more'.txt"),
    ],
)
def test_a_file_name_is_safe_and_otherwise_as_it_was(given_: str, cleaned: str) -> None:
    (part,) = parsed(with_file(name=given_)).iter_attachments()
    assert part.get_filename() == cleaned


def test_a_large_file_is_read_in_pieces() -> None:
    letter = with_file(content=InMemory(bytes(3 * PIECE)))
    assert all(len(piece) <= PIECE for piece in compose(letter).pieces())
    (part,) = parsed(letter).iter_attachments()
    assert part.get_payload(decode=True) == bytes(3 * PIECE)


def test_the_parts_stand_where_mail_programs_look_for_them() -> None:
    logo = Attachment("logo.png", "image/png", InMemory(b"png"), inline=True, content_id="logo")
    message = parsed(replace(PLAIN, html="<img src=cid:logo>", attachments=[logo, FILE]))
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "application/pdf",
    ]
    shown = next(part for part in message.walk() if part.get_content_type() == "image/png")
    assert (shown["Content-ID"], shown.get_content_disposition()) == ("<logo>", "inline")


def test_a_mail_in_a_mail_is_a_file() -> None:
    (part,) = parsed(with_file(name="m.eml", media_type="message/rfc822")).iter_attachments()
    assert (part.get_content_type(), part.get_filename()) == ("application/octet-stream", "m.eml")


def test_the_fields_of_their_own_are_written() -> None:
    message = parsed(
        replace(
            PLAIN,
            in_reply_to="<1@x.example>",
            references=["<0@x.example>", "<1@x.example>"],
            list_unsubscribe=["https://contoso.example/out?a=1", "mailto:out@contoso.example"],
            one_click=True,
            auto_submitted="auto-generated",
            importance="high",
            headers=[("X-Trace", "a  b")],
        )
    )
    wanted = {
        "In-Reply-To": "<1@x.example>",
        "References": "<0@x.example> <1@x.example>",
        "List-Unsubscribe": "<https://contoso.example/out?a=1>, <mailto:out@contoso.example>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Auto-Submitted": "auto-generated",
        "Importance": "high",
        "X-Trace": "a  b",
    }
    assert {name: message[name] for name in wanted} == wanted


def test_who_is_in_bcc_gets_it_and_is_named_nowhere() -> None:
    letter = replace(PLAIN, cc=[Person("Bob@x.example")], bcc=[Person("carol@x.example"), Person("bob@x.example")])
    assert letter.recipients == ("alice@contoso.example", "Bob@x.example", "carol@x.example")
    assert b"carol" not in whole(letter)


def test_a_domain_in_letters_of_the_world_becomes_ascii() -> None:
    for domain in ("bücher.example", "Bücher.Example", "bu\u0308cher.example"):
        composed = whole(replace(PLAIN, to=[Person(f"a@{domain}")]))
        assert b"To: a@xn--bcher-kva.example\r\n" in composed.replace(b".Example", b".example")


@pytest.mark.parametrize(
    ("written", "person"),
    [
        ("a@b.example", Person("a@b.example")),
        (" Alice <a@b.example> ", Person("a@b.example", "Alice")),
        ('"Doe, \\"Jo\\"" <a@b.example>', Person("a@b.example", 'Doe, "Jo"')),
        ("Jürgen Ä. <a@b.example>", Person("a@b.example", "Jürgen Ä.")),
        ("<a@b.example>", Person("a@b.example")),
    ],
)
def test_people_are_read_as_people_write_them(written: str, person: Person) -> None:
    assert person_of(written, "/to/0") == person


def test_every_address_is_found_by_what_reads_headers_before_they_are_sent() -> None:
    """delivery takes entries out of To that it does not understand: it must understand what is written here."""
    people: Sequence[Person] = [
        Person(f"p{number}@x.example", name)
        for number, name in enumerate(
            ("", "Doe, John", "J. D.", "a@b", "<x>", "é@", 'q"q', "(c)", "a;b", "=?utf-8?q?x?=", "\\")
        )
    ]
    mime = whole(replace(PLAIN, to=people))
    addressed = headers.address_to(mime, [one.address for one in people])
    assert addressed.removed == ()
    assert b"Bcc" not in addressed.mime
