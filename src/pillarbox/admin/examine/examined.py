"""What is examined: an installation, as far as this process can see it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pillarbox.admin.check.journey import Check
from pillarbox.admin.clients import Clients
from pillarbox.admin.vault import Rotation
from pillarbox.core.accounts import Mailbox
from pillarbox.core.mail import Clock
from pillarbox.core.settings import Settings
from pillarbox.store.accounts import Accounts
from pillarbox.store.limits import Pause
from pillarbox.store.soundness import Soundness


@dataclass(frozen=True, slots=True)
class Examined:
    """An installation. `doors` are the addresses of its listeners by name; empty where no service runs here."""

    settings: Settings
    environ: Mapping[str, str]
    clock: Clock
    accounts: Accounts
    soundness: Soundness
    rotation: Rotation
    clients: Callable[[], Clients]
    check: Callable[[], Check]
    pauses: Callable[[Mailbox], Sequence[Pause]]
    doors: Callable[[], Mapping[str, str]]
    patience: float = 60.0
    """Seconds in which mailboxes are tested; the rest are left out."""
