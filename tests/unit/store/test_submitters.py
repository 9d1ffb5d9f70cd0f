"""Submitters: everything about one is kept, and what they name is not forgotten under them."""

from dataclasses import replace

import pytest

from pillarbox.core.accounts import AppRegistration, Mailbox, Submitter, UnixRule
from pillarbox.core.vault import Secret
from pillarbox.store.accounts import Accounts
from pillarbox.store.sqlite import SqliteDatabase
from pillarbox.store.submitters import Credentialed, SubmitterStore


@pytest.fixture
def store(database: SqliteDatabase) -> SubmitterStore:
    return SubmitterStore(database, lambda: 7.0)


def whole(mailbox: Mailbox, app: AppRegistration) -> Submitter:
    """One that has everything, in an order that is not that of the letters."""
    return Submitter(
        0,
        "printer",
        {"scanner@contoso.example": mailbox, "alias@contoso.example": mailbox},
        {"fabrikam.example": mailbox, "contoso.example": app},
        has_password=True,
        networks=("192.0.2.0/24", "2001:db8::/48"),
        unix=(UnixRule("user", "www-data"), UnixRule("group", "lp")),
        force_from=True,
        fix_from=True,
        recipients=("*@contoso.example", "a@fabrikam.example"),
        rate=10,
        max_size=20_000,
        enabled=False,
    )


async def only(store: SubmitterStore) -> Credentialed:
    (found,) = await store.load()
    return found


async def test_everything_about_a_submitter_comes_back(
    store: SubmitterStore, mailbox: Mailbox, app: AppRegistration
) -> None:
    wanted = whole(mailbox, app)
    assert await store.add(wanted, "hash")
    found = await only(store)
    assert (replace(found.submitter, id=0), found.password_hash) == (wanted, "hash")
    assert list(found.submitter.senders) == list(wanted.senders)
    changed = Submitter(found.submitter.id, "printer", {}, {}, has_password=False, networks=("192.0.2.0/24",))
    assert await store.change(changed, "")
    assert await only(store) == Credentialed(changed, "")


async def test_one_without_a_password_has_none(store: SubmitterStore) -> None:
    await store.add(Submitter(0, "printer", {}, has_password=False), "")
    assert not (await only(store)).submitter.has_password


@pytest.mark.parametrize(
    "other",
    [
        Submitter(0, "printer", {}),
        Submitter(0, "other", {}, networks=("192.0.2.0/24",)),
        Submitter(0, "other", {}, unix=(UnixRule("user", "www-data"),)),
    ],
    ids=["name", "network", "user"],
)
async def test_what_is_taken_leaves_everything_as_it_is(
    store: SubmitterStore, mailbox: Mailbox, app: AppRegistration, other: Submitter
) -> None:
    await store.add(whole(mailbox, app), "hash")
    before = await store.load()
    assert not await store.add(other, "other")
    assert await store.load() == before


async def test_a_change_of_nobody_and_a_removal_of_nobody(store: SubmitterStore) -> None:
    assert not await store.change(Submitter(0, "nobody", {}), "hash")
    assert not await store.remove("nobody")


async def test_tokens_belong_to_their_submitter(store: SubmitterStore) -> None:
    for name in ("one", "two"):
        await store.add(Submitter(0, name, {}), "hash")
        assert await store.add_token((await store.load())[-1].submitter, "jenkins", f"digest of {name}")
    one, two = await store.load()
    assert not await store.add_token(one.submitter, "jenkins", "another")
    assert [(token.id, token.hash, token.created_at) for token in one.tokens] == [("jenkins", "digest of one", 7.0)]
    assert await store.remove_token(one.submitter, "jenkins")
    assert not await store.remove_token(one.submitter, "jenkins")
    assert [found.tokens for found in await store.load()] == [(), two.tokens]


async def test_a_removed_submitter_leaves_nothing(
    store: SubmitterStore, mailbox: Mailbox, app: AppRegistration
) -> None:
    await store.add(whole(mailbox, app), "hash")
    await store.add_token((await only(store)).submitter, "jenkins", "digest")
    assert await store.remove("printer")
    assert await store.load() == []
    assert await store.add(whole(mailbox, app), "hash")
    assert (await only(store)).tokens == ()


async def test_when_it_was_used(store: SubmitterStore) -> None:
    await store.add(Submitter(0, "printer", {}), "hash")
    await store.used((await only(store)).submitter, 12.5)
    assert (await only(store)).submitter.last_used_at == 12.5


async def test_what_a_domain_names_is_not_forgotten(
    store: SubmitterStore, accounts: Accounts, mailbox: Mailbox
) -> None:
    other = await accounts.add_app("fabrikam", "tenant", "client", Secret("s"))
    assert other is not None
    await store.add(Submitter(0, "printer", {}, {"contoso.example": mailbox, "fabrikam.example": other}), "hash")
    assert not await accounts.remove_mailbox(mailbox)
    assert not await accounts.remove_app(other)
    await store.remove("printer")
    assert await accounts.remove_mailbox(mailbox)
    assert await accounts.remove_app(other)
