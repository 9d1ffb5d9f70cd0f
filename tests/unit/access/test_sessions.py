"""Sessions and what people prove themselves by: guessing is bounded, codes count once, ids are nowhere kept."""

import asyncio
import hashlib
from pathlib import Path

import pyotp
import pytest

from pillarbox.access.audit import Actor
from pillarbox.access.sessions import caller_of
from pillarbox.core.caller import Role, Scope
from pillarbox.core.errors import PillarboxError
from pillarbox.core.vault import Secret
from tests.unit.access.home import PASSWORD, PEER, Home, token_of

WRONG = "a wrong password"


async def test_a_session_is_that_of_whoever_signed_in(home: Home) -> None:
    person = await home.add("anna", Role.OPERATOR, Role.AUDITOR)
    session = await home.household.sessions.find(await home.sign_in())
    assert session is not None
    caller = caller_of(session)
    assert (caller.kind, caller.id, caller.name, caller.mailboxes) == ("person", person.id, "anna", None)
    assert caller.may(Scope.CONTENT_READ)
    assert caller.may(Scope.OUTBOX_DECIDE)
    assert not caller.may(Scope.ADMIN)
    assert not await home.is_signed_in("")
    assert not await home.is_signed_in("x" * 43)


async def test_an_id_has_256_bits_and_only_its_hash_is_kept(home: Home, tmp_path: Path) -> None:
    await home.add()
    id = await home.sign_in()
    assert len(id) == 43
    assert list(home.database._reader.execute("SELECT id FROM sessions")) == [
        (hashlib.sha256(id.encode()).hexdigest(),)
    ]
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert kept
    assert id.encode() not in kept
    assert PASSWORD.reveal().encode() not in kept


async def test_a_new_sign_in_has_another_id_and_ends_the_browsers_last_session(home: Home) -> None:
    await home.add()
    first = await home.sign_in()
    second = await home.household.sessions.sign_in("anna", PASSWORD, "", PEER, "browser", first)
    assert second.reveal() != first
    assert not await home.is_signed_in(first)
    assert await home.is_signed_in(second.reveal())


async def test_a_session_that_is_not_used_for_half_a_day_is_over(home: Home) -> None:
    await home.add()
    id = await home.sign_in()
    home.now += 12 * 3600 - 1
    assert await home.is_signed_in(id)
    home.now += 12 * 3600
    assert not await home.is_signed_in(id)


async def test_a_session_is_over_after_a_week_however_much_it_is_used(home: Home) -> None:
    await home.add()
    id = await home.sign_in()
    for _ in range(7 * 4 - 1):
        home.now += 6 * 3600
        assert await home.is_signed_in(id)
    home.now += 6 * 3600
    assert not await home.is_signed_in(id)
    await home.sign_in()
    assert list(home.database._reader.execute("SELECT count(*) FROM sessions")) == [(1,)]


async def test_sessions_go_on_after_a_restart(home: Home) -> None:
    await home.add()
    id = await home.sign_in()
    again = home.another()
    assert await again.sessions.find(id) is not None
    again.close()


async def test_one_signs_out_here_or_everywhere(home: Home) -> None:
    person = await home.add()
    one, two, three = [await home.sign_in() for _ in range(3)]
    session = await home.household.sessions.find(one)
    assert session is not None
    await home.household.sessions.end(session)
    assert [await home.is_signed_in(id) for id in (one, two, three)] == [False, True, True]
    await home.household.sessions.end_all(person.id)
    assert [await home.is_signed_in(id) for id in (one, two, three)] == [False, False, False]


@pytest.mark.parametrize("change", ["password", "disabled", "removed"])
async def test_who_may_not_come_in_any_more_when_the_password_was_checked_begins_no_session(
    home: Home, change: str
) -> None:
    await home.add("boss")
    person, people = await home.add(), home.household.people
    match change:
        case "password":
            await people.set_password(person, Secret("another long password"))
        case "disabled":
            await people.change("anna", enabled=False)
        case _:
            await people.remove("anna")
    with pytest.raises(PillarboxError, match="wrong"):
        await home.household.sessions.begin(person, PEER, "browser")


# ---- passwords


