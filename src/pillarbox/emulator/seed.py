"""A world to begin with: the tenant contoso.example, its people and devices, and three apps."""

from dataclasses import dataclass, field

from pillarbox.emulator.world import App, Tenant, World

DOMAIN = "contoso.example"
PEOPLE = ("alice", "bob", "carol", "scanner", "erp", "helpdesk")


@dataclass(frozen=True)
class Seed:
    """What was planted; `secrets` holds the value of each app's secret by client id."""

    tenant: Tenant
    gateway: App
    unconsented: App
    reader: App
    secrets: dict[str, str] = field(repr=False)

    @property
    def apps(self) -> tuple[App, App, App]:
        """All apps."""
        return self.gateway, self.unconsented, self.reader


def seed(world: World) -> Seed:
    """Plant the tenant, with ids and secrets made for this run alone."""
    tenant = world.add_tenant(DOMAIN, name="Contoso")
    for name in PEOPLE:
        world.add_user(tenant, name)
    world.add_user(tenant, "nomailbox", mailbox=False)
    world.add_user(tenant, "unlicensed", licensed=False)
    gateway = world.add_app("Mail gateway", ["Mail.Send"], tenant=tenant)
    unconsented = world.add_app("No consent", ["Mail.Send"], tenant=tenant, consent=False)
    reader = world.add_app("Reader", ["Mail.Read", "User.Read.All"], tenant=tenant)
    secrets = {app.client_id: world.add_secret(app) for app in (gateway, unconsented, reader)}
    return Seed(tenant, gateway, unconsented, reader, secrets)
