"""Fixtures of the faults: gateways that live and die, and a Microsoft with bad days."""

import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.conftest import Microsoft
from tests.faults import scale
from tests.faults.chaos import Chaos
from tests.faults.lives import SENDERS, Lives

MakeLives = Callable[..., Lives]


@pytest.fixture
def seed() -> int:
    """What chance begins with; printed first, as a test that hangs says nothing at its end."""
    chosen = scale.seed()
    print(f"seed {chosen}")
    return chosen


@pytest.fixture
def chaos(seed: int) -> Chaos:
    """What goes wrong at Microsoft, once it is `raging`."""
    return Chaos(random.Random(seed))


@pytest.fixture
def faults(chaos: Chaos) -> Chaos:
    """In `microsoft` chance rules."""
    return chaos


@pytest.fixture
def microsoft(microsoft: Microsoft) -> Microsoft:
    """An emulator with the mailboxes SENDERS."""
    for address in SENDERS:
        if microsoft.seed.tenant.user_by_address(address) is None:
            microsoft.emulator.world.add_user(microsoft.seed.tenant, address.partition("@")[0])
    return microsoft


@pytest.fixture
async def make_lives(tmp_path: Path, microsoft: Microsoft) -> AsyncIterator[MakeLives]:
    """Makes the lives of one store, `speed` times as fast; its settings as keywords `delivery_settle="1 2"`."""
    made: list[Lives] = []

    def make(speed: float = 1.0, **settings: str) -> Lives:
        named = {name.replace("_", ".", 1): value for name, value in settings.items()}
        made.append(Lives(tmp_path, microsoft, named, speed))
        return made[-1]

    yield make
    for lives in made:
        await lives.close()
