"""Exchange's RBAC on Graph beta: an app without any role in its token sends from the mailboxes of its scope."""

from typing import Any

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world import App, Group
from tests.unit.emulator.conftest import Client, Reply
from tests.unit.emulator.graph.directory.conftest import MAIL_SEND, SCOPES, Directory

ROOT = "/roleManagement/exchange"
BAD = (400, "Request_BadRequest")
DENIED = (403, "Authorization_RequestDenied")
GONE = (404, "Request_ResourceNotFound")
BETA: dict[str, Any] = {"version": "beta"}


@pytest.fixture
def app(planted: Seed) -> App:
    """An app that Entra granted nothing, and that Exchange knows."""
    principal = planted.unconsented.principal
    assert principal
    planted.tenant.exchange_principals[principal.client_id] = principal.id
    return planted.unconsented


@pytest.fixture
def group(emulator: Emulator, planted: Seed) -> Group:
    return emulator.world.add_group(planted.tenant, "Senders", [planted.user("scanner")])


def scope_of(wanted: str) -> dict[str, Any]:
    attributes = {"Exclusive": False, "RecipientFilter": wanted}
    return {"type": "RecipientScope", "displayName": "Gateway senders", "customAttributes": attributes}


async def role(directory: Directory, name: str = "Application Mail.Send") -> str:
    found = await directory.get(f"{ROOT}/roleDefinitions?$filter=displayName eq '{name}'", **BETA)
    return str(found["value"][0]["id"])


async def assignment(directory: Directory, app: App, **more: Any) -> dict[str, Any]:
    assert app.principal
    body = {"principalId": f"/ServicePrincipals/{app.principal.id}", "roleDefinitionId": await role(directory)}
    return body | {"directoryScopeId": "/", "appScopeId": None} | more


async def send(client: Client, app: App, user: str) -> Reply:
    return await client.send(
        f"From: {user}@contoso.example\r\nTo: bob@contoso.example\r\n\r\nx".encode(),
        user=f"{user}@contoso.example",
        app=app,
    )


async def test_a_scoped_app_sends_from_its_mailboxes_alone(
    directory: Directory, client: Client, app: App, group: Group
) -> None:
    assert (await send(client, app, "scanner")).status == 403
    wanted = scope_of(f"MemberOfGroup -eq '{group.distinguished_name}'")
    scope = await directory.post(f"{ROOT}/customAppScopes", wanted, **BETA)
    assert wanted.items() <= scope.items()
    body = await assignment(directory, app, appScopeId=scope["id"])
    made = await directory.post(f"{ROOT}/roleAssignments", body, **BETA)
    assert body.items() <= made.items()
    assert (await send(client, app, "scanner")).status == 202
    refused = await send(client, app, "erp")
    assert (refused.status, refused.code) == (403, "ErrorAccessDenied")
    await directory.no_content("DELETE", f"{ROOT}/roleAssignments/{made['id']}", **BETA)
    assert (await send(client, app, "scanner")).status == 403


async def test_a_scope_does_not_narrow_what_entra_granted(
    directory: Directory, client: Client, app: App, emulator: Emulator
) -> None:
    body = await assignment(directory, app, directoryScopeId=f"/Users/{client.planted.user('scanner').id}")
    await directory.post(f"{ROOT}/roleAssignments", body, **BETA)
    assert (await send(client, app, "erp")).status == 403
    emulator.world.consent(app)
    assert (await send(client, app, "erp")).status == 202


@pytest.mark.parametrize(("kind", "sends"), [("Users", ["scanner"]), ("Groups", ["scanner"]), ("", ["scanner", "erp"])])
async def test_a_directory_scope_names_mailboxes(
    directory: Directory, client: Client, app: App, group: Group, kind: str, sends: list[str]
) -> None:
    ident = {"Users": client.planted.user("scanner").id, "Groups": group.id}.get(kind)
    scope = f"/{kind}/{ident}" if ident else "/"
    body = await assignment(directory, app, directoryScopeId=scope)
    await directory.post(f"{ROOT}/roleAssignments", body, **BETA)
    assert [each for each in ("scanner", "erp") if (await send(client, app, each)).status == 202] == sends


async def test_a_role_allows_what_its_name_says(directory: Directory, client: Client, app: App) -> None:
    body = await assignment(directory, app, roleDefinitionId=await role(directory, "Application Mail.Read"))
    await directory.post(f"{ROOT}/roleAssignments", body, **BETA)
    assert (await send(client, app, "scanner")).status == 403
    assert (await client.graph("GET", "/users/scanner@contoso.example/messages", app)).status == 200


async def test_all_are_listed_and_found(directory: Directory, app: App) -> None:
    scope = await directory.post(f"{ROOT}/customAppScopes", scope_of("Alias -eq 'scanner'"), **BETA)
    body = await assignment(directory, app, appScopeId=scope["id"], directoryScopeId=None)
    made = await directory.post(f"{ROOT}/roleAssignments", body, **BETA)
    definition = body["roleDefinitionId"]
    for name, ident in (
        ("customAppScopes", scope["id"]),
        ("roleAssignments", made["id"]),
        ("roleDefinitions", definition),
    ):
        one = await directory.get(f"{ROOT}/{name}/{ident}", **BETA)
        listed = (await directory.get(f"{ROOT}/{name}", **BETA))["value"]
        assert {key: value for key, value in one.items() if key != "@odata.context"} in listed
        assert await directory.refused("GET", f"{ROOT}/{name}/{MAIL_SEND}", **BETA) == GONE