async def test_unknown_names_cost_the_same_hash_and_get_the_same_answer(home: Home) -> None:
    await home.add()
    await home.household.people.add("invited", [Role.ADMIN])
    await home.add("gone", Role.AUDITOR)
    await home.household.people.change("gone", enabled=False)
    for count, (name, password) in enumerate(
        [("anna", WRONG), ("nobody", WRONG), ("invited", ""), ("gone", PASSWORD.reveal()), ("x" * 64, WRONG)], 1
    ):
        assert await home.comes_in(name, password, peer=f"192.0.2.{count}") == "person.wrong_sign_in"
        assert home.hashes == count
    assert home.delays == [1.0] * 5


async def test_an_address_that_guesses_is_banned_and_the_right_one_comes_in_elsewhere(home: Home) -> None:
    await home.add()
    ended = [await home.comes_in(f"name-{number % 3}", WRONG) for number in range(12)]
    assert ended == ["person.wrong_sign_in"] * 10 + ["person.banned"] * 2
    assert home.hashes == 10
    assert await home.comes_in() == "person.banned"
    assert await home.comes_in(peer="192.0.2.99") == ""
    assert home.log.lines("login.banned")
    home.now += 601
    assert await home.comes_in() == ""


async def test_many_addresses_that_guess_cost_few_hashes(home: Home) -> None:
    await home.add()
    peers = [f"198.51.100.{number % 50}" for number in range(1000)]
    await asyncio.gather(*(home.comes_in("anna", WRONG, peer=peer) for peer in peers))
    assert home.hashes < 30


async def test_where_people_signed_in_lately_is_known_after_a_start_under_attack(home: Home) -> None:
    person = await home.add()
    await home.audit.record(Actor("person", person.id, "anna", "http", PEER), "sign_in")
    await home.audit.record(Actor("person", person.id, "anna", "http", "203.0.113.9"), "sign_in", outcome="refused")
    home.now += 86400
    home.household = home.another()
    await home.household.load()
    peers = [f"198.51.100.{number}" for number in range(200)]
    await asyncio.gather(*(home.comes_in("anna", WRONG, peer=peer) for peer in peers))
    assert await home.comes_in(peer="203.0.113.9") == "person.busy"
    assert await home.comes_in(peer=PEER) == ""


async def test_a_password_is_the_same_however_a_keyboard_writes_its_letters(home: Home) -> None:
    composed, apart = "Gr\u00fc\u00dfe aus K\u00f6ln", "Gru\u0308\u00dfe aus Ko\u0308ln"
    person = await home.add(password=Secret(apart))
    assert await home.comes_in(password=composed) == ""
    await home.household.people.set_password(person, Secret(composed))
    assert await home.comes_in(password=apart) == ""
    invitation = await home.household.people.invite("anna")
    await home.household.invitations.accept(token_of(invitation), "", Secret(apart))
    assert await home.comes_in(password=composed) == ""


# ---- codes


async def test_an_authenticator_is_asked_for_once_it_is_confirmed(home: Home) -> None:
    person = await home.add()
    await home.household.second_factors.enrol(person)
    assert await home.comes_in() == ""
    authenticator, _ = await home.with_authenticator()
    assert await home.comes_in() == "person.code_needed"
    assert await home.comes_in(code="000000") == "person.wrong_sign_in"
    assert await home.comes_in(password=WRONG, code=authenticator.at(int(home.now))) == "person.wrong_sign_in"
    assert await home.comes_in(code=authenticator.at(int(home.now))) == ""


async def test_confirming_takes_a_code_of_this_authenticator(home: Home) -> None:
    person = await home.add()
    factors = home.household.second_factors
    with pytest.raises(PillarboxError, match="no second factor"):
        await factors.confirm(person, "123456")
    await factors.enrol(person)
    with pytest.raises(PillarboxError, match="not one of this authenticator"):
        await factors.confirm(person, "123456")
    assert await home.comes_in() == ""
    await home.with_authenticator()
    with pytest.raises(PillarboxError, match="already"):
        await factors.enrol(person)


