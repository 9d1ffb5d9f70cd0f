"""Whether the account that signed in is the one that a mailbox was meant for. Pure."""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pillarbox.core.accounts import Account
from pillarbox.core.errors import Forbidden
from pillarbox.core.mail import is_address

_SMALL: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class WrongAccount(Forbidden):
    """Somebody else signed in than the mailbox was meant for."""


@dataclass(frozen=True, slots=True)
class Meant:
    """Whose sign-in a mailbox waits for: of the user name `user` where an administrator gave one, else of the address
    itself; `former` is who signed in last time. `shared`: of somebody with rights on it, whose own it is not."""

    address: str
    user: str = ""
    former: Account | None = None
    shared: bool = False

    @property
    def user_name(self) -> str:
        """The user name to sign in with, as far as we know it."""
        return self.user or (self.former.upn if self.former else self.address)

    @property
    def proof(self) -> str:
        """The address that must be the account's own where its user name is another; empty for whom we know."""
        if self.former is not None:
            return ""
        return self.user if self.shared else self.address


def mismatch(account: Account, meant: Meant, *, provable: bool = True) -> WrongAccount | None:
    """Why this account must not be connected to the mailbox that was meant, or None.

    `account.mail` is an address that Microsoft Graph has proven to be the account's; the user name may be another.
    Where that is not `provable`, the user name that an administrator gave does.
    """
    if meant.former is not None and (refused := _another(account, meant.former, meant)):
        return refused
    renamed = meant.former is not None and same_name(meant.user, meant.former.upn)
    if meant.user and not renamed and not _is(account, meant.user):
        return WrongAccount("sign_in.wrong_account", address=meant.address, wanted=meant.user, account=account.upn)
    if meant.former or _is(account, meant.address) or (meant.user and (meant.shared or not provable)):
        return None
    if meant.user:
        return WrongAccount("sign_in.not_owner", address=meant.address, account=account.upn)
    return WrongAccount("sign_in.wrong_account", address=meant.address, wanted=meant.address, account=account.upn)


def _another(account: Account, former: Account, meant: Meant) -> WrongAccount | None:
    """Why this is not the account that signed in last time; its user name may have changed since."""
    if (account.tenant_id, account.object_id) == (former.tenant_id, former.object_id):
        return None
    if same_name(account.upn, former.upn):
        return WrongAccount("sign_in.replaced_account", address=meant.address, account=account.upn)
    return WrongAccount("sign_in.other_account", address=meant.address, wanted=former.upn, account=account.upn)


def _is(account: Account, name: str) -> bool:
    own = (account.upn, account.mail)
    return bool(name) and is_user_name(account.upn) and any(same_name(one, name) for one in own)


def same_name(one: str, other: str) -> bool:
    """Whether two user names or addresses are the same to Microsoft: without case, as far as it is beyond doubt.

    Letters outside ASCII are compared exactly: which of them are one differs from program to program.
    """
    return one.translate(_SMALL) == other.translate(_SMALL)


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
