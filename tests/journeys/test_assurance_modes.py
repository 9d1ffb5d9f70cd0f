"""What becomes of a message whose sending was unclear, in each assurance mode, with Microsoft's answer spoilt."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from pillarbox.core import catalogue
from pillarbox.core.accounts import Mailbox, MailboxChoice
from pillarbox.core.content import in_memory
from pillarbox.core.mail import Envelope
from pillarbox.core.vault import Secret
from pillarbox.delivery.submission import Terms
from pillarbox.emulator import App
from pillarbox.emulator.world.mailbox import Message
from pillarbox.graph import mail
from pillarbox.store.database import Row
from pillarbox.store.limits import LimitStore
from tests.conftest import House, MakeHouse

ALICE = "alice@contoso.example"
SCANNER = "scanner@contoso.example"
MAIL = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\nSubject: scan\r\n\r\npage 1\r\n"
SETTLE = {"delivery.settle": "0.05 0.1 0.2"}
ROLES = {
    "send-only": ("Mail.Send",),
    "verify": ("Mail.Send", "Mail.ReadBasic.All"),
    "draft": ("Mail.Send", "Mail.ReadWrite"),
}
SENDING = {"send-only": "/sendMail", "verify": "/sendMail", "draft": "/send"}
MODES = pytest.mark.parametrize("mode", ROLES)
LOOKING = pytest.mark.parametrize("mode", ["verify", "draft"])


async def furnished(make_house: MakeHouse, mode: str, on_uncertain: str = "", **more: Any) -> House:
    """A house whose mailbox scanner@ sends in this mode, with the rights that it takes and no more."""
    house = await make_house(SETTLE | more)
    await house.furnish(SCANNER, app=app_of(house, mode))
    mailbox = await house.gateway.accounts.mailbox(SCANNER)
    assert mailbox is not None
    await house.gateway.accounts.choose(mailbox, MailboxChoice(mode, on_uncertain))
    return house


def app_of(house: House, mode: str) -> App:
    """An app that has the rights of a mode, and a secret."""
    seed, world = house.microsoft.seed, house.microsoft.emulator.world
    app = world.add_app(f"App for {mode}", ROLES[mode], tenant=seed.tenant)
    seed.secrets[app.client_id] = world.add_secret(app)
    return app


def fault(house: House, **fields: Any) -> None:
    house.microsoft.emulator.faults.add(**{"times": 1, **fields})


async def notes(house: House, row: Row) -> list[str]:
    """The sentences of the trace, attempt after attempt."""
    return [note for attempt in await house.gateway.outbox.attempts(row["seq"]) for note in attempt["notes"]]


async def box_of(house: House) -> Mailbox:
    found = await house.gateway.accounts.mailbox(SCANNER)
    assert found is not None
    return found


def drafts(house: House) -> list[Message]:
    """What lies in Drafts and Deleted Items."""
    box = house.microsoft.emulator.world.mailbox(SCANNER)
    folders = (box.folders["drafts"], box.folders["deleteditems"])
    return [one for folder in folders for one in box.messages(float("inf"), folder)]


def arrived(house: House) -> int:
    return len(house.microsoft.emulator.ledger)


@MODES
async def test_what_is_clear_is_sent_once_and_never_looked_up(make_house: MakeHouse, mode: str) -> None:
    house = await furnished(make_house, mode)
    row = await house.settled(await house.accept(MAIL, ALICE))
    asked = house.microsoft.emulator.ledger.requests
    assert (arrived(house), row["attempts"], row["maybe_duplicate"]) == (1, 1, 0)
    assert not any(request.startswith("GET /v1.0") for request in asked)
    assert ("POST /v1.0/users/{user}/messages/{message}/send" in asked) == (mode == "draft")


@MODES
async def test_all_requests_of_an_attempt_are_counted(make_house: MakeHouse, mode: str) -> None:
    house = await furnished(make_house, mode)
    await house.settled(await house.accept(MAIL, ALICE))
    (used,) = await LimitStore(house.gateway.database, time.time).used(600, 1)
    assert used.requests == (2 if mode == "draft" else 1)


@LOOKING
async def test_look_ups_are_counted_too(make_house: MakeHouse, mode: str) -> None:
    house = await furnished(make_house, mode)
    fault(house, path=SENDING[mode], status=504, when="after")
    await house.settled(await house.accept(MAIL, ALICE))
    (used,) = await LimitStore(house.gateway.database, time.time).used(600, 600)
    assert used.requests == (3 if mode == "draft" else 2)


@LOOKING
@pytest.mark.parametrize("unclear", [{"cut": True}, {"status": 503}, {"status": 504}])
async def test_what_was_taken_is_found_and_not_sent_again(
    make_house: MakeHouse, mode: str, unclear: dict[str, Any]
) -> None:
    house = await furnished(make_house, mode)
    fault(house, path=SENDING[mode], when="after", **unclear)
    row = await house.settled(await house.accept(MAIL, ALICE))
    assert (arrived(house), row["attempts"], row["maybe_duplicate"], row["code"]) == (1, 1, 0, "")
    assert any(note.startswith("Looked up: it") for note in await notes(house, row))


@LOOKING
async def test_what_was_not_taken_is_sent_again_after_the_last_look(make_house: MakeHouse, mode: str) -> None:
    house = await furnished(make_house, mode)
    fault(house, path=SENDING[mode], when="before", cut=True)
    row = await house.settled(await house.accept(MAIL, ALICE))
    assert (arrived(house), row["attempts"], row["maybe_duplicate"]) == (1, 2, 0)
    assert len([note for note in await notes(house, row) if note.startswith("Looked up")]) == 3


@LOOKING
async def test_a_copy_that_shows_late_is_waited_for(make_house: MakeHouse, mode: str) -> None:
    house = await furnished(make_house, mode)
    fault(house, path=SENDING[mode], when="after", cut=True, sent_copy_delay=0.15)
    row = await house.settled(await house.accept(MAIL, ALICE))
    assert (arrived(house), row["attempts"]) == (1, 1)


@LOOKING
async def test_while_it_cannot_be_looked_up_nothing_is_sent_again(make_house: MakeHouse, mode: str) -> None:
    house = await furnished(make_house, mode)
    fault(house, path=SENDING[mode], when="after", cut=True)
    fault(house, method="GET", path="/messages", status=503, times=5)
    row = await house.settled(await house.accept(MAIL, ALICE))
    assert (arrived(house), row["attempts"]) == (1, 1)
    assert len([note for note in await notes(house, row) if "could not be looked for" in note]) == 5


async def test_a_throttled_message_that_left_is_not_sent_again_while_it_cannot_be_looked_for(
    make_house: MakeHouse,
) -> None:
    house = await furnished(make_house, "verify")
    fault(house, path="/sendMail", when="after", status=429, message="Too fast.", retry_after=1)
    fault(house, method="GET", path="/messages", status=503)
    row = await house.settled(await house.accept(MAIL, ALICE))
    causes = [attempt["cause"] for attempt in await house.gateway.outbox.attempts(row["seq"])]
    assert (arrived(house), causes) == (1, ["throttled", "doubted"])


async def test_nor_is_it_bounced_where_it_is_too_old_by_then(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "verify")
    fault(house, path="/sendMail", when="after", status=429, message="Too fast.", retry_after=1)
    printer = await house.gateway.submitters.get("printer")
    queue_id = await house.gateway.submission.accept(
        Envelope(SCANNER, (ALICE,)), in_memory(MAIL), printer, terms=Terms(max_age=0.001)
    )
    row = await house.settled(queue_id, "sent", "failed", "bounced")
    assert (arrived(house), row["state"]) == (1, "sent")


async def test_but_at_once_where_only_its_draft_was_refused(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft")
    same = b"Message-ID: <scan@printer>\r\n" + MAIL
    await house.settled(await house.accept(same, ALICE))
    fault(house, method="POST", path="/messages", when="before", status=429, message="Too fast.", retry_after=1)
    printer = await house.gateway.submitters.get("printer")
    queue_id = await house.gateway.submission.accept(
        Envelope(SCANNER, (ALICE,)), in_memory(same + b"page 2\r\n"), printer, terms=Terms(max_age=0.001)
    )
    row = await house.settled(queue_id, "sent", "failed", "bounced", "held")
    assert (row["state"], row["code"], row["attempts"]) == ("bounced", "outbox.expired", 1)


async def test_what_was_refused_for_a_time_goes_and_is_flagged_where_a_twins_copy_hides_it(
    make_house: MakeHouse,
) -> None:
    house = await furnished(make_house, "verify")
    same = b"Message-ID: <scan@printer>\r\n" + MAIL
    await house.settled(await house.accept(same, ALICE))
    fault(house, path="/sendMail", when="before", status=429, message="Too fast.", retry_after=1)
    row = await house.settled(await house.accept(same + b"page 2\r\n", ALICE))
    causes = [attempt["cause"] for attempt in await house.gateway.outbox.attempts(row["seq"])]
    assert (arrived(house), row["maybe_duplicate"], causes) == (2, 1, ["throttled", "doubted", "accepted"])
    assert catalogue.sentence("look.undecided_again") in (await notes(house, row))[-1]


async def test_nor_where_the_clock_jumped_over_the_time_in_which_its_copy_was_to_come(make_house: MakeHouse) -> None:
    ahead = [0.0]
    settings, clocks = {"delivery.settle": "120 300 900"}, {"running": time.monotonic}
    house = await make_house(settings, clock=lambda: time.time() + ahead[0], **clocks)
    await house.furnish(SCANNER, app=app_of(house, "verify"))
    await house.gateway.accounts.choose(await box_of(house), MailboxChoice("verify", ""))
    told = {"status": 429, "message": "Too fast.", "retry_after": 1, "sent_copy_delay": 30}
    fault(house, path="/sendMail", when="after", **told)
    queue_id = await house.accept(MAIL, ALICE)
    await house.settled(queue_id, "deferred")
    ahead[0] = 3600.0
    house.gateway.worker().look_again()
    row = await house.settled(queue_id, "uncertain")
    assert (arrived(house), row["cause"]) == (1, "doubted")


async def test_a_copy_is_found_of_what_was_accepted_while_the_clock_was_years_ahead(make_house: MakeHouse) -> None:
    ahead = [10 * 365 * 86_400.0]
    house = await furnished(partial(make_house, clock=lambda: time.time() + ahead[0]), "verify")
    fault(house, path="/sendMail", when="after", cut=True)
    queue_id = await house.accept(MAIL, ALICE)
    await house.settled(queue_id, "uncertain")
    ahead[0] = 0.0
    row = await house.gateway.outbox.get(queue_id)
    assert row is not None
    await house.gateway.outbox.clock_went_back(0.2, 3.2)
    house.gateway.assurance().doubt()
    row = await house.settled(queue_id)
    assert (arrived(house), row["attempts"]) == (1, 1)


async def test_so_it_is_where_the_copy_came_long_before_the_clock_was_set_right(make_house: MakeHouse) -> None:
    ahead = [3600.0]
    house = await furnished(partial(make_house, clock=lambda: time.time() + ahead[0], running=time.monotonic), "verify")
    fault(house, path="/sendMail", when="after", cut=True, sent_copy_delay=0)
    queue_id = await house.accept(MAIL, ALICE)
    await house.settled(queue_id, "uncertain")
    for copy in house.microsoft.emulator.world.mailbox(SCANNER).messages(float("inf")):
        copy.created -= 90.0
    ahead[0] = 0.0
    await house.gateway.outbox.clock_went_back(0.2, 3.2)
    house.gateway.assurance().doubt()
    row = await house.settled(queue_id)
    assert (arrived(house), row["attempts"]) == (1, 1)


@pytest.mark.parametrize(("when", "copies"), [("before", 1), ("after", 2)])
async def test_send_only_sends_again_and_flags_it(make_house: MakeHouse, when: str, copies: int) -> None:
    house = await furnished(make_house, "send-only")
    fault(house, path="/sendMail", when=when, cut=True)
    row = await house.settled(await house.accept(MAIL, ALICE))
    assert (arrived(house), row["attempts"], row["maybe_duplicate"]) == (copies, 2, 1)
    told = {entry.message_id for entry in house.microsoft.emulator.ledger.entries}
    assert told == {row["message_id"]}


async def test_send_only_holds_it_where_that_was_chosen(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "send-only", "hold")
    fault(house, path="/sendMail", when="after", cut=True)
    row = await house.settled(await house.accept(MAIL, ALICE), "held")
    assert (arrived(house), row["cause"], row["maybe_duplicate"]) == (1, "unclear", 0)
    assert any("state=held" in line for line in house.log.lines("mail.final"))


# ---- one Message-ID for all: what cheap devices do


@LOOKING
async def test_an_older_mail_with_the_same_message_id_is_not_taken_for_this_one(
    make_house: MakeHouse, mode: str
) -> None:
    house = await furnished(make_house, mode)
    same = b"Message-ID: <scan@printer>\r\n" + MAIL
    await house.settled(await house.accept(same, ALICE))
    for message in house.microsoft.emulator.world.mailbox(SCANNER).messages(float("inf")):
        message.created -= 2 * 86_400
    fault(house, path=SENDING[mode], when="before", cut=True)
    await house.settled(await house.accept(same + b"page 2\r\n", ALICE))
    assert arrived(house) == 2


@pytest.mark.parametrize("taken", [False, True])
async def test_of_two_mails_with_one_message_id_the_copy_of_one_is_not_taken_for_the_other(
    make_house: MakeHouse, taken: bool
) -> None:
    house = await furnished(make_house, "verify")
    same = b"Message-ID: <scan@printer>\r\n" + MAIL
    await house.settled(await house.accept(same, ALICE))
    fault(house, path="/sendMail", when="after" if taken else "before", cut=True)
    queue_id = await house.accept(same + b"page 2\r\n", ALICE)
    if taken:
        # Two copies: one of them is its own.
        await house.settled(queue_id)
        assert arrived(house) == 2
        return
    await house.settled(queue_id, "uncertain")
    while len(house.log.lines("mail.looked_up")) < 3:
        await house.log.next()
    assert all("found=undecided" in line for line in house.log.lines("mail.looked_up"))
    row = await house.settled(queue_id, "uncertain")
    assert (arrived(house), row["attempts"]) == (1, 1)


async def test_where_exchange_shows_the_header_of_what_was_sent_each_is_known_by_its_queue_id(
    make_house: MakeHouse,
) -> None:
    house = await furnished(make_house, "verify")
    house.microsoft.emulator.world.shows_sent_headers = True
    same = b"Message-ID: <scan@printer>\r\n" + MAIL
    await house.settled(await house.accept(same, ALICE))
    fault(house, path="/sendMail", when="before", cut=True)
    row = await house.settled(await house.accept(same + b"page 2\r\n", ALICE))
    assert (arrived(house), row["attempts"]) == (2, 2)


@pytest.mark.parametrize("written", ["abc@def", "<a@b> (c)", "<a@b> <c@d>"])
async def test_what_exchange_does_not_find_by_its_message_id_is_not_sent_again(
    make_house: MakeHouse, written: str
) -> None:
    house = await furnished(make_house, "verify")
    fault(house, path="/sendMail", when="after", cut=True, rewrite_message_id=True)
    queue_id = await house.accept(b"Message-ID: " + written.encode() + b"\r\n" + MAIL, ALICE)
    while len(house.log.lines("mail.looked_up")) < 4:
        await house.log.next()
    row = await house.settled(queue_id, "uncertain")
    assert (arrived(house), row["attempts"]) == (1, 1)
    assert catalogue.sentence("look.message_id") in await notes(house, row)


async def test_a_twin_that_is_purged_leaves_no_copy_that_is_taken_for_anothers(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "verify")
    same = b"Message-ID: <scan@printer>\r\n" + MAIL
    await house.settled(await house.accept(same, ALICE))
    fault(house, path="/sendMail", when="before", cut=True)
    queue_id = await house.accept(same + b"page 2\r\n", ALICE)
    await house.settled(queue_id, "uncertain")
    await house.gateway.housekeeping.round(0.0)
    while len(house.log.lines("mail.looked_up")) < 4:
        await house.log.next()
    assert all("found=undecided" in line for line in house.log.lines("mail.looked_up"))


async def test_nor_is_a_copy_from_before_the_clock_went_ahead(make_house: MakeHouse) -> None:
    ahead = [0.0]
    house = await furnished(partial(make_house, clock=lambda: time.time() + ahead[0]), "verify")
    same = b"Message-ID: <scan@printer>\r\n" + MAIL
    await house.settled(await house.accept(same, ALICE))
    ahead[0] = 3600.0
    fault(house, path="/sendMail", when="before", cut=True)
    await house.accept(same + b"page 2\r\n", ALICE)
    while len(house.log.lines("mail.looked_up")) < 4:
        await house.log.next()
    assert all("found=undecided" in line for line in house.log.lines("mail.looked_up"))


# ---- drafts


async def doubted(house: House) -> str:
    """A message of which there is a draft that was not sent, and that is looked up in an hour."""
    fault(house, path="/send", when="before", cut=True)
    queue_id = await house.accept(MAIL, ALICE)
    await house.settled(queue_id, "uncertain")
    return queue_id


async def swept(house: House, seconds: float = 3600.0) -> None:
    """What nothing sends is thrown away so many seconds later."""
    later = house.gateway._clock() + seconds
    await replace(house.gateway.drafts(), clock=lambda: later).round()


@pytest.mark.parametrize("act", ["cancel", "resolve"])
async def test_a_draft_that_nothing_will_send_is_thrown_away_an_hour_later(make_house: MakeHouse, act: str) -> None:
    house = await furnished(make_house, "draft", **{"delivery.settle": "3600"})
    queue_id = await doubted(house)
    await swept(house)
    assert len(drafts(house)) == 1, "its message may still be sent"
    assert await getattr(house.gateway.outbox, act)(queue_id)
    await swept(house, 3500.0)
    assert len(drafts(house)) == 1, "what is on its way may look like a draft for a while"
    await swept(house)
    row = await house.gateway.outbox.get(queue_id)
    assert row is not None
    assert (drafts(house), row["draft_id"], len(house.log.lines("draft.discarded"))) == ([], "", 1)


async def test_what_was_sent_after_all_is_not_thrown_away(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **{"delivery.settle": "3600"})
    fault(house, path="/send", when="after", cut=True)
    queue_id = await house.accept(MAIL, ALICE)
    await house.settled(queue_id, "uncertain")
    await house.gateway.outbox.cancel(queue_id)
    await swept(house)
    box = house.microsoft.emulator.world.mailbox(SCANNER)
    assert len(list(box.messages(float("inf"), box.folders["sentitems"]))) == 1
    assert (drafts(house), house.log.lines("draft.discarded")) == ([], [])
    row = await house.settled(queue_id)
    assert (row["state"], row["draft_id"], row["notes"][-1]) == ("sent", "", "Its draft has been sent all the same.")


async def test_the_draft_of_what_is_sent_again_in_the_middle_of_a_sweep_is_left_alone(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **{"delivery.settle": "3600"})
    queue_id = await doubted(house)
    await house.gateway.outbox.cancel(queue_id)

    @asynccontextmanager
    async def meanwhile(mailbox: Mailbox) -> AsyncIterator[None]:
        await house.gateway.outbox.retry(queue_id)
        yield

    later = house.gateway._clock() + 4000.0
    await replace(house.gateway.drafts(), clock=lambda: later, request=meanwhile).round()
    row = await house.gateway.outbox.get(queue_id)
    assert row is not None
    assert ([one.immutable_id for one in drafts(house)], row["state"]) == ([row["draft_id"]], "queued")


async def test_in_a_mailbox_that_is_paused_or_broken_drafts_are_left_for_later(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **{"delivery.settle": "3600"})
    queue_id = await doubted(house)
    await house.gateway.outbox.cancel(queue_id)
    await replace(house.gateway.drafts(), clock=lambda: float("inf"), may=lambda _: False).round()
    fault(house, method="DELETE", path="/messages", status=503)
    await swept(house)
    row = await house.gateway.outbox.get(queue_id)
    assert row is not None
    assert (len(drafts(house)), row["draft_id"] != "") == (1, True)
    await swept(house)
    assert drafts(house) == []


async def test_a_message_with_a_draft_goes_on_with_it_in_another_mode(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **{"delivery.settle": "3600"})
    queue_id = await doubted(house)
    await house.gateway.accounts.choose(await box_of(house), MailboxChoice("verify"))
    await house.gateway.outbox.retry(queue_id)
    house.gateway.wake(1)
    row = await house.settled(queue_id)
    assert (arrived(house), drafts(house), row["draft_id"]) == (1, [], "")


@pytest.mark.parametrize(("status", "flagged"), [(429, True), (507, False)])
async def test_a_draft_that_is_out_of_reach_is_given_up_where_the_mode_makes_none(
    make_house: MakeHouse, status: int, flagged: bool
) -> None:
    """Flagged unless it was certainly not sent. To see a draft takes Mail.ReadBasic."""
    house = await furnished(make_house, "draft", **{"delivery.settle": "3600"})
    fault(house, path="/send", when="before", status=status, retry_after=1)
    queue_id = await house.accept(MAIL, ALICE)
    await house.settled(queue_id, "deferred")
    seed, app, accounts = house.microsoft.seed, app_of(house, "send-only"), house.gateway.accounts
    added = await accounts.add_app(
        "Mail.Send alone", seed.tenant.id, app.client_id, Secret(seed.secrets[app.client_id])
    )
    assert added is not None
    await accounts.change_mailbox(await box_of(house), added)
    await accounts.choose(await box_of(house), MailboxChoice("send-only"))
    house.gateway.worker().forget()
    await house.gateway.outbox.retry(queue_id)
    house.gateway.wake(1)
    row = await house.settled(queue_id)
    assert (arrived(house), row["draft_id"], bool(row["maybe_duplicate"])) == (1, "", flagged)
    assert await notes(house, row) == [catalogue.sentence("draft.given_up")]


async def test_a_draft_whose_id_was_never_kept_is_thrown_away_and_another_one_sent(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft")
    fault(house, method="POST", pattern="/messages$", when="after", status=504)
    queue_id = await house.accept(MAIL, ALICE)
    await house.settled(queue_id, "deferred")
    await house.gateway.outbox.retry(queue_id)
    house.gateway.wake(1)
    await house.settled(queue_id)
    asked = house.microsoft.emulator.ledger.requests
    assert (arrived(house), asked["POST /v1.0/users/{user}/messages"], drafts(house)) == (1, 2, [])


async def test_a_draft_that_the_next_attempt_could_not_find_is_thrown_away_an_hour_after_its_message_ended(
    make_house: MakeHouse,
) -> None:
    house = await furnished(make_house, "draft")
    fault(house, method="POST", pattern="/messages$", when="after", status=504)
    fault(house, method="GET", pattern="/mailFolders/drafts/messages$", status=503)
    queue_id = await house.accept(MAIL, ALICE)
    row = await house.settled(queue_id, "deferred")
    box = house.microsoft.emulator.world.mailbox(SCANNER)
    theirs = box.add(box.folders["drafts"], MAIL, row["message_id"], 0.0, read=True, draft=True)
    await house.gateway.outbox.retry(queue_id)
    house.gateway.wake(1)
    await house.settled(queue_id)
    await swept(house, 3500.0)
    assert len(drafts(house)) == 2
    fault(house, method="GET", pattern="/mailFolders/drafts/messages$", status=503)
    await swept(house)
    await swept(house)
    assert (arrived(house), drafts(house)) == (1, [theirs])
    assert len(house.log.lines("draft.discarded")) == 1


async def test_a_draft_that_shows_no_header_is_known_by_its_mime(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft")
    fault(house, method="POST", pattern="/messages$", when="after", status=504)
    queue_id = await house.accept(MAIL, ALICE)
    await house.settled(queue_id, "deferred")
    # Exchange says nothing of the header of what lies in Sent Items; the same may hold for drafts.
    box = house.microsoft.emulator.world.mailbox(SCANNER)
    (draft,) = drafts(house)
    kept, draft.folder.name = draft.folder.name, "sentitems"
    token = house.gateway.clients().tokens.source(await box_of(house))
    client = house.gateway.clients().graph
    assert await mail.queue_id(client, SCANNER, draft.immutable_id, token) == queue_id
    draft.folder.name = kept
    box.edit(draft, 0.0, draft.mime.replace(b"X-Pillarbox-Id", b"X-Other-Id"))
    assert await mail.queue_id(client, SCANNER, draft.immutable_id, token) == ""


async def test_anothers_draft_with_the_same_message_id_is_left_alone(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft")
    same = b"Message-ID: <scan@printer>\r\n" + MAIL
    fault(house, method="POST", pattern="/send$", when="before", status=400, code="ErrorInvalidRecipients")
    refused = await house.settled(await house.accept(same, ALICE), "bounced")
    (bounce,) = await house.gateway.outbox.notices(refused["seq"])
    await house.settled(bounce["id"])
    box = house.microsoft.emulator.world.mailbox(SCANNER)
    twin = same.replace(b"\r\n\r\n", b"\r\nX-Pillarbox-Id: " + refused["id"].encode() + b"\r\n\r\n")
    box.add(box.folders["drafts"], twin, "<scan@printer>", 0.0, read=True, draft=True)
    fault(house, method="POST", pattern="/messages$", when="before", status=504)
    queue_id = await house.accept(same + b"page 2\r\n", ALICE)
    await house.settled(queue_id, "deferred")
    await house.gateway.outbox.retry(queue_id)
    house.gateway.wake(1)
    await house.settled(queue_id)
    entry = house.microsoft.emulator.ledger.entries[-1]
    assert (dict(entry.headers)["X-Pillarbox-Id"], b"page 2" in (entry.raw or b"")) == (queue_id, True)
    assert [one.mime for one in drafts(house)] == [twin], "nor thrown away"


async def test_a_draft_that_somebody_deleted_is_made_anew(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft")
    fault(house, path="/send", when="before", cut=True)
    queue_id = await house.accept(MAIL, ALICE)
    await house.settled(queue_id, "uncertain")
    box = house.microsoft.emulator.world.mailbox(SCANNER)
    for message in list(box.messages(float("inf"))):
        box.remove(message)
    row = await house.settled(queue_id)
    attempts = await house.gateway.outbox.attempts(row["seq"])
    assert (arrived(house), [one["cause"] for one in attempts]) == (1, ["unclear", "draft_gone", "accepted"])


async def test_a_draft_that_is_refused_for_ever_does_not_stay_in_the_mailbox(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft")
    fault(house, path="/send", when="before", status=400, code="ErrorInvalidRecipients")
    row = await house.settled(await house.accept(MAIL, ALICE), "bounced")
    box = house.microsoft.emulator.world.mailbox(SCANNER)
    drafts = [one for one in box.messages(float("inf"), box.folders["drafts"]) if ALICE.encode() in one.mime]
    assert (drafts, row["draft_id"]) == ([], "")


async def test_a_server_error_when_the_draft_is_made_does_not_mean_that_the_host_is_not_reached(
    make_house: MakeHouse,
) -> None:
    house = await furnished(make_house, "draft")
    fault(house, method="POST", path="/messages", when="before", status=503, retry_after=1)
    row = await house.settled(await house.accept(MAIL, ALICE), "deferred")
    assert row["cause"] == "busy"
    (pause,) = house.gateway.governors.paused(await box_of(house))
    assert pause.cause == "throttled"


async def test_a_draft_that_was_refused_is_sent_itself_later(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft")
    fault(house, path="/send", when="before", status=429, retry_after=1)
    await house.settled(await house.accept(MAIL, ALICE))
    asked = house.microsoft.emulator.ledger.requests
    assert (arrived(house), asked["POST /v1.0/users/{user}/messages"]) == (1, 1)


@pytest.mark.parametrize("unclear", [{"cut": True}, {"status": 429}])
async def test_a_draft_that_went_is_not_sent_again_where_microsoft_would_take_it_twice(
    make_house: MakeHouse, unclear: dict[str, Any]
) -> None:
    house = await furnished(make_house, "draft", **{"delivery.settle": "3600"})
    house.microsoft.emulator.world.sends_drafts_twice = True
    fault(house, path="/send", when="after", **unclear)
    queue_id = await house.accept(MAIL, ALICE)
    await house.settled(queue_id, "deferred" if "status" in unclear else "uncertain")
    await house.gateway.outbox.retry(queue_id)
    house.gateway.wake(1)
    row = await house.settled(queue_id)
    assert (arrived(house), (await notes(house, row))[-1]) == (1, "Looked up: its draft has been sent.")


@pytest.mark.parametrize(("answer", "cause"), [(404, "draft_gone"), (503, "unclear")])
async def test_while_nobody_knows_what_became_of_a_draft_it_is_not_sent_again(
    make_house: MakeHouse, answer: int, cause: str
) -> None:
    house = await furnished(make_house, "draft", **{"delivery.settle": "3600"})
    house.microsoft.emulator.world.sends_drafts_twice = True
    fault(house, path="/send", when="after", status=429)
    queue_id = await house.accept(MAIL, ALICE)
    await house.settled(queue_id, "deferred")
    fault(house, method="GET", pattern=r"/users/[^/]+/messages/[^/]+$", status=answer)
    await house.gateway.outbox.retry(queue_id)
    house.gateway.wake(1)
    row = await house.settled(queue_id, "uncertain")
    assert (arrived(house), row["cause"]) == (1, cause)


async def test_a_draft_whose_id_is_unknown_after_the_send_is_found_by_its_message_id(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft")
    fault(house, path="/send", when="after", cut=True)
    by_id = r"/users/[^/]+/messages/[^/]+$"
    fault(house, method="GET", pattern=by_id, status=404, code="ErrorItemNotFound", times=None)
    row = await house.settled(await house.accept(MAIL, ALICE))
    assert (arrived(house), row["attempts"]) == (1, 1)


@pytest.mark.parametrize("delay", [0.0, 0.15])
async def test_a_draft_that_was_sent_although_it_was_refused_is_sent(make_house: MakeHouse, delay: float) -> None:
    house = await furnished(make_house, "draft")
    house.microsoft.emulator.world.sent_copy_delay = delay
    fault(house, path="/send", when="after", status=400, code="ErrorInvalidRecipients")
    row = await house.settled(await house.accept(MAIL, ALICE))
    box = house.microsoft.emulator.world.mailbox(SCANNER)
    assert len(list(box.messages(float("inf"), box.folders["sentitems"]))) == 1
    assert (arrived(house), row["attempts"], row["draft_id"]) == (1, 1, "")
    assert await house.gateway.outbox.notices(row["seq"]) == []


async def test_a_refused_draft_that_cannot_be_deleted_now_is_thrown_away_later(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft")
    fault(house, path="/send", when="before", status=400, code="ErrorInvalidRecipients")
    fault(house, method="DELETE", path="/messages", status=503)
    row = await house.settled(await house.accept(MAIL, ALICE), "bounced")
    (bounce,) = await house.gateway.outbox.notices(row["seq"])
    await house.settled(bounce["id"])
    assert len(drafts(house)) == 1
    await swept(house, 7200.0)
    assert drafts(house) == []
