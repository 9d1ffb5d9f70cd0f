"""App registrations, mailboxes: what is kept, and that no secret lies on the disk in clear."""

from pathlib import Path

import pytest

from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.errors import ConfigError
from pillarbox.core.vault import Secret, Vault
from pillarbox.store.accounts import Accounts
from pillarbox.store.database import statement
from pillarbox.store.sqlite import SqliteDatabase
from tests.unit.store.conftest import CANARY


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("store.db*"))


async def test_no_secret_lies_on_the_disk_in_clear(accounts: Accounts, app: AppRegistration, tmp_path: Path) -> None:
    await accounts.save_token_cache("app/1", CANARY.encode())
    assert b"contoso" in on_disk(tmp_path)
    assert CANARY.encode() not in on_disk(tmp_path)
    assert CANARY.encode().hex().encode() not in on_disk(tmp_path)


async def test_no_secret_lies_on_the_disk_after_closing(
    accounts: Accounts, app: AppRegistration, database: SqliteDatabase, tmp_path: Path
) -> None:
    await database.close()
    assert b"contoso" in on_disk(tmp_path)
    assert CANARY.encode() not in on_disk(tmp_path)


async def test_the_secret_comes_back_by_the_right_key_alone(
    accounts: Accounts, app: AppRegistration, database: SqliteDatabase
) -> None:
    assert [one.material.reveal() for one in await accounts.credentials(app)] == [CANARY]
    (other,) = await Accounts(database, Vault(b"x" * 32), lambda: 0.0).credentials(app)
    assert other.broken is not None
    assert (other.broken.code, other.material) == ("app.credential_damaged", Secret(""))
    assert f"pillarbox app credential remove contoso {other.id}" in other.broken.cure


async def test_a_sealed_value_in_another_row_does_not_open(
    accounts: Accounts, database: SqliteDatabase, app: AppRegistration
) -> None:
    await accounts.save_token_cache("app/1", b"one")
    (row,) = await database.read("token_cache_load", owner="app/1")
    await database.write(statement("token_cache_save", owner="app/2", sealed=row["sealed"], now=0.0))
    with pytest.raises(ConfigError) as caught:
        await accounts.load_token_cache("app/2")
    assert caught.value.code == "vault.damaged"


async def test_a_token_cache_is_replaced(accounts: Accounts) -> None:
    assert await accounts.load_token_cache("app/1") is None
    for content in (b"one", b"two"):
        await accounts.save_token_cache("app/1", content)
    assert await accounts.load_token_cache("app/1") == b"two"


async def test_a_taken_name_leaves_the_app_registration_and_its_secret_as_they_are(
    accounts: Accounts, app: AppRegistration
) -> None:
    assert await accounts.add_app("contoso", "other", "other", Secret("other")) is None
    assert await accounts.apps() == [app]
    assert [one.material.reveal() for one in await accounts.credentials(app)] == [CANARY]


@pytest.mark.parametrize("address", ["scanner@contoso.example", "SCANNER@CONTOSO.EXAMPLE"])
async def test_a_mailbox_is_found_and_taken_in_any_case(accounts: Accounts, mailbox: Mailbox, address: str) -> None:
    assert await accounts.mailbox(address) == mailbox
    assert await accounts.add_mailbox(address, mailbox.app) is None
    assert await accounts.mailboxes() == [mailbox]
    assert await accounts.mailbox_by_id(mailbox.id) == mailbox


async def test_a_made_up_mailbox_is_kept_once(accounts: Accounts, app: AppRegistration) -> None:
    made_up = Mailbox(0, "Ceo@Contoso.example", app)
    kept = await accounts.ensure_mailbox(made_up)
    assert (kept.id > 0, kept.address, kept.app) == (True, "Ceo@Contoso.example", app)
    assert await accounts.ensure_mailbox(Mailbox(0, "ceo@contoso.example", app)) == kept
    assert await accounts.mailboxes() == [kept]


async def test_what_is_not_there(accounts: Accounts) -> None:
    assert (await accounts.app("x"), await accounts.mailbox("x@x")) == (None, None)
