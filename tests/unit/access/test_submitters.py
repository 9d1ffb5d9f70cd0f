"""Submitters: who is let in, who is not, and what that costs."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from pillarbox.access.submitters import OPERATOR, HashCost, Submitters
from pillarbox.core.errors import AuthenticationFailed, PillarboxError
from pillarbox.core.vault import Secret, Vault
from pillarbox.store.accounts import Accounts
from pillarbox.store.sqlite import open_sqlite

BOXES = ("one@contoso.example", "Two@Contoso.example")
PASSWORD = Secret("correct horse")


@dataclass
class Desk:
    """Submitters over two mailboxes, and their time."""

    accounts: Accounts
    now: float = 0.0

    def __post_init__(self) -> None:
        self.submitters = Submitters(self.accounts, lambda: self.now, HashCost(memory_kib=8, passes=1))

    async def add(self, name: str = "printer", *senders: str, password: Secret | None = PASSWORD) -> Secret:
        _, made = await self.submitters.add(name, BOXES, senders, password)
        return made

    async def comes_in(self, name: str, password: str) -> bool:
        try:
            return (await self.submitters.authenticate(name, Secret(password))).name == name
        except AuthenticationFailed as error:
            return error.code != "submitter.wrong_password"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    database = await open_sqlite(tmp_path / "store.db", on_death=print)
    made = Desk(Accounts(database, Vault(bytes(32)), lambda: 0.0))
    app = await made.accounts.add_app("contoso", "t", "c", Secret("s"))
    assert app is not None
    for address in BOXES:
        await made.accounts.add_mailbox(address, app)
    yield made
    made.submitters.close()
    await database.close()


# ---- who comes in


@pytest.mark.parametrize(
    ("name", "password", "expected"),
    [
        ("printer", "correct horse", True),
        ("printer", "Correct horse", False),
        ("printer", "correct horse ", False),
        ("printer", "", False),
        ("Printer", "correct horse", False),
        ("nobody", "correct horse", False),
        ("", "", False),
        (OPERATOR, "", False),
    ],
)
async def test_only_the_right_name_and_password(desk: Desk, name: str, password: str, expected: bool) -> None:
    await desk.add()
    assert await desk.comes_in(name, password) is expected


async def test_a_password_is_made_where_none_is_given(desk: Desk) -> None:
    one, other = (await desk.add("a", password=None)).reveal(), (await desk.add("b", password=None)).reveal()
    assert len(one) >= 24
    assert one != other
    assert await desk.comes_in("a", one)
    assert not await desk.comes_in("a", other)


async def test_the_password_is_kept_as_an_argon2id_hash(desk: Desk, tmp_path: Path) -> None:
    await desk.add()
    found = await desk.accounts.submitter("printer")
    assert found is not None
    assert found.password_hash.startswith("$argon2id$")
    assert not any(PASSWORD.reveal().encode() in path.read_bytes() for path in tmp_path.glob("store.db*"))


# ---- what it costs


@dataclass
class Busy:
    """All hashing threads are busy: whoever hashes now waits."""

    pool: ThreadPoolExecutor
    free: threading.Event

    def __enter__(self) -> None:
        for _ in range(2):
            self.pool.submit(self.free.wait, 20)

    def __exit__(self, *_: object) -> None:
        self.free.set()


def busy(desk: Desk) -> Busy:
    return Busy(desk.submitters._hashing, threading.Event())


async def waits_for_a_hash(desk: Desk, name: str, password: str) -> bool:
    """Whether this login hashes: it does not end while the hashing threads are busy."""
    with busy(desk):
        login = asyncio.create_task(desk.comes_in(name, password))
        for _ in range(20):  # far more turns of the store's reader than a login takes
            await desk.accounts.apps()
        waiting = not login.done()
    await login
    return waiting


@pytest.mark.parametrize("name", ["printer", "nobody", ""])
async def test_a_wrong_login_costs_a_hash_whatever_the_name(desk: Desk, name: str) -> None:
    await desk.add()
    await desk.comes_in("nobody", "the first one makes the hash to compare with")
    assert await waits_for_a_hash(desk, name, "wrong")


async def test_a_login_that_was_right_is_remembered_for_an_hour(desk: Desk) -> None:
    await desk.add()
    assert await waits_for_a_hash(desk, "printer", PASSWORD.reveal())
    desk.now += 3599
    assert not await waits_for_a_hash(desk, "printer", PASSWORD.reveal())
    desk.now += 1
    assert await waits_for_a_hash(desk, "printer", PASSWORD.reveal())


async def test_a_wrong_password_is_not_let_in_by_what_is_remembered(desk: Desk) -> None:
    await desk.add()
    assert await desk.comes_in("printer", PASSWORD.reveal())
    assert await waits_for_a_hash(desk, "printer", "wrong")
    assert not await desk.comes_in("printer", "wrong")


async def test_what_is_remembered_is_forgotten_in_time_and_holds_no_password(desk: Desk) -> None:
    await desk.add()
    await desk.add("other")
    await desk.comes_in("printer", PASSWORD.reveal())
    assert PASSWORD.reveal() not in repr(desk.submitters._remembered)
    desk.now += 3600
    await desk.comes_in("other", PASSWORD.reveal())
    assert len(desk.submitters._remembered) == 1


async def test_passwords_are_hashed_by_the_pool_and_never_in_the_loop(desk: Desk) -> None:
    closed = Submitters(desk.accounts, lambda: 0.0, HashCost(memory_kib=8, passes=1))
    closed.close()
    with pytest.raises(RuntimeError, match="after shutdown"):
        await closed.add("late", BOXES, [], PASSWORD)
    with pytest.raises(RuntimeError, match="after shutdown"):
        await closed.authenticate("printer", PASSWORD)


# ---- what may be added


async def code_of(desk: Desk, name: str = "printer", *senders: str, password: Secret | None = PASSWORD) -> str:
    with pytest.raises(PillarboxError) as caught:
        await desk.add(name, *senders, password=password)
    return caught.value.code


@pytest.mark.parametrize("name", ["a", "A.b_c-d@e+f", "9" * 64])
async def test_names_that_are_taken(desk: Desk, name: str) -> None:
    await desk.add(name)
    assert await desk.comes_in(name, PASSWORD.reveal())


@pytest.mark.parametrize("name", ["", "a b", "ü", "x" * 65, "a\n", "a\0", "a/b", OPERATOR])
async def test_names_that_are_not_taken(desk: Desk, name: str) -> None:
    assert await code_of(desk, name) == "submitter.bad_name"


async def test_a_taken_name(desk: Desk) -> None:
    await desk.add()
    assert await code_of(desk, password=Secret("another one")) == "submitter.exists"
    assert await desk.comes_in("printer", PASSWORD.reveal())


@pytest.mark.parametrize("password", ["", "1234567"])
async def test_a_short_password(desk: Desk, password: str) -> None:
    assert await code_of(desk, password=Secret(password)) == "submitter.weak_password"


@pytest.mark.parametrize("sender", ["nonsense", "a@", "a b@x", "\udcff@x", ""])
async def test_a_sender_that_is_no_address(desk: Desk, sender: str) -> None:
    assert await code_of(desk, "printer", sender) == "mailbox.bad_address"


async def test_a_mailbox_is_needed_and_must_be_there(desk: Desk) -> None:
    for boxes, code in (([], "submitter.no_sender"), (["x@contoso.example"], "mailbox.not_found")):
        with pytest.raises(PillarboxError) as caught:
            await desk.submitters.add("printer", boxes, [], None)
        assert caught.value.code == code
    assert await desk.submitters.list() == []


# ---- what it may send from


async def test_own_addresses_leave_from_their_mailbox_and_others_from_the_first(desk: Desk) -> None:
    await desk.add("printer", "alias@x.example", "two@contoso.example", "ALIAS@X.example", "ONE@contoso.example")
    submitter = await desk.submitters.get("printer")
    assert {key: box.address for key, box in submitter.senders.items()} == {
        "one@contoso.example": "one@contoso.example",
        "two@contoso.example": "Two@Contoso.example",
        "alias@x.example": "one@contoso.example",
    }


async def test_the_operator_may_use_every_mailbox(desk: Desk) -> None:
    assert set((await desk.submitters.operator()).senders) == {"one@contoso.example", "two@contoso.example"}


async def test_who_is_not_there(desk: Desk) -> None:
    with pytest.raises(PillarboxError) as caught:
        await desk.submitters.get("nobody")
    assert caught.value.code == "submitter.not_found"
