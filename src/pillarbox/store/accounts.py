"""App registrations with their sealed credentials and token caches, mailboxes and their sign-ins."""

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Final, NoReturn

from pillarbox.core.accounts import (
    Account,
    AppRegistration,
    Credential,
    CredentialKind,
    Mailbox,
    MailboxChoice,
    MailboxState,
    SignIn,
)
from pillarbox.core.errors import ConfigError, Unavailable
from pillarbox.core.headers import address_key
from pillarbox.core.mail import Clock
from pillarbox.core.vault import Secret, Vault
from pillarbox.store.database import Database, ExpectationFailed, Row, Statement, statement
from pillarbox.store.events import happened
from pillarbox.store.sealed import place

MOST_MADE_UP: Final = 1000
"""Mailboxes of one app registration that rules for whole domains have made up; those that were added do not count."""


class Accounts:
    """What may be sent with: everything secret is sealed here on its way in and opened on its way out."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._changes = 0
        self._by_key: tuple[int, Mapping[str, Mailbox]] | None = None

    async def add_app(
        self,
        name: str,
        tenant_id: str,
        client_id: str,
        material: Secret,
        *,
        kind: CredentialKind | None = CredentialKind.SECRET,
        source: str = "",
        ends_at: float | None = None,
    ) -> AppRegistration | None:
        """Keep an app registration and its first credential (without a `kind` none); None when the name is taken."""
        now = self._clock()
        first = [] if kind is None else [self._credential(name, kind, material, source, ends_at)]
        try:
            await self._database.write(
                statement("app_add", expect=1, name=name, tenant_id=tenant_id, client_id=client_id, now=now),
                *first,
            )
        except ExpectationFailed:
            return None
        return await self.app(name)

    async def apps(self) -> list[AppRegistration]:
        """All app registrations, by name."""
        return [app_of(row) for row in await self._database.read("app_list")]

    async def app(self, name: str) -> AppRegistration | None:
        """The app registration of this name."""
        rows = await self._database.read("app_by_name", name=name)
        return app_of(rows[0]) if rows else None

    async def change_app(self, app: AppRegistration, tenant_id: str, client_id: str) -> None:
        """Keep other IDs of an app registration; what the old ones got is forgotten."""
        await self._change(
            statement("app_change", id=app.id, tenant_id=tenant_id, client_id=client_id),
            statement("token_cache_forget", owner=app.cache_owner),
        )

    async def remove_app(self, app: AppRegistration) -> bool:
        """Forget an app registration and its credentials; False, and nothing changes, where it is used."""
        try:
            await self._database.write(
                statement("token_cache_forget", owner=app.cache_owner),
                statement("app_remove_credentials", id=app.id),
                statement("app_remove", expect=1, id=app.id),
            )
        except ExpectationFailed:
            return False
        return True

    async def credentials(self, app: AppRegistration) -> list[Credential]:
        """The credentials of an app registration, newest first; one that does not open says why (`broken`)."""
        return [self._opened(app, row) for row in await self._database.read("credential_list", app_id=app.id)]

    async def add_credential(
        self,
        app: AppRegistration,
        kind: CredentialKind,
        material: Secret,
        *,
        source: str = "",
        ends_at: float | None = None,
    ) -> None:
        """Keep a further credential of an app registration; from now on it is the first to be tried.

        Tokens that an older one got are forgotten: whether the new one is right must show now, not in an hour.
        """
        await self._database.write(
            self._credential(app.name, kind, material, source, ends_at),
            statement("token_cache_forget", owner=app.cache_owner),
        )

    async def remove_credential(self, app: AppRegistration, credential_id: str) -> bool:
        """Forget a credential; False where there is none of that id, or it is the last one."""
        try:
            await self._database.write(statement("credential_remove", expect=1, id=credential_id, app_id=app.id))
        except ExpectationFailed:
            return False
        return True

    def _credential(
        self, app: str, kind: CredentialKind, material: Secret, source: str, ends_at: float | None
    ) -> Statement:
        new_id = f"cred_{secrets.token_hex(8)}"
        sealed = self._vault.seal(material.reveal().encode(), place("credentials", new_id))
        return statement(
            "credential_add",
            id=new_id,
            app=app,
            kind=kind.value,
            source=source,
            sealed=sealed,
            ends_at=ends_at,
            now=self._clock(),
        )

    def _opened(self, app: AppRegistration, row: Row) -> Credential:
        material, broken = "", None
        try:
            material = self._vault.open(row["sealed"], place("credentials", row["id"])).decode()
        except ConfigError as error:
            # The others are good: this one can be looked at, left out and removed.
            broken = ConfigError("app.credential_damaged", name=app.name, id=row["id"], reason=error.sentence)
        kind = CredentialKind(row["kind"])
        return Credential(row["id"], kind, Secret(material), row["source"], row["ends_at"], row["created_at"], broken)

    async def load_token_cache(self, owner: str) -> bytes | None:
        """The token cache of an owner such as `app/3`."""
        rows = await self._database.read("token_cache_load", owner=owner)
        return self._vault.open(rows[0]["sealed"], place("token_caches", owner)) if rows else None

    async def save_token_cache(self, owner: str, content: bytes) -> None:
        """Keep the token cache of an owner in the place of the last one."""
        await self._database.write(self._cache(owner, content))

    def _cache(self, owner: str, content: bytes) -> Statement:
        sealed = self._vault.seal(content, place("token_caches", owner))
        return statement("token_cache_save", owner=owner, sealed=sealed, now=self._clock())

    async def lease_token(self, owner: str, holder: str, seconds: float) -> bool:
        """The right to ask for a new token of this owner, for some seconds; False while another `holder` has it."""
        now = self._clock()
        (rows,) = await self._database.write(
            statement("token_lease", owner=owner, holder=holder, until=now + seconds, now=now)
        )
        return bool(rows)

    async def forget_leases(self) -> None:
        """Nobody else has this store open: rights to ask for a token are those of processes that have died."""
        if await self._database.read("token_lease_any"):
            await self._database.write(statement("token_lease_clear"))

    async def release_token(self, owner: str, holder: str) -> None:
        """Give the right back."""
        await self._database.write(statement("token_release", owner=owner, holder=holder))

    async def add_mailbox(self, address: str, app: AppRegistration, waits: str = "") -> Mailbox | None:
        """Keep a mailbox; None when there is one of that address.

        `waits` is the code why it needs a sign-in from the first moment on; without one it acts by the app's rights.
        """
        state = MailboxState.NEEDS_SIGN_IN if waits else MailboxState.OK
        (rows,) = await self._change(
            statement(
                "mailbox_add",
                address=address,
                address_key=address_key(address),
                app_id=app.id,
                state=state.value,
                state_code=waits,
                now=self._clock(),
            )
        )
        return Mailbox(rows[0]["id"], address, app, None, state, waits) if rows else None

    async def ensure_mailbox(self, mailbox: Mailbox) -> Mailbox:
        """The kept mailbox of the address of `mailbox`, kept now if there is none: by the rights of its app.

        Raises Unavailable `mail.too_many_mailboxes`: whoever may use a whole domain could make up addresses for ever,
        each with a backlog of its own. So their number is bounded, and with it all that can wait; a backlog of the
        submitter beside it is not needed.
        """
        return (
            await self.mailbox(mailbox.address)
            or await self._made_up(mailbox)
            or await self.mailbox(mailbox.address)  # somebody else kept it in between
            or _no_more(mailbox)
        )

    async def _made_up(self, mailbox: Mailbox) -> Mailbox | None:
        (rows,) = await self._change(
            statement(
                "mailbox_make_up",
                address=mailbox.address,
                address_key=address_key(mailbox.address),
                app_id=mailbox.app.id,
                most=MOST_MADE_UP,
                now=self._clock(),
            )
        )
        return replace(mailbox, id=rows[0]["id"]) if rows else None

    async def signed_in(
        self, mailbox: Mailbox, sign_in: SignIn, cache: bytes, also: Sequence[Statement] = ()
    ) -> list[str]:
        """A person has signed in for a mailbox: keep how, the token cache that came of it, and what is `also` to be.

        Messages that were held for want of it are queued again; their ids. Raises ExpectationFailed where one of `also`
        does not come to what it expects: nothing is kept then.
        """
        *_, released = await self._change(
            *also,
            statement(
                "mailbox_signed_in",
                id=mailbox.id,
                permissions=",".join(sign_in.permissions),
                public_client=int(sign_in.public),
                shared=int(sign_in.shared),
                account=_account_text(sign_in),
                password_source=sign_in.password_source,
            ),
            self._cache(mailbox.cache_owner, cache),
            self._event("mailbox.signed_in", mailbox, {}),
            statement("outbox_retry_signed_in", mailbox_id=mailbox.id, now=self._clock()),
        )
        return [row["id"] for row in released]

    async def credential_ending(self, app: AppRegistration, credential: Credential, days: int) -> bool:
        """Tell by an event that a credential ends in so many days; False where that, or less, was told before."""
        data = {"credential": credential.id, "kind": credential.kind, "ends_at": credential.ends_at, "days": days}
        try:
            await self._database.write(
                statement("credential_told", expect=1, id=credential.id, days=days),
                happened("app.credential_ending", app.name, data, self._clock(), None),
            )
        except ExpectationFailed:
            return False
        return True

    async def needs_sign_in(self, mailbox: Mailbox, code: str) -> bool:
        """The sign-in of a mailbox is at its end: state and event together; False where that was known already."""
        try:
            await self._change(
                statement("mailbox_needs_sign_in", expect=1, id=mailbox.id, code=code),
                self._event("mailbox.needs_sign_in", mailbox, {"code": code}),
            )
        except ExpectationFailed:
            return False
        return True

    async def set_assurance(self, mailbox: Mailbox, assurance: str) -> bool:
        """Keep the mode that a test found: send-only, verify or draft. False where it is connected otherwise now."""
        sign_in = mailbox.sign_in
        try:
            await self._change(
                statement(
                    "mailbox_assurance",
                    expect=1,
                    id=mailbox.id,
                    app_id=mailbox.app.id,
                    permissions=",".join(sign_in.permissions) if sign_in else "",
                    account=_account_text(sign_in),
                    assurance=assurance,
                )
            )
        except ExpectationFailed:
            return False
        return True

    async def set_test_failed(self, mailbox: Mailbox, why: str) -> None:
        """Keep why the test of a mailbox failed in which no test was good yet; of any other it stays as it is."""
        await self._change(
            statement("mailbox_test_failed", id=mailbox.id, app_id=mailbox.app.id, why=why),
        )

    async def choose(self, mailbox: Mailbox, choice: MailboxChoice) -> None:
        """Keep how a mailbox is to send, as a person chose."""
        await self._change(
            statement(
                "mailbox_choose",
                id=mailbox.id,
                assurance=choice.assurance,
                on_uncertain=choice.on_uncertain,
                transport=choice.transport,
                send_limit=choice.send_limit,
            )
        )

    def _event(self, type: str, mailbox: Mailbox, data: Mapping[str, object]) -> Statement:
        return happened(type, mailbox.address, data, self._clock(), mailbox.id)

    async def change_mailbox(self, mailbox: Mailbox, app: AppRegistration) -> None:
        """Let another app registration act for a mailbox, by its own rights; a sign-in is forgotten."""
        await self._change(
            statement("mailbox_change", id=mailbox.id, app_id=app.id),
            statement("token_cache_forget", owner=mailbox.cache_owner),
            statement("sign_in_forget", mailbox_id=mailbox.id),
        )

    async def move_invited(self, mailbox: Mailbox, app: AppRegistration) -> bool:
        """Let another app registration serve a mailbox that waits for its first sign-in; False where it does not.

        What was begun for the other one is forgotten: it would be finished, or begun anew, as if it were for this one.
        """
        try:
            await self._change(
                statement("mailbox_move_invited", expect=1, id=mailbox.id, app_id=app.id),
                statement("sign_in_forget", mailbox_id=mailbox.id),
            )
        except ExpectationFailed:
            return False
        return True

    async def remove_mailbox(self, mailbox: Mailbox) -> bool:
        """Forget a mailbox; False where a message or a submitter names it."""
        try:
            await self._change(
                statement("sign_in_forget", mailbox_id=mailbox.id),
                statement("token_cache_forget", owner=mailbox.cache_owner),
                statement("mailbox_remove", expect=1, id=mailbox.id),
            )
        except ExpectationFailed:
            return False
        return True

    async def mailboxes(self) -> list[Mailbox]:
        """All mailboxes, by address."""
        return [mailbox_of(row) for row in await self._database.read("mailbox_list")]

    async def by_key(self) -> Mapping[str, Mailbox]:
        """All mailboxes by the keys of their addresses; read when one, or an app registration, has changed."""
        if self._by_key is None or self._by_key[0] != self._changes:
            # What changes while this reads makes it old before it is kept.
            changes = self._changes
            found = {address_key(mailbox.address): mailbox for mailbox in await self.mailboxes()}
            self._by_key = changes, MappingProxyType(found)
        return self._by_key[1]

    async def _change(self, *statements: Statement) -> list[list[Row]]:
        """Write what is another mailbox, or app registration, afterwards."""
        return await asyncio.shield(asyncio.ensure_future(self._counted(statements)))

    async def _counted(self, statements: Sequence[Statement]) -> list[list[Row]]:
        try:
            return await self._database.write(*statements)
        finally:
            self._changes += 1

    async def mailbox(self, address: str) -> Mailbox | None:
        """The mailbox of this address."""
        rows = await self._database.read("mailbox_by_key", address_key=address_key(address))
        return mailbox_of(rows[0]) if rows else None

    async def mailbox_by_id(self, mailbox_id: int) -> Mailbox:
        """The mailbox of this number; there is one."""
        (row,) = await self._database.read("mailbox_by_id", id=mailbox_id)
        return mailbox_of(row)

    async def mailbox_still(self, mailbox_id: int) -> Mailbox | None:
        """The mailbox of this number, unless it was removed."""
        rows = await self._database.read("mailbox_by_id", id=mailbox_id)
        return mailbox_of(rows[0]) if rows else None


def _no_more(mailbox: Mailbox) -> NoReturn:
    raise Unavailable("mail.too_many_mailboxes", limit=MOST_MADE_UP, app=mailbox.app.name, mailbox=mailbox.address)


def app_of(row: Row) -> AppRegistration:
    """The app registration of a row with all its columns."""
    return AppRegistration(row["id"], row["name"], row["tenant_id"], row["client_id"])


def mailbox_of(row: Row) -> Mailbox:
    """The mailbox of a row with all its columns and those of its app registration."""
    app = AppRegistration(row["app_id"], row["app_name"], row["tenant_id"], row["client_id"])
    state = MailboxState(row["state"])
    return Mailbox(
        row["id"],
        row["address"],
        app,
        _sign_in(row),
        state,
        row["state_code"],
        row["assurance"],
        row["chosen_assurance"],
        row["transport"],
        row["on_uncertain"],
        row["send_limit"],
        row["test_failed"],
    )


def _account_text(sign_in: SignIn | None) -> str:
    return json.dumps(asdict(sign_in.account)) if sign_in and sign_in.account else ""


def _sign_in(row: Row) -> SignIn | None:
    if not row["permissions"]:
        return None
    account = Account(**json.loads(row["account"])) if row["account"] else None
    permissions = tuple(row["permissions"].split(","))
    return SignIn(permissions, bool(row["public_client"]), bool(row["shared"]), account, row["password_source"])
