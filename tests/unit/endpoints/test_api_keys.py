"""API keys at the API: all that can be said of one, a text that comes out once, and nobody who gives too much."""

from typing import Any

import pytest

from pillarbox.core.caller import Scope
from tests.conftest import House
from tests.http_api import ask, make_key
from tests.unit.endpoints.test_submitters import done

PATH = "/api/v1/api-keys"
SAID: dict[str, Any] = {
    "scopes": ["outbox.read", "send"],
    "mailboxes": ["erp@contoso.example"],
    "networks": ["192.0.2.0/24"],
    "recipients": ["*@contoso.example"],
    "on_other_recipients": "hold",
    "rate": 60,
    "enabled": False,
    "expires_at": 4e9,
}


async def test_everything_goes_in_and_comes_out_and_the_text_once(house: House) -> None:
    added = await done(house, "POST", PATH, {"name": "crm", **SAID})
    assert added["key"].startswith(f"pbx_{added['id']}_")
    assert {name: added[name] for name in SAID} == SAID
    shown = await done(house, "GET", f"{PATH}/crm")
    assert shown == added | {"key": None}
    assert (await done(house, "GET", PATH))["data"] == [shown]
    changed = await done(house, "PATCH", f"{PATH}/crm", {"rate": 1})
    assert changed == shown | {"rate": 1}
    rotated = await done(house, "POST", f"{PATH}/crm:rotate")
    assert rotated["key"] not in (None, added["key"])
    await done(house, "DELETE", f"{PATH}/crm")
    assert (await done(house, "GET", PATH))["data"] == []


async def test_a_change_says_null_for_all_mailboxes_and_for_never(house: House) -> None:
    await done(house, "POST", PATH, {"name": "crm", **SAID})
    changed = await done(house, "PATCH", f"{PATH}/crm", {"mailboxes": None, "expires_at": None})
    assert (changed["mailboxes"], changed["expires_at"]) == (None, None)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", PATH, {"name": "mine", "scopes": ["content.read"]}),
        ("PATCH", f"{PATH}/reader", {"scopes": ["content.read", "send"]}),
        ("PATCH", f"{PATH}/reader", {"mailboxes": None}),
        ("POST", f"{PATH}/reader:rotate", None),
    ],
)
async def test_who_may_not_read_mail_makes_no_key_that_may(house: House, method: str, path: str, body: Any) -> None:
    await make_key(house, "reader", scopes=[Scope.CONTENT_READ])
    admin = await make_key(house, "admin", scopes=[Scope.ADMIN])
    before = house.gateway.keys.list()
    answer = await ask(house, method, path, body, key=admin)
    assert (answer.status, answer.code) == (403, "access.no_scope")
    assert house.gateway.keys.list()[1:] == before[1:]
    # Whoever may open the local socket may do everything.
    await done(house, method, path, body)


async def test_a_key_that_was_changed_meanwhile_is_not_changed(house: House) -> None:
    admin = await make_key(house, "admin", scopes=[Scope.ADMIN])
    await make_key(house)
    seen = (await ask(house, "GET", f"{PATH}/crm", key=admin)).headers["etag"]
    for status in (200, 412):
        answer = await ask(house, "PATCH", f"{PATH}/crm", {"rate": status}, key=admin, headers={"If-Match": seen})
        assert answer.status == status
    assert house.gateway.keys.get("crm").rate == 200
