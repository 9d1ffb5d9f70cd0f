"""What is examined: a machine, and the installation on it, as far as this process can see them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pillarbox.admin.check.journey import Check
from pillarbox.admin.vault import Rotation
from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import Clock
from pillarbox.core.settings import Settings
from pillarbox.entra.authority import Authority
from pillarbox.store.accounts import Accounts
from pillarbox.store.database import Database
from pillarbox.store.limits import Pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What can be looked at without a store. `patience` are the seconds in which mailboxes are tested."""

    settings: Settings
    environ: Mapping[str, str]
    clock: Clock
    authority: Callable[[], Authority]
    doors: Callable[[], Mapping[str, str]]
    """The addresses of the listeners by name; empty where no service runs here."""
    patience: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined(Machine):
    """An installation: a machine with a store that is open."""

    accounts: Accounts
    database: Database
    store: Path
    rotation: Rotation
    check: Callable[[], Check]
    pauses: Callable[[Mailbox], Sequence[Pause]]
    probed: Collection[str]
    """Causes whose pause ends by a probe, not by time."""
    turned_away: Callable[[], Mapping[str, PillarboxError]]
    """Submitters that were refused something of late, and have handed in nothing since: the last first."""
    strangers: Callable[[], Mapping[str, PillarboxError]]
    """The same of addresses where somebody came who is no submitter."""
