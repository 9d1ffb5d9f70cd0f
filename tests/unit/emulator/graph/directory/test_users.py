"""People of the directory: one, all of them, oneself, and how much each permission shows."""

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client, Reply


async def users(client: Client, query: str = "", **more: str) -> Reply:
    return await client.graph("GET", f"/users{query}", client.planted.reader, headers=more)


def names(reply: Reply) -> list[str]:
    return [user["displayName"] for user in reply.json["value"]]


async def test_all_users(client: Client, emulator: Emulator, planted: Seed) -> None:
    reply = await users(client)
    assert names(reply) == sorted(user.name for user in planted.tenant.users.values())
    assert reply.json["@odata.context"] == f"{emulator.url}/v1.0/$metadata#users"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("$filter=userPrincipalName eq 'ALICE@contoso.example'", ["Alice"]),
        ("$filter=mail eq 'bob@contoso.example'", ["Bob"]),
        ("$filter=startswith(displayName,'c')", ["Carol"]),
        ("$filter=startsWith(mail,'a') or displayName in ('Bob')", ["Admin", "Alice", "Bob"]),
        ("$filter=mail eq null", ["Nomailbox"]),
        ("$filter=accountEnabled eq false", []),
        ("$filter=proxyAddresses/any(p:p eq 'smtp:bob@contoso.example')", ["Bob"]),
        ("$orderby=displayName desc&$top=1", ["Unlicensed"]),
    ],
)
async def test_queries_on_users(client: Client, query: str, expected: list[str]) -> None:
    assert names(await users(client, f"?{query}")) == expected


@pytest.mark.parametrize(
    ("query", "code", "text"),
    [
        ("$top=0", "Request_BadRequest", "Invalid page size specified: '0'. Must be between 1 and 999 inclusive."),
        ("$top=1000", "Request_BadRequest", "Invalid page size specified: '1000'."),
        ("$skip=1", "Request_BadRequest", "'$skip' is not supported by the service."),
        ("$filter=mail ne null", "Request_UnsupportedQuery", ""),
        ("$filter=not startswith(mail,'a')", "Request_UnsupportedQuery", ""),
        ("$filter=endswith(mail,'e')", "Request_UnsupportedQuery", ""),
        ("$filter=accountEnabled eq true&$orderby=displayName", "Request_UnsupportedQuery", "Sorting not supported"),
    ],
)
async def test_what_the_directory_refuses(client: Client, query: str, code: str, text: str) -> None:
    answer = await users(client, f"?{query}")
    assert (answer.status, answer.code) == (400, code)
    assert text in answer.json["error"]["message"]
    assert not len(client.emulator.not_emulated)


async def test_unknown_properties_are_refused_and_noted(client: Client) -> None:
    answer = await users(client, "?$select=nonsense")
    assert (answer.status, answer.code) == (400, "RequestBroker--ParseUri")
    assert "'nonsense' on type 'microsoft.graph.user'." in answer.json["error"]["message"]
    assert [gap.what for gap in client.emulator.not_emulated] == ["$select=nonsense"]


@pytest.mark.parametrize(
    "query", ["$filter=mail ne null&$orderby=displayName", "$filter=endswith(mail,'e') and not startswith(mail,'zz')"]
)
async def test_advanced_queries_want_a_count_and_patience(client: Client, query: str) -> None:
    assert (await users(client, f"?{query}")).status == 400
    assert (await users(client, f"?{query}&$count=true")).status == 400
    assert (await users(client, f"?{query}", ConsistencyLevel="eventual")).status == 400
    answer = await users(client, f"?{query}&$count=true", ConsistencyLevel="eventual")
    assert answer.json["@odata.count"] == len(answer.json["value"]) == 8


async def test_a_count_without_patience_is_passed_over(client: Client) -> None:
    assert "@odata.count" not in (await users(client, "?$count=true")).json


async def test_users_come_in_pages(client: Client, emulator: Emulator, planted: Seed) -> None:
    seen, path = [], "?$top=4&$select=displayName"
    while path:
        reply = await users(client, path)
        seen += names(reply)
        path = reply.json.get("@odata.nextLink", "").removeprefix(f"{emulator.url}/v1.0/users")
    assert seen == sorted(user.name for user in planted.tenant.users.values())


async def test_a_property_that_is_missing_here_is_a_gap(client: Client, emulator: Emulator) -> None:
    assert (await users(client, "?$select=SignInActivity")).status == 400
    assert [gap.what for gap in emulator.not_emulated] == ["$select=SignInActivity"]


async def test_documented_properties_can_be_selected(client: Client) -> None:
    chosen = "id,proxyAddresses,otherMails,userType,accountEnabled,mailNickname,department"
    shown = (await client.read(f"?$select={chosen}")).json
    assert shown["proxyAddresses"] == ["SMTP:bob@contoso.example"]
    assert (shown["otherMails"], shown["mailNickname"], shown["department"]) == ([], "bob", None)
    assert shown["@odata.context"].endswith(f"#users({chosen})/$entity")


async def test_me(client: Client, planted: Seed) -> None:
    shown = (await client.as_user("GET", "/me", "alice", "User.Read")).json
    assert (shown["id"], shown["displayName"]) == (planted.user("alice").id, "Alice")
    assert "proxyAddresses" in (await client.as_user("GET", "/me?$select=proxyAddresses", "alice", "User.Read")).json


@pytest.mark.parametrize("path", ["/users/bob@contoso.example", "/users", "/users/ghost@contoso.example"])
async def test_user_read_shows_nobody_else(client: Client, path: str) -> None:
    answer = await client.as_user("GET", path, "alice", "User.Read")
    assert (answer.status, answer.code) == (403, "Authorization_RequestDenied")


async def test_me_needs_a_user(client: Client) -> None:
    answer = await client.graph("GET", "/me", client.planted.reader)
    assert (answer.status, answer.code) == (400, "BadRequest")


@pytest.mark.parametrize("path", ["/users/bob@contoso.example", "/users"])
async def test_read_basic_shows_the_basic_properties(client: Client, path: str) -> None:
    query = "?$select=displayName,mail,accountEnabled,proxyAddresses"
    reply = (await client.as_user("GET", path + query, "alice", "User.ReadBasic.All")).json
    found = {user["displayName"]: user for user in reply.get("value", [reply])}
    assert found["Bob"]["mail"] == "bob@contoso.example"
    assert (found["Bob"]["accountEnabled"], found["Bob"]["proxyAddresses"]) == (None, [])


async def test_read_basic_does_not_look_at_the_others(client: Client) -> None:
    path = "/users?$filter=accountEnabled eq true"
    assert (await client.as_user("GET", path, "alice", "User.ReadBasic.All")).status == 403
    assert (await client.as_user("GET", "/users?$filter=mail eq null", "alice", "User.ReadBasic.All")).status == 200


async def test_the_directory_needs_a_role(client: Client) -> None:
    answer = await client.graph("GET", "/users")
    assert (answer.status, answer.code) == (403, "Authorization_RequestDenied")
