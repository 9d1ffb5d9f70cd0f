"""The doctor at the API: gentle, and able to tell what is wrong also where nothing can be written."""

import asyncio
import json

from pillarbox.access.audit import Audit
from pillarbox.core.settings import describe
from tests.conftest import House, MakeHouse
from tests.unit.endpoints.test_apps import ask
from tests.unit.endpoints.test_audited import FullLog

PATH = "/api/v1/doctor"


async def test_one_doctor_runs_at_a_time(house: House) -> None:
    answers = await asyncio.gather(*(ask(house, "POST", PATH, {"patience": 5}) for _ in range(6)))
    statuses = [status for status, _ in answers]
    assert (statuses.count(200), set(statuses)) == (1, {200, 409})
    assert {json.loads(text)["code"] for status, text in answers if status == 409} == {"doctor.running"}
    assert (await ask(house, "POST", PATH))[0] == 200


async def test_where_nothing_can_be_written_down_it_still_tells(make_house: MakeHouse) -> None:
    house = await make_house()
    gateway = house.gateway
    gateway.api.state.audit = Audit(FullLog(gateway.database, lambda: 0.0), gateway.log)
    assert (await ask(house, "POST", "/api/v1/outbox:pause", {}))[0] == 507
    assert (await ask(house, "POST", PATH))[0] == 200


async def test_patience_has_bounds(house: House) -> None:
    for patience in (0, -1, 1e9, "x"):
        assert (await ask(house, "POST", PATH, {"patience": patience}))[0] == 422


async def test_facts_show_each_setting_as_it_counts(house: House) -> None:
    status, text = await ask(house, "GET", f"{PATH}/facts")
    shown = {one["key"]: one["value"] for one in json.loads(text)["settings"]}
    assert (status, set(shown)) == (200, {key for key, _ in describe()})
    # Nought is a value, too.
    assert shown["limits.messages"] == "0"
