"""The tenant by Graph."""

from pillarbox.emulator.graph.directory import organization
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client
from tests.unit.emulator.graph.directory.conftest import Directory


async def test_the_tenant_names_its_domains(client: Client, planted: Seed) -> None:
    planted.tenant.domains.append("mail.contoso.example")
    found = (await Directory(client, scopes=("Organization.Read.All",)).get("/organization"))["value"]
    assert [(each["id"], each["displayName"]) for each in found] == [(planted.tenant.id, "Contoso")]
    assert {*found[0]} == {*organization.TYPE.properties}
    domains = {each["name"]: each["isDefault"] for each in found[0]["verifiedDomains"]}
    assert domains == {"contoso.example": True, "mail.contoso.example": False}


async def test_properties_can_be_selected(client: Client) -> None:
    found = await Directory(client, user="alice", scopes=("User.Read",)).get("/organization?$select=verifiedDomains")
    assert [{*each} for each in found["value"]] == [{"verifiedDomains"}]


async def test_it_takes_a_permission(client: Client) -> None:
    nobody = Directory(client, scopes=("Mail.Send",))
    assert await nobody.refused("GET", "/organization") == (403, "Authorization_RequestDenied")
