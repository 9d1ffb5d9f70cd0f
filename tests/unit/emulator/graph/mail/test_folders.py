"""The tree of folders: lists, single ones by id and well-known name, and counts."""

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world.mailbox import Folder
from tests.unit.emulator.conftest import Client, Reply

NAMES = [
    *("Archive", "Conversation History", "Deleted Items", "Drafts", "Inbox", "Junk Email", "Outbox", "Sent Items"),
]


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


WELL_KNOWN = [
    *("archive", "clutter", "conflicts", "conversationhistory", "deleteditems", "drafts", "inbox", "junkemail"),
    *("localfailures", "msgfolderroot", "outbox", "recoverableitemsdeletions", "scheduled", "searchfolders"),
    *("sentitems", "serverfailures", "syncissues"),
]


@pytest.mark.parametrize("name", WELL_KNOWN)
async def test_all_well_known_names_are_folders(client: Client, name: str) -> None:
    folder = (await client.read(f"/mailFolders/{name}")).json
    assert (await client.read(f"/mailFolders/{folder['id']}")).json["displayName"] == folder["displayName"]
    assert (await client.read(f"/mailFolders/{name}/messages")).json["value"] == []


async def test_hidden_folders_are_listed_on_demand(client: Client) -> None:
    reply = await client.read("/mailFolders?IncludeHiddenFolders=True&$top=20")
    assert names(reply) == sorted([*NAMES, "Clutter", "Sync Issues"])
    hidden = [folder["displayName"] for folder in reply.json["value"] if folder["isHidden"]]
    assert hidden == ["Clutter", "Sync Issues"]
    assert names(await client.read("/mailFolders?includeHiddenFolders=false")) == NAMES


async def test_failed_synchronisations_lie_together(client: Client) -> None:
    reply = await client.read("/mailFolders/syncissues/childFolders")
    assert names(reply) == ["Conflicts", "Local Failures", "Server Failures"]
    assert (await client.read("/mailFolders/syncissues")).json["childFolderCount"] == 3


@pytest.mark.parametrize("name", ["recoverableitemsdeletions", "scheduled", "searchfolders"])
async def test_some_folders_lie_beside_the_root(client: Client, name: str) -> None:
    answer = await client.read(f"/mailFolders/msgfolderroot/childFolders/{name}")
    assert (answer.status, answer.code) == (404, "ErrorFolderNotFound")


@pytest.mark.parametrize("below", ["", "/childFolders", "/messages"])
async def test_a_folder_that_the_mailbox_lacks(client: Client, below: str) -> None:
    answer = await client.read(f"/mailFolders/nowhere{below}")
    assert (answer.status, answer.code) == (404, "ErrorFolderNotFound")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("$filter=displayName eq 'inbox'", ["Inbox"]),
        ("$filter=displayName eq 'Inbox' or startswith(displayName,'D')", ["Deleted Items", "Drafts", "Inbox"]),
        ("$filter=totalItemCount gt 0", []),
        ("$orderby=displayName desc&$top=2", ["Sent Items", "Outbox"]),
        ("$top=3&$skip=2", ["Deleted Items", "Drafts", "Inbox"]),
    ],
)
async def test_queries_on_folders(client: Client, query: str, expected: list[str]) -> None:
    assert names(await client.read(f"/mailFolders?{query}")) == expected


@pytest.mark.parametrize("path", ["/mailFolders", "/mailFolders/inbox/childFolders", "/mailFolders/$count"])
async def test_hidden_folders_are_wanted_or_not(client: Client, path: str) -> None:
    assert (await client.read(f"{path}?includeHiddenFolders=true")).status == 200
    answer = await client.read(f"{path}?includeHiddenFolders=yes")
    assert (answer.status, answer.code) == (400, "BadRequest")
    assert "Valid values are 'true' or 'false'." in answer.json["error"]["message"]


async def test_folders_come_in_pages_of_ten(client: Client, emulator: Emulator) -> None:
    mailbox = emulator.world.mailbox("bob@contoso.example")
    for number in range(5):
        mailbox.folders[f"x{number}"] = Folder(f"AAMkAGx{number}", f"x{number}", f"X {number}", mailbox.root)
    first = await client.read("/mailFolders?$count=true")
    assert (len(first.json["value"]), first.json["@odata.count"]) == (10, 13)
    link = first.json["@odata.nextLink"].removeprefix(f"{emulator.url}/v1.0")
    assert names(await client.graph("GET", link, client.planted.reader)) == ["X 2", "X 3", "X 4"]


async def test_selected_properties_of_folders(client: Client) -> None:
    (folder,) = (await client.read("/mailFolders?$top=1&$select=DisplayName")).json["value"]
    assert folder.keys() == {"id", "displayName"}


@pytest.mark.parametrize(("query", "number"), [("", b"8"), ("?$filter=displayName eq 'inbox'", b"1")])
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
