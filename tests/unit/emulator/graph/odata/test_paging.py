"""Pages: all entities once, whatever happens in between, and links that nobody makes up."""

from collections.abc import AsyncIterator

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.world.mailbox import Mailbox
from tests.unit.emulator.conftest import NOON, Client

BOB = "/users/bob@contoso.example"


def fill(mailbox: Mailbox, count: int = 25) -> None:
    for number in range(count):
        mail = f"From: {number % 3}@x.example\r\nSubject: {number}\r\n\r\n".encode()
        mailbox.add("inbox", mail, f"<{number}@x>", NOON - 60 + number // 4, read=number % 2 == 0)


@pytest.fixture
def mailbox(client: Client) -> Mailbox:
    mailbox = client.emulator.world.mailbox("bob@contoso.example")
    fill(mailbox)
    return mailbox


async def pages(client: Client, query: str) -> AsyncIterator[list[int]]:
    link = f"{client.emulator.url}/v1.0{BOB}/messages?{query}"
    while link:
        reply = await client.graph("GET", link.removeprefix(f"{client.emulator.url}/v1.0"), client.planted.reader)
        yield [int(message["subject"]) for message in reply.json["value"]]
        link = reply.json.get("@odata.nextLink", "")
        assert link.startswith(f"{client.emulator.url}/v1.0/") or not link


async def every(client: Client, query: str) -> list[int]:
    return [subject async for page in pages(client, query) for subject in page]


NEWEST = list(range(24, -1, -1))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("$top=9&$select=subject", NEWEST),
        ("", NEWEST),
        ("$skip=3&$top=5", NEWEST[3:]),
        ("$top=3&$filter=isRead eq true", [number for number in NEWEST if number % 2 == 0]),
        ("$top=4&$orderby=receivedDateTime", sorted(NEWEST, key=lambda number: (number // 4, -number))),
        ("$top=4&$orderby=receivedDateTime desc", NEWEST),
        (
            "$top=2&$orderby=from/emailAddress/address desc,isRead",
            sorted(NEWEST, key=lambda number: (-(number % 3), number % 2 == 0, -number)),
        ),
    ],
)
async def test_links_lead_through_all_pages(client: Client, mailbox: Mailbox, query: str, expected: list[int]) -> None:
    assert await every(client, query) == expected


async def test_new_mail_does_not_shift_the_pages(client: Client, mailbox: Mailbox) -> None:
    walk = pages(client, "$top=5")
    assert await anext(walk) == [24, 23, 22, 21, 20]
    fill(mailbox, 1)
    assert await anext(walk) == [19, 18, 17, 16, 15]


async def test_moving_and_deleting_what_was_seen_does_not_shift_the_pages(client: Client, mailbox: Mailbox) -> None:
    walk = pages(client, "$top=5")
    await anext(walk)
    seen = list(mailbox.messages(NOON))[:5]
    for message in seen[:4]:
        mailbox.move(message, mailbox.folders["archive"], NOON)
    mailbox.remove(seen[4])
    assert await anext(walk) == [19, 18, 17, 16, 15]


async def test_the_count_is_of_all_that_match(client: Client, mailbox: Mailbox) -> None:
    first = (await client.read("/messages?$count=true&$top=2&$filter=isRead eq true")).json
    second = await client.graph("GET", path_of(client, first["@odata.nextLink"]), client.planted.reader)
    assert (first["@odata.count"], second.json["@odata.count"], len(first["value"])) == (13, 13, 2)


async def test_no_count_unless_asked_for(client: Client, mailbox: Mailbox) -> None:
    assert "@odata.count" not in (await client.read("/messages?$count=false")).json


@pytest.mark.parametrize("size", [25, 1000])
async def test_the_last_page_has_no_link(client: Client, mailbox: Mailbox, size: int) -> None:
    assert "@odata.nextLink" not in (await client.read(f"/messages?$top={size}")).json


def path_of(client: Client, link: str) -> str:
    return link.removeprefix(f"{client.emulator.url}/v1.0")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("isRead%20eq%20true", "isRead%20eq%20false"),
        ("$top=2", "$top=3"),
        ("bob", "alice"),
        ("$skiptoken=", "$skiptoken=A"),
        ("$skiptoken=", "$skiptoken=%C3%BC"),
    ],
)
async def test_a_link_that_was_changed_is_refused(client: Client, mailbox: Mailbox, old: str, new: str) -> None:
    link = (await client.read("/messages?$top=2&$filter=isRead eq true")).json["@odata.nextLink"]
    assert old in link
    answer = await client.graph("GET", path_of(client, link.replace(old, new, 1)), client.planted.reader)
    assert (answer.status, answer.code) == (400, "BadRequest")


@pytest.mark.parametrize("token", ["", "x", "eA==", "czp4", "AAAAAAAAAAAAAAAA", "%FF%FE", "W10=", "a" * 4000])
async def test_a_token_that_was_made_up_is_refused(client: Client, emulator: Emulator, token: str) -> None:
    answer = await client.read(f"/messages?$skiptoken={token}")
    assert (answer.status, answer.json["error"]["message"]) == (400, "Skip token is not valid.")
    assert not len(emulator.not_emulated)


async def test_a_link_bears_parameters_that_are_not_odatas(client: Client, mailbox: Mailbox) -> None:
    link = (await client.read("/messages?$top=2")).json["@odata.nextLink"]
    answer = await client.graph("GET", path_of(client, f"{link}&client-request-id=7"), client.planted.reader)
    assert [message["subject"] for message in answer.json["value"]] == ["22", "21"]


async def test_the_link_follows_the_host_that_was_asked(client: Client, mailbox: Mailbox) -> None:
    token = client.app_token(client.planted.reader)
    headers = {"Authorization": f"Bearer {token}", "Host": "graph.contoso.example"}
    reply = await client.request("GET", f"/v1.0{BOB}/messages", headers=headers)
    assert reply.json["@odata.nextLink"].startswith(f"https://graph.contoso.example/v1.0{BOB}/messages?$skiptoken=")
