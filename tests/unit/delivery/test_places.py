"""Places of an app registration: who waits for one gets it, be it for a message or for a look-up."""

import asyncio
from dataclasses import replace

from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.governor import Limits
from pillarbox.core.vault import Secret
from pillarbox.delivery.governor import Governors
from pillarbox.store.limits import Pause, mailbox_scope
from tests.unit.delivery.conftest import Shelf
from tests.unit.delivery.test_governor import THREE, Answers, Service

ONE = Limits(concurrency=1)


async def looked(governors: Governors, mailbox: Mailbox) -> None:
    async with governors.request(mailbox):
        pass


async def a_moment() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_has_another_app_registration_by_now_holds_up_nobody_of_the_former(shelf: Shelf) -> None:
    governors = shelf.governors(THREE, ONE)
    moved, other = shelf.mailboxes
    turn = governors.reserve(other, 50)
    assert not governors.may_send(moved)
    assert not governors.may_send(replace(other, id=99))
    added = await shelf.accounts.add_app("other", "t", "c2", Secret("s"))
    assert added is not None
    governors.mended(replace(moved, app=added))
    governors.release(turn, 1)
    woken: list[int] = []
    shelf.wake = woken.append
    assert governors.reserve(replace(moved, app=added), 50).count == 1
    assert 99 in woken, "who was behind it is not woken"
    assert governors.may_send(replace(other, id=99))


async def test_a_look_up_that_waits_for_a_place_of_the_app_is_woken_when_there_is_one(shelf: Shelf) -> None:
    governors = shelf.governors(THREE, ONE)
    looks_up, sends = shelf.mailboxes
    turn = governors.reserve(sends, 50)
    looks = [asyncio.create_task(looked(governors, looks_up)) for _ in range(3)]
    await a_moment()
    governors.release(turn, 1)
    async with asyncio.timeout(10):
        await asyncio.gather(*looks)


async def test_look_ups_have_their_turn_while_another_mailbox_sends_on_and_on(shelf: Shelf) -> None:
    governors = shelf.governors(THREE, ONE)
    looks_up, sends = shelf.mailboxes
    turn = governors.reserve(sends, 50)
    looks = [asyncio.create_task(looked(governors, looks_up)) for _ in range(3)]
    for _ in range(10):
        await a_moment()
        governors.release(turn, turn.count)
        turn = governors.reserve(sends, 50)
    assert all(look.done() for look in looks)


async def test_look_ups_that_wait_for_the_app_take_no_places_of_their_mailbox(shelf: Shelf) -> None:
    governors = shelf.governors(THREE, Limits(concurrency=4))
    looks_up, sends = shelf.mailboxes
    turns = [governors.reserve(replace(sends, id=number), 50) for number in (8, 9)]
    looks = [asyncio.create_task(looked(governors, looks_up)) for _ in range(3)]
    await a_moment()
    for turn in turns:
        governors.release(turn, turn.count)
    assert governors.reserve(looks_up, 50).count == 3
    for look in looks:
        look.cancel()


async def test_a_look_up_that_is_given_up_leaves_its_place_to_a_message(shelf: Shelf) -> None:
    governors = shelf.governors(ONE)
    mailbox = shelf.mailboxes[0]
    turn = governors.reserve(mailbox, 1)
    look = asyncio.create_task(looked(governors, mailbox))
    await a_moment()
    governors.release(turn, 1)
    woken: list[int] = []
    shelf.wake = woken.append
    assert not governors.may_send(mailbox)
    look.cancel()
    await a_moment()
    assert woken == [mailbox.id]
    assert governors.may_send(mailbox)


class WithoutToken(Answers):
    """One mailbox's token does not come."""

    def __init__(self, mailbox_id: int) -> None:
        super().__init__()
        self.mailbox_id = mailbox_id
        self.asked = asyncio.Event()

    async def ready(self, mailbox: Mailbox) -> None:
        if mailbox.id == self.mailbox_id:
            self.asked.set()
            await asyncio.Event().wait()


async def test_who_waits_for_a_token_holds_up_nobody_in_the_line(shelf: Shelf) -> None:
    waits, other = shelf.mailboxes
    answers = WithoutToken(waits.id)
    service = Service(shelf, answers, THREE, ONE)
    await service.begin()
    governors = service.governors
    turn = governors.reserve(replace(other, id=99), 50)
    await shelf.put("A")
    await service.worker._wake_due()
    async with asyncio.timeout(10):
        await answers.asked.wait()
    governors.release(turn, 1)
    assert governors.may_send(other)
    await service.worker.stop(0)


async def test_a_look_up_whose_mailbox_is_throttled_by_now_leaves_its_place_to_the_next(shelf: Shelf) -> None:
    governors = shelf.governors(THREE, ONE)
    looks_up, sends = shelf.mailboxes
    turn = governors.reserve(replace(sends, id=99), 50)
    look = asyncio.create_task(looked(governors, looks_up))
    await a_moment()
    assert not governors.may_send(sends)
    woken: list[int] = []
    shelf.wake = woken.append
    governors.release(turn, 1)
    woken.clear()
    governors._pauses.put(Pause(mailbox_scope(looks_up.id), Cause.THROTTLED, shelf.now + 3600, "", shelf.now))
    await a_moment()
    assert woken == [sends.id]
    assert governors.may_send(sends)
    look.cancel()


async def test_who_may_not_go_is_before_nobody_in_the_line(shelf: Shelf) -> None:
    service = Service(shelf, Answers(), THREE, Limits(requests=1))
    await service.begin()
    await shelf.put("A")
    await service.run()
    await shelf.put("B")
    await shelf.put("C", mailbox=1)
    await service.run()
    await service.governors.pause(mailbox_scope(shelf.mailboxes[0].id), "x")
    await service.run(660)
    assert await shelf.state("C") == "sent"
    await service.worker.stop(0)


async def test_who_has_nothing_any_more_is_before_nobody_in_the_line(shelf: Shelf) -> None:
    service = Service(shelf, Answers(), THREE, Limits(requests=1))
    await service.begin()
    await shelf.put("A")
    await service.run()
    await shelf.put("B")
    await service.run()
    await shelf.put("C", mailbox=1)
    await service.run()
    await shelf.outbox.cancel("B")
    await service.run(660)
    assert await shelf.state("C") == "sent"
    await service.worker.stop(0)


async def test_who_cannot_be_served_for_the_store_lets_the_next_go(shelf: Shelf) -> None:
    service = Service(shelf, Answers(), THREE, ONE)
    await service.begin()
    one, two = shelf.mailboxes
    await shelf.put("A")
    await shelf.put("B", mailbox=1)
    turn = service.governors.reserve(replace(two, id=99), 1)
    assert not service.governors.may_send(one)
    assert not service.governors.may_send(two)
    service.worker._pause(one.id, 5)
    service.governors.release(turn, 1)
    async with asyncio.timeout(10):
        while await shelf.state("B") != "sent":
            await a_moment()
    await service.worker.stop(1)
