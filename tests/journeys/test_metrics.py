"""/metrics: what is in it, who may read it, and that its page says the same."""

import asyncio
import re
import smtplib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from pillarbox.core.accounts import CredentialKind
from pillarbox.core.caller import Scope
from pillarbox.core.content import in_memory
from pillarbox.core.mail import Envelope
from pillarbox.core.vault import Secret
from pillarbox.delivery.submission import Terms
from tests.conftest import House, MakeHouse

MAIL = b"From: scanner@contoso.example\r\nTo: a@fabrikam.example\r\nSubject: x\r\n\r\nx\r\n"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def scrape(browser: aiohttp.ClientSession, house: House) -> Mapping[str, Metric]:
    """The families of a scrape, by the names that their page has."""
    async with browser.get(f"http://{house.gateway.http_address}/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        families = text_string_to_metric_families(await answer.text())
        return {f"{one.name}_total" if one.type == "counter" else one.name: one for one in families}


def value(families: Mapping[str, Metric], name: str, **labels: str) -> float:
    """The one sample with these labels."""
    family = families[name.removesuffix("_count")]
    (found,) = (one.value for one in family.samples if one.name == name and labels.items() <= one.labels.items())
    return found


def refused(address: tuple[str, int]) -> None:
    with smtplib.SMTP(*address) as client, pytest.raises(smtplib.SMTPAuthenticationError):
        client.login("printer", "wrong")


async def test_what_happens_is_counted(house: House, browser: aiohttp.ClientSession) -> None:
    await house.settled(await house.accept(MAIL, "a@fabrikam.example"))
    await house.settled(await house.accept(MAIL, "b@fabrikam.example", "c@fabrikam.example"))
    await asyncio.to_thread(refused, house.smtp)
    await scrape(browser, house)
    found = await scrape(browser, house)
    assert value(found, "pillarbox_accepted_total") == 2
    assert value(found, "pillarbox_attempts_total", outcome="sent", cause="accepted") == 2
    assert value(found, "pillarbox_final_total", state="sent") == 2
    assert value(found, "pillarbox_graph_request_seconds_count", status="202") == 2
    assert value(found, "pillarbox_token_request_seconds_count", status="200") == 1
    assert value(found, "pillarbox_smtp_sessions_total") == 1
    # smtplib tries PLAIN, and then LOGIN.
    assert value(found, "pillarbox_smtp_refusals_total") == 2
    assert value(found, "pillarbox_http_requests_total", method="GET", route="/metrics", status="200") == 1
    assert value(found, "pillarbox_log_events_total", event="mail.attempt", level="info") == 2
    assert value(found, "pillarbox_events_total") >= 2
    assert value(found, "process_resident_memory_bytes") > 0


async def test_what_waits_is_shown_with_its_age(make_house: MakeHouse, browser: aiohttp.ClientSession) -> None:
    now = [1_795_176_000.0]
    house = await make_house(clock=lambda: now[0])
    await house.furnish("scanner@contoso.example")
    await house.gateway.governors.pause("all", "")
    await house.accept(MAIL, "a@fabrikam.example")
    now[0] += 100
    found = await scrape(browser, house)
    assert value(found, "pillarbox_outbox_messages", state="queued") == 1
    assert value(found, "pillarbox_outbox_oldest_age_seconds", state="queued") == 100
    assert value(found, "pillarbox_outbox_messages", state="held") == 0
    assert value(found, "pillarbox_pauses", scope="all", cause="operator") == 1


async def test_what_is_on_its_way_is_shown(make_house: MakeHouse, browser: aiohttp.ClientSession) -> None:
    leaves = asyncio.Event()
    house = await make_house(
        {"delivery.stop_timeout": "0.1"}, reached=lambda point: leaves.set() if point == "before_send" else None
    )
    await house.furnish("scanner@contoso.example")
    house.microsoft.emulator.faults.add(path="/sendMail", delay=3600, times=1)
    sent = await house.accept(MAIL, "a@fabrikam.example")
    await leaves.wait()
    found = await scrape(browser, house)
    assert value(found, "pillarbox_outbox_messages", state="sending") == 1
    assert [one.id for one in house.gateway.worker().sending()] == [sent]


async def test_what_is_to_go_later_is_not_old(make_house: MakeHouse, browser: aiohttp.ClientSession) -> None:
    now = [1_795_176_000.0]
    house = await make_house(clock=lambda: now[0])
    await house.furnish("scanner@contoso.example")
    await house.gateway.governors.pause("all", "")
    letter = Envelope("scanner@contoso.example", ("a@fabrikam.example",))
    printer = await house.gateway.submitters.get("printer")
    later = Terms(send_at=now[0] + 600)
    await house.gateway.submission.accept(letter, in_memory(MAIL), printer, terms=later)

    async def oldest() -> float:
        return value(await scrape(browser, house), "pillarbox_outbox_oldest_age_seconds", state="queued")

    now[0] += 500
    assert await oldest() == 0
    now[0] += 110
    assert await oldest() == 10
    await house.accept(MAIL, "b@fabrikam.example")
    now[0] += 5
    assert await oldest() == 15


async def test_the_days_of_a_credential_are_shown(make_house: MakeHouse, browser: aiohttp.ClientSession) -> None:
    now = [1_795_176_000.0]
    house = await make_house(clock=lambda: now[0])
    accounts = house.gateway.accounts
    await house.furnish("scanner@contoso.example")
    app = (await accounts.apps())[0]
    for days, kind in ((30, CredentialKind.CERTIFICATE), (-1, CredentialKind.SECRET)):
        await accounts.add_credential(app, kind, Secret("x"), ends_at=now[0] + days * 86_400)
    found = await scrape(browser, house)
    assert value(found, "pillarbox_credential_days_left", app=app.name, kind="certificate") == 30
    assert value(found, "pillarbox_credential_days_left", app=app.name, kind="secret") == -1


async def test_its_page_has_each_metric_and_no_other(house: House, browser: aiohttp.ClientSession) -> None:
    await house.settled(await house.accept(MAIL, "a@fabrikam.example"))
    found = await scrape(browser, house)
    rows = re.findall(r"^\| `(\w+)` \| (gauge|counter|histogram) \| (.*?) \| (.+?) \|$", PAGE.read_text("utf-8"), re.M)
    assert {(name, kind, text) for name, kind, _, text in rows} == {
        (name, family.type, family.documentation) for name, family in found.items()
    }
    labels = {name: set(re.findall(r"`(\w+)`", text)) for name, _, text, _ in rows}
    for name, family in found.items():
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == labels[name]


async def test_names_are_as_prometheus_wants_them(house: House, browser: aiohttp.ClientSession) -> None:
    for name, family in (await scrape(browser, house)).items():
        assert re.fullmatch(r"(pillarbox|process)_[a-z_]+", name)
        assert (family.type == "counter") == name.endswith("_total")
        assert not re.search(r"_(milliseconds|minutes|hours|kb|mb)(_|$)", name)
        if family.type == "histogram":
            assert name.endswith("_seconds")


async def status(browser: aiohttp.ClientSession, house: House, **fields: str) -> int:
    headers = {name.replace("_", "-"): text for name, text in fields.items()}
    async with browser.get(f"http://{house.gateway.http_address}/metrics", headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize("field", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
async def test_what_an_unknown_proxy_on_this_machine_brings_needs_a_key(
    house: House, browser: aiohttp.ClientSession, field: str
) -> None:
    assert await status(browser, house) == 200
    assert await status(browser, house, **{field: "127.0.0.1"}) == 401


async def test_clients_of_a_trusted_proxy_are_known_by_their_own_address(
    make_house: MakeHouse, browser: aiohttp.ClientSession
) -> None:
    settings = {"http.trusted_proxies": "127.0.0.1/32", "http.metrics_networks": "192.0.2.0/24"}
    house = await make_house(settings)
    assert await status(browser, house, X_Forwarded_For="203.0.113.1, 192.0.2.7") == 200
    assert await status(browser, house, X_Forwarded_For="192.0.2.7, 203.0.113.1") == 401
    assert await status(browser, house) == 401


@pytest.mark.parametrize(("scope", "expected"), [(Scope.METRICS_READ, 200), (Scope.SEND, 403)])
async def test_a_key_needs_its_scope(
    make_house: MakeHouse, browser: aiohttp.ClientSession, scope: Scope, expected: int
) -> None:
    house = await make_house({"http.metrics_networks": ""})
    _, text = await house.gateway.keys.add("watcher", {"scopes": (scope,)})
    assert await status(browser, house, Authorization=f"Bearer {text.reveal()}") == expected
