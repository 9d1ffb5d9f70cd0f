"""The session without I/O: what dialogs cannot show, any bytes in any pieces, and what it costs."""

import itertools
import re
import time
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pillarbox.core.content import InMemory
from pillarbox.core.errors import InvalidInput, Unavailable
from pillarbox.core.mail import Envelope
from pillarbox.core.vault import Secret
from pillarbox.endpoints.smtp import grammar, replies
from pillarbox.endpoints.smtp.session import Authenticate, Close, Session, StartTls, Submit
from tests.unit.endpoints.smtp.parts import (
    ENVELOPE,
    GREETING,
    LOGIN,
    PRINTER,
    TO_DATA,
    WRONG_LOGIN,
    Driver,
    codes,
    play,
    rules,
)

# RFC 5321 section 4.2 and 4.5.3.1.5; 334 is a bare challenge.
REPLY = re.compile(rb"(?:[2-5][0-9]{2}[ -][ -~]*\r\n)*")


def bytewise(text: bytes) -> list[bytes]:
    return [text[at : at + 1] for at in range(len(text))]


# ---- actions


def test_greeting_comes_once() -> None:
    session = Session(rules())
    assert (session.take_output(), session.take_output()) == (GREETING, b"")


def test_actions_of_a_transaction() -> None:
    session = Session(rules())
    session.receive(TO_DATA + b"Subject: x\r\n\r\ny\r\n.\r\n")
    assert session.advance() == Authenticate("printer", Secret("secret"))
    session.authenticated(PRINTER)
    assert session.advance() == Submit(
        Envelope("scanner@contoso.example", ("alice@contoso.example",)), InMemory(b"Subject: x\r\n\r\ny\r\n"), PRINTER
    )
    session.submitted("ID")
    assert session.advance() is None
    assert session.take_output().endswith(b"250 2.0.0 queued as ID\r\n")


def test_nothing_is_acknowledged_before_it_is_done() -> None:
    session = Session(rules())
    session.receive(TO_DATA)
    session.advance()
    session.authenticated(PRINTER)
    assert session.advance() is None
    session.take_output()
    session.receive(b"x\r\n.\r\nNOOP\r\n")
    assert isinstance(session.advance(), Submit)
    assert (session.advance(), session.take_output()) == (None, b"")


def test_refused_message_can_be_followed_by_another() -> None:
    session = Session(rules())
    session.receive(TO_DATA + b".\r\n" + ENVELOPE + b"DATA\r\n.\r\n")
    session.advance()
    session.authenticated(PRINTER)
    session.advance()
    session.refused(Unavailable("store.full"))
    assert isinstance(session.advance(), Submit)
    assert b"\r\n452 4.3.1 The disk of the store is full.\r\n250 " in session.take_output()


def test_421_closes() -> None:
    session = Session(rules())
    session.receive(TO_DATA + b".\r\nNOOP\r\n")
    session.advance()
    session.authenticated(PRINTER)
    session.advance()
    session.take_output()
    session.refused(Unavailable("store.stopped"))
    assert session.advance() == Close()
    assert session.advance() is None
    assert session.take_output() == b"421 4.3.2 The store is closed.\r\n"


def test_starttls_waits_for_the_handshake() -> None:
    session = Session(rules())
    session.receive(b"STARTTLS\r\n")
    assert session.advance() == StartTls()
    session.receive(b"NOOP\r\n")
    assert (session.advance(), session.waiting, session.buffered) == (None, True, 6)


def test_starttls_that_is_not_offered() -> None:
    assert codes(Driver(rules(offers_tls=False)).feed(b"STARTTLS\r\n")) == [502]
    assert b"STARTTLS" not in Driver(rules(offers_tls=False)).feed(b"EHLO x\r\n")


def test_pipelined_plaintext_is_dropped_with_the_connection() -> None:
    driver = play([b"STARTTLS\r\nEHLO x\r\n", b"NOOP\r\n"])
    assert driver.closed
    assert (codes(bytes(driver.output)), driver.session.buffered) == ([220, 501], 0)


