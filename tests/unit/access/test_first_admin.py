"""The first administrator: a link in a file of the owner's alone, or the settings; of many who come, one."""

import asyncio
import re
import stat

import pytest

from pillarbox.core.errors import ConfigError, Conflict, NotFound
from pillarbox.core.vault import Secret
from tests.unit.access.home import PASSWORD, Home, token_of


async def test_the_link_stands_in_a_file_of_the_owners_alone_and_never_in_the_log(home: Home) -> None:
    await home.household.first_admin.at_start("admin", Secret(""), reachable=True)
    file = home.folder / "first-admin"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    link = file.read_text().strip()
    assert re.fullmatch(re.escape(home.url) + r"/setup/[A-Za-z0-9_-]{43}", link)
    (line,) = home.log.lines("access.first_admin")
    assert str(file) in line
    assert link.rpartition("/")[2] not in home.log.getvalue()
    await home.household.first_admin.accept(link.rpartition("/")[2], "Anna", PASSWORD)
    assert not file.exists()
    assert await home.comes_in("anna") == ""


async def test_each_link_makes_the_last_one_void(home: Home) -> None:
    first, _ = await home.household.first_admin.offer()
    second, _ = await home.household.first_admin.offer()
    with pytest.raises(NotFound) as refused:
        await home.household.invitations.look(token_of(first))
    assert refused.value.code == "person.no_link"
    assert (await home.household.invitations.look(token_of(second))).person_id is None


async def test_the_link_is_over_after_a_quarter_of_an_hour(home: Home) -> None:
    made, _ = await home.household.first_admin.offer()
    home.now += 900
    with pytest.raises(NotFound) as refused:
        await home.household.first_admin.accept(token_of(made), "anna", PASSWORD)
    assert refused.value.code == "person.link_over"


async def test_once_there_is_somebody_the_link_is_nothing_and_none_is_made(home: Home) -> None:
    made, file = await home.household.first_admin.offer()
    await home.add("boris")
    with pytest.raises(NotFound) as refused:
        await home.household.first_admin.accept(token_of(made), "anna", PASSWORD)
    assert refused.value.code == "person.no_link"
    with pytest.raises(Conflict):
        await home.household.first_admin.offer()
    await home.household.first_admin.at_start("admin", PASSWORD, reachable=True)
    assert not file.exists()
    assert [one.name for one in await home.household.people.list()] == ["boris"]


async def test_of_many_who_come_at_once_one_becomes_it(home: Home) -> None:
    made, _ = await home.household.first_admin.offer()
    accept = home.household.first_admin.accept
    ended = await asyncio.gather(
        *(accept(token_of(made), f"name-{number}", PASSWORD) for number in range(50)), return_exceptions=True
    )
    assert [one.code for one in ended if isinstance(one, NotFound)] == ["person.link_used"] * 49
    assert len(await home.household.people.list()) == 1


async def test_the_store_itself_lets_one_be_the_first(home: Home) -> None:
    invitations, store = home.household.invitations, home.household.people._store
    new = [invitations.new_person(f"name-{number}", frozenset(), "hash") for number in range(20)]
    assert sum(await asyncio.gather(*(store.add_first(person) for person in new))) == 1


async def test_the_settings_make_the_first_administrator_and_no_later_one(home: Home) -> None:
    await home.household.first_admin.at_start("Root", PASSWORD, reachable=True)
    assert not (home.folder / "first-admin").exists()
    assert await home.comes_in("root") == ""
    (row,) = await home.audit.list(limit=10)
    assert (row.actor_name, row.action, row.subject, row.outcome) == ("settings", "add_person", "root", "done")
    await home.household.first_admin.at_start("other", PASSWORD, reachable=True)
    assert [one.name for one in await home.household.people.list()] == ["root"]


@pytest.mark.parametrize(("name", "password"), [("me", PASSWORD), ("admin", Secret("short"))])
async def test_settings_that_cannot_be_are_refused(home: Home, name: str, password: Secret) -> None:
    with pytest.raises(ConfigError, match="first administrator"):
        await home.household.first_admin.at_start(name, password, reachable=True)


async def test_without_a_listener_nothing_is_offered(home: Home) -> None:
    home.url = ""
    await home.household.first_admin.at_start("admin", Secret(""), reachable=False)
    assert not (home.folder / "first-admin").exists()
