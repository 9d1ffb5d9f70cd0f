"""An app registration with a secret, and a mailbox, in a store of their own."""

import pytest

from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.vault import Secret, Vault
from pillarbox.store.accounts import Accounts
from pillarbox.store.sqlite import SqliteDatabase

CANARY = "canary-8c1f-never-on-disk"


@pytest.fixture
def accounts(database: SqliteDatabase) -> Accounts:
    return Accounts(database, Vault(bytes(32)), lambda: 0.0)


@pytest.fixture
async def app(accounts: Accounts) -> AppRegistration:
    added = await accounts.add_app("contoso", "tenant", "client", Secret(CANARY))
    assert added is not None
    return added


@pytest.fixture
async def mailbox(accounts: Accounts, app: AppRegistration) -> Mailbox:
    added = await accounts.add_mailbox("Scanner@Contoso.example", app)
    assert added is not None
    return added


@pytest.fixture
async def two_mailboxes(database: SqliteDatabase, accounts: Accounts, app: AppRegistration) -> SqliteDatabase:
    """A store with the mailboxes 1 and 2."""
    assert await accounts.add_mailbox("one@x.example", app)
    assert await accounts.add_mailbox("two@x.example", app)
    return database
