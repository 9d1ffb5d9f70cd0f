"""Who may enter a mailbox by SMTP or IMAP (facts 4)."""

from dataclasses import dataclass
from enum import Enum

from pillarbox.emulator.entra.tokens import TokenRefused, Tokens
from pillarbox.emulator.exchange.sasl import Credentials
from pillarbox.emulator.graph.caller import Caller
from pillarbox.emulator.world import EXCHANGE, Mailbox, Tenant, User, World
from pillarbox.emulator.world.delivery import right_to_send

SMTP_AS_APP, SMTP_AS_USER = "SMTP.SendAsApp", "SMTP.Send"
IMAP_AS_APP, IMAP_AS_USER = "IMAP.AccessAsApp", "IMAP.AccessAsUser.All"


class Reason(Enum):
    """Why a login fails; Exchange tells these three apart."""

    CREDENTIALS = "credentials"
    OFF_FOR_TENANT = "off for the tenant"
    OFF_FOR_MAILBOX = "off for the mailbox"


class LoginRefused(Exception):
    """The login fails."""

    def __init__(self, reason: Reason = Reason.CREDENTIALS) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True)
class Login:
    """Somebody who has entered `owner`'s mailbox; `mailbox` is None where IMAP lets in and then does not connect."""

    caller: Caller
    owner: User
    mailbox: Mailbox | None

    def may_send_as(self, address: str) -> bool:
        """Whether that is an address of the mailbox, or of another that lets it, or who is signed in, send as it."""
        party = self.caller.user or self.caller.principal
        return right_to_send(self.caller.tenant, self.owner, {party.id}, address) is not None


def smtp_login(world: World, tokens: Tokens, credentials: Credentials, now: float) -> Login:
    """Let a sender in, else LoginRefused; SMTP AUTH that is switched off hits OAuth too."""
    caller, owner = _parties(world, tokens, credentials, now)
    mailbox = owner.open_mailbox
    if mailbox is None:
        raise LoginRefused
    check_smtp_is_on(caller.tenant, mailbox)
    if not _may_send(caller, owner, mailbox):
        raise LoginRefused
    return Login(caller, owner, mailbox)


def check_smtp_is_on(tenant: Tenant, mailbox: Mailbox | None) -> None:
    """Refuse where SMTP AUTH is off; the mailbox's own setting wins over the tenant's (facts 4.1)."""
    own = mailbox.smtp_auth if mailbox else None
    if own is False:
        raise LoginRefused(Reason.OFF_FOR_MAILBOX)
    if own is None and not tenant.smtp_auth:
        raise LoginRefused(Reason.OFF_FOR_TENANT)


def imap_login(world: World, tokens: Tokens, credentials: Credentials, now: float) -> Login:
    """Let a reader in, else LoginRefused.

    A good token without a right to the mailbox is let in and cannot select anything (facts 4.2).
    """
    caller, owner = _parties(world, tokens, credentials, now)
    if caller.user is None:
        if not (caller.holds(IMAP_AS_APP) and known_to_exchange(caller)):
            raise LoginRefused
    elif not caller.holds(IMAP_AS_USER):
        raise LoginRefused
    mailbox = owner.open_mailbox
    reachable = mailbox is not None and mailbox.imap and _may_open(caller, owner, mailbox)
    return Login(caller, owner, mailbox if reachable else None)


def known_to_exchange(caller: Caller) -> bool:
    """Whether `New-ServicePrincipal` named the app with the right object id: that of the enterprise application."""
    return caller.tenant.exchange_principals.get(caller.app_id) == caller.principal.id


def app_of(tokens: Tokens, token: str, now: float) -> str | None:
    """The client id in a good token."""
    try:
        return str(tokens.verify(token, EXCHANGE, now).get("appid"))
    except TokenRefused:
        return None


def _parties(world: World, tokens: Tokens, credentials: Credentials, now: float) -> tuple[Caller, User]:
    """Who calls, and whose mailbox is named; it is named by the UPN, aliases do not count."""
    try:
        claims = tokens.verify(credentials.token, EXCHANGE, now)
    except TokenRefused as error:
        raise LoginRefused from error
    tenant = world.tenants.get(str(claims.get("tid")))
    caller = Caller.from_claims(claims, tenant) if tenant else None
    if tenant is None or caller is None or not caller.principal.enabled:
        raise LoginRefused
    owner = tenant.user_by_address(credentials.user)
    if owner is None or owner.upn.casefold() != credentials.user.casefold():
        raise LoginRefused
    return caller, owner


def _may_send(caller: Caller, owner: User, mailbox: Mailbox) -> bool:
    if caller.user is not None:
        # Microsoft's page allows a shared mailbox here; people get 535 unless they may send as it (peers row 35).
        return caller.holds(SMTP_AS_USER) and (caller.user is owner or caller.user.id in mailbox.send_as)
    if caller.holds(SMTP_AS_APP):
        # With the permission of Entra, Exchange looks at the mailbox's permissions too (facts 0.5).
        return known_to_exchange(caller) and caller.principal.id in mailbox.full_access | mailbox.send_as
    groups = list(caller.tenant.groups.values())
    return caller.tenant.exchange_roles.allow(caller.principal.id, SMTP_AS_APP, owner, groups)


def _may_open(caller: Caller, owner: User, mailbox: Mailbox) -> bool:
    party = caller.user or caller.principal
    return party is owner or party.id in mailbox.full_access
