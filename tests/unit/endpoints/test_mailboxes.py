"""Mailboxes at the API: found among many, with what holds them and what they have used of Microsoft's limits."""

import json
from typing import Any

import pytest

from pillarbox.admin import mailboxes
from pillarbox.core.cause import Cause
from pillarbox.store.limits import Pause, mailbox_scope
from tests.conftest import House, MakeHouse
from tests.unit.endpoints.test_apps import ask

SCANNER, ERP, ANNA = "scanner@contoso.example", "erp@contoso.example", "anna@contoso.example"


async def get(house: House, path: str = "") -> Any:
    status, text = await ask(house, "GET", f"/api/v1/mailboxes{path}")
    assert status == 200, text
    return json.loads(text)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [ANNA, ERP, SCANNER]),
        ("?contains=CANN", [SCANNER]),
        ("?contains=nobody", []),
        ("?state=needs_sign_in", [ANNA]),
        ("?state=ok", [ERP, SCANNER]),
        ("?app=contoso&contains=e", [ANNA, ERP, SCANNER]),
        ("?app=other", []),
    ],
)
async def test_some_are_found_among_many(house: House, query: str, found: list[str]) -> None:
    await mailboxes.add(house.gateway.accounts, ANNA, "contoso", "sign_in.not_finished")
    assert [one["address"] for one in (await get(house, query))["data"]] == found


async def test_a_page_of_those_that_were_found_leads_to_the_next(house: House) -> None:
    first = await get(house, "?app=contoso&limit=1")
    second = await get(house, f"?app=contoso&limit=1&cursor={first['next']}")
    assert [one["address"] for one in first["data"] + second["data"]] == [ERP, SCANNER]
    assert second["next"] is None


async def test_why_it_waits_for_a_sign_in_is_said(house: House) -> None:
    accounts = house.gateway.accounts
    await mailboxes.add(accounts, ANNA, "contoso", "sign_in.not_finished")
    one = await get(house, f"/{ANNA}")
    assert one["state_text"] == f"Nobody has signed in for {ANNA} yet."
    scanner = await accounts.mailbox(SCANNER)
    assert scanner is not None
    await accounts.needs_sign_in(scanner, "AADSTS700082")
    one = await get(house, f"/{SCANNER}")
    assert "90 days" in one["state_text"] + one["state_cure"] or "refresh token" in one["state_text"]
    assert one["state_cure"]
    assert (await get(house, f"/{ERP}"))["state_text"] == ""


async def test_what_was_used_of_the_limits_is_told(make_house: MakeHouse) -> None:
    house = await make_house({"limits.messages": "30", "limits.recipients": "100"})
    await house.furnish(SCANNER)
    await house.settled(await house.accept(b"Subject: x\r\n\r\nx\r\n", "bob@contoso.example", "carol@contoso.example"))
    assert (await get(house, f"/{SCANNER}"))["used"] == [
        {"name": "messages", "used": 1, "most": 30, "span": 60.0},
        {"name": "recipients", "used": 2, "most": 100, "span": 86400.0},
    ]


async def test_a_pause_says_what_helps(house: House) -> None:
    scanner = await house.gateway.accounts.mailbox(SCANNER)
    assert scanner is not None
    scope = mailbox_scope(scanner.id)
    house.gateway.governors._pauses.put(Pause(scope, Cause.ACCOUNT_BROKEN, None, "AADSTS7000222", 0.0))
    await house.gateway.governors.pause(scope, "by me")
    told = {
        one["cause"]: (one["text"], one["cure"], one["reason"]) for one in (await get(house, f"/{SCANNER}"))["paused"]
    }
    broken = Cause.ACCOUNT_BROKEN.entry
    assert told["account_broken"] == (broken.sentence, broken.cure, "AADSTS7000222")
    assert told["operator"][0] == "A person has paused it."
    assert "resume" in told["operator"][1]
