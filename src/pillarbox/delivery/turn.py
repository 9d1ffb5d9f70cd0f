"""A turn: what may go of a mailbox now. Its governors give it, and its lane gives it back."""

from dataclasses import dataclass
from typing import Final

from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.cause import Cause
from pillarbox.store.limits import Pause


@dataclass(frozen=True, slots=True)
class Turn:
    """Places for `count` messages of a mailbox. With `probes` it is one: it shows whether these pauses are over."""

    mailbox: Mailbox
    count: int
    probes: tuple[Pause, ...] = ()
    probe: int = 0
    """The probe's number."""
    held: tuple[Cause, ...] = ()
    """Causes for which messages are held, of which the probe is best taken, before the queue."""
    elsewhere: tuple[str, ...] = ()
    """But not of what was held at these hosts: it does not show what is to be shown."""
    held_elsewhere: tuple[Cause, ...] = ()
    """Causes for which messages are held of which the probe is taken where there is no other."""


NONE: Final = Turn(Mailbox(0, "", AppRegistration(0, "", "", "")), 0)
"""No places."""
