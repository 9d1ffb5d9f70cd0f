"""The pages of API keys: added, changed, rotated, shown once."""

import re
from typing import Any

import pytest

from pillarbox.endpoints.console.pages.keys import end_of, last_day
from tests.unit.endpoints.console.conftest import Site, Visitor

BOX = "scanner@contoso.example"


async def made(admin: Visitor, **fields: Any) -> str:
    """Make a key; its text."""
    await admin.look("/keys/:new")
    seen = await admin.fill_in("/keys", **({"name": "crm"} | fields))
    assert seen.status == 200, seen.text
    (key,) = {*re.findall(r'data-copies="(pb[^" ]+)"', seen.html)}
    return str(key)


async def test_a_key_is_made_and_shown_once(site: Site, admin: Visitor) -> None:
    assert "No API key yet" in (await admin.look("/keys")).text
    key = await made(
        admin, scopes=["send"], knows="some", mailboxes=[BOX], networks="192.0.2.0/24", last_day="2099-12-31"
    )
    kept = site.house.gateway.keys.get("crm")
    assert (set(kept.scopes), list((kept.mailboxes or {}).values())) == ({"send"}, [BOX])
    assert (kept.networks, kept.expires_at) == (("192.0.2.0/24",), 4102444800.0)
    for path in ("/keys", "/keys/crm"):
        seen = await admin.look(path)
        assert (key in seen.html, "crm" in seen.text) == (False, True)


async def test_a_form_that_is_sent_as_it_came_changes_nothing(site: Site, admin: Visitor) -> None:
    wish: Any = {"scopes": ["send", "events.read"], "mailboxes": [BOX], "rate": 5, "expires_at": 4102444799.5}
    wish |= {"recipients": ["*@contoso.example"], "on_other_recipients": "hold", "networks": ["192.0.2.1/32"]}
    before, _ = await site.house.gateway.keys.add("crm", wish)
    await admin.look("/keys/crm/change")
    assert "Changed crm." in (await admin.fill_in("/keys/crm")).text
    assert site.house.gateway.keys.get("crm") == before


async def test_what_is_changed_is_changed(site: Site, admin: Visitor) -> None:
    await made(admin, last_day="2099-12-31", knows="some", mailboxes=[BOX])
    await admin.look("/keys/crm/change")
    await admin.fill_in("/keys/crm", scopes=["outbox.read"], knows="all", last_day="", rate="9")
    kept = site.house.gateway.keys.get("crm")
    assert (set(kept.scopes), kept.mailboxes, kept.expires_at, kept.rate) == ({"outbox.read"}, None, None, 9)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "not a name"},
        {"scopes": []},
        {"knows": "some", "mailboxes": []},
        {"last_day": "2001-01-01"},
        {"last_day": "9999-12-31"},
        {"last_day": "yesterday"},
        {"networks": "nonsense"},
    ],
)
async def test_what_cannot_be_is_told_beside_the_form(site: Site, admin: Visitor, wrong: dict[str, Any]) -> None:
    await admin.look("/keys/:new")
    seen = await admin.fill_in("/keys", **({"name": "crm", "recipients": "*@a.example"} | wrong))
    fields = seen.form("/keys").fields
    assert (seen.status, fields["recipients"]) == (422, "*@a.example")
    assert site.house.gateway.keys.list() == []


async def test_nobody_gives_more_than_they_have(site: Site, admin: Visitor) -> None:
    assert 'value="content.read"' not in (await admin.look("/keys/:new")).html
    assert (await admin.fill_in("/keys", name="crm", scopes=["content.read"])).status == 403
    assert site.house.gateway.keys.list() == []


async def test_a_new_text_is_shown_once_and_the_old_one_is_over(admin: Visitor) -> None:
    old = await made(admin)
    await admin.look("/keys/crm")
    seen = await admin.fill_in("/keys/crm/rotate")
    (new,) = {*re.findall(r'data-copies="(pb[^" ]+)"', seen.html)}
    assert new != old
    assert new not in (await admin.look("/keys/crm")).html


async def test_a_key_is_kept_out_let_in_again_and_removed(site: Site, admin: Visitor) -> None:
    await made(admin)
    await admin.look("/keys/crm")
    await admin.fill_in("/keys/crm/enabled")
    assert not site.house.gateway.keys.get("crm").enabled
    await admin.fill_in("/keys/crm/enabled")
    assert site.house.gateway.keys.get("crm").enabled
    assert "Removed crm." in (await admin.fill_in("/keys/crm/remove")).text
    assert site.house.gateway.keys.list() == []


@pytest.mark.parametrize("day", ["2026-02-28", "2099-12-31"])
def test_a_day_is_over_when_the_next_one_begins(day: str) -> None:
    end = end_of(day)
    assert isinstance(end, float)
    assert end % 86400 == 0
    assert last_day(end) == day


def test_no_day_is_no_end() -> None:
    assert (end_of(""), last_day(None)) == (None, "")
