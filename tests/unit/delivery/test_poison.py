"""A message that ends the process takes no other with it."""

import asyncio

import pytest

from pillarbox.core.mail import Found
from pillarbox.delivery import policy
from pillarbox.delivery.worker import Worker
from tests.unit.delivery.conftest import Shelf
from tests.unit.delivery.gates import Gates

SETTLE = (120.0, 900.0)
Running = tuple[Worker, "asyncio.Task[None]"]


def started(shelf: Shelf, gates: Gates) -> Running:
    """A worker of a process that has just begun, and looks at every mailbox."""
    parts = (shelf.outbox, shelf.accounts, gates, shelf.clock, shelf.log, shelf.governors())
    worker = Worker(*parts, SETTLE, lambda: None)
    return worker, asyncio.create_task(worker.run())


async def stopped(running: Running) -> None:
    worker, task = running
    task.cancel()
    await worker.stop(0)


async def killed(shelf: Shelf, running: Running) -> None:
    """The process ends, and the next one looks for what was cut off: it is nowhere."""
    await stopped(running)
    await shelf.outbox.recover("stopped", "look", SETTLE)
    shelf.now += 100 * SETTLE[-1]
    for mailbox in shelf.mailboxes:
        for message in await shelf.outbox.doubtful(mailbox.id, 100, 0.0):
            await shelf.outbox.looked(message, policy.after_look(Found.UNKNOWN, message, SETTLE, shelf.now), "nowhere")


async def over(shelf: Shelf, count: int) -> None:
    """Until so many of the first three are sent."""
    while (
        len([line for line in shelf.lines.lines("mail.final") if "state=sent" in line and "id=D " not in line]) < count
    ):
        await shelf.lines.next()


@pytest.mark.parametrize("boxes", [(0, 0, 0), (0, 1, 0), (0, 1, 1)])
@pytest.mark.parametrize("poison", ["A", "B", "C"])
async def test_of_those_that_were_sent_together_the_one_that_ends_the_process_is_held(
    shelf: Shelf, boxes: tuple[int, ...], poison: str
) -> None:
    names = ["A", "B", "C"]
    for name, box in zip(names, boxes, strict=True):
        await shelf.put(name, mailbox=box)
    first = Gates()
    running = started(shelf, first)
    await first.holds(*names)
    await killed(shelf, running)
    for _ in range(policy.DEATHS - 1):
        gates = Gates()
        for name in names:
            if name != poison:
                gates.open(name)
        running = started(shelf, gates)
        await gates.holds(poison)
        await killed(shelf, running)
    gates = Gates()
    for name in names:
        if name != poison:
            gates.open(name)
    running = started(shelf, gates)
    await over(shelf, len(names) - 1)
    await stopped(running)
    assert [await shelf.state(name) for name in names] == ["held" if name == poison else "sent" for name in names]


async def test_they_go_one_by_one_and_others_beside_them(shelf: Shelf) -> None:
    await shelf.put("A", "B")
    await shelf.put("C", mailbox=1)
    gates = Gates()
    running = started(shelf, gates)
    await gates.holds("A", "B", "C")
    await killed(shelf, running)
    await shelf.put("D", mailbox=1)
    gates = Gates()
    running = started(shelf, gates)
    seen = []
    gates.open("D")
    for _ in "ABC":
        await gates.until(lambda: any(name != "D" for name in gates.inside))
        (going,) = (name for name in gates.inside if name != "D")
        seen.append(going)
        gates.open(going)
        await over(shelf, len(seen))
    assert (sorted(seen), await shelf.state("D")) == (["A", "B", "C"], "sent")
    await stopped(running)
