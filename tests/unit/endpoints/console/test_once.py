"""What is told once: by a page that can be loaded again, to whoever made it, and never again."""

from typing import Any

import pytest

from pillarbox.endpoints.console.once import LIFE, Once
from tests.unit.endpoints.console.conftest import Seen, Site, Visitor

BOX = "scanner@contoso.example"
ALICE = "alice@contoso.example"
MADE: list[tuple[str, str, dict[str, Any]]] = [
    ("/keys/:new", "/keys", {"name": "crm"}),
    ("/submitters/:new", "/submitters", {"name": "fax", "mailboxes": BOX}),
    ("/submitters/printer", "/submitters/printer/password", {}),
    ("/submitters/printer", "/submitters/printer/tokens", {"id": "backup"}),
    ("/people/:new", "/people", {"name": "olga", "roles": ["operator"]}),
    ("/people/otto", "/people/otto/invite", {}),
    ("/links/:new", "/links", {"app": "contoso", "address": ALICE}),
    (f"/start/mailbox/{BOX}/device", "/device", {"name": "fax"}),
    ("/start/device/printer", "/start/device/printer", {}),
    ("/start/users/contoso/link", "/link", {"address": ALICE}),
]
"""Where the form is, where it goes, and what is typed."""


async def sent(admin: Visitor, at: str, to: str, fields: dict[str, Any]) -> Seen:
    """The page behind a form."""
    await admin.look(at)
    return await admin.fill_in(to, **fields)


async def writes(site: Site) -> int:
    """How often something was changed."""
    return len(await site.house.gateway.audit.list(limit=500))


@pytest.mark.parametrize(("at", "to", "fields"), MADE)
async def test_a_page_that_is_loaded_again_makes_no_second_one_and_tells_it_no_more(
    site: Site, admin: Visitor, at: str, to: str, fields: dict[str, Any]
) -> None:
    before = await writes(site)
    seen = await sent(admin, at, to, fields)
    assert (seen.status, "never again" in seen.text) == (200, True)
    assert await writes(site) == before + 1
    again = await admin.look(seen.url)
    assert (again.status, "never again" in again.text) == (200, False)
    assert await writes(site) == before + 1


@pytest.mark.parametrize(("at", "to", "fields"), MADE)
async def test_while_it_is_told_no_other_language_can_be_chosen_in_which_it_would_be_gone(
    admin: Visitor, at: str, to: str, fields: dict[str, Any]
) -> None:
    seen = await sent(admin, at, to, fields)
    assert "/language" not in [form.action for form in seen.forms]
    assert "/language" in [form.action for form in (await admin.look(seen.url)).forms]


@pytest.mark.parametrize(("method", "fields"), [("GET", {"Sec-Fetch-Dest": "empty"}), ("HEAD", {})])
async def test_what_shows_nobody_the_page_takes_it_from_nobody(
    site: Site, admin: Visitor, method: str, fields: dict[str, str]
) -> None:
    form = (await admin.look("/start/device/printer")).form("/start/device/printer")
    cookie = {"Cookie": f"pillarbox={admin.cookies['pillarbox']}"}
    sending = {**cookie, "Origin": admin.url}
    url = f"{admin.url}/start/device/printer"
    async with site.session.post(url, data=form.fields, headers=sending, allow_redirects=False) as answer:
        assert answer.status == 303
    async with site.session.request(method, url, headers={**cookie, **fields}) as answer:
        assert (answer.status, "never again" in await answer.text()) == (200, False)
    assert "never again" in (await admin.look("/start/device/printer")).text


async def test_it_is_told_in_the_browser_that_asked_for_it(site: Site, admin: Visitor) -> None:
    other = await site.signed_in()
    form = (await admin.look("/submitters/printer")).form("/submitters/printer/password")
    sending = {"Cookie": f"pillarbox={admin.cookies['pillarbox']}", "Origin": admin.url}
    url = f"{admin.url}/submitters/printer/password"
    async with site.session.post(url, data=form.fields, headers=sending, allow_redirects=False) as answer:
        assert answer.status == 303
    assert "never again" not in (await other.look("/submitters/printer")).text
    assert "never again" in (await admin.look("/submitters/printer")).text


def test_it_is_for_one_visitor_one_page_and_one_look() -> None:
    once = Once()
    once.keep("anna", "/keys/a%2Fb", {"key": "1"})
    assert not once.take("otto", "/keys/a/b")
    assert not once.take("anna", "/keys/a")
    assert once.take("anna", "/keys/a/b") == {"key": "1"}
    assert not once.take("anna", "/keys/a/b")


def test_it_is_over_after_a_minute_and_lies_in_memory_until_the_next_page() -> None:
    now = [0.0]
    once = Once(lambda: now[0])
    once.keep("anna", "/keys/crm", {"key": "1"})
    once.keep("anna", "/keys/erp", {"key": "2"})
    now[0] = LIFE
    assert not once.take("anna", "/keys/crm")
    assert not once._kept


def test_of_very_much_the_oldest_is_forgotten() -> None:
    once = Once()
    for number in range(1001):
        once.keep("anna", f"/keys/{number}", {"key": number})
    assert not once.take("anna", "/keys/0")
    assert once.take("anna", "/keys/1") == {"key": 1}


def test_nobody_is_told_what_another_made_who_is_signed_out_by_it() -> None:
    once = Once()
    once.keep("", "/keys/crm", {"key": "1"})
    assert not once.take("", "/keys/crm")
