"""A client that asks again with the same idempotency key gets the same answer, and its message is sent once.

As in the Internet-Draft draft-ietf-httpapi-idempotency-key-header: a key that is being answered and a key with another
request are refused. What came of a key is kept in the transaction that makes the message (store/idempotency.py).
"""

import hashlib
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pillarbox.core.errors import Conflict, InvalidInput
from pillarbox.store.database import ExpectationFailed, Statement
from pillarbox.store.idempotency import Answered, IdempotencyKeys
from pillarbox.store.messages import NewMessage

if TYPE_CHECKING:
    from hashlib import _Hash

_LONGEST: Final = 255
_KEY: Final = re.compile(rf"[!-~]{{1,{_LONGEST}}}")


def begun(parameters: Iterable[tuple[str, str]]) -> "_Hash":
    """The digest of a request by its parameters, in whatever order they came: its body is to be told piece by piece."""
    told = hashlib.sha256()
    for name, value in sorted(parameters):
        for text in (name.encode(), value.encode()):
            # Each with its length before it: no two requests read alike.
            told.update(len(text).to_bytes(8, "big") + text)
    told.update(b"\xff" * 8)
    return told


@dataclass(frozen=True, slots=True)
class Request:
    """A request with a key. `former` is the id of the message that it made when it came first; empty: it is new."""

    former: str
    _keys: IdempotencyKeys
    _scope: str
    _key: str
    _digest: str

    def kept_with(self, message: NewMessage) -> Sequence[Statement]:
        """What keeps the key, for the transaction of the message."""
        return self._keys.keeping(self._scope, self._key, Answered(self._digest, message.id))


class Once:
    """Knows requests again by their keys."""

    def __init__(self, keys: IdempotencyKeys) -> None:
        self._keys = keys
        self._being_answered: dict[tuple[str, str], str] = {}
        """The digest of what each key is being answered for."""

    @asynccontextmanager
    async def request(self, scope: str, key: str, digest: str) -> AsyncIterator[Request]:
        """Inside, the request is answered; nobody else answers one with this key meanwhile, unless it was before.

        Raises InvalidInput `idempotency.bad_key` and `idempotency.mismatch`, Conflict `idempotency.in_progress`.
        """
        if not _KEY.fullmatch(key):
            raise InvalidInput("idempotency.bad_key", limit=_LONGEST)
        answered = await self._keys.find(scope, key)
        known = answered.digest if answered else self._being_answered.get((scope, key), digest)
        if known != digest:
            raise InvalidInput("idempotency.mismatch")
        if answered:
            # However many ask again at once: nothing is made, so none keeps another out.
            yield Request(answered.queue_id, self._keys, scope, key, digest)
            return
        if (scope, key) in self._being_answered:
            raise Conflict("idempotency.in_progress")
        self._being_answered[scope, key] = digest
        try:
            yield Request("", self._keys, scope, key, digest)
        except ExpectationFailed as error:
            # It was answered since it was looked up, here or by another process.
            raise Conflict("idempotency.in_progress") from error
        finally:
            del self._being_answered[scope, key]
