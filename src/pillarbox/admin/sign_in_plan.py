"""What a sign-in is for: which mailbox, which permissions, whose account. Pure, and kept while the person is away."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from pillarbox.core import scopes
from pillarbox.core.accounts import Account, Mailbox, SignIn
from pillarbox.core.errors import Conflict, InvalidInput
from pillarbox.entra.matching import Meant, is_user_name

_LOOPBACK: Final = re.compile(r"http://localhost:[0-9]{1,5}/?")


_FIRST: Final = ("send",)
"""The permissions of a mailbox that nobody has signed in for, where none are given."""


@dataclass(frozen=True, slots=True)
class Options:
    """What an administrator says of a sign-in; None is as last time.

    `user` is the user name that must sign in, where it is not the mailbox's address; `new_account`: another account
    than last time may come.
    """

    permissions: tuple[str, ...] | None = None
    shared: bool | None = None
    user: str = ""
    new_account: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """How a mailbox is to be connected: the options, settled. `public`: without the app's credential."""

    permissions: tuple[str, ...] = _FIRST
    shared: bool = False
    user: str = ""
    new_account: bool = False
    public: bool = False

    @property
    def resource(self) -> scopes.Resource:
        """The resource that the first token is for."""
        return scopes.first_resource(self.permissions)

    def meant(self, mailbox: Mailbox) -> Meant:
        """Whose sign-in the mailbox waits for."""
        former = mailbox.sign_in.account if mailbox.sign_in and not self.new_account else None
        return Meant(mailbox.address, self.user, former, self.shared)

    def check_former(self, mailbox: Mailbox) -> None:
        """Raises Conflict where a shared mailbox would become somebody's own without a word."""
        last = mailbox.sign_in
        if last and last.shared and not self.shared and not self.new_account:
            raise Conflict(
                "sign_in.was_shared", address=mailbox.address, account=last.account.upn if last.account else ""
            )

    def sign_in(self, account: Account, password_source: str = "") -> SignIn:
        """What is kept of the mailbox once this account has signed in."""
        return SignIn(self.permissions, self.public, self.shared, account, password_source)

    def kept(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> "Plan":
        """From JSON."""
        return cls(**{**kept, "permissions": tuple(kept["permissions"])})


def settled(options: Options, mailbox: Mailbox, *, public: bool = False) -> Plan:
    """The plan that the options make of how the mailbox is connected now.

    Raises InvalidInput for what cannot be meant, Conflict for what only an administrator's word allows.
    """
    last = mailbox.sign_in
    wanted = options.permissions if options.permissions is not None else last.permissions if last else _FIRST
    permissions = tuple(name for name in scopes.SETS if name in wanted)
    if not permissions or len(permissions) != len(set(wanted)):
        raise InvalidInput("sign_in.bad_permissions", known=", ".join(scopes.SETS))
    if options.user and not is_user_name(options.user):
        raise InvalidInput("mailbox.bad_address", address=options.user)
    if not is_user_name(mailbox.address):
        raise InvalidInput("mailbox.bad_address", address=mailbox.address)
    shared = options.shared if options.shared is not None else last is not None and last.shared
    plan = Plan(permissions, shared, options.user, options.new_account, public)
    plan.check_former(mailbox)
    if plan.shared and not plan.user and plan.meant(mailbox).former is None:
        # Nobody signs in as a shared mailbox itself.
        raise InvalidInput("sign_in.shared_needs_user", address=mailbox.address)
    return plan


def check_loopback(redirect_uri: str) -> None:
    """Raises InvalidInput for a redirect URI that is not on this machine: a code would go elsewhere (RFC 8252 7.3)."""
    if not _LOOPBACK.fullmatch(redirect_uri):
        raise InvalidInput("sign_in.bad_redirect_uri")
