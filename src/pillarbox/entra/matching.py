"""Whether the account that signed in is the one that a mailbox was meant for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pillarbox.core.accounts import Account
from pillarbox.core.errors import Forbidden
from pillarbox.core.mail import is_address


class WrongAccount(Forbidden):
    """Somebody else signed in than the mailbox was meant for."""


@dataclass(frozen=True, slots=True)
class Meant:
    """Whose sign-in a mailbox waits for: of the user name `user` where an administrator gave one, else of the address
    itself; `former` is who signed in last time."""

    address: str
    user: str = ""
    former: Account | None = None

    @property
    def user_name(self) -> str:
        """The user name to sign in with, as far as we know it."""
        return self.former.upn if self.former else self.user or self.address


def mismatch(account: Account, meant: Meant) -> WrongAccount | None:
    """Why this account must not be connected to the mailbox that was meant, or None.

    `account.mail` is an address that Microsoft Graph has proven to be the account's; the user name may be another.
    """
    former = meant.former
    if former is not None:
        if (account.tenant_id, account.object_id) == (former.tenant_id, former.object_id):
            return None
        if same_name(account.upn, former.upn):
            return WrongAccount("sign_in.replaced_account", address=meant.address, account=account.upn)
        return WrongAccount("sign_in.wrong_account", address=meant.address, wanted=former.upn, account=account.upn)
    wanted = meant.user or meant.address
    if is_user_name(account.upn) and wanted and any(same_name(own, wanted) for own in (account.upn, account.mail)):
        return None
    return WrongAccount("sign_in.wrong_account", address=meant.address, wanted=wanted, account=account.upn)


def same_name(one: str, other: str) -> bool:
    """Whether two user names or addresses are the same to Microsoft, which looks at no case."""
    return one.casefold() == other.casefold()


def is_user_name(text: str) -> bool:
    """Whether this can be a user name: an address with one @. `a@b@c` is read in two ways, so in none."""
    return text.count("@") == 1 and is_address(text)


def proves(me: Mapping[str, Any], account: Account, address: str) -> bool:
    """Whether Graph's answer to /me is of this account, and says that it owns `address`.

    https://learn.microsoft.com/graph/api/resources/user: `mail`, and `proxyAddresses` such as `smtp:alias@...`.
    """
    if str(me.get("id", "")).lower() != account.object_id:
        return False
    listed = me.get("proxyAddresses")
    proxies = [str(one)[5:] for one in listed if str(one)[:5].lower() == "smtp:"] if isinstance(listed, list) else []
    return any(same_name(one, address) for one in [str(me.get("mail")), *proxies])
