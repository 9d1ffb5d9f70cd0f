"""Which way a message takes: by choice, by what a sign-in allows, and by what Graph cannot do."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pillarbox.core.accounts import Account, AppRegistration, Mailbox, SignIn
from pillarbox.core.cause import Cause
from pillarbox.core.errors import Unavailable
from pillarbox.core.mail import Found, Outcome
from pillarbox.core.scopes import Resource
from pillarbox.delivery.route import Route, ways_of
from pillarbox.delivery.transports import KeepDraft, Look, Report
from pillarbox.store.messages import Claimed
from tests.claimed import claimed, no_draft

DORA = Account("tenant", "dora", "dora@contoso.example")
APP = AppRegistration(1, "contoso", "tenant", "client")
LIMIT = 1000
FOR_ALICE = b"To: alice@contoso.example\r\n\r\n"
GRAPH, SMTP = (Resource.GRAPH,), (Resource.EXCHANGE,)


@dataclass
class Way:
    """A transport that notes what it is asked."""

    name: str
    cause: Cause = Cause.ACCEPTED
    drafts: tuple[str, ...] = ()
    """Ids of the drafts that it keeps; the last one may have been sent."""
    asked: list[str] = field(default_factory=list)

    async def ready(self, mailbox: Mailbox) -> None:
        self.asked.append("ready")

    async def send(self, message: object, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        self.asked.append("send")
        for draft_id in self.drafts:
            await keep_draft(draft_id)
        return Report(Outcome(self.cause, text=self.name), (self.name,))

    async def look_up(self, message: object) -> Look:
        self.asked.append("look_up")
        return Look(Found.ABSENT, self.name)


def mailbox(transport: str = "", *permissions: str, assurance: str = "") -> Mailbox:
    sign_in = SignIn(permissions) if permissions else None
    return Mailbox(1, "a@contoso.example", APP, sign_in, assurance=assurance, transport=transport)


def route(default: str = "auto", *, smtp: bool = True) -> Route:
    return Route(Way("graph"), Way("smtp") if smtp else None, default, LIMIT, again, nowhere)


async def nowhere(message: object, address: str) -> None:
    """No copy lies with somebody else."""
    raise AssertionError(address)


async def again(message: object) -> AsyncIterator[bytes]:
    yield b""


async def kept(draft_id: str, *, whole: bool = True, given_up: bool = False) -> None:
    pass


async def nothing() -> AsyncIterator[bytes]:
    yield b""


async def way(taken: Route, of: Mailbox, size: int = 9, part: bytes = FOR_ALICE) -> str:
    message = claimed(of, "alice@contoso.example", size=size, part=part)
    return (await taken.send(message, nothing(), no_draft)).outcome.text


@pytest.mark.parametrize(
    ("transport", "permissions", "default", "ways"),
    [
        ("", (), "auto", GRAPH),
        ("", (), "smtp", SMTP),
        ("", (), "graph", GRAPH),
        ("auto", (), "graph", GRAPH + SMTP),
        ("graph", ("send", "exchange"), "smtp", GRAPH),
        ("smtp", ("send", "exchange"), "auto", SMTP),
        ("", ("send",), "auto", GRAPH),
        ("", ("mail", "exchange"), "auto", GRAPH + SMTP),
        ("", ("exchange",), "auto", SMTP),
        ("auto", ("send",), "auto", GRAPH),
    ],
)
def test_ways_are_what_was_chosen_and_what_a_sign_in_allows(
    transport: str, permissions: tuple[str, ...], default: str, ways: tuple[Resource, ...]
) -> None:
    assert ways_of(mailbox(transport, *permissions), default) == ways


async def test_graph_goes_first() -> None:
    assert await way(route(), mailbox("auto")) == "graph"


async def test_what_is_too_large_for_graph_goes_by_smtp() -> None:
    assert await way(route(), mailbox("auto"), LIMIT) == "graph"
    assert await way(route(), mailbox("auto"), LIMIT + 1) == "smtp"


async def test_what_is_too_large_for_one_call_goes_by_graph_in_the_mode_draft_but_where_it_is_sealed() -> None:
    draft = mailbox("auto", assurance="draft")
    assert await way(route(), draft, LIMIT + 1) == "graph"
    signed = b'To: alice@contoso.example\r\nContent-Type: Multipart/Signed; boundary="x"\r\n\r\n'
    assert await way(route(), draft, LIMIT + 1, signed) == "smtp"
    assert await way(route(), draft, LIMIT, signed) == "graph"
    assert await way(route(), mailbox("graph", assurance="draft"), LIMIT + 1, signed) == "graph"


async def test_a_message_of_which_there_is_a_draft_goes_on_with_it() -> None:
    message = claimed(mailbox("smtp"), "alice@contoso.example", draft_id="AAMk")
    assert (await route().send(message, nothing(), no_draft)).outcome.text == "graph"


async def test_what_names_others_than_its_recipients_goes_by_smtp_unchanged() -> None:
    assert await way(route(), mailbox("auto"), part=b"To: list@fabrikam.example\r\n\r\n") == "smtp"


async def test_a_header_that_nobody_can_read_goes_by_graph_which_says_so() -> None:
    assert await way(route(), mailbox("auto"), part=b"no header\r\n") == "graph"


async def test_a_mailbox_that_may_not_use_smtp_keeps_to_graph_whatever_the_message() -> None:
    assert await way(route(), mailbox(), LIMIT + 1, b"To: list@fabrikam.example\r\n\r\n") == "graph"


async def test_what_was_chosen_holds_for_every_message() -> None:
    assert await way(route(), mailbox("smtp"), 1) == "smtp"
    assert await way(route("smtp"), mailbox("graph"), LIMIT + 1) == "graph"


async def test_where_no_smtp_host_is_known_graph_is_the_only_way() -> None:
    assert await way(route(smtp=False), mailbox()) == "graph"
    assert await way(route(smtp=False), mailbox("auto"), LIMIT + 1) == "graph"


async def test_a_mailbox_that_is_to_send_by_smtp_does_not_send_otherwise_where_no_host_is_known() -> None:
    graph, message = Way("graph"), claimed(mailbox("smtp"), "alice@contoso.example")
    taken = Route(graph, None, "auto", LIMIT, again, nowhere)
    await taken.ready(message.mailbox)
    outcome = (await taken.send(message, nothing(), no_draft)).outcome
    assert (outcome.cause, outcome.code) == (Cause.ACCOUNT_BROKEN, "mailbox.no_smtp_host")
    assert graph.asked == []
    assert "--transport graph" in outcome.cure


@pytest.mark.parametrize(("transport", "asked"), [("smtp", "smtp"), ("auto", "graph"), ("", "graph")])
async def test_a_token_is_fetched_for_the_way_that_is_mostly_taken(transport: str, asked: str) -> None:
    graph, smtp = Way("graph"), Way("smtp")
    await Route(graph, smtp, "auto", LIMIT, again, nowhere).ready(mailbox(transport))
    assert (graph.asked, smtp.asked) == ((["ready"], []) if asked == "graph" else ([], ["ready"]))


SHARED = SignIn(("mail", "exchange"), shared=True, account=DORA)


class Copies:
    """Where the copies of messages may lie, as it was committed."""

    def __init__(self, smtp: Way) -> None:
        self.at: list[str] = []
        self.smtp = smtp
        self.fails = False

    async def keep(self, message: Claimed, address: str) -> None:
        assert "send" not in self.smtp.asked, "too late for a crash"
        if self.fails:
            raise Unavailable("store.full")
        self.at.append(address)


@pytest.mark.parametrize(
    ("transport", "graph", "sign_in", "at"),
    [
        ("smtp", Cause.ACCEPTED, SHARED, ["dora@contoso.example"]),
        ("auto", Cause.TOO_LARGE, SHARED, ["dora@contoso.example"]),
        ("auto", Cause.ACCEPTED, SHARED, []),
        ("graph", Cause.TOO_LARGE, SHARED, []),
        ("smtp", Cause.ACCEPTED, replace(SHARED, shared=False), []),
        ("smtp", Cause.ACCEPTED, None, []),
    ],
)
async def test_before_smtp_is_told_a_mail_of_a_shared_mailbox_it_is_kept_whose_the_copy_may_be(
    transport: str, graph: Cause, sign_in: SignIn | None, at: list[str]
) -> None:
    smtp = Way("smtp")
    copies = Copies(smtp)
    taken = Route(Way("graph", graph), smtp, "auto", LIMIT, again, copies.keep)
    of = replace(mailbox(transport), sign_in=sign_in)
    await taken.send(claimed(of, "alice@contoso.example", part=FOR_ALICE), nothing(), kept)
    assert copies.at == at


async def test_what_cannot_be_kept_is_not_told() -> None:
    smtp = Way("smtp")
    copies = Copies(smtp)
    copies.fails = True
    taken = Route(Way("graph"), smtp, "auto", LIMIT, again, copies.keep)
    of = replace(mailbox("smtp"), sign_in=SHARED)
    report = await taken.send(claimed(of, "alice@contoso.example", part=FOR_ALICE), nothing(), kept)
    assert (report.outcome.cause, smtp.asked) == (Cause.STORE, [])


@pytest.mark.parametrize("transport", ["smtp", "graph", "auto"])
@pytest.mark.parametrize("sign_in", [None, SHARED])
@pytest.mark.parametrize(("copy_at", "found"), [("dora@contoso.example", Found.UNKNOWN), ("", Found.ABSENT)])
async def test_what_is_not_here_may_be_there_however_the_mailbox_sends_by_now(
    transport: str, sign_in: SignIn | None, copy_at: str, found: Found
) -> None:
    of = replace(mailbox(transport), sign_in=sign_in)
    look = await route().look_up(claimed(of, "alice@contoso.example", copy_at=copy_at))
    assert (look.found, "dora@" in look.note) == (found, found is Found.UNKNOWN)


# ---- what Graph cannot, SMTP can


async def sent(graph: Way, of: Mailbox, *, smtp: bool = True, **known: Any) -> Report:
    hosts = ("graph.example", "smtp.example")
    taken = Route(graph, Way("smtp") if smtp else None, "auto", LIMIT, again, nowhere, hosts)
    message = claimed(of, "alice@contoso.example", part=FOR_ALICE, **known)
    return await taken.send(message, nothing(), kept)


async def test_what_graph_finds_too_large_goes_by_smtp_in_the_same_attempt() -> None:
    report = await sent(Way("graph", Cause.TOO_LARGE), mailbox("auto"))
    assert (report.outcome.text, report.host) == ("smtp", "smtp.example")
    assert report.notes[::2] == ("graph", "smtp")
    assert "so that it went by SMTP" in report.notes[1]


async def test_what_graph_refuses_otherwise_does_not() -> None:
    assert (await sent(Way("graph", Cause.BAD_CONTENT), mailbox("auto"))).outcome.text == "graph"
    assert (await sent(Way("graph", Cause.UNCLEAR), mailbox("auto"))).outcome.text == "graph"


async def test_nor_where_the_mailbox_has_no_smtp() -> None:
    assert (await sent(Way("graph", Cause.TOO_LARGE), mailbox("graph"))).outcome.text == "graph"
    assert (await sent(Way("graph", Cause.TOO_LARGE), mailbox())).outcome.text == "graph"
    assert (await sent(Way("graph", Cause.TOO_LARGE), mailbox("auto"), smtp=False)).outcome.text == "graph"


@pytest.mark.parametrize(("drafts", "way"), [(("AAMk",), "graph"), (("AAMk", ""), "smtp")])
async def test_nor_while_there_is_a_draft_that_may_have_been_sent(drafts: tuple[str, ...], way: str) -> None:
    report = await sent(Way("graph", Cause.TOO_LARGE, drafts), mailbox("auto", assurance="draft"))
    assert report.outcome.text == way


async def test_what_smtp_finds_too_large_is_not_tried_again_in_the_same_attempt() -> None:
    smtp = Way("smtp", Cause.TOO_LARGE)
    taken = Route(Way("graph"), smtp, "auto", LIMIT, again, nowhere)
    message = claimed(mailbox("auto"), "alice@contoso.example", part=FOR_ALICE, size=LIMIT + 1)
    report = await taken.send(message, nothing(), no_draft)
    assert (smtp.asked, report.notes) == (["send"], ("smtp",))


async def test_what_left_by_smtp_is_looked_for_by_graph() -> None:
    look = await route().look_up(claimed(mailbox("smtp"), "alice@contoso.example"))
    assert look == Look(Found.ABSENT, "graph")


@pytest.mark.parametrize("transport", ["graph", "smtp"])
async def test_an_attempt_tells_where_it_went(transport: str) -> None:
    taken = Route(Way("graph"), Way("smtp"), "auto", LIMIT, again, nowhere, ("graph.example", "smtp.example"))
    message = claimed(mailbox(transport), "alice@contoso.example", size=9, part=FOR_ALICE)
    assert (await taken.send(message, nothing(), no_draft)).host == f"{transport}.example"
