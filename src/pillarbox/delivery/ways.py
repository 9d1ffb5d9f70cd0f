"""Which pauses are a mailbox's: of itself, of its app registration, and of the hosts where its mail goes.

Most of it goes to the first host. What is wrong on another way stops only the little that goes there.
"""

from collections.abc import Callable, Collection

from pillarbox.core.accounts import Mailbox
from pillarbox.delivery import findings
from pillarbox.delivery.pauses import Gate, Pauses
from pillarbox.store import limits as store
from pillarbox.store.limits import Pause


class Ways:
    """The pauses by mailbox. `hosts_of` says to which hosts a mailbox's mail goes, mostly to the first."""

    def __init__(self, pauses: Pauses, hosts_of: Callable[[Mailbox], tuple[str, ...]]) -> None:
        self._pauses = pauses
        self._hosts_of = hosts_of

    def first_host(self, mailbox: Mailbox) -> str:
        """Where most of a mailbox's mail goes."""
        return self._hosts_of(mailbox)[0]

    def other_hosts(self, mailbox: Mailbox) -> tuple[str, ...]:
        """Where some of a mailbox's mail goes, but little of it."""
        first, *others = self._hosts_of(mailbox)
        return tuple(host for host in others if host != first)

    def scopes(self, mailbox: Mailbox) -> tuple[str, ...]:
        """Scopes of all that a mailbox uses, but for ways that little of its mail takes."""
        return (
            store.mailbox_scope(mailbox.id),
            store.app_scope(mailbox.app.id),
            store.host_scope(self.first_host(mailbox)),
            store.EVERYTHING,
        )

    def other_scopes(self, mailbox: Mailbox) -> list[str]:
        """Scopes of the hosts where some of a mailbox's mail goes, and of the mailbox there."""
        others = self.other_hosts(mailbox)
        return [scope for host in others for scope in (store.host_scope(host), store.way_scope(mailbox.id, host))]

    def concerning(self, mailbox: Mailbox) -> list[Pause]:
        """The pauses of all that a mailbox uses, but for ways that little of its mail takes."""
        return [one for one in self._pauses.within(self.scopes(mailbox)) if findings.concerns(one, mailbox)]

    def elsewhere(self, mailbox: Mailbox) -> list[Pause]:
        """The pauses of the ways that little of a mailbox's mail takes: the rest of it goes all the same."""
        return self._pauses.within(self.other_scopes(mailbox))

    def gate(self, mailbox: Mailbox, now: float, held: Collection[str]) -> Gate:
        """When something of a mailbox may go that has mail `held` for these causes."""
        gate = self._pauses.gate(self.concerning(mailbox), now)
        # A pause of a way that little of its mail takes does not stop the mailbox: what is held for it is its probe.
        others = self._pauses.gate(self.elsewhere(mailbox), now, held)
        return Gate(gate.opens_at, gate.probes + others.probes)
