"""Every way to a token, against one running service and by the real commands: what each is good for, as a table."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from pillarbox.emulator import Certificates, SigningKey
from tests.journeys import tables
from tests.journeys.flows import APPS, COLUMNS, IN_A_BROWSER, WITHOUT_A_BROWSER, Flow, Found, look
from tests.journeys.stage import Office, open_office, open_stage
from tests.openapi.recorder import Recorder


@pytest.fixture
async def office(
    tmp_path: Path, certificates: Certificates, signing_key: SigningKey, recorder: Recorder
) -> AsyncIterator[Office]:
    async with open_office(tmp_path / "microsoft", certificates, signing_key, recorder) as opened:
        yield opened


@pytest.fixture(scope="module")
def rows() -> Iterator[list[tuple[str, ...]]]:
    """The table, shown once all is known."""
    found: list[tuple[str, ...]] = []
    yield found
    tables.show("Every flow, each resource", COLUMNS, found)


@pytest.mark.parametrize(
    "flows", [APPS, IN_A_BROWSER, WITHOUT_A_BROWSER], ids=["apps", "people in a browser", "people without a browser"]
)
async def test_every_way_to_a_token_is_good_for_all_that_it_promises(
    office: Office, tmp_path: Path, rows: list[tuple[str, ...]], flows: Mapping[str, Flow]
) -> None:
    async with open_stage(office, tmp_path) as stage:
        turns = asyncio.Semaphore(3)

        async def walk(name: str, flow: Flow) -> Found:
            async with turns:
                await flow.connect(stage, name)
                return await look(stage, flow, name)

        async with asyncio.TaskGroup() as group:
            walks = [group.create_task(walk(name, flow)) for name, flow in flows.items()]
    found = [each.result() for each in walks]
    rows += [(flow.name, *one.cells) for flow, one in zip(flows.values(), found, strict=True)]
    for flow, one in zip(flows.values(), found, strict=True):
        assert one == flow.good_for, flow.name
