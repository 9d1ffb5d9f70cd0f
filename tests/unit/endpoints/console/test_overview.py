"""The overview: one line that says whether all is well, and figures that agree with what happened."""

import asyncio
import re
import time
from typing import Any

import pytest

from pillarbox.admin import mailboxes
from pillarbox.core.accounts import CredentialKind
from pillarbox.core.cause import Cause
from pillarbox.core.errors import AuthenticationFailed, InvalidInput
from pillarbox.core.vault import Secret
from pillarbox.endpoints.console.charts import HEIGHT, WIDTH, chart
from tests.unit.endpoints.console.conftest import Site, Visitor

MAIL = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\nSubject: Scan\r\n\r\nHello.\r\n"


async def add_app_that_ends(site: Site) -> None:
    """The app registration `old`, whose secret ends in three days."""
    accounts, tenant = site.house.gateway.accounts, site.house.microsoft.seed.tenant.id
    ends_at = time.time() + 3.5 * 86400
    client, secret = "66666666-7777-4888-8999-aaaaaaaaaaaa", Secret("not a real one")
    await accounts.add_app("old", tenant, client, secret, kind=CredentialKind.SECRET, ends_at=ends_at)


@pytest.fixture
async def site(site: Site) -> Site:
    """Its mailboxes were tested."""
    accounts = site.house.gateway.accounts
    for mailbox in await accounts.mailboxes():
        await accounts.set_assurance(mailbox, "send-only")
    return site


async def test_where_nothing_is_wrong_it_says_so_in_one_line(admin: Visitor) -> None:
    seen = await admin.look("/")
    assert seen.status == 200
    assert "All is well." in seen.text
    assert "No message waits." in seen.text
    assert 'class="notice bad"' not in seen.html


async def test_what_was_sent_is_counted_at_once_and_drawn(site: Site, admin: Visitor) -> None:
    for _ in range(2):
        await site.house.settled(await site.house.accept(MAIL, "alice@contoso.example"))
    seen = await admin.look("/")
    assert "2 sent in the last hour 2 sent in the last 24 hours" in seen.text
    assert seen.html.count("<rect ") == 2
    assert "Sent per minute 2 in an hour, at most" in seen.text


async def test_what_was_sent_before_the_start_is_counted_again(site: Site) -> None:
    await site.house.settled(await site.house.accept(MAIL, "alice@contoso.example"))
    await site.house.gateway.stop()
    again = site.house.again()
    await again.open()
    try:
        await again.start()
        async with asyncio.timeout(10):
            while not sum(again.recent.sent_by_hour()):
                await again.database.read("measures_last_event")  # its turn comes after what counts
    finally:
        await again.stop()
    assert sum(again.recent.sent_by_hour()) == sum(again.recent.sent_by_minute()) == 1


async def test_a_pause_is_told_with_its_cure_and_the_way_to_it(site: Site, admin: Visitor) -> None:
    await site.house.gateway.governors.pause("mailbox/1", "moving <b>house</b>")
    seen = await admin.look("/")
    assert "Paused by a person (moving <b>house</b>): " in seen.text.replace("&lt;", "<")
    assert "<b>house" not in seen.html
    assert "/mailboxes" in seen.links
    assert "All is well." not in seen.text


async def test_where_more_was_refused_than_sent_it_says_so_and_leads_to_the_outbox(site: Site, admin: Visitor) -> None:
    site.house.gateway.recent.add(time.time(), Cause.BAD_RECIPIENT, 2)
    seen = await admin.look("/")
    assert (seen.status, "2 attempts were refused for good, 0 messages sent." in seen.text) == (200, True)
    assert seen.links.count("/outbox") > (await admin.look("/about")).links.count("/outbox")


async def test_a_mailbox_that_nobody_has_tested_leads_to_its_test(site: Site, admin: Visitor) -> None:
    await mailboxes.add(site.house.gateway.accounts, "new@contoso.example", "contoso")
    seen = await admin.look("/")
    assert "Not known yet whether mail can be sent from: new@contoso.example." in seen.text
    assert "/mailboxes/new%40contoso.example/test" in seen.links
    assert "All is well." not in seen.text


async def test_the_worst_comes_first_and_the_others_are_folded(site: Site, admin: Visitor) -> None:
    await site.house.gateway.governors.pause("mailbox/1", "")
    await add_app_that_ends(site)
    seen = await admin.look("/")
    assert seen.text.index("The secret") < seen.text.index("1 more thing to look at") < seen.text.index("Paused by")
    assert "Client secret of old in 3 days" in seen.text
    assert "/apps/old" in seen.links


