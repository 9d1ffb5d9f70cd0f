"""Users, and what is not emulated."""

import re

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.graph.operations import OPERATIONS
from pillarbox.emulator.seed import Seed
from tests.openapi.validator import Schema
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


BOB = "/users/bob@contoso.example"
UNKNOWN = [
    ("/groups/1", "groups"),
    (f"{BOB}/contacts", "contacts"),
    (f"{BOB}/messages/1/nothing", "nothing"),
    (f"{BOB}/nonsense/foo", "nonsense"),
    ("/", ""),
    ("/$batch", "$batch"),
    ("/$metadata", "$metadata"),
    ("/users/$count", "$count"),
    ("/users/delta", "delta"),
    ("/users/delta()", "delta"),
    ("/users/microsoft.graph.delta()", "delta"),
    ("/applications/delta", "delta"),
    ("/applications/$count", "$count"),
    ("/servicePrincipals/delta", "delta"),
    ("/applications/getByIds", "getByIds"),
    ("/admin/exchange/tracing/messageTraces/$count", "$count"),
    (f"{BOB}/messages/delta", "delta"),
    (f"{BOB}/messages/$ref", "$ref"),
    (f"{BOB}/messages/DELTA", "DELTA"),
    (f"{BOB}/mailFolders/delta", "delta"),
    (f"{BOB}/mailFolders/inbox/messages/delta()", "delta"),
    (f"{BOB}/mailFolders/inbox/childFolders/delta", "delta"),
    (f"{BOB}/mailFolders/inbox/childFolders/$count", "$count"),
    # Parentheses and the namespace belong to functions and actions alone.
    (f"{BOB}/messages()", "messages()"),
    (f"{BOB}()/messages", "bob@contoso.example()"),
    (f"{BOB}/sendMail()", "sendMail()"),
    (f"{BOB}/microsoft.graph.messages", "microsoft.graph.messages"),
    ("/users/microsoft.graph.bob@contoso.example/messages", "microsoft.graph.bob@contoso.example"),
    ("/users/microsoft.graph.sendMail/messages", "sendMail"),
    ("/microsoft.graph.users('bob@contoso.example')/messages", "microsoft.graph.users"),
]


@pytest.mark.parametrize(("path", "segment"), UNKNOWN)
async def test_what_is_missing_is_refused_and_noted(
    client: Client, emulator: Emulator, path: str, segment: str
) -> None:
    answer = await client.graph("GET", path)
    assert (answer.status, answer.code) == (400, "BadRequest")
    assert answer.json["error"]["message"] == f"Resource not found for the segment '{segment}'."
    assert [(gap.method, gap.what, gap.count) for gap in emulator.not_emulated] == [("GET", "path", 1)]


async def test_a_key_in_parentheses_is_a_key_whatever_it_reads(client: Client, emulator: Emulator) -> None:
    answer = await client.read("/messages('delta')")
    assert (answer.status, answer.code) == (400, "ErrorInvalidIdMalformed")
    assert not len(emulator.not_emulated)


@pytest.mark.parametrize("path", ["sendMail", "microsoft.graph.sendMail", "Microsoft.Graph.SENDMAIL"])
async def test_an_action_may_have_its_namespace(client: Client, path: str) -> None:
    message = {"subject": "Hi", "toRecipients": [{"emailAddress": {"address": "bob@contoso.example"}}]}
    answer = await client.graph("POST", f"/users('alice@contoso.example')/{path}", json={"message": message})
    assert answer.status == 202


@pytest.mark.parametrize("version", ["v2.0", "v1", "V3"])
async def test_an_unknown_version(client: Client, emulator: Emulator, version: str) -> None:
    headers = {"Authorization": f"Bearer {await client.token()}"}
    answer = await client.request("GET", f"/{version}/users", headers=headers)
    assert (answer.status, answer.code) == (400, "BadRequest")
    assert answer.json["error"]["message"] == "Invalid version."
    assert not len(emulator.not_emulated)


async def test_a_method_that_is_missing_is_refused_and_noted(client: Client, emulator: Emulator) -> None:
    answer = await client.graph("GET", "/users/bob@contoso.example/sendMail")
    assert (answer.status, answer.code) == (405, "BadRequest")
    assert [(gap.method, gap.what) for gap in emulator.not_emulated] == [("GET", "method")]


def bare(template: str) -> str:
    """A template without the names of its variables."""
    word = template.replace("(recipientAddress='{recipientAddress}')", "/{}").removesuffix("()")
    return re.sub(r"\{[^}]*\}", "{}", "/users/{}" + word.removeprefix("/me") if word.startswith("/me") else word)


async def test_whatever_else_microsoft_has_is_refused_and_noted(client: Client, emulator: Emulator) -> None:
    served = {(each.method, bare(each.path)) for each in OPERATIONS}
    others = [each for each in Schema.load().operations if (each[0], bare(each[1])) not in served]
    assert len(others) > 50
    headers = {"Authorization": f"Bearer {client.user_token('alice', 'Mail.ReadWrite')}"}
    for method, template in others:
        emulator.not_emulated.clear()
        path = re.sub(r"\{[^}]*\}", "x", template)
        answer = await client.request(method, f"/v1.0{path}", headers=headers)
        noted = [(gap.method, gap.what) for gap in emulator.not_emulated]
        assert (answer.code, noted) in (("BadRequest", [(method, what)]) for what in ("path", "method")), template


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
