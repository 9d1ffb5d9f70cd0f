"""Message traces: one row per recipient of what the ledger has, with the filters that Exchange knows."""

from urllib.parse import quote

import pytest

from pillarbox.emulator.graph.directory import message_traces
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client, Clock
from tests.unit.emulator.graph.directory.conftest import Directory

PATH = "/admin/exchange/tracing/messageTraces"
MAIL = (
    b"From: alice@contoso.example\r\nTo: bob@contoso.example, ghost@contoso.example\r\nCc: x@fabrikam.example\r\n"
    b"Date: Fri, 20 Nov 2026 11:59:00 +0000\r\nMessage-ID: <1@x>\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHello\r\n"
)
BAD = (400, "Request_BadRequest")


@pytest.fixture
def tracer(client: Client) -> Directory:
    return Directory(client, scopes=("ExchangeMessageTrace.Read.All",))


async def test_each_recipient_has_a_row(tracer: Directory, client: Client) -> None:
    await client.send(MAIL)
    rows = (await tracer.get(PATH))["value"]
    assert {*rows[0]} == {*message_traces.TYPE.properties}
    assert {row["recipientAddress"]: row["status"] for row in rows} == {
        "bob@contoso.example": "delivered",
        "ghost@contoso.example": "failed",
        "x@fabrikam.example": "delivered",
    }
    assert {(row["senderAddress"], row["messageId"], row["subject"], row["size"]) for row in rows} == {
        ("alice@contoso.example", "<1@x>", "Grüße", len(MAIL))
    }
    assert len({row["id"] for row in rows}) == 1


async def test_a_mailbox_without_a_licence_gets_nothing(tracer: Directory, client: Client) -> None:
    await client.send(b"From: alice@contoso.example\r\nTo: unlicensed@contoso.example\r\n\r\nx")
    assert [row["status"] for row in (await tracer.get(PATH))["value"]] == ["failed"]


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ("recipientAddress eq 'BOB@contoso.example'", 1),
        ("senderAddress eq 'alice@contoso.example' and status eq 'delivered'", 2),
        ("messageId eq '<1@x>'", 3),
        ("messageId eq '<2@x>'", 0),
        ("status eq 'failed'", 1),
        ("startsWith(subject,'Gr')", 3),
        ("contains(subject,'nothing')", 0),
        ("receivedDateTime ge 2026-11-20T11:00:00Z and receivedDateTime le 2026-11-20T12:00:00Z", 3),
        ("receivedDateTime ge 2026-11-19T11:00:00Z and receivedDateTime le 2026-11-20T11:00:00Z", 0),
    ],
)
async def test_rows_are_filtered(tracer: Directory, client: Client, wanted: str, count: int) -> None:
    await client.send(MAIL)
    assert len((await tracer.get(f"{PATH}?$filter={quote(wanted)}"))["value"]) == count


@pytest.mark.parametrize(
    "wanted",
    [
        "receivedDateTime ge 2026-11-19T12:00:00Z",
        "receivedDateTime le 2026-11-19T12:00:00Z",
        "receivedDateTime ge 2026-11-09T11:00:00Z and receivedDateTime le 2026-11-20T12:00:00Z",
        "receivedDateTime ge 2026-08-01T00:00:00Z and receivedDateTime le 2026-08-02T00:00:00Z",
        "receivedDateTime ge 2026-11-20T12:00:00Z and receivedDateTime le 2026-11-20T13:00:00Z",
        "receivedDateTime ge 2026-11-20T12:00:00Z and receivedDateTime le 2026-11-20T11:00:00Z",
    ],
)
async def test_an_interval_must_be_whole_short_and_past(tracer: Directory, wanted: str) -> None:
    assert await tracer.refused("GET", f"{PATH}?$filter={quote(wanted)}") == BAD


@pytest.mark.parametrize(
    "wanted", ["recipientAddress ne 'x'", "size eq 7", "status eq 'lost'", "nothing eq 1", "status"]
)
async def test_other_filters_are_refused(tracer: Directory, wanted: str) -> None:
    assert (await tracer.refused("GET", f"{PATH}?$filter={quote(wanted)}"))[0] == 400


async def test_a_list_without_times_goes_back_two_days(tracer: Directory, client: Client, clock: Clock) -> None:
    await client.send(MAIL)
    clock.now += 2 * 86400 + 1
    assert (await tracer.get(PATH))["value"] == []
    wanted = quote("receivedDateTime ge 2026-11-20T00:00:00Z and receivedDateTime le 2026-11-22T00:00:00Z")
    assert len((await tracer.get(f"{PATH}?$filter={wanted}"))["value"]) == 3


async def test_pages_go_from_new_to_old(tracer: Directory, client: Client) -> None:
    await client.send(MAIL)
    await client.send(MAIL.replace(b"<1@x>", b"<2@x>"))
    page, seen = await tracer.get(f"{PATH}?$top=2"), []
    while True:
        seen += [row["messageId"] for row in page["value"]]
        if "@odata.nextLink" not in page:
            break
        page = await tracer.get(page["@odata.nextLink"].partition("/v1.0")[2])
    assert seen == ["<2@x>"] * 3 + ["<1@x>"] * 3


async def test_one_mail_and_what_happened_to_it(tracer: Directory, client: Client) -> None:
    await client.send(MAIL)
    ident = (await tracer.get(PATH))["value"][0]["id"]
    assert (await tracer.get(f"{PATH}/{ident}"))["messageId"] == "<1@x>"
    for address, events in (
        ("bob@contoso.example", ["Receive", "Deliver"]),
        ("ghost@contoso.example", ["Receive", "Fail"]),
    ):
        path = f"{PATH}/{ident}/getDetailsByRecipient(recipientAddress='{address}')"
        assert [each["event"] for each in (await tracer.get(path))["value"]] == events
    gone = (404, "Request_ResourceNotFound")
    path = f"{PATH}/{ident}/getDetailsByRecipient(recipientAddress='carol@contoso.example')"
    assert await tracer.refused("GET", path) == gone
    assert await tracer.refused("GET", f"{PATH}/x") == gone
    assert await tracer.refused("GET", f"{PATH}/{ident}/getDetailsByRecipient(address='bob')") == BAD


async def test_a_tenant_sees_its_own_mail_alone(tracer: Directory, client: Client, planted: Seed) -> None:
    await client.send(MAIL)
    assert planted.setup.principal
    other = client.emulator.world.add_tenant("fabrikam.example")
    app = client.emulator.world.add_app("Tracer", ["ExchangeMessageTrace.Read.All"], tenant=other)
    secret = client.emulator.world.add_secret(app)
    token = (await client.ask_token(app, tenant=other.id, client_secret=secret)).json["access_token"]
    reply = await client.request("GET", f"/v1.0{PATH}", headers={"Authorization": f"Bearer {token}"})
    assert reply.json["value"] == []


async def test_it_takes_the_permission(client: Client) -> None:
    reply = await client.graph("GET", PATH, client.planted.reader)
    assert (reply.status, reply.code) == (403, "Authorization_RequestDenied")
    assert (await client.graph("GET", PATH, client.planted.setup)).status == 200
