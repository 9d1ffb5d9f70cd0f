"""Who comes back from Microsoft with what: tickets that count once and in time, and who may have a session at all."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest

from pillarbox.access.entra_sign_in import LIFE, Back, Begun, EntraSignIn, Terms
from pillarbox.access.guard import DEFAULT_PATIENCE
from pillarbox.core.accounts import Account
from pillarbox.core.caller import Role
from pillarbox.core.errors import PillarboxError
from pillarbox.core.log import make_logger
from pillarbox.core.vault import Vault
from pillarbox.entra.openid import OpenId
from pillarbox.entra.sign_in import Proof
from pillarbox.store.sessions import SessionStore
from tests.unit.access.home import PEER, Home

TENANT, OTHER = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
ALICE = Account(TENANT, "aaaaaaaa-2222-4333-8444-555555555555", "Alice.O'Hara@contoso.example")
HOLDERS = {Role.ADMIN: ("Admin",)}


class Microsoft:
    """Knows one code, and says who it is."""

    def __init__(self, account: Account = ALICE) -> None:
        self.account = account
        self.state = ""
        self.asked = 0

    def begin(self, random: Callable[[int], bytes], _redirect_uri: str, state: str) -> tuple[str, Proof]:
        self.state = state
        return "https://login.example/", Proof.make(random)

    def check(self, _code: str, _error: str, _description: str) -> None:
        pass

    async def finish(self, *_: str) -> tuple[Account, Mapping[str, Any]]:
        self.asked += 1
        await asyncio.sleep(0)
        return self.account, {"roles": ["Admin"]}


def entra(home: Home, microsoft: Microsoft, key: bytes = bytes(32)) -> EntraSignIn:
    return EntraSignIn(
        Terms(TENANT, HOLDERS, lambda: cast(OpenId, microsoft)),
        home.household.people,
        Vault(key),
        DEFAULT_PATIENCE,
        lambda: home.now,
        lambda: home.now,
        lambda size: bytes(size),
        lambda: home.url,
        make_logger(home.log, "debug", "text", lambda: home.now),
    )


async def code_of(work: Any) -> str:
    with pytest.raises(PillarboxError) as refused:
        await work
    return refused.value.code


def back(microsoft: Microsoft) -> Back:
    return Back(microsoft.state, "code", "", "", "")


async def finished(home: Home, sign_in: EntraSignIn, microsoft: Microsoft, begun: Begun) -> str:
    """The name of whoever came back."""
    person, _ = await sign_in.finish(begun.ticket.reveal(), back(microsoft), PEER)
    return person.name


async def test_a_name_is_made_of_what_a_name_may_have(home: Home) -> None:
    microsoft = Microsoft()
    sign_in = entra(home, microsoft)
    assert await finished(home, sign_in, microsoft, sign_in.begin("/")) == "alice.o_hara@contoso.example"


@pytest.mark.parametrize(("seconds", "code"), [(LIFE - 1, ""), (LIFE, "person.no_such_sign_in")])
async def test_a_ticket_is_good_for_ten_minutes(home: Home, seconds: float, code: str) -> None:
    microsoft = Microsoft()
    sign_in = entra(home, microsoft)
    begun = sign_in.begin("/about")
    home.now += seconds
    if code:
        assert await code_of(finished(home, sign_in, microsoft, begun)) == code
    else:
        assert await finished(home, sign_in, microsoft, begun)
    assert microsoft.asked == (not code)


async def test_of_two_that_come_at_once_one_is_taken(home: Home) -> None:
    microsoft = Microsoft()
    sign_in = entra(home, microsoft)
    begun = sign_in.begin("/")
    twice = [finished(home, sign_in, microsoft, begun) for _ in range(2)]
    found = await asyncio.gather(*twice, return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["Forbidden", "str"]
    assert microsoft.asked == 1


async def test_a_ticket_of_another_key_is_none(home: Home) -> None:
    microsoft = Microsoft()
    begun = entra(home, microsoft, b"x" * 32).begin("/")
    assert await code_of(finished(home, entra(home, microsoft), microsoft, begun)) == "person.no_such_sign_in"


async def test_a_ticket_shows_nothing(home: Home) -> None:
    begun = entra(home, Microsoft()).begin("/about")
    assert "about" not in begun.ticket.reveal()
    assert "state" not in begun.ticket.reveal()


async def test_nobody_of_another_tenant_comes_in(home: Home) -> None:
    microsoft = Microsoft(Account(OTHER, ALICE.object_id, ALICE.upn))
    sign_in = entra(home, microsoft)
    assert await code_of(finished(home, sign_in, microsoft, sign_in.begin("/"))) == "identity.tenant"
    assert not await home.household.people.list()


async def test_sessions_end_with_the_tenant_of_the_settings(home: Home) -> None:
    person = await home.household.people.of_entra(ALICE, frozenset({Role.ADMIN}))
    assert await SessionStore(home.database, 3600.0, 3600.0, TENANT).begin("a" * 64, person, home.now, PEER, "")
    for tenant, found in ((TENANT, True), (OTHER, False), ("", False)):
        store = SessionStore(home.database, 3600.0, 3600.0, tenant)
        assert (await store.get("a" * 64, home.now) is not None) is found


async def test_an_account_that_comes_twice_at_once_is_one_person(home: Home) -> None:
    people, roles = home.household.people, frozenset({Role.ADMIN})
    found = await asyncio.gather(*(people.of_entra(ALICE, roles) for _ in range(5)))
    assert len({one.id for one in found}) == len(await people.list()) == 1


async def test_who_comes_by_microsoft_gets_no_password_and_no_link(home: Home) -> None:
    person = await home.household.people.of_entra(ALICE, frozenset({Role.ADMIN}))
    people = home.household.people
    assert await code_of(people.invite(person.name)) == "person.by_microsoft"
    assert await code_of(people.change(person.name, {Role.AUDITOR})) == "person.by_microsoft"
    assert await code_of(people.local(person.name)) == "person.by_microsoft"
    assert (await people.get(person.name)).roles == {Role.ADMIN}


async def test_an_administrator_with_a_password_is_left_beside_those_of_microsoft(home: Home) -> None:
    await home.add("anna")
    await home.household.people.of_entra(ALICE, frozenset({Role.ADMIN}))
    assert await code_of(home.household.people.remove("anna")) == "person.last_admin"
