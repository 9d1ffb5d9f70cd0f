"""App registrations, mailboxes: what is kept, and that no secret lies on the disk in clear."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pillarbox.core.accounts import AppRegistration, Mailbox, MailboxChoice, SignIn
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


async def test_all_mailboxes_by_their_keys_are_as_they_are_now(
    accounts: Accounts, app: AppRegistration, database: SqliteDatabase
) -> None:
    assert await accounts.by_key() == {}
    added = await accounts.add_mailbox("One@contoso.example", app)
    assert added is not None
    made_up = await accounts.ensure_mailbox(Mailbox(0, "two@contoso.example", app))
    before = await accounts.by_key()
    assert before == {"one@contoso.example": added, "two@contoso.example": made_up}
    assert await accounts.by_key() is before
    other = await accounts.add_app("other", "t", "c", Secret("s"))
    assert other is not None
    sign_in = SignIn(("Mail.Send",), account=None)
    changes: list[Callable[[], Awaitable[object]]] = [
        lambda: accounts.set_assurance(added, "draft"),
        lambda: accounts.choose(added, MailboxChoice(send_limit=7)),
        lambda: accounts.signed_in(added, sign_in, b""),
        lambda: accounts.needs_sign_in(added, "token.expired"),
        lambda: accounts.change_mailbox(added, other),
        lambda: accounts.change_app(other, "t2", "c2"),
        lambda: accounts.remove_mailbox(made_up),
    ]
    for number, change in enumerate(changes):
        before = await accounts.by_key()
        await change()
        now = await accounts.by_key()
        assert now != before, number
        assert list(now.values()) == await accounts.mailboxes()


async def test_a_change_whose_caller_was_gone_counts_all_the_same(accounts: Accounts, app: AppRegistration) -> None:
    assert await accounts.by_key() == {}
    task = asyncio.create_task(accounts.add_mailbox("one@contoso.example", app))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # Read between the cancellation and the commit, or after it: whichever, the next one is right.
    await accounts.by_key()
    # One writer, in turn: where this one's commit was told, so was that of the other.
    await accounts.add_app("later", "tenant", "client", Secret("s"))
    assert list(await accounts.by_key()) == ["one@contoso.example"]


async def test_mailboxes_that_changed_while_they_were_read_are_read_again(
    accounts: Accounts, app: AppRegistration
) -> None:
    for number in range(20):
        await asyncio.gather(accounts.by_key(), accounts.add_mailbox(f"u{number}@contoso.example", app))
        assert len(await accounts.by_key()) == number + 1


async def test_what_is_not_there(accounts: Accounts) -> None:
    assert (await accounts.app("x"), await accounts.mailbox("x@x")) == (None, None)
