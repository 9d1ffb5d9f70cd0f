"""What is told of a running emulator."""

from pathlib import Path

from pillarbox.emulator import World
from pillarbox.emulator.announce import Announcement, ready_facts, table


def here(world: World, **more: object) -> Announcement:
    return Announcement(world, "https://localhost:1", Path("/ca.pem"), "header", **more)  # type: ignore[arg-type]


def two_tenants() -> World:
    world = World()
    for domain in ("contoso.example", "fabrikam.example"):
        tenant = world.add_tenant(domain, name=domain.partition(".")[0])
        world.add_user(tenant, "alice", aliases=[f"sales@{domain}"], password="x")
        world.add_app("App", ["Mail.Send", "exchange:Mail.Send"], tenant=tenant)
    return world


def test_each_tenant_is_told_with_its_own() -> None:
    world = two_tenants()
    text = table(ready_facts(here(world)))
    first, second = text.split("\ntenant         ")[1:]
    for part, tenant in zip((first, second), world.tenants.values(), strict=True):
        assert f"authority      https://localhost:1/{tenant.id}" in part
        assert f"alice@{tenant.domains[0]}  password x  also sales@{tenant.domains[0]}" in part
        assert next(iter(tenant.apps)) in part


def test_permissions_of_exchange_are_told_from_those_of_graph() -> None:
    facts = ready_facts(here(two_tenants()))
    assert facts["apps"][0]["roles"] == ["Mail.Send", "exchange:Mail.Send"]


def test_without_exchange_the_cure_is_told_and_no_host_leads_there() -> None:
    facts = ready_facts(here(two_tenants(), names="127.0.0.2"))
    assert facts["smtp"] is facts["imap"] is None
    assert "pip install 'pillarbox[emulator]'" in table(facts)
    assert not any("smtp" in line or "outlook.office365" in line for line in facts["hosts"])


def test_with_exchange_all_hosts_lead_there() -> None:
    facts = ready_facts(here(two_tenants(), names="127.0.0.2", smtp=("127.0.0.1", 2), imap=("127.0.0.1", 3)))
    assert "127.0.0.2 smtp.office365.com" in facts["hosts"]
    assert facts["smtp"] == {"host": "127.0.0.1", "port": 2, "starttls": True}


def test_identities_are_told_with_the_variables_that_lead_to_them() -> None:
    world = two_tenants()
    tenant = next(iter(world.tenants.values()))
    assert ready_facts(here(world))["managed_identity"] is None
    assert "IDENTITY_HEADER" not in table(ready_facts(here(world)))
    identity = world.add_managed_identity("vm", ["exchange:Mail.Send"], tenant=tenant)
    facts = ready_facts(here(world))
    (told,) = facts["managed_identities"]
    principal = identity.principal
    assert (told["client_id"], told["object_id"]) == (principal.client_id, principal.id)
    assert (told["tenant_id"], told["roles"], told["user_assigned"]) == (tenant.id, ["exchange:Mail.Send"], False)
    text = table(facts)
    assert f"identity       vm (system-assigned)\nclient_id      {principal.client_id}\n" in text
    assert "export IDENTITY_ENDPOINT=https://localhost:1/msi/token\nexport IDENTITY_HEADER=header" in text
    assert text.count(principal.client_id) == 1
