"""API keys as they are kept: what each may do, and the SHA-256 of its text."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from pillarbox.core.caller import ApiKey, Scope
from pillarbox.store.database import Database, ExpectationFailed, Row, Statement, statement


@dataclass(frozen=True, slots=True)
class HashedKey:
    """A key, and the SHA-256 of its text in hexadecimal digits."""

    key: ApiKey
    hash: str


class KeyStore:
    """Keys with everything that belongs to them, written and read whole."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> list[HashedKey]:
        """All keys, by name."""
        mailboxes: dict[str, dict[int, str]] = defaultdict(dict)
        rows = await self._database.read("key_list")
        for row in await self._database.read("key_mailboxes"):
            mailboxes[row["key_id"]][row["id"]] = row["address"]
        return [HashedKey(_key_of(row, mailboxes[row["id"]]), row["hash"]) for row in rows]

    async def add(self, key: ApiKey, digest: str) -> bool:
        """Keep a key; False where its name is taken, or a mailbox of its is no more."""
        new = statement("key_add", expect=1, id=key.id, name=key.name, hash=digest, now=key.created_at)
        return await self._write(new, *_contents(key))

    async def change(self, key: ApiKey) -> bool:
        """Keep what a key may do now; False where it, or a mailbox of its, is no more."""
        return await self._write(statement("key_remove_mailboxes", id=key.id), *_contents(key))

    async def rotate(self, key: ApiKey, digest: str) -> bool:
        """Keep the SHA-256 of another text; the last one is over. False where the key is no more."""
        return await self._write(statement("key_rotate", expect=1, id=key.id, hash=digest))

    async def remove(self, key: ApiKey) -> bool:
        """Forget a key; whether there was one. What came in by it stays."""
        return await self._write(
            statement("key_remove_mailboxes", id=key.id), statement("key_remove", expect=1, id=key.id)
        )

    async def used(self, key: ApiKey, at: float) -> None:
        """Somebody came in by it at this time."""
        await self._database.write(statement("key_used", id=key.id, at=at))

    async def _write(self, *statements: Statement) -> bool:
        try:
            await self._database.write(*statements)
        except ExpectationFailed:
            return False
        return True


def _contents(key: ApiKey) -> Iterator[Statement]:
    yield statement(
        "key_change",
        expect=1,
        id=key.id,
        scopes=json.dumps(sorted(key.scopes)),
        all_mailboxes=int(key.mailboxes is None),
        networks=json.dumps(key.networks),
        recipients=json.dumps(key.recipients),
        on_other_recipients=key.on_other_recipients,
        rate=key.rate,
        enabled=int(key.enabled),
        expires_at=key.expires_at,
    )
    for mailbox_id in key.mailboxes or ():
        yield statement("key_add_mailbox", expect=1, id=key.id, mailbox_id=mailbox_id)


def _key_of(row: Row, mailboxes: dict[int, str]) -> ApiKey:
    return ApiKey(
        id=row["id"],
        name=row["name"],
        scopes=frozenset(map(Scope, json.loads(row["scopes"]))),
        # Whatever became of the list: a key that had one never knows of all.
        mailboxes=None if row["all_mailboxes"] else mailboxes,
        networks=tuple(json.loads(row["networks"])),
        recipients=tuple(json.loads(row["recipients"])),
        on_other_recipients=row["on_other_recipients"],
        rate=row["rate"],
        enabled=bool(row["enabled"]),
        expires_at=row["expires_at"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
    )
