"""Idempotency keys: the same request gets the same answer, another one with its key is refused."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from pillarbox.core.content import InMemory
from pillarbox.core.errors import Conflict, InvalidInput
from pillarbox.delivery import once
from pillarbox.delivery.once import Once
from pillarbox.store.idempotency import KEPT, IdempotencyKeys
from tests.unit.delivery.conftest import ENVELOPE, TO_A, Shelf

MAIL = InMemory(b"From: one@contoso.example\r\nSubject: invoice\r\n\r\n17\r\n")


def digest(parameters: Iterable[tuple[str, str]], body: bytes) -> str:
    told = once.begun(parameters)
    told.update(body)
    return told.hexdigest()


DIGEST = digest([("recipient", "a@x.example")], b"17")


@dataclass
class Client:
    """Hands in a message with a key, as the API does."""

    shelf: Shelf
    once: Once

    async def asks(self, key: str = "k", digest: str = DIGEST, scope: str = "operator sends") -> str:
        """The id of the message, new or former."""
        async with self.once.request(scope, key, digest) as request:
            if request.former:
                return request.former
            return await self.shelf.submission().accept(ENVELOPE, TO_A, self.shelf.submitter, also=request.kept_with)

    async def messages(self) -> int:
        return sum((await self.shelf.outbox.count()).values())


@pytest.fixture
def keys(shelf: Shelf) -> IdempotencyKeys:
    return IdempotencyKeys(shelf.database, shelf.clock, lambda: shelf.now - shelf.running)


@pytest.fixture
def client(shelf: Shelf, keys: IdempotencyKeys) -> Client:
    return Client(shelf, Once(keys))


async def test_who_asks_again_gets_the_same_message(client: Client) -> None:
    first = await client.asks()
    assert await client.asks() == first
    assert await client.messages() == 1


async def test_a_key_outlives_a_restart(client: Client, keys: IdempotencyKeys) -> None:
    first = await client.asks()
    assert await Client(client.shelf, Once(keys)).asks() == first


async def test_another_key_or_another_ones_key_is_another_request(client: Client) -> None:
    assert len({await client.asks(), await client.asks("l"), await client.asks(scope="shop sends")}) == 3


async def test_a_key_with_another_request_is_refused(client: Client) -> None:
    await client.asks()
    with pytest.raises(InvalidInput) as caught:
        await client.asks(digest=digest([], b"18"))
    assert (caught.value.code, caught.value.entry.http) == ("idempotency.mismatch", 422)
    assert await client.messages() == 1


async def test_while_it_is_being_answered_nobody_else_answers_it(client: Client) -> None:
    async with client.once.request("operator sends", "k", DIGEST):
        with pytest.raises(Conflict) as caught:
            await client.asks()
    assert (caught.value.code, caught.value.entry.http) == ("idempotency.in_progress", 409)
    assert await client.asks()


async def test_while_it_is_being_answered_another_request_with_its_key_is_refused_for_good(client: Client) -> None:
    async with client.once.request("operator sends", "k", DIGEST):
        with pytest.raises(InvalidInput) as caught:
            await client.asks(digest=digest([], b"18"))
    assert caught.value.code == "idempotency.mismatch"


async def test_two_at_once_make_one_message(client: Client) -> None:
    both = await asyncio.gather(client.asks(), client.asks(), return_exceptions=True)
    # The second is told to come again, or what became of the first where that was done already.
    assert len({one for one in both if isinstance(one, str)}) == 1
    assert all(isinstance(one, str | Conflict) for one in both)
    assert await client.messages() == 1


async def test_all_who_ask_again_at_once_get_the_same_message(client: Client) -> None:
    first = await client.asks()
    assert await asyncio.gather(*(client.asks() for _ in range(50))) == [first] * 50


async def test_one_that_is_told_again_keeps_no_other_out(client: Client) -> None:
    first = await client.asks()
    async with client.once.request("operator sends", "k", DIGEST) as request:
        assert (request.former, await client.asks()) == (first, first)


async def test_two_processes_at_once_make_one_message(client: Client, keys: IdempotencyKeys) -> None:
    other = Client(client.shelf, Once(keys))
    async with client.once.request("operator sends", "k", DIGEST) as request:
        assert not request.former
        first = await other.asks()
        with pytest.raises(Conflict):
            async with Once(keys).request("operator sends", "k2", DIGEST):
                await client.shelf.submission().accept(ENVELOPE, TO_A, client.shelf.submitter, also=request.kept_with)
    assert await client.asks() == first
    assert await client.messages() == 1


async def test_what_was_refused_leaves_its_key_free(client: Client) -> None:
    with pytest.raises(InvalidInput):
        async with client.once.request("operator sends", "k", DIGEST):
            raise InvalidInput("mail.no_recipients")
    assert await client.asks()


async def test_a_key_is_kept_for_48_hours(client: Client, keys: IdempotencyKeys) -> None:
    first = await client.asks()
    client.shelf.now += KEPT
    assert await client.asks() == first
    client.shelf.now += 1
    assert await keys.forget(1) == 1
    assert await client.asks() != first


async def test_a_clock_that_jumps_makes_no_key_older(client: Client, keys: IdempotencyKeys) -> None:
    first = await client.asks()
    for jump in (10 * KEPT, -20 * KEPT, 30 * KEPT):
        client.shelf.now += jump
        client.shelf.running += jump
        assert await keys.forget(9) == 0
        assert await client.asks() == first
    client.shelf.now += KEPT
    assert await client.asks() == first
    client.shelf.now += 1
    assert await keys.forget(9) == 1
    assert await client.asks() != first


async def test_an_old_key_is_free_before_it_is_swept(client: Client) -> None:
    first = await client.asks()
    client.shelf.now += KEPT + 1
    assert await client.asks() != first


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "schlüssel", "a\n"])
async def test_a_key_that_is_none_is_refused(client: Client, key: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await client.asks(key)
    assert caught.value.code == "idempotency.bad_key"


def test_the_order_of_parameters_does_not_count_and_all_else_does() -> None:
    one = digest([("a", "1"), ("b", "2")], b"x")
    assert digest([("b", "2"), ("a", "1")], b"x") == one
    others = [
        digest([("a", "1"), ("b", "2")], b"y"),
        digest([("a", "1")], b"x"),
        digest([("a", "1b"), ("", "2")], b"x"),
        digest([("a", "2"), ("b", "1")], b"x"),
        digest([], b"a1b2x"),
    ]
    assert len({one, *others}) == 6
