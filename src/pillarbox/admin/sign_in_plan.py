"""What a sign-in is for: which mailbox, which permissions, whose account. Pure, and kept while the person is away."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pillarbox.core import scopes
from pillarbox.core.accounts import Account, Mailbox, SignIn
from pillarbox.core.errors import InvalidInput
from pillarbox.entra.matching import Meant, is_user_name, same_name

_LOOPBACK: Final = re.compile(r"http://localhost:[0-9]{1,5}/?")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a mailbox is to be connected.

    `user` is the user name that must sign in, where it is not the mailbox's address; `new_account`: an administrator
    says that another account than last time may come. `public`: without the app's credential.
    """

    permissions: tuple[str, ...] = ("send",)
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
        if former and self.user and not same_name(former.upn, self.user):
            former = None  # named by an administrator, who knows that it is another one now
        return Meant(mailbox.address, self.user, former)

    def sign_in(self, account: Account, password_source: str = "") -> SignIn:
        """What is kept of the mailbox once this account has signed in."""
        return SignIn(self.permissions, self.public, self.shared, account, password_source)

    def kept(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "permissions": list(self.permissions),
            "shared": self.shared,
            "user": self.user,
            "new_account": self.new_account,
            "public": self.public,
        }

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> "Plan":
        """From JSON."""
        return cls(**{**kept, "permissions": tuple(kept["permissions"])})


def checked(plan: Plan, mailbox: Mailbox) -> Plan:
    """The plan with its permissions in order. Raises InvalidInput for one that cannot be meant."""
    permissions = tuple(name for name in scopes.SETS if name in plan.permissions)
    if not permissions or len(permissions) != len(set(plan.permissions)):
        raise InvalidInput("sign_in.bad_permissions", known=", ".join(scopes.SETS))
    if plan.user and not is_user_name(plan.user):
        raise InvalidInput("mailbox.bad_address", address=plan.user)
    if not is_user_name(mailbox.address):
        raise InvalidInput("mailbox.bad_address", address=mailbox.address)
    if plan.shared and not plan.user and plan.meant(mailbox).former is None:
        # Nobody signs in as a shared mailbox itself.
        raise InvalidInput("sign_in.shared_needs_user", address=mailbox.address)
    return replace(plan, permissions=permissions)


def check_loopback(redirect_uri: str) -> None:
    """Raises InvalidInput for a redirect URI that is not on this machine: a code would go elsewhere (RFC 8252 7.3)."""
    if not _LOOPBACK.fullmatch(redirect_uri):
        raise InvalidInput("sign_in.bad_redirect_uri")
