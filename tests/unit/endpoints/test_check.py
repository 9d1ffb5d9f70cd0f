"""The Test button at the API: all at once, or line by line as it is found."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from pillarbox.endpoints.api import inside
from tests.conftest import House

LINES = [("accept", "application/x-ndjson")]
TESTS = ["/api/v1/apps/contoso:test", "/api/v1/mailboxes/scanner@contoso.example:test"]


async def ask(house: House, path: str, headers: Sequence[tuple[str, str]] = ()) -> inside.Begun:
    return await inside.begin(house.gateway.local_api, "POST", path, headers=headers)


def told(step: dict[str, Any]) -> tuple[str, str, str]:
    return step["name"], step["status"], step["code"]


@pytest.mark.parametrize("path", TESTS)
async def test_lines_are_the_steps_and_then_the_report_that_json_is(house: House, path: str) -> None:
    begun = await ask(house, path, LINES)
    assert (begun.status, dict(begun.headers)["content-type"]) == (200, "application/x-ndjson")
    *steps, report = [json.loads(line) async for line in begun.lines()]
    at_once = json.loads(b"".join([piece async for piece in (await ask(house, path)).pieces()]))
    assert [told(step) for step in steps] == [told(step) for step in at_once["steps"][:-1]]
    assert [told(step) for step in report["steps"]] == [told(step) for step in at_once["steps"]]
    assert (report["ok"], report["assurance"]) == (at_once["ok"], at_once["assurance"])


@pytest.mark.parametrize("path", TESTS)
async def test_a_line_comes_while_the_test_goes_on(house: House, path: str) -> None:
    begun = await ask(house, path, LINES)
    lines = begun.lines()
    assert json.loads(await anext(lines))["name"] == "addresses"
    assert not begun._working.done()
    await lines.aclose()


async def test_what_is_refused_is_a_problem_and_no_line(house: House) -> None:
    begun = await ask(house, "/api/v1/mailboxes/nobody@contoso.example:test", LINES)
    assert (begun.status, dict(begun.headers)["content-type"]) == (404, "application/problem+json")
    assert json.loads(b"".join([piece async for piece in begun.pieces()]))["code"] == "mailbox.not_found"


async def test_whoever_stops_listening_ends_the_test(house: House) -> None:
    begun = await ask(house, TESTS[1], LINES)
    lines = begun.lines()
    await anext(lines)
    await lines.aclose()
    with pytest.raises(asyncio.CancelledError):
        await begun._working


async def test_where_microsoft_is_and_whether_an_emulator_stands_there(house: House) -> None:
    answer = await inside.call(house.gateway.local_api, "GET", "/api/v1/microsoft")
    shown = json.loads(answer.body)
    assert shown["cloud"] == "custom"
    assert shown["redirect_uri"] == f"{house.gateway.public_url}/signin/callback"
    answer = await inside.call(house.gateway.local_api, "GET", "/api/v1/microsoft/emulator")
    shown, seed = json.loads(answer.body), house.microsoft.seed
    assert (shown["answers"], shown["tenant_id"]) == (True, seed.tenant.id)
    assert {"name": seed.gateway.name, "client_id": seed.gateway.client_id} in shown["apps"]
    assert all(secret not in answer.body.decode() for secret in seed.secrets.values())
