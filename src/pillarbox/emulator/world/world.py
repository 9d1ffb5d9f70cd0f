"""The world behind all protocols: tenants with their users and apps, consents, and mailboxes.

Protocols read and change it by plain methods; it knows neither HTTP nor tokens.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pillarbox.emulator.ids import Entropy, guid, secret_value
from pillarbox.emulator.world.apps import App, Audience, Secret, ServicePrincipal
from pillarbox.emulator.world.key_vaults import VAULT_NAME, KeyVault
from pillarbox.emulator.world.limits import Limits
from pillarbox.emulator.world.mailbox import Mailbox
from pillarbox.emulator.world.managed_identities import ManagedIdentity
from pillarbox.emulator.world.people import Group, User
from pillarbox.emulator.world.permissions import named
from pillarbox.emulator.world.tenant import CONSUMERS, Tenant

Clock = Callable[[], float]
"""Seconds since 1970."""

SMALLEST_UPLOAD = 3_000_000
"""3 MB, the smaller reading: what is larger does not fit into one request, and there must be no gap between the two."""
TOKEN_LOOP_LIMIT = 30_000
"""Far above Microsoft's, which is not published: no bench and no test with a clock that stands still meets it."""


class World:
    """All tenants, and the switches that make Exchange behave in one way or another.

    `drops_foreign_headers`: MIME sends lose Auto-Submitted, List-* and Precedence, as is reported of Graph.
    `rewrites_message_ids`: a sent mail gets a Message-ID of Exchange's, whatever it had.
    `checks_from`: a From that is not an address of the mailbox is refused (ErrorSendAsDenied).
    `sends_drafts_twice`: a second send of the same draft is accepted again, instead of refused.
    `shows_sent_headers`: `internetMessageHeaders` is told of mail in Sent Items too, as Exchange once did for a while.
    `clock_skew`: seconds by which Entra's clock, and so the times in its tokens, is ahead of the emulator's.
    `token_padding`: bytes by which access tokens are longer than usual, for clients that should cope with long ones.
    `token_loop_limit`: equal token requests that are taken within a minute, before AADSTS50196; 0 for no limit.
    `issuers`: the key sets (RFC 7517) of foreign issuers whose tokens can stand for a secret, by issuer.
    `managed_identities`: those that the machine has on which clients believe they run.
    `key_vaults`: Azure Key Vaults by name.
    `imap_challenges_bad_tokens`: IMAP explains a refused token in a JSON challenge first, as Gmail does.
    `smallest_upload`: bytes of a file from which on an upload session takes it; 3145728 is the other reading of 3 MB.
    `sent_copy_delay`: seconds until the copy in Sent Items can be seen.
    `replication_delay`: seconds until a new app registration is known wherever a service principal can be made.
    """

    def __init__(self, entropy: Entropy = secrets.token_bytes) -> None:
        self.entropy = entropy
        self.tenants: dict[str, Tenant] = {}
        self.limits = Limits()
        self.drops_foreign_headers = False
        self.rewrites_message_ids = False
        self.checks_from = True
        self.sends_drafts_twice = False
        self.shows_sent_headers = False
        self.imap_challenges_bad_tokens = False
        self.sent_copy_delay = 0.0
        self.clock_skew = 0.0
        self.token_padding = 0
        self.smallest_upload = SMALLEST_UPLOAD
        self.token_loop_limit = TOKEN_LOOP_LIMIT
        self.issuers: dict[str, dict[str, Any]] = {}
        self.managed_identities: list[ManagedIdentity] = []
        self.key_vaults: dict[str, KeyVault] = {}
        self.replication_delay = 0.0

    def add_tenant(self, domain: str, *more_domains: str, name: str = "Contoso", ident: str | None = None) -> Tenant:
        """Add a tenant whose first verified domain is `domain`; its id is a random GUID unless given."""
        domains = [domain.lower(), *(each.lower() for each in more_domains)]
        if ident in self.tenants:
            raise ValueError(f"there is a tenant with that id: {ident}")
        tenant = Tenant(ident or guid(self.entropy), name, domains)
        tenant.add_resources(self.entropy)
        self.tenants[tenant.id] = tenant
        return tenant

    def add_consumers(self, domain: str) -> Tenant:
        """Add the tenant of the personal accounts."""
        return self.add_tenant(domain, name="Personal accounts", ident=CONSUMERS)

    def add_user(
        self,
        tenant: Tenant,
        address: str,
        *,
        name: str | None = None,
        aliases: Iterable[str] = (),
        mailbox: bool = True,
        licensed: bool = True,
        password: str | None = None,
        ident: str | None = None,
    ) -> User:
        """Add a user; `address` is UPN and primary address, without `@` the tenant's first domain is added."""
        upn = address if "@" in address else f"{address}@{tenant.domains[0]}"
        if ident in tenant.users:
            raise ValueError(f"there is a user with that id: {ident}")
        shown = name or upn.split("@")[0].capitalize()
        user = User(ident or guid(self.entropy), upn, shown, list(aliases), licensed=licensed)
        user.password = password
        user.mailbox = Mailbox(self.entropy) if mailbox else None
        tenant.add(user)
        return user

    def add_group(self, tenant: Tenant, name: str, members: Iterable[User], ident: str | None = None) -> Group:
        """Add a group with a distinguished name as Exchange gives it."""
        base = ",".join(f"DC={part}" for part in tenant.domains[0].split("."))
        if ident in tenant.groups:
            raise ValueError(f"there is a group with that id: {ident}")
        group = Group(ident or guid(self.entropy), name, f"CN={name},OU=Groups,{base}", {each.id for each in members})
        tenant.groups[group.id] = group
        return group

    def add_app(
        self,
        name: str,
        roles: Iterable[str] = (),
        *,
        scopes: Iterable[str] = (),
        tenant: Tenant | None = None,
        consent: bool = True,
        audience: Audience = "AzureADMyOrg",
        redirect_uris: Iterable[str] = (),
        public: bool = False,
        client_id: str | None = None,
    ) -> App:
        """Register an app with these application (`roles`) and delegated (`scopes`) permissions.

        An administrator has consented to all of them unless told otherwise. `exchange:` before a name means the
        permission of Exchange Online, where Graph has one of the same name. An unknown name is a ValueError.
        """
        home = tenant or self.only_tenant()
        if client_id and self.app(client_id):
            raise ValueError(f"there is an app with that client id: {client_id}")
        app = App(client_id or guid(self.entropy), guid(self.entropy), name, audience)
        app.redirect_uris, app.public_client = list(redirect_uris), public
        app.requested_permissions = [named(role, "application") for role in roles]
        app.requested_permissions += [named(scope, "delegated") for scope in scopes]
        home.apps[app.client_id] = app
        self.add_principal(home, app)
        if consent:
            self.consent(app)
        return app

    def add_principal(self, tenant: Tenant, app: App) -> ServicePrincipal:
        """Make the app known in a tenant, its own or another."""
        principal = ServicePrincipal(guid(self.entropy), app.client_id, app.name, app)
        tenant.add_principal(principal)
        return principal

    @property
    def own_identity(self) -> ManagedIdentity | None:
        """The system-assigned identity of the machine, None if it has none."""
        return next((each for each in self.managed_identities if not each.user_assigned), None)

    def add_managed_identity(
        self,
        name: str,
        roles: Iterable[str] = (),
        *,
        tenant: Tenant | None = None,
        user_assigned: bool = False,
        client_id: str | None = None,
    ) -> ManagedIdentity:
        """Give the machine an identity with these application permissions.

        An unknown permission, a client id that is taken, and a second identity that is not user-assigned are a
        ValueError.
        """
        home = tenant or self.only_tenant()
        if not user_assigned and self.own_identity:
            raise ValueError("the machine has an identity of its own")
        if client_id and self.app(client_id):
            raise ValueError(f"there is an app with that client id: {client_id}")
        principal = ServicePrincipal(guid(self.entropy), client_id or guid(self.entropy), name)
        home.add_principal(principal)
        home.grant(principal, [named(role, "application") for role in roles], None, self.entropy)
        identity = ManagedIdentity(home.id, principal, user_assigned)
        self.managed_identities.append(identity)
        return identity

    def add_key_vault(self, name: str, tenant: Tenant | None = None) -> KeyVault:
        """Add a key vault that nobody may read yet; a name that is taken, or can be none, is a ValueError."""
        if not VAULT_NAME.fullmatch(name):
            raise ValueError(f"a key vault has 3 to 24 letters, digits and hyphens: {name}")
        if name.lower() in self.key_vaults:
            raise ValueError(f"there is a key vault of that name: {name}")
        vault = KeyVault(name.lower(), (tenant or self.only_tenant()).id)
        self.key_vaults[vault.name] = vault
        return vault

    def add_secret(self, app: App, ends_at: float | None = None) -> str:
        """Make a client secret for the app and give its value; `ends_at` in seconds since 1970."""
        secret = Secret(guid(self.entropy), secret_value(self.entropy), ends_at)
        app.secrets.append(secret)
        return secret.value

    def consent(self, app: App, *roles: str, user: User | None = None, scopes: Iterable[str] = ()) -> None:
        """Let an administrator grant these permissions, or all that the registration asks for.

        With `user`, that person alone grants the `scopes`. What the registration did not ask for, it asks for now.
        """
        tenant = self.home(app)
        wanted = [named(each, "application") for each in roles] + [named(each, "delegated") for each in scopes]
        app.requested_permissions += [each for each in wanted if each not in app.requested_permissions]
        if app.principal:
            tenant.grant(app.principal, wanted or app.requested_permissions, user, self.entropy)

    def home(self, app: App) -> Tenant:
        """The tenant in which the app is registered."""
        return next(tenant for tenant in self.tenants.values() if app.client_id in tenant.apps)

    def app(self, client_id: str) -> App | None:
        """The app with that client id in whatever tenant."""
        client_id = client_id.lower()
        found = (tenant.apps.get(client_id) for tenant in self.tenants.values())
        return next((app for app in found if app), None)

    def only_tenant(self) -> Tenant:
        """The one tenant of a simple world (personal accounts aside); a ValueError when there are none or several."""
        own = [tenant for tenant in self.tenants.values() if not tenant.consumers]
        if len(own) != 1:
            raise ValueError(f"name the tenant: the world has {len(own)}")
        return own[0]

    def tenant(self, key: str) -> Tenant | None:
        """The tenant with that id or verified domain."""
        key = key.lower()
        found = self.tenants.get(key)
        return found or next((each for each in self.tenants.values() if key in each.domains), None)

    def user(self, address: str) -> tuple[Tenant, User] | None:
        """The user who owns that address, and the tenant, in whatever tenant."""
        for tenant in self.tenants.values():
            user = tenant.user_by_address(address)
            if user:
                return tenant, user
        return None

    def mailbox(self, address: str) -> Mailbox:
        """The mailbox behind that address in whatever tenant; a KeyError if there is none."""
        found = self.user(address)
        if found is None or found[1].mailbox is None:
            raise KeyError(address)
        return found[1].mailbox

    def mailboxes(self) -> Iterator[Mailbox]:
        """Every mailbox of every tenant."""
        for tenant in self.tenants.values():
            yield from (user.mailbox for user in tenant.users.values() if user.mailbox)

    def empty_mailboxes(self) -> None:
        """Throw all messages away; tenants, users and apps stay."""
        for mailbox in self.mailboxes():
            mailbox.empty()
