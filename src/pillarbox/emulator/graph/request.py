"""One request to Graph whose caller is known, and the table of operations."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.graph.caller import Caller
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.ledger import Ledger
from pillarbox.emulator.world import Mailbox, User, World


@dataclass
class Request:
    """A call, its caller, the names in its path (`user`, `message`, ...) and the world it is about."""

    call: Call
    caller: Caller
    names: dict[str, str]
    world: World
    ledger: Ledger
    gaps: Gaps
    template: str = ""

    @cached_property
    def owner(self) -> User:
        """The user whose mailbox the path names; a GraphError if there is none."""
        user = self.find_owner()
        if user is None:
            raise GraphError("ErrorInvalidUser", f"The requested user '{self.names['user']}' is invalid.", 404)
        return user

    @cached_property
    def mailbox(self) -> Mailbox:
        """The mailbox that the path names; a GraphError if there is none or no licence opens it."""
        if self.owner.open_mailbox is None:
            raise GraphError("MailboxNotEnabledForRESTAPI")
        return self.owner.open_mailbox

    def find_owner(self) -> User | None:
        """The user whom the path names by id, UPN or any address, None if there is none."""
        key, tenant = self.names["user"], self.caller.tenant
        return tenant.user(key) or tenant.user_by_address(key)

    def may(self, *names: str) -> bool:
        """Whether the caller may use the path's mailbox by one of these permissions."""
        return self.caller.may(self.find_owner(), *names)

    def miss(self, what: str) -> None:
        """Note that a part of this request is not emulated; the caller raises Microsoft's error."""
        self.gaps.add(self.call.method, self.call.path, what)


Handler = Callable[[Request], Answer]


@dataclass(frozen=True)
class Operation:
    """A method of a path template below the version, the permissions of which one is needed, and who answers.

    `mailbox`: the permissions must hold for the mailbox in the path. `denied` is the code of the refusal.
    """

    method: str
    path: str
    handler: Handler
    needs: tuple[str, ...] = ()
    mailbox: bool = True
    denied: str = "ErrorAccessDenied"
    versions: tuple[str, ...] = field(default=("v1.0",))


READ = ("Mail.Read", "Mail.ReadWrite")
READ_BASIC = ("Mail.ReadBasic.All", "Mail.ReadBasic")
WRITE = ("Mail.ReadWrite",)
SEND = ("Mail.Send",)
