"""End dates: as people write them, judged, and told before they come."""

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pillarbox.admin import apps, end_dates
from pillarbox.core.accounts import Credential, CredentialKind
from pillarbox.core.errors import InvalidInput
from pillarbox.core.log import make_logger
from pillarbox.core.vault import Secret, Vault
from pillarbox.store.accounts import Accounts
from pillarbox.store.events import EventLog
from pillarbox.store.sqlite import open_sqlite
from tests.unit.entra.test_credentials import Steps

TENANT = "11111111-2222-4333-8444-555555555555"
CLIENT = "66666666-7777-4888-8999-aaaaaaaaaaaa"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
DAY = 86400.0


def refused(code: str) -> Any:
    return pytest.raises(InvalidInput, check=lambda error: error.code == code)


def ending_at(*ends: float | None) -> list[Credential]:
    """Credentials, newest first."""
    return [Credential(f"cred_{n}", CredentialKind.SECRET, Secret("x"), "", end) for n, end in enumerate(ends)]


# ---- as they are written


@pytest.mark.parametrize(
    "text",
    [
        *(
            "2028-05-31",
            " '2028-05-31' ",
            "5/31/2028",
            "05/31/2028",
            "31/5/2028",
            "31.5.2028",
            "31.05.2028",
            "31-05-2028",
        ),
        *(
            "2028/5/31",
            "2028.05.31",
            "2028. 5. 31.",
            "2028年5月31日",
            "May 31, 2028",
            "31 May 2028",
            "Value: 5/31/2028",
        ),
    ],
)
def test_a_date_is_taken_as_iso_and_as_the_portal_writes_it(text: str) -> None:
    assert end_dates.parse(text) == datetime(2028, 5, 31, 23, 59, 59, tzinfo=UTC).timestamp()


def test_where_day_and_month_are_the_same_number_the_order_is_the_same_too() -> None:
    assert end_dates.parse("5/5/2028") == end_dates.parse("2028-05-05")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2026-11-20T12:00:00+00:00", NOW), ("2026-11-20T14:00+02:00", NOW), ("2026-11-20T12:00", NOW), ("", None)],
)
def test_a_time_is_that_moment_and_nothing_is_none(text: str, seconds: float | None) -> None:
    assert end_dates.parse(text) == seconds


@pytest.mark.parametrize(
    "text", ["5/6/2028", "tomorrow", "2027-13-01", "13/13/2028", "5/31/28", "0001-01-01T00:00+14:00", "31/5.2028"]
)
def test_what_may_be_two_dates_or_none_is_refused_with_the_form_that_is_wanted(text: str) -> None:
    with refused("app.bad_date") as caught:
        end_dates.parse(text)
    assert "2027-05-31" in caught.value.cure


# ---- judged


def test_a_credential_that_ends_today_is_good_today() -> None:
    today = end_dates.parse("2026-11-20")
    assert [odd.code for odd in end_dates.judge(today, NOW)] == ["app.end_near"]
    with refused("app.end_past"):
        end_dates.judge(end_dates.parse("2026-11-19"), NOW)


def test_one_too_far_and_one_too_near_are_told() -> None:
    assert end_dates.judge(None, NOW) == []
    assert end_dates.judge(NOW + 31 * DAY, NOW) == []
    assert end_dates.judge(NOW + 730 * DAY, NOW) == []
    assert [odd.code for odd in end_dates.judge(NOW + 770 * DAY, NOW)] == ["app.end_far"]
    (odd,) = end_dates.judge(NOW + 12 * DAY, NOW)
    assert (odd.code, odd.sentence) == ("app.end_near", "This credential ends on 2026-12-02: in 12 days.")


@pytest.mark.parametrize(
    ("ends_at", "words"),
    [
        *((None, ""), (NOW + 30 * DAY + 1, ""), (NOW + 30 * DAY, "in 30 days"), (NOW + DAY, "in 1 day")),
        *((NOW + 10, "within a day"), (NOW, "ended"), (NOW - 90 * DAY, "ended")),
    ],
)
def test_how_long_it_is_good_is_said_when_that_is_soon(ends_at: float | None, words: str) -> None:
    assert end_dates.left(ends_at, NOW) == words