async def test_a_scope_in_use_stays(directory: Directory, app: App) -> None:
    scope = await directory.post(f"{ROOT}/customAppScopes", scope_of("Alias -eq 'scanner'"), **BETA)
    path = f"{ROOT}/customAppScopes/{scope['id']}"
    body = await assignment(directory, app, appScopeId=scope["id"])
    made = await directory.post(f"{ROOT}/roleAssignments", body, **BETA)
    assert await directory.refused("DELETE", path, **BETA) == BAD
    await directory.no_content("DELETE", f"{ROOT}/roleAssignments/{made['id']}", **BETA)
    await directory.no_content("DELETE", path, **BETA)


async def test_a_filter_that_is_not_emulated_is_refused_and_noted(directory: Directory, emulator: Emulator) -> None:
    body = scope_of("Title -like 'VP*'")
    assert await directory.refused("POST", f"{ROOT}/customAppScopes", body, **BETA) == BAD
    assert any("Title -like" in each.what for each in emulator.not_emulated)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "Other"},
        {"displayName": None},
        {"customAttributes": None},
        {"customAttributes": {"Exclusive": False}},
        {"customAttributes": {"Exclusive": True, "RecipientFilter": "Alias -eq 'x'"}},
        {"customAttributes": {"RecipientFilter": "CustomAttribute1 -eq 'x'"}},
        {"customAttributes": {"RecipientFilter": "Alias -eq 'x'", "RecipientRoot": "x"}},
        {"unheardOf": 1},
    ],
)
async def test_what_is_no_scope_is_refused(directory: Directory, change: dict[str, Any]) -> None:
    body = scope_of("Alias -eq 'x'") | change
    assert await directory.refused("POST", f"{ROOT}/customAppScopes", body, **BETA) == BAD


async def test_names_of_scopes_are_unique(directory: Directory) -> None:
    body = scope_of("Alias -eq 'x'")
    await directory.post(f"{ROOT}/customAppScopes", body, **BETA)
    taken = (409, "Request_MultipleObjectsWithSameKeyValue")
    assert await directory.refused("POST", f"{ROOT}/customAppScopes", body, **BETA) == taken


async def test_an_assignment_is_made_once(directory: Directory, app: App) -> None:
    body = await assignment(directory, app)
    await directory.post(f"{ROOT}/roleAssignments", body, **BETA)
    taken = (409, "Request_MultipleObjectsWithSameKeyValue")
    assert await directory.refused("POST", f"{ROOT}/roleAssignments", body, **BETA) == taken
    other = body | {"roleDefinitionId": await role(directory, "Application Mail.Read")}
    await directory.post(f"{ROOT}/roleAssignments", other, **BETA)


@pytest.mark.parametrize(
    "change",
    [
        {"principalId": MAIL_SEND},
        {"principalId": f"/ServicePrincipals/{MAIL_SEND}"},
        {"principalId": None},
        {"roleDefinitionId": MAIL_SEND},
        {"directoryScopeId": None},
        {"directoryScopeId": "everywhere"},
        {"directoryScopeId": f"/Users/{MAIL_SEND}"},
        {"directoryScopeId": f"/Groups/{MAIL_SEND}"},
        {"directoryScopeId": f"/AdministrativeUnits/{MAIL_SEND}"},
        {"appScopeId": MAIL_SEND},
        {"appScopeId": 7},
    ],
)
async def test_what_is_no_assignment_is_refused(directory: Directory, app: App, change: dict[str, Any]) -> None:
    body = await assignment(directory, app, **change)
    assert await directory.refused("POST", f"{ROOT}/roleAssignments", body, **BETA) == BAD


async def test_administrative_units_are_noted_as_missing(directory: Directory, app: App, emulator: Emulator) -> None:
    body = await assignment(directory, app, directoryScopeId=f"/AdministrativeUnits/{MAIL_SEND}")
    assert await directory.refused("POST", f"{ROOT}/roleAssignments", body, **BETA) == BAD
    assert [each.what for each in emulator.not_emulated] == ["directoryScopeId: administrative units"]


async def test_one_assignment_has_one_scope(directory: Directory, app: App) -> None:
    scope = await directory.post(f"{ROOT}/customAppScopes", scope_of("Alias -eq 'scanner'"), **BETA)
    narrow = f"/Users/{directory.client.planted.user('erp').id}"
    body = await assignment(directory, app, appScopeId=scope["id"], directoryScopeId=narrow)
    assert await directory.refused("POST", f"{ROOT}/roleAssignments", body, **BETA) == BAD


async def test_exchange_must_know_the_principal(directory: Directory, planted: Seed) -> None:
    body = await assignment(directory, planted.unconsented)
    assert await directory.refused("POST", f"{ROOT}/roleAssignments", body, **BETA) == GONE


async def test_assignments_end_with_their_principal(directory: Directory, app: App, planted: Seed) -> None:
    await directory.post(f"{ROOT}/roleAssignments", await assignment(directory, app), **BETA)
    assert app.principal
    await directory.no_content("DELETE", f"/servicePrincipals/{app.principal.id}")
    assert not planted.tenant.exchange_roles.assignments
    assert app.client_id not in planted.tenant.exchange_principals


@pytest.mark.parametrize(
    ("user", "scopes"), [("alice", SCOPES), ("admin", ("RoleManagement.Read.Exchange",)), (None, ())]
)
async def test_administrators_alone_write(
    client: Client, emulator: Emulator, user: str | None, scopes: tuple[str, ...]
) -> None:
    emulator.world.consent(client.planted.setup, "RoleManagement.ReadWrite.Exchange")
    weak = Directory(client, user=user, scopes=scopes)
    body = scope_of("Alias -eq 'x'")
    assert await weak.refused("POST", f"{ROOT}/customAppScopes", body, **BETA) == DENIED


async def test_there_is_no_such_thing_in_version_1(directory: Directory) -> None:
    assert await directory.refused("GET", f"{ROOT}/customAppScopes") == (400, "BadRequest")
