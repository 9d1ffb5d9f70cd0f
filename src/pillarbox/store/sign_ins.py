"""Sign-ins that have begun and not come back: sealed, used once, forgotten after minutes."""

from pillarbox.core.mail import Clock
from pillarbox.core.vault import Vault
from pillarbox.store.database import Database, Row, statement
from pillarbox.store.sealed import place


class SignIns:
    """What a sign-in needs when it comes back. `id` is a hash of what comes back: the store alone cannot."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def keep(self, id: str, mailbox_id: int, content: bytes, expires_at: float) -> None:
        """Keep a sign-in, and forget those whose time is over."""
        now = self._clock()
        await self._database.write(
            statement("sign_in_purge", now=now),
            statement(
                "sign_in_keep", id=id, mailbox_id=mailbox_id, sealed=self._seal(id, content), expires_at=expires_at
            ),
        )

    async def take(self, id: str) -> bytes | None:
        """What was kept, once: a second call gives None, as does one after its time."""
        # A stranger's guess must cost no write.
        if not await self._database.read("sign_in_peek", id=id):
            return None
        (rows,) = await self._database.write(statement("sign_in_take", id=id))
        return self._opened(id, rows)

    async def peek(self, id: str) -> bytes | None:
        """What was kept, which stays."""
        return self._opened(id, await self._database.read("sign_in_peek", id=id))

    async def replace(self, id: str, content: bytes) -> bool:
        """Keep other content in the same place; whether it is still there."""
        (rows,) = await self._database.write(statement("sign_in_replace", id=id, sealed=self._seal(id, content)))
        return bool(rows)

    def _opened(self, id: str, rows: list[Row]) -> bytes | None:
        if not rows or rows[0]["expires_at"] <= self._clock():
            return None
        return self._vault.open(rows[0]["sealed"], place("sign_ins", id))

    def _seal(self, id: str, content: bytes) -> bytes:
        return self._vault.seal(content, place("sign_ins", id))
