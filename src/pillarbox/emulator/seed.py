"""A world to begin with: the tenant contoso.example, its people and devices, and an app for each way in."""

from dataclasses import dataclass, field

from pillarbox.emulator.ids import encode
from pillarbox.emulator.world import App, Tenant, User, World
from pillarbox.emulator.world.managed_identities import ManagedIdentity

DOMAIN = "contoso.example"
PEOPLE = ("alice", "bob", "carol", "scanner", "erp", "helpdesk")
CALLBACK = "https://localhost/oauth/callback"
MAIL_SCOPES = ("User.Read", "Mail.ReadWrite", "Mail.Send", "openid", "profile", "email", "offline_access")
EXCHANGE_SCOPES = ("exchange:IMAP.AccessAsUser.All", "exchange:SMTP.Send")
SETUP_SCOPES = (
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "RoleManagement.ReadWrite.Exchange",
    "openid",
    "offline_access",
)
SETUP_ROLES = ("Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "ExchangeMessageTrace.Read.All")


@dataclass(frozen=True)
class Seed:
    """What was planted; `secrets` holds each app's secret by client id, `passwords` those of people by UPN.

    Apps: `gateway` may send as anybody, `unconsented` asked for that in vain, `reader` reads mail and directory,
    `writer` keeps drafts and sends them, `exchange` speaks SMTP and IMAP as itself, `web` signs people in and has
    a secret, `desktop` signs them in and has none (device code, password, loopback), `setup` registers apps. The
    machine's own managed `identity` may send as anybody too.
    """

    tenant: Tenant
    gateway: App
    unconsented: App
    reader: App
    writer: App
    exchange: App
    web: App
    desktop: App
    setup: App
    identity: ManagedIdentity
    secrets: dict[str, str] = field(repr=False)
    passwords: dict[str, str] = field(repr=False)

    @property
    def apps(self) -> tuple[App, ...]:
        """All apps."""
        apps = (self.gateway, self.unconsented, self.reader, self.writer)
        return (*apps, self.exchange, self.web, self.desktop, self.setup)

    def user(self, name: str) -> User:
        """The user `name@contoso.example`; a KeyError if there is none."""
        found = self.tenant.user_by_address(f"{name}@{DOMAIN}")
        if found is None:
            raise KeyError(name)
        return found


def seed(world: World) -> Seed:
    """Plant the tenant, with ids, passwords and secrets made for this run alone."""
    tenant = world.add_tenant(DOMAIN, name="Contoso")
    for name in PEOPLE:
        world.add_user(tenant, name)
    world.add_user(tenant, "nomailbox", mailbox=False)
    world.add_user(tenant, "unlicensed", licensed=False)
    world.add_user(tenant, "admin").administrator = True
    planted = Seed(
        tenant=tenant,
        gateway=world.add_app("Mail gateway", ["Mail.Send"], tenant=tenant),
        unconsented=world.add_app("No consent", ["Mail.Send"], tenant=tenant, consent=False),
        reader=world.add_app("Reader", ["Mail.Read", "User.Read.All"], tenant=tenant),
        writer=world.add_app("Writer", ["Mail.ReadWrite", "Mail.Send"], tenant=tenant),
        exchange=world.add_app("Exchange", ["exchange:SMTP.SendAsApp", "exchange:IMAP.AccessAsApp"], tenant=tenant),
        web=world.add_app("Web mail", scopes=(*MAIL_SCOPES, *EXCHANGE_SCOPES), tenant=tenant, redirect_uris=[CALLBACK]),
        desktop=world.add_app("Desktop mail", scopes=(*MAIL_SCOPES, *EXCHANGE_SCOPES), tenant=tenant, public=True),
        setup=world.add_app("Setup", SETUP_ROLES, scopes=SETUP_SCOPES, tenant=tenant, public=True),
        identity=world.add_managed_identity("Virtual machine", ["Mail.Send"], tenant=tenant),
        secrets={},
        passwords={user.upn: encode(world.entropy(12)) for user in tenant.users.values()},
    )
    _furnish(world, planted)
    return planted


def _furnish(world: World, planted: Seed) -> None:
    for user in planted.tenant.users.values():
        user.password = planted.passwords[user.upn]
    for app in planted.apps:
        if app is not planted.desktop:
            planted.secrets[app.client_id] = world.add_secret(app)
    planted.desktop.public_redirect_uris.append("http://localhost")
    exchange = planted.exchange.principal
    assert exchange is not None
    planted.tenant.exchange_principals[planted.exchange.client_id] = exchange.id
    for mailbox in world.mailboxes():
        mailbox.full_access.add(exchange.id)
