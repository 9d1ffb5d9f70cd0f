"""Sessions of people who signed in by a browser. The id is 256 bits of chance; the store has a hash of it.

A session is over after half a day without use, after a week in any case, and at once when its person is removed,
disabled, invited anew, or gets another role, password or second factor.
"""

import base64
import contextlib
import hashlib
from collections.abc import Callable
from typing import Final

from pillarbox.access.half_signed_in import HalfSignedIn
from pillarbox.access.proofs import Proofs
from pillarbox.core.caller import SCOPES_OF, Caller
from pillarbox.core.errors import AuthenticationFailed, InvalidInput, Unavailable
from pillarbox.core.mail import Clock
from pillarbox.core.vault import Secret
from pillarbox.store.people import Person
from pillarbox.store.sessions import Session, SessionStore

IDLE: Final = 12 * 3600.0
WHOLE: Final = 7 * 86400.0
_ID_BYTES: Final = 32
_SEEN_EVERY: Final = 60.0
"""Seconds between two writes of when a session was used."""
_LONGEST_AGENT: Final = 200


_WRONG: Final = "person.wrong_sign_in"


class CodeNeeded(AuthenticationFailed):
    """The password was right; `half` is for the browser, which may send the code alone (`Sessions.finish`)."""

    def __init__(self, half: Secret) -> None:
        super().__init__("person.code_needed")
        self.half = half


class Sessions:
    """Begins, finds and ends sessions."""

    def __init__(
        self,
        store: SessionStore,
        proofs: Proofs,
        half_signed_in: HalfSignedIn,
        clock: Clock,
        random: Callable[[int], bytes],
    ) -> None:
        self._store = store
        self._proofs = proofs
        self._half = half_signed_in
        self._clock = clock
        self._random = random

    async def sign_in(self, name: str, password: Secret, code: str, peer: str, agent: str, former: str = "") -> Secret:
        """Sign somebody in; the new session's id. The `former` one of this browser is over.

        Raises AuthenticationFailed `person.wrong_sign_in`, CodeNeeded; Unavailable as `Proofs` does.
        """
        person = await self._proofs.password(name, password, peer)
        if person.has_second_factor and not code:
            raise CodeNeeded(self._half.begin(person))
        await self._proofs.code(person, code, peer)
        return await self.begin(person, peer, agent, former)

    def waiting(self, half: str) -> str:
        """The name of whoever owes a code; empty where nobody does."""
        return self._half.name_of(half)

    async def finish(self, half: str, code: str, peer: str, agent: str, former: str = "") -> Secret:
        """Sign in whoever typed the password before, see CodeNeeded; the new session's id.

        Raises AuthenticationFailed `person.code_late`, `person.wrong_sign_in`, `person.code_needed`, InvalidInput
        `person.wrong_code`; Unavailable as `Proofs` does.
        """
        person = self._half.try_of(half)
        try:
            await self._proofs.code(person, code, peer)
        except AuthenticationFailed as error:
            if error.code == _WRONG:
                # That the password was right is no secret any more.
                raise InvalidInput("person.wrong_code") from error
            raise
        self._half.end(half)
        return await self.begin(person, peer, agent, former)

    async def begin(self, person: Person, peer: str, agent: str, former: str = "") -> Secret:
        """A new session of somebody who has proved themselves: its id.

        Raises AuthenticationFailed where they may not come in any more, or have another password by now.
        """
        chosen = base64.urlsafe_b64encode(self._random(_ID_BYTES)).rstrip(b"=").decode("ascii")
        began = await self._store.begin(
            _digest(chosen), person, self._clock(), peer, agent[:_LONGEST_AGENT], _digest(former) if former else ""
        )
        if not began:
            raise AuthenticationFailed(_WRONG)
        return Secret(chosen)

    async def find(self, id: str, *, used: bool = True) -> Session | None:
        """The session that a browser says it has; `used`: by a person, and not by a page that asks by itself."""
        now = self._clock()
        found = await self._store.get(_digest(id), now)
        if used and found is not None and not 0 <= now - found.seen_at < _SEEN_EVERY:
            # A full disk must not keep people from reading.
            with contextlib.suppress(Unavailable):
                await self._store.seen(found.id, now)
        return found

    async def of_person(self, person_id: str) -> list[Session]:
        """Where somebody is signed in, the last used first."""
        return await self._store.of_person(person_id, self._clock())

    async def end(self, session: Session) -> None:
        """Sign out."""
        await self._store.end(session.id)

    async def end_all(self, person_id: str) -> None:
        """Sign out everywhere."""
        await self._store.end_all(person_id)


def caller_of(session: Session) -> Caller:
    """Who asks by a session. Pure."""
    scopes = frozenset(scope for role in session.roles for scope in SCOPES_OF[role])
    return Caller("person", session.person_id, session.name, scopes)


def _digest(id: str) -> str:
    return hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()
