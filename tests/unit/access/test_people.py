"""People: names, roles, invitations, and that somebody is left who can look after all of it."""

import asyncio

import pytest

from pillarbox.core.caller import Role
from pillarbox.core.errors import Conflict, InvalidInput, NotFound, PillarboxError
from pillarbox.core.vault import Secret
from tests.unit.access.home import PASSWORD, Home, token_of

NEW = Secret("another long password")


async def code_of(work: object) -> str:
    """The code of a refusal; empty for none."""
    try:
        await work  # type: ignore[misc]
    except PillarboxError as error:
        return error.code
    return ""


async def test_a_name_is_the_same_however_it_is_typed(home: Home) -> None:
    assert (await home.add("Anna.Berg@contoso.example")).name == "anna.berg@contoso.example"
    assert await home.comes_in(" ANNA.berg@contoso.example") == ""
    assert await code_of(home.add("ANNA.BERG@contoso.example")) == "person.exists"


@pytest.mark.parametrize("name", ["", "..", " ", "me", "ME", "a" * 65, "a b", "a/b", "a:b", "-a", "ä", "a\n", "a\x00"])
async def test_some_names_cannot_be(home: Home, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be the name"):
        await home.add(name)


WEAK = [
    "",
    "short",
    "abcdefghijk",
    "abcdefgh" * 129,
    "Anna-Berg-2026",
    "1anna-berg-26",
    "a" * 12,
    "Password2026",
    "012345678901",
]


@pytest.mark.parametrize("password", WEAK)
async def test_a_password_is_long_and_not_the_first_to_be_tried(home: Home, password: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await home.add("anna-berg-2026", password=Secret(password))
    assert refused.value.code == "person.weak_password"
    assert password not in str(refused.value) or len(password) < 6


async def test_a_person_needs_a_role(home: Home) -> None:
    assert await code_of(home.household.people.add("anna", (), PASSWORD)) == "person.no_role"
    await home.add("anna")
    assert await code_of(home.household.people.change("anna", ())) == "person.no_role"


async def test_who_is_invited_chooses_a_password_once_and_in_time(home: Home) -> None:
    await home.add("boss")
    added, invitation = await home.household.people.add("anna", [Role.AUDITOR])
    assert invitation is not None
    assert not added.has_password
    assert invitation.url.reveal().startswith(f"{home.url}/setup/")
    assert await home.comes_in("anna", "") == "person.wrong_sign_in"
    accept = home.household.invitations.accept
    assert await code_of(accept(token_of(invitation), "ignored", Secret("short"))) == "person.weak_password"
    assert await accept(token_of(invitation), "ignored", PASSWORD) == "anna"
    assert await home.comes_in("anna") == ""
    assert await code_of(accept(token_of(invitation), "", NEW)) == "person.link_used"
    assert await home.comes_in("anna") == ""


async def test_of_many_who_use_a_link_at_once_one_chooses_the_password(home: Home) -> None:
    await home.add("anna")
    token, accept = token_of(await home.household.people.invite("anna")), home.household.invitations.accept
    ended = await asyncio.gather(*(code_of(accept(token, "", Secret(f"long password {n}"))) for n in range(20)))
    assert sorted(ended) == ["", *["person.link_used"] * 19]


async def test_a_link_is_over_after_three_days_and_when_another_one_is_made(home: Home) -> None:
    await home.add("anna")
    first, accept = await home.household.people.invite("anna"), home.household.invitations.accept
    second = await home.household.people.invite("anna")
    assert await code_of(accept(token_of(first), "", NEW)) == "person.no_link"
    home.now += 3 * 86400
    assert await code_of(accept(token_of(second), "", NEW)) == "person.link_over"
    assert await code_of(accept("x" * 43, "", NEW)) == "person.no_link"


async def test_who_is_invited_anew_is_out_at_once_and_keeps_the_second_factor(home: Home) -> None:
    await home.add("anna")
    authenticator, _ = await home.with_authenticator()
    session = await home.sign_in(code=authenticator.at(int(home.now)))
    invitation = await home.household.people.invite("anna")
    assert not await home.is_signed_in(session)
    assert await home.comes_in("anna") == "person.wrong_sign_in"
    await home.household.invitations.accept(token_of(invitation), "", NEW)
    assert await home.comes_in("anna", NEW.reveal()) == "person.code_needed"


async def test_a_second_factor_that_is_lost_goes_with_its_recovery_codes(home: Home) -> None:
    await home.add("anna")
    _, recovery = await home.with_authenticator()
    invitation = await home.household.people.invite("anna", drop_second_factor=True)
    await home.household.invitations.accept(token_of(invitation), "", NEW)
    assert await home.comes_in("anna", NEW.reveal()) == ""
    await home.with_authenticator()
    assert await home.comes_in("anna", NEW.reveal(), recovery[0]) == "person.wrong_sign_in"


async def test_without_a_listener_no_link_is_made_and_nobody_added(home: Home) -> None:
    home.url = ""
    with pytest.raises(Conflict, match="no HTTP listener"):
        await home.household.people.add("anna", [Role.ADMIN])
    assert await home.household.people.list() == []


async def test_the_last_administrator_stays(home: Home) -> None:
    people = home.household.people
    await home.add("anna")
    await home.add("olga", Role.OPERATOR)
    await people.add("new", [Role.ADMIN])
    for attempt in (people.remove("anna"), people.change("anna", enabled=False), people.change("anna", [Role.AUDITOR])):
        assert await code_of(attempt) == "person.last_admin"
    await home.add("second")
    await people.change("second", enabled=False)
    assert await code_of(people.remove("anna")) == "person.last_admin"
    await people.change("second", enabled=True)
    await people.remove("anna")
    with pytest.raises(NotFound):
        await people.get("anna")
    assert await code_of(people.remove("second")) == "person.last_admin"


async def test_of_two_administrators_who_remove_each_other_one_stays(home: Home) -> None:
    await home.add("anna")
    await home.add("boris")
    people = home.household.people
    ended = await asyncio.gather(code_of(people.remove("anna")), code_of(people.remove("boris")))
    assert sorted(ended) == ["", "person.last_admin"]


@pytest.mark.parametrize("change", ["role", "disable"])
async def test_a_change_of_what_somebody_may_do_ends_their_link(home: Home, change: str) -> None:
    # Whoever made it, and may have kept it, need not be one who may hand out what the person may do now.
    await home.add("boss")
    people = home.household.people
    _, invitation = await people.add("anna", [Role.OPERATOR])
    assert invitation is not None
    if change == "role":
        await people.change("anna", [Role.AUDITOR])
    else:
        await people.change("anna", enabled=False)
    assert (await people.get("anna")).invited_until is None
    assert await code_of(home.household.invitations.accept(token_of(invitation), "", NEW)) == "person.no_link"
    await people.change("anna", enabled=True)
    again = await people.invite("anna")
    assert await home.household.invitations.accept(token_of(again), "", NEW) == "anna"


@pytest.mark.parametrize("change", ["remove", "disable", "role", "password"])
async def test_a_change_of_what_somebody_may_do_ends_their_sessions(home: Home, change: str) -> None:
    await home.add("boss")
    person = await home.add("anna")
    session, people = await home.sign_in(), home.household.people
    match change:
        case "remove":
            await people.remove("anna")
        case "disable":
            await people.change("anna", enabled=False)
        case "role":
            await people.change("anna", [Role.AUDITOR])
        case _:
            await people.set_password(person, NEW)
    assert not await home.is_signed_in(session)
    if change == "disable":
        assert await home.comes_in() == "person.wrong_sign_in"
        await people.change("anna", enabled=True)
        assert not await home.is_signed_in(session)


async def test_who_was_removed_leaves_nothing(home: Home) -> None:
    await home.add("boss")
    await home.add("anna")
    await home.with_authenticator()
    await home.household.people.invite("anna")
    await home.household.people.remove("anna")
    for table in ("people", "second_factors", "recovery_codes", "sessions", "invitations"):
        left = list(home.database._reader.execute(f"SELECT count(*) FROM {table}"))
        assert left == [(1 if table == "people" else 0,)], table
