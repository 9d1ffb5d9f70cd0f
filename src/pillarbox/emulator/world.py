"""The world behind all protocols: tenants with their users and apps, consents, and mailboxes.

Protocols read and change it by plain methods; it knows neither HTTP nor mail formats nor tokens.
"""

import hmac
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from pillarbox.emulator.ids import Entropy, guid, secret_value
from pillarbox.emulator.mailbox import Mailbox

Clock = Callable[[], float]
"""Seconds since 1970."""


@dataclass
class User:
    """A person, a shared mailbox or a device of a tenant."""

    id: str
    upn: str
    name: str
    aliases: list[str] = field(default_factory=list)
    enabled: bool = True
    licensed: bool = True
    mailbox: Mailbox | None = None

    @property
    def addresses(self) -> list[str]:
        """The primary address, then the aliases."""
        return [self.upn, *self.aliases]

    @property
    def open_mailbox(self) -> Mailbox | None:
        """The mailbox, if there is one and a licence opens it."""
        return self.mailbox if self.licensed else None

    def owns(self, address: str) -> bool:
        """Whether that is one of the addresses, in whatever case."""
        address = address.casefold()
        return any(each.casefold() == address for each in self.addresses)


@dataclass
class Secret:
    """A client secret; `ends_at` is in seconds since 1970, None for never."""

    id: str
    value: str = field(repr=False)
    ends_at: float | None = None

    def ended(self, now: float) -> bool:
        """Whether the end date has passed."""
        return self.ends_at is not None and now >= self.ends_at


@dataclass
class App:
    """An app registration together with its service principal in the tenant.

    `requested` are the application permissions on the registration, `consented` those that an administrator granted.
    """

    client_id: str
    object_id: str
    service_principal_id: str
    name: str
    requested: list[str] = field(default_factory=list)
    consented: list[str] = field(default_factory=list)
    secrets: list[Secret] = field(default_factory=list)
    enabled: bool = True

    def matching(self, value: str) -> Secret | None:
        """The secret with that value, whether ended or not."""
        wanted = value.encode()
        return next((each for each in self.secrets if hmac.compare_digest(each.value.encode(), wanted)), None)


@dataclass
class Tenant:
    """One organisation: its verified domains, users (by id) and apps (by client id)."""

    id: str
    name: str
    domains: list[str]
    users: dict[str, User] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)
    _addresses: dict[str, User] = field(default_factory=dict, repr=False)

    def user(self, key: str) -> User | None:
        """The user with that object id or UPN, as Graph's `/users/{id}` reads it; an alias is not enough."""
        found = self.users.get(key.lower()) or self._addresses.get(key.casefold())
        return found if found and key.casefold() in (found.id, found.upn.casefold()) else None

    def user_by_address(self, address: str) -> User | None:
        """The user who owns that address or alias, in whatever case."""
        return self._addresses.get(address.casefold())

    def add(self, user: User) -> None:
        """Take in a user and make all addresses known; an address that is taken is a ValueError."""
        for address in user.addresses:
            if address.casefold() in self._addresses:
                raise ValueError(f"address is taken: {address}")
        self.users[user.id] = user
        self._addresses.update({address.casefold(): user for address in user.addresses})


class World:
    """All tenants, and the switches that make Exchange behave in one way or another.

    `drops_foreign_headers`: MIME sends lose Auto-Submitted, List-* and Precedence, as is reported of Graph.
    `checks_from`: a From that is not an address of the mailbox is refused (ErrorSendAsDenied).
    `sent_copy_delay`: seconds until the copy in Sent Items can be seen.
    """

    def __init__(self, entropy: Entropy = secrets.token_bytes) -> None:
        self.entropy = entropy
        self.tenants: dict[str, Tenant] = {}
        self.drops_foreign_headers = False
        self.checks_from = True
        self.sent_copy_delay = 0.0

    def add_tenant(self, domain: str, *more_domains: str, name: str = "Contoso") -> Tenant:
        """Add a tenant whose first verified domain is `domain`; its id is a random GUID."""
        tenant = Tenant(guid(self.entropy), name, [domain.lower(), *(each.lower() for each in more_domains)])
        self.tenants[tenant.id] = tenant
        return tenant

    def add_user(
        self,
        tenant: Tenant,
        address: str,
        *,
        name: str | None = None,
        aliases: Iterable[str] = (),
        mailbox: bool = True,
        licensed: bool = True,
    ) -> User:
        """Add a user; `address` is UPN and primary address, without `@` the tenant's first domain is added."""
        upn = address if "@" in address else f"{address}@{tenant.domains[0]}"
        user = User(guid(self.entropy), upn, name or upn.split("@")[0].capitalize(), list(aliases), licensed=licensed)
        user.mailbox = Mailbox(self.entropy) if mailbox else None
        tenant.add(user)
        return user

    def add_app(
        self, name: str, roles: Iterable[str] = (), *, tenant: Tenant | None = None, consent: bool = True
    ) -> App:
        """Register an app with these application permissions, consented unless told otherwise."""
        home = tenant or self.only_tenant()
        app = App(guid(self.entropy), guid(self.entropy), guid(self.entropy), name, list(roles))
        home.apps[app.client_id] = app
        if consent:
            self.consent(app)
        return app

    def add_secret(self, app: App, ends_at: float | None = None) -> str:
        """Make a client secret for the app and give its value; `ends_at` in seconds since 1970."""
        secret = Secret(guid(self.entropy), secret_value(self.entropy), ends_at)
        app.secrets.append(secret)
        return secret.value

    def consent(self, app: App, *roles: str) -> None:
        """Let an administrator grant these permissions, or all that the registration asks for."""
        app.requested += [role for role in roles if role not in app.requested]
        app.consented += [role for role in roles or app.requested if role not in app.consented]

    def only_tenant(self) -> Tenant:
        """The one tenant of a simple world; a ValueError when there are none or several."""
        if len(self.tenants) != 1:
            raise ValueError(f"name the tenant: the world has {len(self.tenants)}")
        return next(iter(self.tenants.values()))

    def tenant(self, key: str) -> Tenant | None:
        """The tenant with that id or verified domain."""
        key = key.lower()
        found = self.tenants.get(key)
        return found or next((each for each in self.tenants.values() if key in each.domains), None)

    def mailbox(self, address: str) -> Mailbox:
        """The mailbox behind that address in whatever tenant; a KeyError if there is none."""
        users = (tenant.user_by_address(address) for tenant in self.tenants.values())
        found = next((user.mailbox for user in users if user), None)
        if found is None:
            raise KeyError(address)
        return found

    def mailboxes(self) -> Iterator[Mailbox]:
        """Every mailbox of every tenant."""
        for tenant in self.tenants.values():
            yield from (user.mailbox for user in tenant.users.values() if user.mailbox)

    def empty_mailboxes(self) -> None:
        """Throw all messages away; tenants, users and apps stay."""
        for mailbox in self.mailboxes():
            mailbox.empty()
