"""Fixtures of the faults: gateways that live and die, and a Microsoft with bad days."""

import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from pillarbox.emulator import Certificates, Emulator, SigningKey
from pillarbox.emulator import seed as plant
from tests.conftest import Microsoft
from tests.faults import scale
from tests.faults.chaos import Chaos
from tests.faults.lives import SENDERS, Lives
from tests.openapi.recorder import Recorder

MakeLives = Callable[..., Lives]


@pytest.fixture
def seed() -> int:
    """What chance begins with."""
    return scale.seed()


@pytest.fixture
def chaos(seed: int) -> Chaos:
    """What goes wrong at Microsoft, once it is `raging`."""
    return Chaos(random.Random(seed))


@pytest.fixture
async def microsoft(
    tmp_path: Path, certificates: Certificates, signing_key: SigningKey, recorder: Recorder, chaos: Chaos
) -> AsyncIterator[Microsoft]:
    """An emulator in which chance rules, with the mailboxes SENDERS."""
    folder = tmp_path / "emulator"
    folder.mkdir()
    async with Emulator(
        folder, certificates=certificates, signing_key=signing_key, witness=recorder, faults=chaos
    ) as emulator:
        planted = plant(emulator.world)
        for address in SENDERS:
            name = address.partition("@")[0]
            if planted.tenant.user_by_address(address) is None:
                emulator.world.add_user(planted.tenant, name)
        yield Microsoft(emulator, planted)


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
