"""People and devices of a tenant, and the groups they are in."""

from dataclasses import dataclass, field
from typing import Literal

from pillarbox.emulator.world.mailbox import Mailbox

SecondFactor = Literal["none", "enrolled", "demanded"]
"""`enrolled`: a code is asked for at each sign-in; `demanded`: the tenant wants one and the user has none yet."""


@dataclass(eq=False)
class User:
    """A person, a shared mailbox or a device of a tenant.

    `refusal` is the AADSTS number with which each sign-in of this user ends, for policies that are not played out
    (53003, blocked by Conditional Access, 50053, locked, ...). `sessions_valid_from`: refresh tokens that were issued
    before, in seconds since 1970, are revoked.
    """

    id: str
    upn: str
    name: str
    aliases: list[str] = field(default_factory=list)
    enabled: bool = True
    licensed: bool = True
    mailbox: Mailbox | None = None
    password: str | None = field(default=None, repr=False)
    second_factor: SecondFactor = "none"
    federated: bool = False
    administrator: bool = False
    refusal: int | None = None
    sessions_valid_from: float = 0.0

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


@dataclass(eq=False)
class Group:
    """A mail-enabled security group; `members` are ids of users."""

    id: str
    name: str
    distinguished_name: str
    members: set[str] = field(default_factory=set)
