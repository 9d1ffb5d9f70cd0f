"""Folders: the well-known ones by name, and those that are made (facts 3.5)."""

import pytest

from tests.contract.microsoft.graph import Graph, segment
from tests.contract.microsoft.mailbox import MARK, Mailbox
from tests.contract.microsoft.record import Record

WELL_KNOWN = ("archive", "deleteditems", "drafts", "inbox", "junkemail", "msgfolderroot", "outbox", "sentitems")


@pytest.mark.parametrize("name", WELL_KNOWN)
async def test_folder_is_known_by_name(graph: Graph, sender: Mailbox, record: Record, name: str) -> None:
    reply = await graph.ask("GET", f"{sender.path}/mailFolders/{name}")
    record.answer("answer", reply)
    assert reply.status == 200
    again = await graph.ask("GET", f"{sender.path}/mailFolders/{segment(reply.json['id'])}?$select=displayName")
    assert again.json["displayName"] == reply.json["displayName"]


async def test_folders_are_listed(graph: Graph, sender: Mailbox, record: Record) -> None:
    reply = await graph.ask("GET", f"{sender.path}/mailFolders?$top=100")
    record.answer("answer", reply)
    listed = {each["id"] for each in reply.json["value"]}
    inbox = await graph.ask("GET", f"{sender.path}/mailFolders/inbox?$select=id")
    assert inbox.json["id"] in listed


@pytest.mark.ahead("folders that are made")
async def test_folder_is_made_once_renamed_and_deleted(graph: Graph, sender: Mailbox, run: str, record: Record) -> None:
    place = f"{sender.path}/mailFolders"
    name = f"{MARK} {run}"
    made = await graph.ask("POST", place, json={"displayName": name})
    record.answer("made", made)
    assert (made.status, made.json["displayName"]) == (201, name)
    twice = await graph.ask("POST", place, json={"displayName": name})
    record.answer("twice", twice)
    record.finding("twice", [twice.status, twice.code], [409, "ErrorFolderExists"])
    path = f"{place}/{segment(made.json['id'])}"
    child = await graph.ask("POST", f"{path}/childFolders", json={"displayName": f"{name} child"})
    record.answer("child", child)
    assert child.json["parentFolderId"] == made.json["id"]
    renamed = await graph.ask("PATCH", path, json={"displayName": f"{name} renamed"})
    record.answer("renamed", renamed)
    assert renamed.status == 200
    gone = await graph.ask("DELETE", path)
    record.answer("gone", gone)
    assert (gone.status, gone.body) == (204, b"")
