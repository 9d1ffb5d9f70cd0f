"""The tree of folders: lists, single ones by id and well-known name, and counts."""

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world.mailbox import Folder
from tests.unit.emulator.conftest import Client, Reply

NAMES = ["Archive", "Deleted Items", "Drafts", "Inbox", "Junk Email", "Outbox", "Sent Items"]


def names(reply: Reply) -> list[str]:
    return [folder["displayName"] for folder in reply.json["value"]]


async def test_what_lies_in_the_root(client: Client, emulator: Emulator) -> None:
    reply = await client.read("/mailFolders")
    assert names(reply) == NAMES
    expected = f"{emulator.url}/v1.0/$metadata#users('bob%40contoso.example')/mailFolders"
    assert reply.json["@odata.context"] == expected


async def test_folders_are_counted(client: Client, emulator: Emulator) -> None:
    await client.send()
    await client.send()
    mailbox = emulator.world.mailbox("bob@contoso.example")
    next(iter(mailbox.messages(emulator.clock()))).read = True
    inbox = (await client.read("/mailFolders/inbox")).json
    assert (inbox["totalItemCount"], inbox["unreadItemCount"], inbox["childFolderCount"]) == (2, 1, 0)
    assert (await client.read("/mailFolders/drafts")).json["totalItemCount"] == 0


@pytest.mark.parametrize("key", ["inbox", "Inbox", "INBOX"])
async def test_a_folder_by_its_well_known_name_and_by_its_id(client: Client, key: str) -> None:
    inbox = (await client.read(f"/mailFolders/{key}")).json
    assert inbox["displayName"] == "Inbox"
    again = (await client.read(f"/mailFolders('{inbox['id']}')")).json
    assert again == inbox | {"@odata.context": again["@odata.context"]}


async def test_the_root_holds_them_all(client: Client) -> None:
    root = (await client.read("/mailFolders/msgfolderroot")).json
    assert (root["displayName"], root["childFolderCount"]) == ("Top of Information Store", len(NAMES))
    children = await client.read("/mailFolders/msgfolderroot/childFolders")
    assert names(children) == NAMES
    assert {folder["parentFolderId"] for folder in children.json["value"]} == {root["id"]}


async def test_folders_below_folders(client: Client, emulator: Emulator) -> None:
    mailbox = emulator.world.mailbox("bob@contoso.example")
    mailbox.folders["below"] = Folder("AAMkAGbelow", "below", "Below", mailbox.folders["inbox"])
    assert "Below" not in names(await client.read("/mailFolders"))
    reply = await client.read("/mailFolders/inbox/childFolders")
    assert names(reply) == ["Below"]
    assert reply.json["@odata.context"].endswith("/mailFolders('inbox')/childFolders")
    assert (await client.read("/mailFolders/inbox")).json["childFolderCount"] == 1
    assert (await client.read("/mailFolders/inbox/childFolders/AAMkAGbelow")).json["displayName"] == "Below"
    assert (await client.read("/mailFolders/drafts/childFolders/AAMkAGbelow")).code == "ErrorFolderNotFound"


@pytest.mark.parametrize("key", ["clutter", "conflicts", "recoverableitemsdeletions", "scheduled", "nowhere"])
@pytest.mark.parametrize("below", ["", "/childFolders", "/messages"])
async def test_a_folder_that_the_mailbox_lacks(client: Client, key: str, below: str) -> None:
    answer = await client.read(f"/mailFolders/{key}{below}")
    assert (answer.status, answer.code) == (404, "ErrorFolderNotFound")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("$filter=displayName eq 'inbox'", ["Inbox"]),
        ("$filter=displayName eq 'Inbox' or startswith(displayName,'D')", ["Deleted Items", "Drafts", "Inbox"]),
        ("$filter=totalItemCount gt 0", []),
        ("$orderby=displayName desc&$top=2", ["Sent Items", "Outbox"]),
        ("$top=3&$skip=2", ["Drafts", "Inbox", "Junk Email"]),
        ("includeHiddenFolders=true", NAMES),
    ],
)
async def test_queries_on_folders(client: Client, query: str, expected: list[str]) -> None:
    assert names(await client.read(f"/mailFolders?{query}")) == expected


async def test_folders_come_in_pages_of_ten(client: Client, emulator: Emulator) -> None:
    mailbox = emulator.world.mailbox("bob@contoso.example")
    for number in range(5):
        mailbox.folders[f"x{number}"] = Folder(f"AAMkAGx{number}", f"x{number}", f"X {number}", mailbox.root)
    first = await client.read("/mailFolders?$count=true")
    assert (len(first.json["value"]), first.json["@odata.count"]) == (10, 12)
    link = first.json["@odata.nextLink"].removeprefix(f"{emulator.url}/v1.0")
    assert names(await client.graph("GET", link, client.planted.reader)) == ["X 3", "X 4"]


async def test_selected_properties_of_folders(client: Client) -> None:
    (folder,) = (await client.read("/mailFolders?$top=1&$select=DisplayName")).json["value"]
    assert folder.keys() == {"id", "displayName"}


@pytest.mark.parametrize(("query", "number"), [("", b"7"), ("?$filter=displayName eq 'inbox'", b"1")])
async def test_a_bare_count_of_folders(client: Client, query: str, number: bytes) -> None:
    assert (await client.read(f"/mailFolders/$count{query}")).body == number


async def test_children_are_not_expanded(client: Client, emulator: Emulator) -> None:
    assert (await client.read("/mailFolders?$expand=childFolders")).code == "BadRequest"
    assert [gap.what for gap in emulator.not_emulated] == ["$expand"]


async def test_sending_is_not_reading(client: Client) -> None:
    answer = await client.graph("GET", "/users/bob@contoso.example/mailFolders")
    assert (answer.status, answer.code) == (403, "ErrorAccessDenied")


async def test_read_basic_is_enough_for_folders(client: Client, planted: Seed) -> None:
    assert names(await client.as_user("GET", "/me/mailFolders", "bob", "Mail.ReadBasic")) == NAMES