def test_failures_of_the_whole_connection_count() -> None:
    driver = play([b"EHLO x\r\n", WRONG_LOGIN * 2, LOGIN])
    assert codes(driver.feed(WRONG_LOGIN)) == [503]
    assert codes(driver.feed(b"STARTTLS\r\n") + driver.feed(b"EHLO x\r\n" + WRONG_LOGIN)) == [220, 250, 535, 421]


def test_commands_behind_the_third_failure_are_not_done() -> None:
    driver = play([b"EHLO x\r\n", WRONG_LOGIN * 3 + LOGIN])
    assert codes(bytes(driver.output)) == [220, 250, 535, 535, 535, 421]
    assert driver.session.submitter is None


def test_quit_closes_and_what_follows_is_dropped() -> None:
    driver = play([b"QUIT\r\nNOOP\r\n", b"NOOP\r\n"])
    assert driver.closed
    assert codes(bytes(driver.output)) == [220, 221]


def test_giving_up_says_so_once() -> None:
    session = Session(rules())
    session.take_output()
    session.give_up("smtp.timeout")
    session.give_up("smtp.stopping")
    session.receive(b"NOOP\r\n")
    assert session.advance() is None
    assert session.take_output() == b"421 4.4.2 Time-out, closing connection\r\n"


@pytest.mark.parametrize(("sent", "expected"), [(b"", False), (ENVELOPE, False), (ENVELOPE + b"DATA\r\n", True)])
def test_in_transaction(sent: bytes, expected: bool) -> None:
    assert play([LOGIN, sent]).session.in_transaction is expected


# ---- replies


def test_reply_shows_no_control_characters_and_no_letters_beyond_ascii() -> None:
    reply = replies.error(InvalidInput("mailbox.bad_address", address="a\r\n250 ok\0ü中"))
    assert reply == b"451 4.3.0 'a??250 ok?\\xfc\\u4e2d' is not a mail address.\r\n"


def test_reply_fits_a_line() -> None:
    said = Driver().feed(LOGIN + b"MAIL FROM:<a@b.example> " + "中".encode() * 600 + b"\r\n")
    line = said.splitlines(keepends=True)[-1]
    assert (line[:22], len(line), line[-2:]) == (b"555 5.5.4 Parameter \\u", replies.MAX_LINE, b"\r\n")


def test_host_name_beyond_ascii() -> None:
    driver = Driver(rules(hostname="пошта"))
    assert REPLY.fullmatch(bytes(driver.output) + driver.feed(b"EHLO x\r\nHELO x\r\n"))


# ---- the size of a message


@pytest.mark.parametrize("filler", [b"x", b"\r\n..", b"\n..x", b".x.\r", b"\n.\r\n"])
def test_size_counts_without_stuffed_dots_however_it_is_cut(filler: bytes) -> None:
    texts = [(filler * 2000)[:length] + b"\r\n" for length in range(900, 2100)]
    sizes = {text: len(grammar.without_dots(text)) for text in texts if b"\r\n.\r\n" not in text}
    verdicts = set()
    for text, size in sizes.items():
        if 998 <= size <= 1002:
            for pieces in ([text + b".\r\n"], bytewise(text + b".\r\n"), [text, b".\r\n"]):
                (code,) = codes(play([TO_DATA]).feed(*pieces))
                verdicts.add((code, size <= 1000))
    assert verdicts == {(250, True), (552, False)}


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 500, 5000])
@pytest.mark.parametrize("text", [b"end.\r\n", b"\r.\r\n", b"\n.\r\n", b"x.\r\nNOOP\r\n"])
def test_rest_of_a_message_too_large_is_never_taken_for_commands(text: bytes, piece: int) -> None:
    data = text * 400
    pieces = [data[at : at + piece] for at in range(0, len(data), piece)]
    driver = play([TO_DATA, *pieces])
    assert driver.session.in_transaction
    assert codes(driver.feed(b"\r\n.\r\n")) == [552]


def test_of_a_message_too_large_nothing_is_kept() -> None:
    driver = play([TO_DATA, *[b"x" * 1000] * 50])
    assert driver.session.buffered < 10


