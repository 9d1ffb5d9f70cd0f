"""Second factors of people: an authenticator's codes, and recovery codes for when it is lost."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pillarbox.access import totp
from pillarbox.core.errors import Conflict, InvalidInput
from pillarbox.core.mail import Clock
from pillarbox.core.vault import Secret
from pillarbox.store.people import PeopleStore, Person

_ISSUER: Final = "Pillarbox"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A secret for an authenticator: as it is typed, and as its QR code says it. It is told once."""

    secret: Secret
    uri: Secret


class SecondFactors:
    """Enrols, confirms and drops them. What is confirmed or dropped ends all sessions of the person."""

    def __init__(self, store: PeopleStore, clock: Clock, random: Callable[[int], bytes]) -> None:
        self._store = store
        self._clock = clock
        self._random = random

    async def enrol(self, person: Person) -> Enrolment:
        """A new secret; it counts when a code of it was seen. Raises Conflict where a confirmed one is."""
        secret = self._random(totp.SECRET_BYTES)
        if not await self._store.enrol(person.id, secret):
            raise Conflict("person.has_second_factor")
        return Enrolment(totp.written(secret), totp.uri(secret, person.name, _ISSUER))

    async def confirm(self, person: Person, code: str) -> list[Secret]:
        """A first code of the authenticator: from now on one is asked for; the recovery codes, told once.

        Raises InvalidInput for a wrong code, Conflict where nothing was enrolled, or it is confirmed already.
        """
        kept = await self._store.second_factor(person.id)
        if kept is None:
            raise Conflict("person.no_second_factor")
        step = totp.step_of(kept.secret, code, self._clock(), kept.step)
        if step is None:
            raise InvalidInput("person.wrong_code")
        codes = totp.recovery_codes(self._random)
        if not await self._store.confirm(person.id, step, _digests(codes)):
            raise Conflict("person.has_second_factor")
        return codes

    async def drop(self, person: Person) -> None:
        """No second factor any more. Raises Conflict where there is none."""
        if not person.has_second_factor:
            raise Conflict("person.no_second_factor")
        await self._store.drop_second_factor(person.id)

    async def new_recovery_codes(self, person: Person) -> list[Secret]:
        """Other recovery codes, told once; those before are void. Raises Conflict where there is no second factor."""
        if not person.has_second_factor:
            raise Conflict("person.no_second_factor")
        codes = totp.recovery_codes(self._random)
        await self._store.set_recovery_codes(person.id, _digests(codes))
        return codes

    async def take(self, person: Person, code: str) -> bool:
        """Whether this is a code of the person's authenticator or a recovery code; each counts once."""
        if not _looks_like_a_totp_code(code):
            return await self._store.take_recovery_code(person.id, totp.recovery_digest(code))
        kept = await self._store.second_factor(person.id)
        if kept is None:
            return False
        step = totp.step_of(kept.secret, code, self._clock(), kept.step)
        return step is not None and await self._store.take_step(person.id, step)


def _digests(codes: list[Secret]) -> list[str]:
    return [totp.recovery_digest(code.reveal()) for code in codes]


def _looks_like_a_totp_code(code: str) -> bool:
    return len(code.replace(" ", "")) == totp.DIGITS