async def test_guessing_a_first_code_in_an_open_browser_is_bounded_too(home: Home) -> None:
    person = await home.add()
    enrolment = await home.household.second_factors.enrol(person)
    codes = []
    for _ in range(12):
        with pytest.raises(PillarboxError) as refused:
            await home.household.proofs.confirm(person, "000000", PEER)
        codes.append(refused.value.code)
    assert codes == ["person.wrong_code"] * 10 + ["person.banned"] * 2
    assert home.delays[-1] > 1
    home.now += 601
    code = pyotp.TOTP(enrolment.secret.reveal()).at(int(home.now))
    assert len(await home.household.proofs.confirm(person, code, PEER)) == 10


async def test_a_code_counts_once_also_where_many_try_it_at_once(home: Home) -> None:
    await home.add()
    authenticator, _ = await home.with_authenticator()
    code = authenticator.at(int(home.now))
    ended = await asyncio.gather(*(home.comes_in(code=code, peer=f"192.0.2.{number}") for number in range(5)))
    assert sorted(ended) == ["", *["person.wrong_sign_in"] * 4]


async def test_a_step_is_taken_once_in_the_store_itself(home: Home) -> None:
    person = await home.add()
    authenticator, _ = await home.with_authenticator()
    code, take = authenticator.at(int(home.now)), home.household.second_factors.take
    assert sorted(await asyncio.gather(*(take(person, code) for _ in range(5)))) == [False] * 4 + [True]


async def test_a_recovery_code_counts_once(home: Home) -> None:
    await home.add()
    _, recovery = await home.with_authenticator()
    assert await home.comes_in(code=recovery[3]) == ""
    assert await home.comes_in(code=recovery[3]) == "person.wrong_sign_in"
    assert (await home.household.people.get("anna")).recovery_codes == 9
    person = await home.household.people.get("anna")
    new = [code.reveal() for code in await home.household.second_factors.new_recovery_codes(person)]
    assert await home.comes_in(code=recovery[4]) == "person.wrong_sign_in"
    assert await home.comes_in(code=new[0]) == ""


async def test_one_persons_recovery_code_is_not_anothers(home: Home) -> None:
    await home.add("anna")
    await home.add("boris")
    _, recovery = await home.with_authenticator("anna")
    await home.with_authenticator("boris")
    assert await home.comes_in("boris", code=recovery[0]) == "person.wrong_sign_in"
    assert await home.comes_in("anna", code=recovery[0]) == ""


async def test_guessing_codes_with_a_stolen_password_ends_in_a_ban_although_the_password_is_remembered(
    home: Home,
) -> None:
    await home.add()
    authenticator, _ = await home.with_authenticator()
    ended = await asyncio.gather(*(home.comes_in(code="000000") for _ in range(50)))
    assert ended.count("person.wrong_sign_in") <= 10
    assert set(ended) <= {"person.wrong_sign_in", "person.banned", "person.busy"}
    assert await home.comes_in(code=authenticator.at(int(home.now))) in ("person.banned", "person.busy")
    assert await home.comes_in(code=authenticator.at(int(home.now)), peer="203.0.113.5") == ""


async def test_guessing_codes_from_many_addresses_is_bounded_by_the_person(home: Home) -> None:
    await home.add()
    await home.with_authenticator()
    ended = [await home.comes_in(code="000000", peer=f"198.51.100.{number % 200}") for number in range(300)]
    assert ended.count("person.wrong_sign_in") <= 18
    home.now += 3600
    later = [await home.comes_in(code="000000", peer=f"203.0.113.{number % 200}") for number in range(100)]
    assert later.count("person.wrong_sign_in") <= 6


async def test_who_has_no_password_cannot_use_the_budget_of_codes_up(home: Home) -> None:
    await home.add()
    authenticator, _ = await home.with_authenticator()
    assert await home.comes_in(code=authenticator.at(int(home.now))) == ""
    home.now += 30
    for number in range(100):
        await home.comes_in(password=WRONG, code="000000", peer=f"198.51.100.{number}")
    assert await home.comes_in(code=authenticator.at(int(home.now))) == ""


async def test_the_secret_of_an_authenticator_is_sealed(home: Home, tmp_path: Path) -> None:
    await home.add()
    authenticator, recovery = await home.with_authenticator()
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert authenticator.byte_secret() not in kept
    assert authenticator.secret.encode() not in kept
    assert not [code for code in recovery if code.encode() in kept or code.replace("-", "").encode() in kept]
