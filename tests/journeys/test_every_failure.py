"""Every failure once, in the way that a person meets it: the first line that they read, and its cure, as a table."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pillarbox.emulator import Certificates, SigningKey
from tests.journeys import tables
from tests.journeys.failures import FAILURES
from tests.journeys.stage import Stage, Told, open_office, open_stage
from tests.openapi.recorder import Recorder


@pytest.fixture
async def stage(
    tmp_path: Path, certificates: Certificates, signing_key: SigningKey, recorder: Recorder
) -> AsyncIterator[Stage]:
    async with (
        open_office(tmp_path / "microsoft", certificates, signing_key, recorder) as office,
        open_stage(office, tmp_path, moved_clock=True) as opened,
    ):
        yield opened


@pytest.fixture
def told() -> Iterator[dict[str, Told]]:
    """What was read, shown whatever was wrong with it."""
    found: dict[str, Told] = {}
    yield found
    rows = [(name, one.first, one.cure) for name, one in found.items()]
    tables.show("Every failure, and what the person reads", ("failure", "first line", "cure"), rows)


async def test_every_failure_names_its_cause_and_its_cure(stage: Stage, told: dict[str, Told]) -> None:
    for failure in FAILURES:
        told[failure.name] = await failure.meet(stage)
    wrong = [
        (failure.name, told[failure.name])
        for failure in FAILURES
        if failure.first not in told[failure.name].first
        or not told[failure.name].cure
        or failure.cure not in told[failure.name].cure
    ]
    assert wrong == []
