"""Links that sign somebody in once, for whoever may open the local socket: kept in memory, for a quarter of an hour."""

import base64
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from pillarbox.core.errors import Conflict, Forbidden, NotFound
from pillarbox.core.mail import Clock
from pillarbox.core.vault import Secret
from pillarbox.store.people import Person

LIFE: Final = 900.0
"""Seconds."""
_MOST: Final = 100
"""Of those that nobody has used the oldest is forgotten."""
_TOKEN_BYTES: Final = 32


class SignInLink(NamedTuple):
    """An address that signs a person in once, until `expires_at` (seconds since 1970)."""

    url: Secret
    expires_at: float


class SignInLinks:
    """Makes them, and takes each once."""

    def __init__(self, clock: Clock, random: Callable[[int], bytes], public_url: Callable[[], str]) -> None:
        self._clock = clock
        self._random = random
        self._public_url = public_url
        self._waiting: OrderedDict[str, tuple[Person, float]] = OrderedDict()

    def make(self, person: Person) -> SignInLink:
        """A link for this person.

        Raises Forbidden `person.kept_out`, Conflict `person.no_listener` where it would lead nowhere.
        """
        if not person.enabled:
            raise Forbidden("person.kept_out", name=person.name)
        if not self._public_url():
            raise Conflict("person.no_listener")
        token = base64.urlsafe_b64encode(self._random(_TOKEN_BYTES)).rstrip(b"=").decode("ascii")
        until = self._clock() + LIFE
        self._waiting[_digest(token)] = person, until
        if len(self._waiting) > _MOST:
            self._waiting.popitem(last=False)
        return SignInLink(Secret(f"{self._public_url()}/sign-in/link/{token}"), until)

    @contextmanager
    def taking(self, token: str) -> Iterator[Person]:
        """Whom this link signs in; it is used up, unless that fails. Raises NotFound `person.no_link`."""
        person, until = self._waiting.pop(_digest(token), (None, 0.0))
        if person is None or until <= self._clock():
            raise NotFound("person.no_link")
        try:
            yield person
        except BaseException:
            self._waiting[_digest(token)] = person, until
            raise


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