def test_one_whose_place_a_newer_one_has_taken_is_told_no_more() -> None:
    soon, over, far = NOW + DAY, NOW - DAY, NOW + 90 * DAY
    for ends, told in (([soon], 1), ([soon, over], 2), ([far, over], 0), ([None, soon], 0), ([over, far], 1), ([], 0)):
        assert len(end_dates.ending(ending_at(*ends), NOW)) == told


def test_an_app_ends_with_the_next_credential_that_is_still_good() -> None:
    soon, over, far = NOW + DAY, NOW - DAY, NOW + 90 * DAY
    for ends, end in (
        ([far, soon], soon),
        ([far, over], far),
        ([over, over - 1], over),
        ([None, over], None),
        ([], None),
    ):
        assert end_dates.end_of(ending_at(*ends), NOW) == end


# ---- told


@pytest.fixture
async def accounts(tmp_path: Path) -> AsyncIterator[Accounts]:
    database = await open_sqlite(tmp_path / "store.db", on_death=print)
    yield Accounts(database, Vault(bytes(32)), Steps())
    await database.close()


async def test_the_log_tells_it_now_and_once_a_day(accounts: Accounts) -> None:
    secret = apps.client_secret(Secret("x" * 40), "contoso", NOW + 12 * DAY, NOW)
    credential = (await apps.add(accounts, "contoso", TENANT, CLIENT, secret)).credential
    await apps.add(accounts, "people", TENANT, CLIENT, None)
    assert credential is not None
    told, waited, now = io.StringIO(), [], [NOW]

    async def wait(seconds: float) -> None:
        waited.append(seconds)
        now[0] += seconds
        if len(waited) == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await end_dates.tell_daily(accounts, lambda: now[0], make_logger(told, "info", "text", lambda: NOW), wait)
    first, second = told.getvalue().splitlines()
    assert waited == [DAY, DAY]
    assert f"event=credential.ending app=contoso credential={credential.id} kind=secret ends=2026-12-02" in first
    assert ("level=warning" in first, 'left="in 12 days"' in first, 'left="in 11 days"' in second) == (True, True, True)


async def test_events_tell_it_once_at_each_step(accounts: Accounts) -> None:
    secret = apps.client_secret(Secret("x" * 40), "contoso", NOW + 40 * DAY, NOW)
    await apps.add(accounts, "contoso", TENANT, CLIENT, secret)
    log = EventLog(accounts._database, lambda: NOW)
    seen = []
    # Day by day, and each day twice: a service that is started again tells nothing again.
    for day in range(45):
        for _ in range(2):
            await end_dates.tell(accounts, NOW + day * DAY, make_logger(io.StringIO(), "info", "text", lambda: NOW))
        seen.append(len((await log.page(None, 100))[0]))
    told = (await log.page(None, 100))[0]
    assert [(event["type"], event["subject"], event["data"]["days"]) for event in told] == [
        ("app.credential_ending", "contoso", days) for days in (30, 14, 7, 1, 0)
    ]
    assert [seen.index(count) for count in (1, 2, 3, 4, 5)] == [10, 26, 33, 39, 40]


async def test_a_service_that_was_off_tells_the_step_that_it_finds(accounts: Accounts) -> None:
    secret = apps.client_secret(Secret("x" * 40), "contoso", NOW + 40 * DAY, NOW)
    await apps.add(accounts, "contoso", TENANT, CLIENT, secret)
    await end_dates.tell(accounts, NOW + 35 * DAY, make_logger(io.StringIO(), "info", "text", lambda: NOW))
    (event,) = (await EventLog(accounts._database, lambda: NOW).page(None, 100))[0]
    assert (event["data"]["days"], event["mailbox_id"]) == (7, None)
