"""API keys: what may be said of one, who comes in by it, and as whom it sends."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from pillarbox.access.guard import DEFAULT_PATIENCE
from pillarbox.access.keys import Keys
from pillarbox.core.caller import LOCAL, USUAL_SCOPES, WHOLE, ApiKey, Caller, Scope
from pillarbox.core.errors import PillarboxError
from pillarbox.core.log import make_logger
from pillarbox.core.vault import Secret, Vault
from pillarbox.store.accounts import Accounts
from pillarbox.store.database import statement
from pillarbox.store.keys import KeyStore
from pillarbox.store.sqlite import SqliteDatabase
from tests.conftest import Log

ONE, TWO = "one@contoso.example", "Two@contoso.example"
PEER = "192.0.2.7"


@dataclass
class Ring:
    """Keys over two mailboxes, with a clock that tests move."""

    accounts: Accounts
    store: KeyStore
    now: float = 1_800_000_000.0
    log: Log = field(default_factory=Log)
    made: int = 0

    def __post_init__(self) -> None:
        self.keys = self.another()

    def another(self) -> Keys:
        """Others on the same store, as after a start."""
        return Keys(
            self.accounts,
            self.store,
            lambda: self.now,
            self.chance,
            make_logger(self.log, "debug", "text", lambda: self.now),
            patience=DEFAULT_PATIENCE,
            monotonic=lambda: self.now,
        )

    def chance(self, size: int) -> bytes:
        """Other bytes each time."""
        self.made += 1
        return bytes([self.made]) * size

    async def add(self, name: str = "crm", **wish: Any) -> Secret:
        """The text of a new key."""
        return (await self.keys.add(name, wish))[1]  # type: ignore[arg-type]

    async def code_of(self, name: str = "crm", **wish: Any) -> str:
        """The code with which it is refused; then nothing was added."""
        before = self.keys.list()
        with pytest.raises(PillarboxError) as caught:
            await self.add(name, **wish)
        assert caught.value.cure
        assert caught.value.sentence
        await self.keys.load()
        assert self.keys.list() == before
        return caught.value.code

    def comes_in(self, secret: Secret | str, peer: str = PEER) -> str:
        """The name of the key that comes in, or the code of the refusal."""
        try:
            return self.keys.check(Secret(secret) if isinstance(secret, str) else secret, peer).name
        except PillarboxError as error:
            return error.code


@pytest.fixture
async def ring(database: SqliteDatabase) -> AsyncIterator[Ring]:
    made = Ring(Accounts(database, Vault(bytes(32)), lambda: 0.0), KeyStore(database))
    app = await made.accounts.add_app("contoso", "t", "c", Secret("s"))
    assert app is not None
    for address in (ONE, TWO):
        await made.accounts.add_mailbox(address, app)
    yield made
    await made.keys.stop()


# ---- what may be said of a key


async def test_a_key_bears_its_id_and_is_kept_as_a_hash_alone(ring: Ring, database: SqliteDatabase) -> None:
    secret = await ring.add()
    key = ring.keys.get("crm")
    assert re.fullmatch(rf"pbx_{key.id}_[A-Za-z0-9_-]{{43}}", secret.reveal())
    assert re.fullmatch("[a-z2-7]{8}", key.id)
    (row,) = await database.read("key_list")
    assert re.fullmatch("[0-9a-f]{64}", row["hash"])
    assert secret.reveal().rpartition("_")[2] not in repr(row)


async def test_a_new_key_may_send_and_look_at_what_became_of_it(ring: Ring) -> None:
    await ring.add()
    assert ring.keys.get("crm") == ApiKey(ring.keys.get("crm").id, "crm", USUAL_SCOPES, created_at=ring.now)


async def test_all_that_was_said_of_a_key_is_there_after_a_start(ring: Ring) -> None:
    wish: dict[str, Any] = {
        "scopes": [Scope.SEND, Scope.CONTENT_READ],
        "mailboxes": ["TWO@contoso.example"],
        "networks": ["192.0.2.0/24", "192.0.2.0/24"],
        "recipients": ["*@Contoso.example"],
        "on_other_recipients": "hold",
        "rate": 7,
        "enabled": False,
        "expires_at": ring.now + 1,
    }
    await ring.add(**wish)
    again = ring.another()
    await again.load()
    key = again.get("crm")
    assert key == ring.keys.get("crm")
    assert key.scopes == {Scope.SEND, Scope.CONTENT_READ}
    assert (key.networks, key.recipients) == (("192.0.2.0/24",), ("*@contoso.example",))
    assert key.mailboxes is not None
    assert list(key.mailboxes.values()) == [TWO]
    assert (key.on_other_recipients, key.rate, key.enabled, key.expires_at) == ("hold", 7, False, ring.now + 1)


@pytest.mark.parametrize("scope", sorted(WHOLE))
async def test_a_key_with_a_list_of_mailboxes_gets_nothing_that_is_about_the_whole(ring: Ring, scope: Scope) -> None:
    assert await ring.code_of(scopes=[scope], mailboxes=[ONE]) == "key.whole_scope"
    await ring.add(scopes=[scope])
    with pytest.raises(PillarboxError, match="whole installation"):
        await ring.keys.change("crm", {"mailboxes": [ONE]})
    assert ring.keys.get("crm").mailboxes is None


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"scopes": []}, "key.no_scope"),
        ({"mailboxes": []}, "key.no_mailbox"),
        ({"mailboxes": ["nobody@contoso.example"]}, "mailbox.not_found"),
        ({"networks": ["192.0.2.7/24"]}, "submitter.host_bits"),
        ({"networks": ["0.0.0.0/0"]}, "submitter.wide_network"),
        ({"recipients": ["*"]}, "submitter.bad_recipient"),
        ({"expires_at": 1_800_000_000.0}, "key.already_over"),
    ],
)
async def test_what_cannot_be_is_refused_with_a_cure(ring: Ring, wish: dict[str, Any], code: str) -> None:
    assert await ring.code_of(**wish) == code


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a:b", "..", "-x", "x" * 65])
async def test_a_name_that_is_none_is_refused(ring: Ring, name: str) -> None:
    assert await ring.code_of(name) == "key.bad_name"


async def test_a_name_is_given_once(ring: Ring) -> None:
    secret = await ring.add()
    assert await ring.code_of() == "key.exists"
    assert ring.comes_in(secret) == "crm"


async def test_what_a_change_leaves_out_stays_and_none_means_all_and_never(ring: Ring) -> None:
    await ring.add(mailboxes=[ONE, TWO], networks=["192.0.2.7"], rate=3, expires_at=ring.now + 1)
    key = await ring.keys.change("crm", {"rate": 4})
    assert (list((key.mailboxes or {}).values()), key.networks) == ([ONE, TWO], ("192.0.2.7/32",))
    assert (key.rate, key.expires_at) == (4, ring.now + 1)
    assert list(((await ring.keys.change("crm", {"mailboxes": [TWO]})).mailboxes or {}).values()) == [TWO]
    key = await ring.keys.change("crm", {"mailboxes": None, "expires_at": None, "networks": []})
    assert (key.mailboxes, key.expires_at, key.networks) == (None, None, ())


async def test_a_mailbox_that_a_key_names_is_not_removed(ring: Ring) -> None:
    await ring.add(mailboxes=[ONE])
    mailbox = await ring.accounts.mailbox(ONE)
    assert mailbox is not None
    assert not await ring.accounts.remove_mailbox(mailbox)
    await ring.keys.remove("crm")
    assert await ring.accounts.remove_mailbox(mailbox)


ACTS: dict[str, Callable[[Keys], Awaitable[object]]] = {
    "change": lambda keys: keys.change("crm", {"rate": 1}),
    "rotate": lambda keys: keys.rotate("crm"),
    "remove": lambda keys: keys.remove("crm"),
}


@pytest.mark.parametrize("act", ACTS)
async def test_a_key_that_is_not_there_is_not_found(ring: Ring, act: str) -> None:
    for work in (ACTS[act], lambda keys: keys.get("crm")):
        with pytest.raises(PillarboxError) as caught:
            await work(ring.keys)
        assert caught.value.code == "key.not_found"


async def test_a_key_whose_list_is_lost_knows_of_none_rather_than_all(ring: Ring, database: SqliteDatabase) -> None:
    await ring.add(mailboxes=[ONE])
    await database.write(statement("key_remove_mailboxes", id=ring.keys.get("crm").id))
    await ring.keys.load()
    caller = ring.keys.get("crm").caller
    assert not caller.knows(1)
    assert not (await ring.keys.sender_of(caller)).senders


async def test_what_is_kept_counts_at_once_also_where_the_store_cannot_be_read_then(
    ring: Ring, database: SqliteDatabase
) -> None:
    secret = await ring.add()
    database._reader.close()
    _, new = await ring.keys.rotate("crm")
    assert (ring.comes_in(secret), ring.comes_in(new)) == ("access.bad_key", "crm")
    await ring.keys.change("crm", {"enabled": False})
    assert ring.comes_in(new) == "access.bad_key"
    await ring.keys.remove("crm")
    assert ring.keys.list() == []


async def test_mailboxes_are_shown_in_the_same_order_before_a_start_and_after(ring: Ring) -> None:
    await ring.add(mailboxes=[TWO, ONE])
    again = ring.another()
    await again.load()
    for keys in (ring.keys, again):
        assert list((keys.get("crm").mailboxes or {}).values()) == [ONE, TWO]


# ---- who comes in


async def test_the_text_comes_in_and_nothing_else_does(ring: Ring) -> None:
    secret = await ring.add()
    assert ring.comes_in(secret) == "crm"
    key = ring.keys.get("crm")
    for wrong in ("", "x", secret.reveal()[:-1], f"pbx_{key.id}_" + "A" * 43, key.id):
        assert ring.comes_in(wrong) == "access.bad_key"


async def test_a_key_that_is_over_or_disabled_is_refused_as_one_that_is_none(ring: Ring) -> None:
    secret = await ring.add(expires_at=ring.now + 10)
    ring.now += 9
    assert ring.comes_in(secret) == "crm"
    ring.now += 1
    assert ring.comes_in(secret) == "access.bad_key"
    await ring.keys.change("crm", {"expires_at": None})
    assert ring.comes_in(secret) == "crm"
    await ring.keys.change("crm", {"enabled": False})
    assert ring.comes_in(secret) == "access.bad_key"


async def test_a_removed_key_and_a_text_that_was_replaced_are_over_at_once(ring: Ring) -> None:
    first = await ring.add()
    key, second = await ring.keys.rotate("crm")
    assert (ring.comes_in(first), ring.comes_in(second)) == ("access.bad_key", "crm")
    assert second.reveal().startswith(f"pbx_{key.id}_")
    await ring.keys.remove("crm")
    assert ring.comes_in(second) == "access.bad_key"


async def test_a_key_comes_in_from_its_networks_alone(ring: Ring) -> None:
    secret = await ring.add(networks=["192.0.2.0/24", "2001:db8::/48"])
    for peer in ("192.0.2.200", "::ffff:192.0.2.1", "2001:db8::1"):
        assert ring.comes_in(secret, peer) == "crm"
    for peer in ("192.0.3.1", "2001:db9::1", "", "unknown"):
        assert ring.comes_in(secret, peer) == "access.wrong_network"


async def test_who_tries_many_keys_is_banned_for_a_while_and_a_right_one_comes_in_all_the_same(ring: Ring) -> None:
    secret = await ring.add()
    tries = [ring.comes_in(f"wrong {number}") for number in range(12)]
    assert tries == ["access.bad_key"] * 10 + ["access.banned"] * 2
    assert (ring.comes_in(secret), ring.comes_in("wrong", "192.0.2.8")) == ("crm", "access.bad_key")
    assert len(ring.log.lines("login.banned")) == 1
    ring.now += DEFAULT_PATIENCE.ban
    assert ring.comes_in("wrong") == "access.bad_key"


async def test_when_a_key_was_used_is_kept_once_a_minute(ring: Ring) -> None:
    secret = await ring.add()
    for _ in range(3):
        ring.comes_in(secret)
        ring.now += 25
    await ring.keys.stop()
    first = ring.now - 75
    assert ring.keys.get("crm").last_used_at == first
    again = ring.another()
    await again.load()
    assert again.get("crm").last_used_at == first
    ring.comes_in(secret)
    assert ring.keys.get("crm").last_used_at == ring.now


# ---- as whom it sends


async def test_a_key_sends_from_its_mailboxes_alone_and_to_whom_it_may(ring: Ring) -> None:
    await ring.add(mailboxes=[TWO], recipients=["*@contoso.example"], on_other_recipients="hold")
    sender = await ring.keys.sender_of(ring.keys.get("crm").caller)
    assert (sender.name, list(sender.senders), sender.fix_from) == ("key:crm", [TWO.lower()], True)
    assert (sender.recipients, sender.on_other_recipients) == (("*@contoso.example",), "hold")


async def test_a_key_that_was_removed_meanwhile_sends_nothing_nor_does_another_of_its_name_for_it(ring: Ring) -> None:
    await ring.add(recipients=["*@contoso.example"])
    caller = ring.keys.get("crm").caller
    await ring.keys.remove("crm")
    with pytest.raises(PillarboxError, match="API key"):
        await ring.keys.sender_of(caller)
    await ring.add()
    with pytest.raises(PillarboxError, match="API key"):
        await ring.keys.sender_of(caller)


async def test_who_knows_of_all_mailboxes_sends_from_all(ring: Ring) -> None:
    await ring.add()
    callers = [LOCAL, ring.keys.get("crm").caller, Caller("person", "p1", "ada", frozenset())]
    senders = [await ring.keys.sender_of(each) for each in callers]
    assert [each.name for each in senders] == ["local", "key:crm", "person:ada"]
    assert all(set(each.senders) == {ONE, TWO.lower()} for each in senders)
