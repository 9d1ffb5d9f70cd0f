"""The certificates of the listeners are told before they end: in the log, by an event, as a metric."""

import aiohttp
import pytest

from pillarbox.admin import certificates
from pillarbox.core import tls
from tests.conftest import House, MakeHouse

DAY = 86400.0
NOW = 1_795_176_000.0
END = NOW + 3650 * DAY


@pytest.fixture
async def house(make_house: MakeHouse) -> House:
    made = await make_house(start=False)
    tls.self_made_certificate(made.gateway.settings.state_dir, "mail.contoso.example", NOW)
    return made


async def tell(house: House, now: float) -> None:
    await certificates.tell(house.gateway.settings, house.gateway.events, house.gateway.log, now)


async def test_events_tell_it_once_at_each_step_and_the_log_each_day(house: House) -> None:
    for day in range(-40, 3):
        await tell(house, END + day * DAY)
    events, _ = await house.gateway.events.page(None, 100)
    assert [(event["type"], event["data"]["days"]) for event in events] == [
        ("listener.certificate_ending", days) for days in (30, 14, 7, 1, 0)
    ]
    assert events[0]["data"]["listeners"] == ["smtp"]
    assert events[0]["subject"].endswith("tls-cert.pem")
    lines = house.log.lines("certificate.ending")
    assert len(lines) == 33
    assert 'left="in 30 days"' in lines[0]


async def test_a_certificate_that_took_its_place_is_told_anew(house: House) -> None:
    await tell(house, END)
    folder = house.gateway.settings.state_dir
    (folder / tls.SELF_MADE).unlink()
    tls.self_made_certificate(folder, "mail.contoso.example", NOW + DAY)
    await tell(house, END)
    events, _ = await house.gateway.events.page(None, 100)
    assert [event["data"]["days"] for event in events] == [0, 1]


async def test_a_service_tells_it_at_its_start_and_as_a_metric(make_house: MakeHouse) -> None:
    house = await make_house(start=False)
    tls.self_made_certificate(house.gateway.settings.state_dir, "mail.contoso.example", NOW - 3650 * DAY)
    await house.gateway.start()
    while not house.log.lines("certificate.ending"):
        await house.log.next()
    url = f"http://{house.gateway.http_address}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        lines = (await answer.text()).splitlines()
    (line,) = (one for one in lines if one.startswith('pillarbox_certificate_days_left{listener="smtp"}'))
    assert float(line.split()[-1]) < 30
