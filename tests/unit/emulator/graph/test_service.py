"""Users, and what is not emulated."""

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client


async def test_a_user_by_upn_and_by_id(client: Client, planted: Seed) -> None:
    shown = (await client.read("", "Alice@contoso.example")).json
    assert (shown["displayName"], shown["mail"], shown["jobTitle"]) == ("Alice", "alice@contoso.example", None)
    assert (await client.read("", shown["id"])).json == shown


async def test_select_on_a_user(client: Client, emulator: Emulator) -> None:
    shown = (await client.read("?$select=id,proxyAddresses")).json
    assert shown["proxyAddresses"] == ["SMTP:bob@contoso.example"]
    assert shown["@odata.context"].startswith(emulator.url)
    assert len(shown) == 3


async def test_a_user_without_mailbox_has_no_mail(client: Client) -> None:
    assert (await client.read("", "nomailbox@contoso.example")).json["mail"] is None


async def test_an_unknown_user(client: Client) -> None:
    answer = await client.read("", "ghost@contoso.example")
    assert (answer.status, answer.code) == (404, "Request_ResourceNotFound")


async def test_the_directory_needs_its_own_role(client: Client) -> None:
    answer = await client.graph("GET", "/users/alice@contoso.example")
    assert (answer.status, answer.code) == (403, "Authorization_RequestDenied")


UNKNOWN = ["/groups/1", "/users/bob@contoso.example/contacts", "/users/bob@contoso.example/messages/1/nothing", "/"]


@pytest.mark.parametrize("path", UNKNOWN)
async def test_what_is_missing_is_refused_and_noted(client: Client, emulator: Emulator, path: str) -> None:
    answer = await client.graph("GET", path)
    assert (answer.status, answer.code) == (400, "BadRequest")
    assert [(gap.method, gap.what, gap.count) for gap in emulator.not_emulated] == [("GET", "path", 1)]


async def test_a_method_that_is_missing_is_refused_and_noted(client: Client, emulator: Emulator) -> None:
    answer = await client.graph("GET", "/users/bob@contoso.example/sendMail")
    assert (answer.status, answer.code) == (405, "BadRequest")
    assert [(gap.method, gap.what) for gap in emulator.not_emulated] == [("GET", "method")]


async def test_beta_is_not_v1(client: Client, emulator: Emulator) -> None:
    headers = {"Authorization": f"Bearer {await client.token()}"}
    assert (await client.request("GET", "/beta/users/bob@contoso.example", headers=headers)).code == "BadRequest"
    assert len(emulator.not_emulated) == 1


async def test_requests_are_counted_by_template(client: Client, emulator: Emulator) -> None:
    await client.send()
    await client.read("/messages/x/$value")
    assert emulator.ledger.requests["POST /v1.0/users/{user}/sendMail"] == 1
    assert emulator.ledger.requests["GET /v1.0/users/{user}/messages/{message}/$value"] == 1
    assert emulator.ledger.answers == {200: 2, 202: 1, 400: 1}
