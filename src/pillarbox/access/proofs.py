"""What a person proves themselves by: a password, and behind it a code, each with its bounds against guessing."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Final

from pillarbox.access.guard import Guard, Patience
from pillarbox.access.logins import Logins, Sleep
from pillarbox.access.passwords import Passwords
from pillarbox.access.person_rules import folded, normal
from pillarbox.access.second_factors import SecondFactors
from pillarbox.core import ip
from pillarbox.core.accounts import Login, Submitter
from pillarbox.core.errors import AuthenticationFailed, InvalidInput, Unavailable
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.core.vault import Secret
from pillarbox.store.people import PeopleStore, Person
from pillarbox.store.submitters import Credentialed

_CODE_PACE: Final = 600.0
"""Seconds after which a person's budget of wrong codes grows by one. Of a million codes three are right at any time: a
thief of a password finds one in a year of guessing with a chance of one in seven, and the log tells of it."""
_WORDS: Final = {"submitter.banned": "person.banned", "submitter.busy": "person.busy"}
"""What the guard says of devices, as it is said to people."""


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

    async def load(self, now: float) -> None:
        """Read from where people signed in lately, see Guard: `now` is the time of day. A start forgets nobody."""
        since = now - self._patience.lasting
        for known in await self._store.known_peers(since, self._patience.remembered):
            # What comes from the future, as the clock went back, was just now.
            self._logins.remember(ip.site(known.peer), known.name, max(0.0, now - known.at))

    def close(self) -> None:
        """Check nothing more."""
        self._logins.close()

    def forget(self, name: str) -> None:
        """A person is no more."""
        self._logins.forget(name)

    async def password(self, name: str, password: Secret, peer: str) -> Person:
        """The person whose name and password these are.

        Raises AuthenticationFailed `person.wrong_sign_in`, after the same time for every name, also of one who has no
        password or may not come in; Unavailable `person.banned`, `person.busy`.
        """
        name = folded(name)
        found = await self._store.get(name)
        kept = Credentialed(Submitter(0, name, {}), found.password_hash) if found and found.enabled else None
        try:
            with for_people(self._patience):
                await self._logins.check(Login(name, normal(password), "PLAIN", peer), kept)
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
        if not code:
            raise AuthenticationFailed("person.code_needed")
        async with self._counted(person, peer):
            if not await self._second_factors.take(person, code):
                raise AuthenticationFailed("person.wrong_sign_in")

    async def confirm(self, person: Person, code: str, peer: str) -> list[Secret]:
        """A first code of an authenticator: the recovery codes, see `SecondFactors.confirm`.

        Wrong ones count as at a sign-in. Raises Unavailable as `password` does.
        """
        async with self._counted(person, peer):
            return await self._second_factors.confirm(person, code)

    @asynccontextmanager
    async def _counted(self, person: Person, peer: str) -> AsyncIterator[None]:
        """Around a try of a code: a wrong one counts against site and person, and is answered late."""
        site, wrong = ip.site(peer), (AuthenticationFailed, InvalidInput)
        try:
            # One after the other, so that what the guard says of each counts all that came before it.
            async with self._checking:
                with for_people(self._patience):
                    self._codes.check(site, person.name, self._clock())
                try:
                    yield
                except wrong:
                    failure = self._codes.failed(site, person.name, self._clock())
                    raise
        except wrong:
            if failure.banned:
                self._log.warning("login.banned", address=site, submitter=person.name, seconds=self._patience.ban)
            await self._sleep(failure.delay)
            raise


@contextmanager
def for_people(patience: Patience) -> Iterator[None]:
    """Say what the guard says in words for people, and when it is worth to come again."""
    try:
        yield
    except Unavailable as error:
        if error.code not in _WORDS:
            raise
        code = _WORDS[error.code]
        raise Unavailable(code, seconds=round(patience.ban if code == "person.banned" else 60)) from None
