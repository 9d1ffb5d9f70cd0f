"""What the doctor says of the ways to Microsoft."""

import pytest

from pillarbox.admin.examine.ways import clock, hosts
from tests.conftest import House, MakeHouse


@pytest.fixture
async def house(make_house: MakeHouse) -> House:
    return await make_house(start=False)


async def test_hosts_that_answer_are_told_with_who_signed(house: House) -> None:
    found = await hosts(house.gateway.examined(0.0))
    assert {(one.severity.value, one.code) for one in found} == {("ok", "doctor.host")}
    assert "emulator" in found[0].sentence


async def test_a_host_that_does_not_answer_is_told_without_any_mailbox(
    make_house: MakeHouse, unused_tcp_port: int
) -> None:
    nowhere = f"https://localhost:{unused_tcp_port}"
    house = await make_house({"microsoft.authority_url": nowhere, "microsoft.graph_url": nowhere}, start=False)
    examined = house.gateway.examined(0.0)
    (found,) = await hosts(examined)
    assert (found.severity, found.code) == ("problem", "microsoft.unreachable")
    # That is said once.
    assert [one.severity for one in await clock(examined)] == ["skipped"]


async def test_a_certificate_that_is_not_trusted_is_told(make_house: MakeHouse) -> None:
    house = await make_house({"microsoft.ca_file": ""}, start=False)
    found = await hosts(house.gateway.examined(0.0))
    assert {one.code for one in found} == {"check.intercepted"}
