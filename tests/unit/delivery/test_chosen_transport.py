"""The way that was chosen for one message: one of those that its mailbox has, and heeded when it is sent."""

from dataclasses import replace

import pytest

from pillarbox.core.errors import InvalidInput
from pillarbox.delivery.route import narrows
from pillarbox.delivery.submission import Terms
from tests.claimed import claimed, no_draft
from tests.unit.delivery.conftest import ENVELOPE, TO_A, Shelf
from tests.unit.delivery.test_route import FOR_ALICE, LIMIT, mailbox, nothing, route

BOTH = ("mail", "exchange")


@pytest.mark.parametrize(
    ("of_mailbox", "permissions", "chosen", "allowed"),
    [
        ("auto", (), "graph", True),
        ("auto", (), "smtp", True),
        ("auto", (), "auto", True),
        ("", (), "graph", True),
        ("", (), "smtp", False),
        ("", (), "auto", False),
        ("graph", BOTH, "smtp", False),
        ("graph", BOTH, "auto", False),
        ("smtp", BOTH, "graph", False),
        ("", BOTH, "smtp", True),
        ("", ("send",), "smtp", False),
    ],
)
def test_a_message_narrows_the_ways_of_its_mailbox(
    of_mailbox: str, permissions: tuple[str, ...], chosen: str, allowed: bool
) -> None:
    assert narrows(mailbox(of_mailbox, *permissions), chosen, "auto") is allowed


@pytest.mark.parametrize(("chosen", "taken"), [("smtp", "smtp"), ("graph", "graph"), ("", "graph"), ("auto", "graph")])
async def test_a_message_goes_the_way_that_was_chosen_for_it(chosen: str, taken: str) -> None:
    message = replace(claimed(mailbox("auto"), "alice@contoso.example", size=9, part=FOR_ALICE), transport=chosen)
    assert (await route().send(message, nothing(), no_draft)).outcome.text == taken


async def test_one_that_is_to_go_by_graph_does_not_go_by_smtp_for_its_size() -> None:
    large = claimed(mailbox("auto"), "alice@contoso.example", size=LIMIT + 1, part=FOR_ALICE)
    assert (await route().send(large, nothing(), no_draft)).outcome.text == "smtp"
    chosen = replace(large, transport="graph")
    assert (await route().send(chosen, nothing(), no_draft)).outcome.text == "graph"


async def test_the_choice_is_kept_with_the_message(shelf: Shelf) -> None:
    await shelf.submission().accept(ENVELOPE, TO_A, shelf.submitter, terms=Terms(transport="smtp"))
    message = await shelf.claimed()
    assert (message.transport, message.leaving.transport) == ("smtp", "smtp")


async def test_a_way_that_the_mailbox_has_not_is_refused(shelf: Shelf) -> None:
    submission = shelf.submission(goes_by=lambda _mailbox, transport: transport != "smtp")
    with pytest.raises(InvalidInput, match="cannot leave by smtp"):
        await submission.accept(ENVELOPE, TO_A, shelf.submitter, terms=Terms(transport="smtp"))
    assert not await shelf.outbox.count()


async def test_the_size_is_that_of_the_way_that_was_chosen(shelf: Shelf) -> None:
    submission = shelf.submission(route_limit=lambda leaving: 5 if leaving.transport == "graph" else 0)
    await submission.accept(ENVELOPE, TO_A, shelf.submitter)
    with pytest.raises(InvalidInput, match="larger than"):
        await submission.accept(ENVELOPE, TO_A, shelf.submitter, terms=Terms(transport="graph"))
