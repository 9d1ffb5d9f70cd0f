"""What a person proves themselves by: a password, and behind it a code, each with its bounds against guessing."""

import asyncio
from dataclasses import replace
from typing import Final

from pillarbox.access.guard import Guard, Patience
from pillarbox.access.logins import Logins, Sleep
from pillarbox.access.passwords import Passwords
from pillarbox.access.person_rules import folded
from pillarbox.access.second_factors import SecondFactors
from pillarbox.core import ip
from pillarbox.core.accounts import Login, Submitter
from pillarbox.core.errors import AuthenticationFailed
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.core.vault import Secret
from pillarbox.store.people import PeopleStore, Person
from pillarbox.store.submitters import Credentialed

_CODE_PACE: Final = 600.0
"""Seconds after which a person's budget of wrong codes grows by one. Of a million codes three are right at any time: a
thief of a password finds one in a year of guessing with a chance of one in seven, and the log tells of it."""


class Proofs:
    """Checks passwords and codes. `clock` measures patience, see Logins; what it remembers lies in memory alone."""

    def __init__(
        self,
        store: PeopleStore,
        second_factors: SecondFactors,
        passwords: Passwords,
        patience: Patience,
        clock: Clock,
        sleep: Sleep,
        log: Logger,
    ) -> None:
        self._store = store
        self._second_factors = second_factors
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._log = log
        self._logins = Logins(passwords, patience, clock, sleep, log, lambda _site, _name: None)
        # A guard of its own: only who has the password can use its budgets up.
        self._codes = Guard(replace(patience, name_pace=_CODE_PACE))
        self._checking = asyncio.Lock()

    def close(self) -> None:
        """Check nothing more."""
        self._logins.close()

    def forget(self, name: str) -> None:
        """A person is no more."""
        self._logins.forget(name)

    async def password(self, name: str, password: Secret, peer: str) -> Person:
        """The person whose name and password these are.

        Raises AuthenticationFailed `person.wrong_sign_in`, after the same time for every name, also of one who has no
        password or may not come in; Unavailable `submitter.banned`, `submitter.busy`.
        """
        name = folded(name)
        found = await self._store.get(name)
        kept = Credentialed(Submitter(0, name, {}), found.password_hash) if found and found.enabled else None
        try:
            await self._logins.check(Login(name, password, "PLAIN", peer), kept)
        except AuthenticationFailed:
            raise AuthenticationFailed("person.wrong_sign_in") from None
        assert found is not None
        return found

    async def code(self, person: Person, code: str, peer: str) -> None:
        """Whether this is a code of a person whose password was right; who has no second factor needs none.

        Raises AuthenticationFailed `person.code_needed`, `person.wrong_sign_in`; Unavailable as `password` does.
        """
        if not person.has_second_factor:
            return
        site = ip.site(peer)
        # One after the other, so that what the guard says of each counts all that came before it.
        async with self._checking:
            self._codes.check(site, person.name, self._clock())
            if not code:
                raise AuthenticationFailed("person.code_needed")
            if await self._second_factors.take(person, code):
                return
            failure = self._codes.failed(site, person.name, self._clock())
        if failure.banned:
            self._log.warning("login.banned", address=site, submitter=person.name, seconds=self._patience.ban)
        await self._sleep(failure.delay)
        raise AuthenticationFailed("person.wrong_sign_in")
