"""Submitters at the API: everything that can be said of one, and secrets that come out once."""

import json
from typing import Any

import pytest

from tests.conftest import House
from tests.unit.endpoints.test_apps import ask

PATH = "/api/v1/submitters"
BOX = "scanner@contoso.example"
AS_IT_IS_SAID: dict[str, Any] = {
    "networks": ["192.0.2.0/24"],
    "users": ["www-data"],
    "groups": ["33"],
    "recipients": ["*@contoso.example"],
    "force_from": True,
    "fix_from": True,
    "rate": 10,
    "max_size": 1000,
    "priority": "high",
    "max_age": 7200,
    "on_broken": "tempfail",
    "enabled": False,
}
WISH = AS_IT_IS_SAID | {
    "mailboxes": [BOX],
    "senders": ["alias@contoso.example=erp@contoso.example", "*@fabrikam.example", "*@x.example=" + BOX],
    "app": "contoso",
}
SHOWN = AS_IT_IS_SAID | {
    "name": "erp",
    "senders": {BOX: BOX, "alias@contoso.example": "erp@contoso.example"},
    "domains": {"fabrikam.example": {"mailbox": None, "app": "contoso"}, "x.example": {"mailbox": BOX, "app": None}},
    "has_password": True,
    "tokens": [],
    "last_used_at": None,
    "password": None,
}


async def done(house: House, method: str, path: str, body: Any = None) -> Any:
    """The JSON of an answer that is a success."""
    status, text = await ask(house, method, path, body)
    assert 200 <= status < 300, text
    return json.loads(text) if text else None


async def test_everything_goes_in_and_comes_out(house: House) -> None:
    added = await done(house, "POST", PATH, {"name": "erp", **WISH})
    assert len(added["password"]) >= 24
    assert added | {"password": None} == SHOWN
    assert await done(house, "GET", f"{PATH}/erp") == SHOWN
    assert [one["name"] for one in (await done(house, "GET", PATH))["data"]] == ["erp", "printer"]


async def test_what_a_change_leaves_out_stays(house: House) -> None:
    await done(house, "POST", PATH, {"name": "erp", **WISH})
    changed = await done(house, "PATCH", f"{PATH}/erp", {"rate": 0, "networks": [], "enabled": True})
    assert changed == {**SHOWN, "rate": 0, "networks": [], "enabled": True}
    assert (await done(house, "PATCH", f"{PATH}/erp", {"no_password": True}))["has_password"] is False
    assert await done(house, "PATCH", f"{PATH}/erp", {"password": "correct horse"}) == {
        **changed,
        "has_password": True,
    }
    assert len((await done(house, "PATCH", f"{PATH}/erp", {"new_password": True}))["password"]) >= 24


async def test_a_given_password_does_not_come_back(house: House) -> None:
    _, text = await ask(house, "POST", PATH, {"name": "erp", "mailboxes": [BOX], "password": "correct horse"})
    assert "correct horse" not in text
    assert json.loads(text)["password"] is None


async def test_a_token_is_shown_once(house: House) -> None:
    made = await done(house, "POST", f"{PATH}/printer/tokens", {"id": "jenkins"})
    assert made["token"].startswith("pbx_")
    texts = [(await ask(house, "GET", PATH + end))[1] for end in ("", "/printer", "/printer/tokens")]
    assert all("jenkins" in text and made["token"] not in text for text in texts)
    await done(house, "DELETE", f"{PATH}/printer/tokens/jenkins")
    assert (await done(house, "GET", f"{PATH}/printer/tokens"))["data"] == []


async def test_what_was_changed_is_told_in_the_log_without_secrets(house: House) -> None:
    added = await done(house, "POST", PATH, {"name": "erp", "mailboxes": [BOX]})
    token = await done(house, "POST", f"{PATH}/erp/tokens", {"id": "jenkins"})
    await done(house, "PATCH", f"{PATH}/erp", {"rate": 1, "password": "correct horse"})
    await done(house, "DELETE", f"{PATH}/erp/tokens/jenkins")
    await done(house, "DELETE", f"{PATH}/erp")
    told = [line for line in house.log.lines("account.changed") if "name=erp" in line]
    changes = ["added", '"token jenkins added"', '"password, rate"', '"token jenkins removed"', "removed"]
    assert [line.partition("change=")[2].rpartition(" request=")[0] for line in told] == changes
    assert not any(secret in house.log.getvalue() for secret in (added["password"], token["token"], "correct horse"))


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nobody", None, 404, "submitter.not_found"),
        ("PATCH", "/nobody", {}, 404, "submitter.not_found"),
        ("DELETE", "/nobody", None, 404, "submitter.not_found"),
        ("DELETE", "/", None, 404, "request.not_found"),
        ("PATCH", "/", {"rate": 1}, 404, "request.not_found"),
        ("DELETE", "/printer/tokens/", None, 404, "request.not_found"),
        ("GET", "/nobody/tokens", None, 404, "submitter.not_found"),
        ("POST", "/nobody/tokens", {"id": "x"}, 404, "submitter.not_found"),
        ("DELETE", "/printer/tokens/nothing", None, 404, "submitter.no_token"),
        ("POST", "/printer/tokens", {"id": "a b"}, 422, "submitter.bad_token_id"),
        ("POST", "", {"name": "printer", "mailboxes": [BOX]}, 409, "submitter.exists"),
        ("POST", "", {"name": "a b", "mailboxes": [BOX]}, 422, "submitter.bad_name"),
        ("POST", "", {"name": "x"}, 422, "submitter.no_sender"),
        ("POST", "", {"name": "x", "mailboxes": ["x@contoso.example"]}, 404, "mailbox.not_found"),
        ("POST", "", {"name": "x", "mailboxes": [BOX], "password": "short"}, 422, "submitter.weak_password"),
        ("POST", "", {"name": "x", "mailboxes": [BOX], "no_password": True}, 422, "submitter.no_way_in"),
        ("PATCH", "/printer", {"networks": ["10.0.0.0/7"]}, 422, "submitter.wide_network"),
        ("PATCH", "/printer", {"networks": ["198.51.100.7"]}, 409, "submitter.network_taken"),
        ("PATCH", "/printer", {"rate": -1}, 422, "request.invalid"),
        ("PATCH", "/printer", {"max_size": 2**53 - 1}, 422, "request.invalid"),
        ("PATCH", "/printer", {"max_size": 1.5}, 422, "request.invalid"),
        ("PATCH", "/printer", {"nonsense": 1}, 422, "request.invalid"),
        ("PATCH", "/printer", {"password": "short but secret", "rate": "x"}, 422, "request.invalid"),
    ],
)
async def test_what_is_refused_changes_nothing(
    house: House, method: str, path: str, body: Any, status: int, code: str
) -> None:
    await done(house, "POST", PATH, {"name": "other", "mailboxes": [BOX], "networks": ["198.51.100.7"]})
    before = await done(house, "GET", PATH)
    answer, text = await ask(house, method, PATH + path, body)
    assert (answer, json.loads(text)["code"]) == (status, code)
    assert "secret" not in text
    assert await done(house, "GET", PATH) == before


async def test_names_are_quoted_in_paths(house: House) -> None:
    await done(house, "POST", PATH, {"name": "a@b+c", "mailboxes": [BOX]})
    assert (await done(house, "GET", f"{PATH}/a%40b%2Bc"))["name"] == "a@b+c"
