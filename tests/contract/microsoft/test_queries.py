"""Query options: pages, order, filters, search, and what of them is refused (facts 3.5); changes (facts 3.6)."""

from typing import Any

import pytest

from tests.contract.microsoft.graph import Graph
from tests.contract.microsoft.mailbox import MARK, Mailbox
from tests.contract.microsoft.mails import Mails
from tests.contract.microsoft.record import Record
from tests.contract.microsoft.test_drafts import draft

PAGE = 10


@pytest.fixture
async def eleven(graph: Graph, mails: Mails, sender: Mailbox) -> str:
    """One more draft than a page has; the filter that finds them."""
    wanted = f"contains(subject,'{mails.subject('of eleven')}')".replace("[", "%5B").replace("]", "%5D")
    found = await graph.ask("GET", f"{sender.path}/messages?$filter={wanted.replace(' ', '%20')}&$top=20&$select=id")
    for _ in range(PAGE + 1 - len(found.json["value"])):
        await draft(graph, sender, mails.json("of eleven"))
    return wanted.replace(" ", "%20")


async def test_page_has_ten_and_a_link_to_the_next(graph: Graph, sender: Mailbox, eleven: str, record: Record) -> None:
    first = await graph.ask("GET", f"{sender.path}/mailFolders/drafts/messages?$filter={eleven}&$select=subject")
    record.answer("first", first)
    assert len(first.json["value"]) == PAGE
    second = await graph.ask("GET", first.json["@odata.nextLink"])
    record.answer("second", second)
    assert len(second.json["value"]) == 1
    assert "@odata.nextLink" not in second.json


async def test_select_gives_the_id_and_nothing_else(graph: Graph, sender: Mailbox, eleven: str, record: Record) -> None:
    reply = await graph.ask("GET", f"{sender.path}/messages?$filter={eleven}&$select=subject&$top=1")
    record.answer("answer", reply)
    assert {*reply.json["value"][0]} == {"@odata.etag", "id", "subject"}


async def test_count_is_told(graph: Graph, sender: Mailbox, eleven: str, record: Record) -> None:
    reply = await graph.ask("GET", f"{sender.path}/messages?$filter={eleven}&$count=true&$top=1&$select=id")
    record.answer("answer", reply)
    assert reply.json["@odata.count"] == PAGE + 1


async def test_preferred_page_size(graph: Graph, sender: Mailbox, eleven: str, record: Record) -> None:
    headers = {"Prefer": 'odata.maxpagesize=3, IdType="ImmutableId"'}
    reply = await graph.ask("GET", f"{sender.path}/messages?$filter={eleven}&$select=id", headers=headers)
    record.answer("answer", reply)
    assert len(reply.json["value"]) == 3


@pytest.mark.parametrize(
    ("query", "assumed"),
    [
        ("$orderby=receivedDateTime%20desc&$top=2&$select=id", [200, ""]),
        ("$filter=isRead%20eq%20false&$orderby=receivedDateTime%20desc&$top=1&$select=id", [400, "InefficientFilter"]),
        (
            "$filter=receivedDateTime%20ge%202020-01-01T00:00:00Z%20and%20isRead%20eq%20false"
            "&$orderby=receivedDateTime%20desc&$top=1&$select=id",
            [200, ""],
        ),
        pytest.param(f"$search=%22subject:{MARK}%22&$top=1&$select=id", [200, ""], marks=pytest.mark.ahead("$search")),
        (f"$search=%22{MARK}%22&$filter=isRead%20eq%20true&$top=1", [400, "SearchWithFilter"]),
        (f"$search=%22{MARK}%22&$orderby=subject&$top=1", [400, "SearchWithOrderBy"]),
        ("$filter=nonsense%20eq%201", [400, "BadRequest"]),
        ("$orderby=nonsense", [400, "BadRequest"]),
        ("$expand=nonsense", [400, "RequestBroker--ParseUri"]),
        ("$expand=attachments&$top=1&$select=id", [200, ""]),
        ("$skip=1&$top=1&$select=id", [200, ""]),
        ("$nonsense=1", [400, "BadRequest"]),
    ],
)
async def test_query(graph: Graph, sender: Mailbox, record: Record, query: str, assumed: list[Any]) -> None:
    reply = await graph.ask("GET", f"{sender.path}/messages?{query}")
    if reply.status != 200:
        record.answer("answer", reply)
    record.finding("answer", [reply.status, reply.code], assumed)


@pytest.mark.ahead("delta")
async def test_changes_of_a_folder(graph: Graph, mails: Mails, sender: Mailbox, record: Record) -> None:
    url = f"{sender.path}/mailFolders/drafts/messages/delta?$select=subject"
    while url:
        reply = await graph.ask("GET", url)
        assert reply.status == 200
        url, link = reply.json.get("@odata.nextLink", ""), reply.json.get("@odata.deltaLink", "")
    await draft(graph, sender, mails.json("change"))
    changed = await graph.ask("GET", link)
    subjects = [each.get("subject") for each in changed.json["value"]]
    record.finding(
        "names", sorted(name for name in changed.json if name.startswith("@")), ["@odata.context", "@odata.deltaLink"]
    )
    assert mails.subject("change") in subjects


@pytest.mark.ahead("delta")
async def test_changes_need_a_folder(graph: Graph, sender: Mailbox, record: Record) -> None:
    reply = await graph.ask("GET", f"{sender.path}/messages/delta")
    record.answer("answer", reply)
    record.finding("refusal", [reply.status, reply.code], [400, "ErrorInvalidRequest"])


@pytest.mark.ahead("delta")
async def test_changes_since_a_point_that_is_lost(graph: Graph, sender: Mailbox, record: Record) -> None:
    reply = await graph.ask("GET", f"{sender.path}/mailFolders/drafts/messages/delta?$deltatoken=nonsense")
    record.answer("answer", reply)
    record.finding("refusal", [reply.status, reply.code], [400, "BadRequest"])


@pytest.mark.ahead("batch")
async def test_batch_answers_each_by_itself(graph: Graph, sender: Mailbox, record: Record) -> None:
    asked = [
        {"id": "1", "method": "GET", "url": f"{sender.path}/mailFolders/inbox?$select=id"},
        {"id": "2", "method": "GET", "url": f"{sender.path}/messages?$select=nonsense"},
        {"id": "3", "method": "GET", "url": f"{sender.path}/mailFolders/drafts?$select=id", "dependsOn": ["2"]},
    ]
    reply = await graph.ask("POST", "/$batch", json={"requests": asked})
    assert reply.status == 200
    answered = {each["id"]: each["status"] for each in reply.json["responses"]}
    record.finding("statuses", answered, {"1": 200, "2": 400, "3": 424})
