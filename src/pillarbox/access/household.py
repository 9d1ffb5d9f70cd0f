"""Everything about people in one place: made once for a store, as its parts need each other."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from pillarbox.access.audit import Audit
from pillarbox.access.entra_sign_in import EntraSignIn, Terms
from pillarbox.access.first_admin import FILE, FirstAdmin
from pillarbox.access.guard import Patience
from pillarbox.access.half_signed_in import HalfSignedIn
from pillarbox.access.invitations import Invitations
from pillarbox.access.logins import Sleep
from pillarbox.access.passwords import HashCost, Passwords
from pillarbox.access.people import People
from pillarbox.access.proofs import Proofs
from pillarbox.access.second_factors import SecondFactors
from pillarbox.access.sessions import IDLE, WHOLE, Sessions
from pillarbox.access.sign_in_links import SignInLinks
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.core.vault import Vault
from pillarbox.store.database import Database
from pillarbox.store.people import PeopleStore
from pillarbox.store.sessions import SessionStore


class Household:
    """People, what they prove themselves by, their sessions and links.

    `folder` is the state folder, `public_url` where browsers reach us (empty where they do not). `monotonic` measures
    patience with failed sign-ins. `entra` says who comes in by Microsoft; None: nobody.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        random: Callable[[int], bytes],
        log: Logger,
        folder: Path,
        public_url: Callable[[], str],
        audit: Audit,
        *,
        cost: HashCost,
        patience: Patience,
        entra: Terms | None = None,
        monotonic: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        store = PeopleStore(database, vault, clock)
        self._clock = clock
        self.public_url = public_url
        self.passwords = Passwords(cost, monotonic)
        self.second_factors = SecondFactors(store, clock, random)
        self.proofs = Proofs(store, self.second_factors, self.passwords, patience, monotonic, sleep, log)
        self.invitations = Invitations(store, self.passwords, clock, random, public_url)
        self.people = People(store, self.invitations, self.passwords, self.proofs)
        half = HalfSignedIn(monotonic, random)
        kept = SessionStore(database, IDLE, WHOLE, entra.tenant if entra else "")
        self.sessions = Sessions(kept, self.proofs, half, clock, random)
        self.sign_in_links = SignInLinks(clock, random, public_url)
        self.entra = EntraSignIn(entra, self.people, vault, patience, clock, monotonic, random, public_url, log)
        self.first_admin = FirstAdmin(store, self.invitations, self.passwords, folder / FILE, audit, log)

    async def load(self) -> None:
        """Read what a start must not forget."""
        await self.proofs.load(self._clock())

    def close(self) -> None:
        """Check nothing more, and let go of the threads."""
        self.proofs.close()
        self.passwords.close()
