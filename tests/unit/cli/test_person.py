"""pillarbox person: at a terminal, and for scripts."""

import json
from pathlib import Path
from typing import Any

import pytest

from pillarbox.core.vault import Secret
from tests.conftest import House, MakeHouse
from tests.service import pillarbox
from tests.terminal import at_terminal

PASSWORD = "correct horse battery"
KEPT = {"PILLARBOX_PERSON_PASSWORD": PASSWORD}


@pytest.fixture
async def house(make_house: MakeHouse) -> House:
    """A running gateway without anybody."""
    return await make_house()


def place(house: House) -> dict[str, str]:
    return {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}


async def say(house: House, *words: str, **environ: str) -> tuple[int, str, str]:
    return await pillarbox("person", *words, environ={**place(house), **environ})


async def done(house: House, *words: str, **environ: str) -> Any:
    """The JSON of a command that succeeds."""
    code, output, errors = await say(house, *words, "--json", **environ)
    assert (code, errors) == (0, "")
    return json.loads(output)


async def test_an_administrator_adds_shows_changes_invites_and_removes_people(house: House) -> None:
    added = await done(house, "add", "Anna", "--role", "admin", "--with-password", **KEPT)
    assert (added["name"], added["roles"], added["has_password"], added["invitation"]) == (
        "anna",
        ["admin"],
        True,
        None,
    )
    code, output, _ = await say(house, "add", "olga", "--role", "operator", "--role", "auditor")
    assert code == 0
    first, link = output.splitlines()
    assert first == "Added olga as auditor, operator."
    assert link.startswith("Link (good once, until ")
    assert f": {house.gateway.public_url}/setup/" in link
    assert [one["name"] for one in await done(house, "list")] == ["anna", "olga"]
    assert "invitation" not in (await done(house, "show", "olga"))
    assert (await done(house, "change", "olga", "--role", "auditor", "--disable"))["enabled"] is False
    assert (await done(house, "invite", "olga", "--drop-second-factor"))["url"] not in link
    code, _, errors = await say(house, "sign-in-link", "olga")
    assert (code, "olga is kept out here." in errors) == (5, True)
    made = await done(house, "sign-in-link", "anna")
    assert made["url"].startswith(f"{house.gateway.public_url}/sign-in/link/")
    assert await done(house, "sign-out", "olga") == {"name": "olga", "signed_out": True}
    assert (await say(house, "sign-out", "olga"))[1] == "Signed olga out everywhere.\n"
    assert await done(house, "remove", "olga") == {"name": "olga", "removed": True}
    code, _, errors = await say(house, "show", "olga")
    assert (code, "There is no person 'olga'" in errors) == (3, True)
    code, _, errors = await say(house, "change", "anna", "--disable")
    assert (code, "last administrator" in errors) == (1, True)


async def test_at_a_terminal_one_reads_all_about_a_person(house: House) -> None:
    await done(house, "add", "anna", "--role", "admin", "--with-password", **KEPT)
    code, shown = await at_terminal(("person", "show", "anna"), [], place(house))
    assert code == 0
    lines = [line.partition(":") for line in shown.splitlines()]
    assert [(name, value.strip()) for name, _, value in lines if name != "Added"] == [
        ("Name", "anna"),
        ("State", "may sign in"),
        ("Roles", "admin"),
        ("Second factor", "no"),
        ("Last seen", "never"),
    ]
    code, shown = await at_terminal(("person", "list"), [], place(house))
    assert (code, "anna" in shown) == (0, True)


async def test_a_password_comes_from_a_file_too(house: House, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    environ = {"PILLARBOX_PERSON_PASSWORD_FILE": str(file)}
    await done(house, "add", "anna", "--role", "admin", "--with-password", **environ)
    assert await house.gateway.household.sessions.sign_in("anna", Secret(PASSWORD), "", "", "")


async def test_a_command_that_changes_nothing_says_so(house: House) -> None:
    assert (await say(house, "change", "anna"))[0] == 2
    assert (await say(house, "change", "anna", "--enable", "--disable"))[0] == 2
    assert (await say(house, "add", "anna"))[0] == 2


async def test_the_first_administrator_gets_a_link_until_there_is_somebody(house: House) -> None:
    made = await done(house, "first")
    assert Path(made["file"]).read_text().strip() == made["url"]
    await done(house, "add", "anna", "--role", "admin", "--with-password", **KEPT)
    code, _, errors = await say(house, "first")
    assert (code, "There are people already" in errors) == (1, True)


async def test_without_a_service_a_link_would_lead_nowhere_and_a_password_is_taken(tmp_path: Path) -> None:
    environ = {
        "PILLARBOX_SOCKET": str(tmp_path / "run" / "api.sock"),
        "PILLARBOX_STATE_DIR": str(tmp_path / "state"),
    }
    add = ("person", "add", "anna", "--role", "admin")
    code, _, errors = await pillarbox(*add, environ=environ)
    assert (code, "no HTTP listener" in errors) == (1, True), errors
    code, output, errors = await pillarbox(*add, "--with-password", environ={**environ, **KEPT})
    assert (code, output, errors) == (0, "Added anna as admin.\n", "")