async def test_who_may_not_see_app_registrations_is_not_led_there(site: Site) -> None:
    await add_app_that_ends(site)
    seen = await (await site.signed_in("otto")).look("/")
    assert "of old ends on" in seen.text
    assert not any(link.startswith("/apps") for link in seen.links)


async def test_a_device_that_is_refused_is_the_worry_on_top_and_leads_to_it(site: Site, admin: Visitor) -> None:
    submitters = site.house.gateway.submitters
    submitters.refused("", "printer", AuthenticationFailed("submitter.wrong_password"), "192.0.2.7")
    seen = await admin.look("/")
    assert "All is well." not in seen.text
    assert "nothing was accepted since: printer. The name 'printer' came with a wrong password." in seen.text
    assert seen.links.count("/submitters/printer") == 4  # its page and its button, above and in the table
    submitters.used(await submitters.get("printer"))
    seen = await admin.look("/")
    assert "All is well." in seen.text
    assert "It works again since" in seen.text


async def test_what_nobody_knows_is_told_and_leads_to_the_devices(site: Site, admin: Visitor) -> None:
    site.house.gateway.submitters.refused("", "", InvalidInput("smtp.auth_required"), "127.0.0.3")
    seen = await admin.look("/")
    assert "Refused, and not known here: 127.0.0.3. It wanted to send without logging in." in seen.text
    assert "All is well." not in seen.text
    assert seen.links.count("/submitters") > (await admin.look("/about")).links.count("/submitters")


async def test_an_operator_sees_who_is_refused_and_is_led_nowhere_else(site: Site) -> None:
    wrong = AuthenticationFailed("submitter.wrong_password")
    site.house.gateway.submitters.refused("", "printer", wrong, "192.0.2.7")
    seen = await (await site.signed_in("otto")).look("/")
    assert "Refused devices and programs, last 24 hours Who Why Last printer The name 'printer' came" in seen.text
    assert not any(link.startswith("/submitters") for link in seen.links)
    seen = await (await site.signed_in("alma")).look("/")
    assert ("nothing was accepted since: printer." in seen.text, "Refused devices" in seen.text) == (True, False)


async def test_an_administrator_of_an_empty_house_is_led_to_the_first_steps(make_site: Any) -> None:
    site: Site = await make_site()
    assert (await (await site.signed_in()).look("/")).url.endswith("/start")
    seen = await (await site.signed_in("otto")).look("/")
    assert (seen.status, "No mailbox sends yet" in seen.text) == (200, True)


async def test_a_limit_that_is_nearly_used_up_is_told(make_site: Any) -> None:
    site: Site = await make_site({"limits.messages": "2"})
    await site.house.furnish("scanner@contoso.example")
    for _ in range(2):
        await site.house.settled(await site.house.accept(MAIL, "alice@contoso.example"))
    seen = await (await site.signed_in()).look("/")
    assert "messages a minute: 2 / 2" in seen.text


async def test_bytes_are_told_in_a_unit_that_suits_them(make_site: Any) -> None:
    site: Site = await make_site({"limits.bytes": "240"})
    await site.house.furnish("scanner@contoso.example")
    await site.house.settled(await site.house.accept(MAIL, "alice@contoso.example"))
    seen = await (await site.signed_in()).look("/")
    assert re.search(r"mail in 5 minutes: 0\.\d kB / 0\.2 kB", seen.text)


@pytest.mark.parametrize("name", ["otto", "alma"])
async def test_everybody_who_looks_after_it_has_an_overview(site: Site, name: str) -> None:
    seen = await (await site.signed_in(name)).look("/")
    assert (seen.status, "All is well." in seen.text) == (200, True)


@pytest.mark.parametrize("counts", [[], [0, 0], [1], [3, 0, 7, 11], [1, 1000]])
def test_bars_stay_within_the_drawing_and_none_is_lost(counts: list[int]) -> None:
    drawn = chart(counts, 1_800_000_030.0, 60.0)
    assert [bar.count for bar in drawn.bars] == counts
    assert drawn.total == sum(counts)
    assert drawn.top >= drawn.peak
    for bar in drawn.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
        assert bar.y + bar.height == HEIGHT
        assert bool(bar.height) == bool(bar.count)


def test_a_bar_stands_at_the_moment_at_which_its_slot_began() -> None:
    drawn = chart([1, 2], 1_800_000_030.0, 60.0)
    assert [bar.at for bar in drawn.bars] == [1_799_999_940.0, 1_800_000_000.0]
    assert [bar.count for bar in drawn.busy] == [2, 1]


async def test_where_nothing_was_sent_an_administrator_is_led_on(site: Site) -> None:
    assert "Nothing was sent in the last 24 hours. Go on setting up" in (await (await site.signed_in()).look("/")).text
    assert "Go on setting up" not in (await (await site.signed_in("otto")).look("/")).text
