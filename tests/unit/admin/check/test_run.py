"""A test tells each step as soon as it is found."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.unit.admin.check.conftest import ALICE, SCANNER, Bench


async def test_each_step_is_told_before_the_next_one_is_tried(bench: Bench) -> None:
    await bench.mailbox()
    may_go_on = asyncio.Event()

    async def send(_mailbox: object, _to: str) -> Mapping[str, Any]:
        await may_go_on.wait()
        return {"id": "q", "state": "sent", "code": "", "request_id": "", "message_id": "<m@x>"}

    run = await replace(bench.check, submit_and_wait=send).of_mailbox(SCANNER, ALICE)
    told: list[str] = []
    async for step in run.steps():
        told.append(step.name)
        if step.name == "mailbox":
            may_go_on.set()
    assert told[:6] == ["addresses", "tls", "clock", "token", "rights", "mailbox"]
    assert "mode" not in told
    report = run.report
    assert [step.name for step in report.steps] == [*told, "mode"]
    assert (report.ok, report.assurance) == (True, await bench.assurance())


async def test_the_mode_that_was_kept_before_is_told_where_none_was_found_now(bench: Bench) -> None:
    mailbox = await bench.mailbox()
    await bench.accounts.set_assurance(mailbox, "send-only")
    run = await bench.check.of_mailbox(SCANNER)
    assert (run.report.steps, run.report.assurance) == ((), "send-only")
