"""SIGKILL while many ask for the same message with one Idempotency-Key: each key has one message, whoever asks again.

The kills are spread over the time that these requests take: before the commit, around it, after the first answers.
"""

import asyncio
import signal
import time
from typing import Any

import pytest

from tests.conftest import Microsoft
from tests.faults.conftest import MakeLives
from tests.faults.lives import Life, furnish
from tests.faults.scale import figure
from tests.journeys.test_send_by_api import ALICE, BOX, Client

ROUNDS = figure("SEND_KILL_ROUNDS", 8, 200)
TOGETHER = 50


@pytest.mark.timeout(60 + 10 * ROUNDS)
async def test_one_message_comes_of_equal_requests_whenever_the_service_is_killed(
    microsoft: Microsoft, make_lives: MakeLives
) -> None:
    lives = make_lives()
    life = await lives.begin()
    await furnish(life, microsoft, "send-only", BOX)
    ids = [_one(await asyncio.gather(*_asked(life, 0)))]
    began = time.monotonic()
    asked = _asked(life, 1)
    await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    usual = time.monotonic() - began
    ids.append(_one(await asyncio.gather(*asked)))
    answered = []
    for number in range(ROUNDS):
        asked = _asked(life, 2 + number)
        await asyncio.wait(asked, timeout=2 * usual * number / ROUNDS)
        assert await life.end(signal.SIGKILL) == -signal.SIGKILL
        answers = await asyncio.gather(*asked)
        answered.append(sum(answer is not None for answer in answers))
        life = await lives.begin()
        ids.append(_one([*answers, *await asyncio.gather(*_asked(life, 2 + number))]))
    print(f"answers before each kill: {answered}")
    assert min(answered) < TOGETHER, "no kill was in time"
    assert len(set(ids)) == len(ids)
    assert await _kept(life) == set(ids)
    assert await life.end(signal.SIGTERM) == 0


def _asked(life: Life, number: int) -> list[asyncio.Task[Any]]:
    wish = {"from": BOX, "to": ALICE, "subject": f"order {number}", "text": "t"}
    key = {"Idempotency-Key": f"order-{number}"}
    client = Client(life)
    return [asyncio.create_task(client.ask("POST", "/api/v1/sends", wish, key)) for _ in range(TOGETHER)]


def _one(answers: list[Any]) -> str:
    """The id that all answers have that have one."""
    known = [answer for answer in answers if answer is not None]
    assert {status for status, _ in known} <= {202, 409}
    (only,) = {answer["id"] for status, answer in known if status == 202}
    return str(only)


async def _kept(life: Life) -> set[str]:
    listed = await Client(life).done("GET", "/api/v1/sends?limit=500")
    assert listed["next"] is None
    return {one["id"] for one in listed["data"]}
