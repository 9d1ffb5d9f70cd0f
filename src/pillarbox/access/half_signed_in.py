"""Who has typed the right password, and still owes the code of their authenticator: for five minutes, in memory alone.

The id goes into a cookie, so only the browser in which the password was typed can go on; whoever has it needs the code
all the same, under the same bounds against guessing as ever (Proofs).
"""

import base64
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pillarbox.core.errors import AuthenticationFailed
from pillarbox.core.mail import Clock
from pillarbox.core.vault import Secret
from pillarbox.store.people import Person

LIFE: Final = 300.0
"""Seconds."""
MOST_TRIES: Final = 5
_MOST: Final = 1000
"""Who waits longest is forgotten first; only right passwords make one, so no stranger can push others out."""
_ID_BYTES: Final = 32


@dataclass
class _Half:
    person: Person
    until: float
    tries: int = 0


class HalfSignedIn:
    """Remembers them. `clock` measures patience, see Logins."""

    def __init__(self, clock: Clock, random: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._random = random
        self._waiting: OrderedDict[str, _Half] = OrderedDict()

    def begin(self, person: Person) -> Secret:
        """The password was right: an id for the browser."""
        id = base64.urlsafe_b64encode(self._random(_ID_BYTES)).rstrip(b"=").decode("ascii")
        self._waiting[_digest(id)] = _Half(person, self._clock() + LIFE)
        if len(self._waiting) > _MOST:
            self._waiting.popitem(last=False)
        return Secret(id)

    def name_of(self, id: str) -> str:
        """Who waits; empty for nobody."""
        half = self._waiting.get(_digest(id))
        return half.person.name if half else ""

    def try_of(self, id: str) -> Person:
        """Whose code is to be looked at now. Raises AuthenticationFailed `person.code_late` where no more are."""
        half = self._waiting.get(_digest(id))
        if half is None or half.until <= self._clock() or half.tries >= MOST_TRIES:
            self.end(id)
            raise AuthenticationFailed("person.code_late")
        half.tries += 1
        return half.person

    def end(self, id: str) -> None:
        """The code was right, or nobody waits any more."""
        self._waiting.pop(_digest(id), None)


def _digest(id: str) -> str:
    return hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()