def test_dots_do_not_let_a_message_grow_without_end() -> None:
    driver = play([TO_DATA, *[b"\n." * 500] * 50])
    assert driver.session.buffered < 10


def test_line_without_end_is_not_kept() -> None:
    driver = play([b"x" * 1000] * 50)
    assert driver.closed
    assert (codes(bytes(driver.output)), driver.session.buffered) == ([220, 500], 3000)


# ---- any bytes in any pieces

words = st.sampled_from(
    [
        LOGIN,
        WRONG_LOGIN,
        ENVELOPE,
        b"DATA\r\n",
        b"RSET\r\n",
        b"EHLO x\r\n",
        b"AUTH LOGIN\r\n",
        b"AUTH PLAIN\r\n",
        b"cHJpbnRlcg==\r\n",
        b"c2VjcmV0\r\n",
        b"*\r\n",
        b"\r\n.\r\n",
        b".\r\n",
        b".",
        b"\r",
        b"\n",
        b"\r\n",
        b"Subject: x\r\n\r\n",
        b"x" * 400,
        b"..\r\n" * 100,
        b"AUTH " + b"A" * 3000,
        b"QUIT\r\n",
        b"MAIL FROM:<\xc3\xbc@contoso.example> SMTPUTF8\r\n",
        b"RCPT TO:<bob@contoso.example>\r\n",
        b"NOOP\n",
        b"\0",
    ]
)
streams = st.lists(words | st.binary(max_size=6), max_size=30).map(b"".join)
conversations = streams | streams.map(TO_DATA.__add__)
cuts = st.lists(st.integers(min_value=0, max_value=3000), max_size=20)


def cut(stream: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(edges)]


@given(conversations, cuts)
@settings(max_examples=400)
@example(TO_DATA + b"All is well.\r\n" * 200, list(range(0, 3000, 3)))
def test_pieces_do_not_change_what_is_said_and_handed_in(stream: bytes, places: Sequence[int]) -> None:
    # STARTTLS is the one place where the pieces matter: what is behind it is a handshake or an attack.
    given_rules = rules(offers_tls=False)
    whole, pieces, single = (play(p, given_rules) for p in ([stream], cut(stream, places), bytewise(stream)))
    assert whole.output == pieces.output == single.output
    assert whole.submits == pieces.submits == single.submits
    assert whole.closed == pieces.closed == single.closed


@given(conversations | st.binary(max_size=300), cuts)
@settings(max_examples=200)
def test_every_reply_is_of_the_grammar(stream: bytes, places: Sequence[int]) -> None:
    output = bytes(play(cut(stream.replace(b"QUIT", b"STARTTLS"), places)).output)
    assert REPLY.fullmatch(output)
    assert max(map(len, output.splitlines(keepends=True))) <= replies.MAX_LINE


endings = st.lists(st.sampled_from([b"\r", b"\n", b".", b"x", b"\0", b"\r\n"]), max_size=12).map(b"".join)


@given(endings, cuts)
@settings(max_examples=300)
def test_data_ends_at_the_first_crlf_dot_crlf_and_nowhere_else(text: bytes, places: Sequence[int]) -> None:
    driver = play([TO_DATA])
    said = driver.feed(*cut(text + b"\r\n.\r\n", places))
    first = (b"\r\n" + text + b"\r\n.\r\n").index(b"\r\n.\r\n") + 5
    behind = (b"\r\n" + text + b"\r\n.\r\n")[first:]
    assert len(driver.submits) == 1
    assert len(driver.message) <= first
    # What is behind the end is commands, one a line, all of them unknown; a last line may not be ended.
    assert codes(said) == [250] + [500] * behind.count(b"\n")


# ---- invariants over any sequence of commands


