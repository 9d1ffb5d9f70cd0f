"""The desk at which submitters are looked after."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pillarbox.core.vault import Secret, Vault
from pillarbox.store.accounts import Accounts
from pillarbox.store.sqlite import SqliteDatabase
from pillarbox.store.submitters import SubmitterStore
from tests.unit.access.desk import BOXES, Desk
from tests.unit.access.home import Home


@pytest.fixture
async def desk(database: SqliteDatabase) -> AsyncIterator[Desk]:
    """Two mailboxes of the app registration contoso; nobody may hand in anything yet."""
    made = Desk(Accounts(database, Vault(bytes(32)), lambda: 0.0), SubmitterStore(database, lambda: 0.0))
    app = await made.accounts.add_app("contoso", "t", "c", Secret("s"))
    assert app is not None
    for address in BOXES:
        await made.accounts.add_mailbox(address, app)
    yield made
    await made.submitters.stop()


@pytest.fixture
async def home(database: SqliteDatabase, tmp_path: Path) -> AsyncIterator[Home]:
    """A household without anybody."""
    made = Home(database, tmp_path)
    yield made
    made.household.close()
