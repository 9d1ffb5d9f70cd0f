"""App registrations with their sealed credentials and token caches, mailboxes, submitters."""

from collections.abc import Iterable
from dataclasses import dataclass

from pillarbox.core.accounts import AppRegistration, Mailbox, Submitter
from pillarbox.core.headers import address_key
from pillarbox.core.mail import Clock
from pillarbox.core.vault import Secret, Vault
from pillarbox.store.database import Database, ExpectationFailed, Row, statement


class Accounts:
    """What may be sent with: everything secret is sealed here on its way in and opened on its way out."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def add_app(self, name: str, tenant_id: str, client_id: str, secret: Secret) -> AppRegistration | None:
        """Keep an app registration and its client secret; None when the name is taken."""
        sealed = self._vault.seal(secret.reveal().encode(), _credential_place(name))
        now = self._clock()
        try:
            await self._database.write(
                statement("app_add", expect=1, name=name, tenant_id=tenant_id, client_id=client_id, now=now),
                statement("credential_add", app=name, sealed=sealed, now=now),
            )
        except ExpectationFailed:
            return None
        return await self.app(name)

    async def check_key(self) -> None:
        """Whether the master key is the one that this store was made with. Raises ConfigError `vault.wrong_key`."""
        for app in await self.apps():
            await self.client_secret(app)

    async def apps(self) -> list[AppRegistration]:
        """All app registrations, by name."""
        return [_app(row) for row in await self._database.read("app_list")]

    async def app(self, name: str) -> AppRegistration | None:
        """The app registration of this name."""
        rows = await self._database.read("app_by_name", name=name)
        return _app(rows[0]) if rows else None

    async def client_secret(self, app: AppRegistration) -> Secret:
        """The client secret to use. Raises ConfigError when the master key does not open it."""
        (row,) = await self._database.read("credential_newest", app_id=app.id)
        return Secret(self._vault.open(row["sealed"], _credential_place(app.name)).decode())

    async def add_secret(self, app: AppRegistration, secret: Secret) -> None:
        """Keep a further client secret of an app registration; from now on it is the one to use.

        Tokens that an older one got are forgotten: whether the new one is right must show now, not in an hour.
        """
        sealed = self._vault.seal(secret.reveal().encode(), _credential_place(app.name))
        await self._database.write(
            statement("credential_add", app=app.name, sealed=sealed, now=self._clock()),
            statement("token_cache_forget", owner=app.cache_owner),
        )

    async def load_token_cache(self, owner: str) -> bytes | None:
        """The token cache of an owner such as `app/3`."""
        rows = await self._database.read("token_cache_load", owner=owner)
        return self._vault.open(rows[0]["sealed"], _cache_place(owner)) if rows else None

    async def save_token_cache(self, owner: str, content: bytes) -> None:
        """Keep the token cache of an owner in the place of the last one."""
        sealed = self._vault.seal(content, _cache_place(owner))
        await self._database.write(statement("token_cache_save", owner=owner, sealed=sealed, now=self._clock()))

    async def add_mailbox(self, address: str, app: AppRegistration) -> Mailbox | None:
        """Keep a mailbox; None when there is one of that address."""
        (rows,) = await self._database.write(
            statement(
                "mailbox_add", address=address, address_key=address_key(address), app_id=app.id, now=self._clock()
            )
        )
        return Mailbox(rows[0]["id"], address, app) if rows else None

    async def mailboxes(self) -> list[Mailbox]:
        """All mailboxes, by address."""
        return [_mailbox(row) for row in await self._database.read("mailbox_list")]

    async def mailbox(self, address: str) -> Mailbox | None:
        """The mailbox of this address."""
        rows = await self._database.read("mailbox_by_key", address_key=address_key(address))
        return _mailbox(rows[0]) if rows else None

    async def mailbox_by_id(self, mailbox_id: int) -> Mailbox:
        """The mailbox of this number; there is one."""
        (row,) = await self._database.read("mailbox_by_id", id=mailbox_id)
        return _mailbox(row)

    async def add_submitter(
        self, name: str, password_hash: str, senders: Iterable[tuple[str, Mailbox]]
    ) -> Submitter | None:
        """Keep a submitter and the addresses that it may use; None when the name is taken."""
        try:
            await self._database.write(
                statement("submitter_add", expect=1, name=name, password_hash=password_hash, now=self._clock()),
                *(
                    statement("submitter_add_sender", name=name, address_key=address_key(address), mailbox_id=box.id)
                    for address, box in senders
                ),
            )
        except ExpectationFailed:
            return None
        found = await self.submitter(name)
        return found.submitter if found else None

    async def remove_submitter(self, name: str) -> bool:
        """Forget a submitter; whether there was one. Messages that it handed in stay."""
        try:
            await self._database.write(
                statement("submitter_remove_senders", name=name), statement("submitter_remove", expect=1, name=name)
            )
        except ExpectationFailed:
            return False
        return True

    async def submitters(self) -> list[Submitter]:
        """All submitters, by name."""
        return [await self._submitter(row) for row in await self._database.read("submitter_list")]

    async def submitter(self, name: str) -> "Credentialed | None":
        """The submitter of this name, with the hash of its password."""
        rows = await self._database.read("submitter_by_name", name=name)
        return Credentialed(await self._submitter(rows[0]), rows[0]["password_hash"]) if rows else None

    async def _submitter(self, row: Row) -> Submitter:
        senders = await self._database.read("submitter_senders", submitter_id=row["id"])
        return Submitter(row["id"], row["name"], {sender["address_key"]: _mailbox(sender) for sender in senders})


@dataclass(frozen=True, slots=True)
class Credentialed:
    """A submitter and the hash that its password is checked against."""

    submitter: Submitter
    password_hash: str


def _app(row: Row) -> AppRegistration:
    return AppRegistration(row["id"], row["name"], row["tenant_id"], row["client_id"])


def _mailbox(row: Row) -> Mailbox:
    app = AppRegistration(row["app_id"], row["app_name"], row["tenant_id"], row["client_id"])
    return Mailbox(row["id"], row["address"], app)


def _credential_place(app_name: str) -> str:
    return f"credentials/{app_name}/sealed"


def _cache_place(owner: str) -> str:
    return f"token_caches/{owner}/sealed"