class Conversation(RuleBasedStateMachine):
    """A client that says anything; a model that knows only what was answered."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = Driver()
        self.logged_in = False
        self.sender = ""
        self.recipients: list[str] = []
        self.messages = 0

    def say(self, line: bytes) -> int:
        return 421 if self.driver.closed else codes(self.driver.feed(line) or b"421 ")[-1]

    @initialize()
    def greet(self) -> None:
        self.say(b"EHLO x\r\n")

    @rule(line=st.sampled_from([b"EHLO x\r\n", b"HELO x\r\n", b"RSET\r\n"]))
    def reset(self, line: bytes) -> None:
        assert self.say(line) in (250, 421)
        self.sender, self.recipients = "", []

    @rule()
    def login(self) -> None:
        code = self.say(b"AUTH PLAIN AHByaW50ZXIAc2VjcmV0\r\n")
        self.logged_in = self.logged_in or code == 235

    @rule()
    def fail_to_login(self) -> None:
        assert self.say(WRONG_LOGIN) in (535, 503, 421)

    @rule()
    def starttls(self) -> None:
        if self.say(b"STARTTLS\r\n") == 220:
            self.logged_in, self.sender, self.recipients = False, "", []

    @rule(sender=st.sampled_from(["scanner@contoso.example", "ceo@contoso.example", "scanner"]))
    def mail(self, sender: str) -> None:
        if self.say(f"MAIL FROM:<{sender}>\r\n".encode()) == 250:
            assert self.logged_in
            assert (self.sender, sender) == ("", "scanner@contoso.example")
            self.sender = sender

    @rule(recipient=st.sampled_from(["alice@contoso.example", "bob@contoso.example", "", "bob"]))
    def rcpt(self, recipient: str) -> None:
        if self.say(f"RCPT TO:<{recipient}>\r\n".encode()) == 250:
            assert self.sender
            assert "@" in recipient
            self.recipients.append(recipient)

    @rule(size=st.sampled_from([0, 10, 2000]))
    def data(self, size: int) -> None:
        if self.say(b"DATA\r\n") != 354:
            assert not (self.sender and self.recipients) or self.driver.closed
            return
        code = self.say(b"x" * size + b"\r\n.\r\nVRFY behind the end\r\n")
        assert code == 252
        if size <= 1000:
            self.messages += 1
            submit = self.driver.submits[-1]
            assert submit.envelope == Envelope(self.sender, tuple(self.recipients))
            assert b"".join(submit.content.pieces()) == b"x" * size + b"\r\n"
        self.sender, self.recipients = "", []

    @invariant()
    def nothing_is_handed_in_without_login_sender_and_recipients(self) -> None:
        assert len(self.driver.submits) == self.messages
        for submit in self.driver.submits:
            assert submit.submitter is PRINTER
            assert submit.envelope.sender
            assert 1 <= len(submit.envelope.recipients) <= 3
            assert b"behind the end" not in b"".join(submit.content.pieces())


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=60, stateful_step_count=30)


# ---- what it costs


def seconds(pieces: Sequence[bytes], size: int) -> float:
    """CPU time of the better of two runs, in which the machine disturbed less."""
    best = 1e9
    for _ in range(2):
        driver = play([TO_DATA], rules(max_size=size))
        began = time.process_time()
        driver.feed(*pieces, b"\r\n.\r\n")
        best = min(best, time.process_time() - began)
    return best


@pytest.mark.parametrize("unit", [b"x", b"\r\n..", b"\n.", b"\r"], ids=["x", "dots", "bare", "cr"])
def test_single_bytes_cost_linear_time(unit: bytes) -> None:
    once, twice = (seconds(bytewise(unit * (n // len(unit))), 1_000_000) for n in (100_000, 200_000))
    assert twice < 3 * once + 0.05


def test_single_bytes_of_a_message_too_large_cost_linear_time() -> None:
    once, twice = (seconds(bytewise(b"x" * n), 100) for n in (100_000, 200_000))
    assert twice < 3 * once + 0.05


def test_large_message_costs_linear_time() -> None:
    piece = (b"0123456789" * 7 + b"\r\n") * 910
    once, twice = (seconds([piece] * n, 40_000_000) for n in (267, 534))
    assert twice < 3 * once + 0.1


def test_pipelined_commands_cost_linear_time() -> None:
    def cost(count: int) -> float:
        driver = Driver()
        began = time.process_time()
        driver.feed(b"NOOP\r\n" * count)
        return time.process_time() - began

    assert cost(100_000) < 3 * cost(50_000) + 0.05
