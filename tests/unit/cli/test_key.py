"""pillarbox key: at a terminal, in pipes, and for scripts."""

import json
from typing import Any

import pytest

from tests.conftest import House
from tests.http_api import ask
from tests.service import pillarbox
from tests.terminal import at_terminal

BOX = "scanner@contoso.example"
ALL = (
    *("--scope", "send", "--scope", "outbox.read", "--mailbox", BOX, "--network", "127.0.0.0/8"),
    *("--recipient", "*@contoso.example", "--other-recipients", "hold", "--rate", "60", "--expires-in", "90d"),
)


def place(house: House) -> dict[str, str]:
    return {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}


async def say(house: House, *words: str) -> tuple[int, str, str]:
    return await pillarbox("key", *words, environ=place(house))


async def done(house: House, *words: str) -> Any:
    """The JSON of a command that succeeds."""
    code, output, errors = await say(house, *words, "--json")
    assert (code, errors) == (0, "")
    return json.loads(output)


async def screen(house: House, *words: str) -> str:
    """What a command shows at a terminal."""
    code, shown = await at_terminal(("key", *words), [], place(house))
    assert code == 0, shown
    return shown


async def test_at_a_terminal_an_administrator_reads_all_about_it_but_the_text(house: House) -> None:
    added = await screen(house, "add", "crm", *ALL)
    _, _, key = added.partition("Key (shown only now): ")
    key_id = house.gateway.keys.get("crm").id
    assert key.startswith(f"pbx_{key_id}_")
    shown = await screen(house, "show", "crm")
    assert shown.splitlines()[:8] == [
        "Name:          crm",
        f"Begins with:   pbx_{key_id}_",
        "State:         enabled",
        "May:           outbox.read, send",
        f"Mailboxes:     {BOX}",
        "Comes in from: 127.0.0.0/8",
        "Sends to:      *@contoso.example; to others when a person approves it",
        "Rate:          at most 60 requests a minute",
    ]
    assert key.strip()[-20:] not in shown + await screen(house, "list")


async def test_a_key_that_was_made_comes_in_and_one_that_was_replaced_does_not(house: House) -> None:
    first = (await done(house, "add", "crm"))["key"]
    second = (await done(house, "rotate", "crm"))["key"]
    answers = [await ask(house, "GET", "/api/v1/status", key=key) for key in (first, second)]
    assert [answer.status for answer in answers] == [401, 200]


async def test_a_change_changes_what_was_named_alone(house: House) -> None:
    await done(house, "add", "crm", *ALL)
    key = house.gateway.keys.get("crm")
    changed = await done(house, "change", "crm", "--disable")
    assert (changed["enabled"], changed["rate"], changed["key"]) == (False, 60, None)
    changed = await done(house, "change", "crm", "--enable", "--all-mailboxes", "--no-network", "--no-recipient")
    assert (changed["mailboxes"], changed["networks"], changed["recipients"]) == (None, [], [])
    assert (changed["expires_at"], changed["scopes"]) == (key.expires_at, ["outbox.read", "send"])
    assert (await done(house, "change", "crm", "--no-expiry"))["expires_at"] is None
    assert (await done(house, "change", "crm", "--expires", "2100-01-01T00:00Z"))["expires_at"] == 4_102_444_800


async def test_a_list_tells_how_each_is(house: House) -> None:
    assert "No API key yet" in await screen(house, "list")
    await done(house, "add", "crm", "--mailbox", BOX)
    await done(house, "add", "old", "--scope", "admin")
    await done(house, "change", "old", "--disable")
    shown = await screen(house, "list")
    assert "disabled" in shown
    assert [one["name"] for one in await done(house, "list")] == ["crm", "old"]
    assert await done(house, "remove", "old") == {"name": "old", "removed": True}
    assert [one["name"] for one in await done(house, "list")] == ["crm"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("add", "crm", "--scope", "admin", "--mailbox", BOX), 2, "about the whole installation"),
        (("add", "crm", "--scope", "everything"), 2, "Invalid value for '--scope'"),
        (("add", "crm", "--expires-in", "1d", "--expires", "2100-01-01"), 2, "one of --expires-in"),
        (("change", "crm"), 2, "name what is to change"),
        (("change", "crm", "--enable", "--disable"), 2, "either --enable or --disable"),
        (("change", "crm", "--mailbox", BOX, "--all-mailboxes"), 2, "either --mailbox or --all-mailboxes"),
        (("change", "crm", "--network", "192.0.2.7", "--no-network"), 2, "either networks, or none"),
        (("show", "crm"), 3, "There is no API key 'crm'"),
    ],
)
async def test_what_cannot_be_is_told_with_its_exit_code(
    house: House, words: tuple[str, ...], code: int, told: str
) -> None:
    came, _, errors = await say(house, *words)
    assert (came, told in errors) == (code, True), errors
