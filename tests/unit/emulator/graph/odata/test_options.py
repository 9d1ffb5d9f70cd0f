"""Query options: which there are, what each may be, and how they come on the wire."""

import pytest

from pillarbox.emulator import Emulator
from tests.unit.emulator.conftest import Client

BAD = [
    ("$top=0", "BadRequest", "The limit of '1000' for Top query has been exceeded."),
    ("$top=1001", "BadRequest", "The limit of '1000' for Top query has been exceeded."),
    ("$top=x", "BadRequest", "Invalid value 'x' for $top query option found."),
    ("$top=-1", "BadRequest", "Invalid value '-1' for $top"),
    ("$top=%D9%A3", "BadRequest", "Invalid value"),
    ("$top=99999999999999999999", "BadRequest", "Invalid value"),
    ("$skip=-1", "BadRequest", "The $skip query option requires a non-negative integer value."),
    ("$count=yes", "BadRequest", "Valid values are 'true' or 'false'."),
    ("$filter=", "BadRequest", "Invalid filter clause: Expression expected at position 0"),
    ("$orderby=subject up", "BadRequest", "Syntax error"),
    ("$orderby=" + ",".join(["subject"] * 21), "InefficientFilter", "too complex"),
    ("$search=x&$filter=isRead eq true", "SearchWithFilter", "'$filter' is not supported with '$search'."),
    ("$search=x&$orderby=subject", "SearchWithOrderBy", "'$orderby' is not supported with '$search'."),
    ("$top=1&$top=2", "BadRequest", "Query option '$top' was specified more than once"),
    ("$top=1&%24TOP=2", "BadRequest", "was specified more than once"),
    ("$top=1&top=2", "BadRequest", "was specified more than once"),
    ("includeHiddenFolders=true&includehiddenfolders=true", "BadRequest", "was specified more than once"),
]


@pytest.mark.parametrize(("query", "code", "text"), BAD)
async def test_a_bad_option_is_refused(client: Client, emulator: Emulator, query: str, code: str, text: str) -> None:
    answer = await client.read(f"/messages?{query}")
    assert (answer.status, answer.code) == (400, code)
    assert text in answer.json["error"]["message"]
    assert not len(emulator.not_emulated)


MISSING = [
    ("$search=x", "$search", "BadRequest"),
    ("search=x", "$search", "BadRequest"),
    ("$deltatoken=x", "$deltatoken", "BadRequest"),
    ("$nonsense=x", "$nonsense", "BadRequest"),
    ("foo=bar", "foo", "BadRequest"),
    ("includeHiddenMessages=true", "includehiddenmessages", "BadRequest"),
    ("includeHiddenFolders=true", "includehiddenfolders", "BadRequest"),
    ("$select=nonsense", "$select=nonsense", "RequestBroker--ParseUri"),
    ("$filter=colour eq 1", "$filter: colour", "BadRequest"),
    ("$filter=from/colour eq 'a'", "$filter: colour", "BadRequest"),
    ("$orderby=colour", "$orderby: colour", "BadRequest"),
    ("$expand=extensions", "$expand=extensions", "RequestBroker--ParseUri"),
    ("$expand=attachments($select=id)", "$expand=attachments($select=id)", "RequestBroker--ParseUri"),
    ("$select=from/emailAddress", "$select=from/emailAddress", "RequestBroker--ParseUri"),
    ("$select=uniqueBody", "$select=uniqueBody", "BadRequest"),
    ("$filter=tolower(subject) eq 'a'", "$filter: tolower", "ErrorInvalidUrlQueryFilter"),
    ("$orderby=toRecipients", "$orderby: toRecipients", "ErrorInvalidProperty"),
]


@pytest.mark.parametrize(("query", "gap", "code"), MISSING)
async def test_what_is_missing_here_is_refused_and_noted(
    client: Client, emulator: Emulator, query: str, gap: str, code: str
) -> None:
    answer = await client.read(f"/messages?{query}")
    assert (answer.status, answer.code) == (400, code)
    assert [each.what for each in emulator.not_emulated] == [gap]


TEXTS = [
    ("$select=nonsense", "Could not find a property named 'nonsense' on type 'microsoft.graph.message'."),
    ("$filter=colour eq 1", "Invalid filter clause: Could not find a property named 'colour' on type 'microsoft.gr"),
    ("$orderby=colour", "Invalid OrderBy clause: Could not find a property named 'colour' on type 'microsoft.gr"),
]


@pytest.mark.parametrize(("query", "text"), TEXTS)
async def test_properties_that_are_not_there_are_named(client: Client, query: str, text: str) -> None:
    assert text in (await client.read(f"/messages?{query}")).json["error"]["message"]


@pytest.mark.parametrize(
    "query",
    [
        "%24top=1&%24select=subject",
        "$TOP=1&$Select=Subject",
        "top=1&select=subject",
        "$top=1&$select=subject,,subject,%20",
        "$top=1&$select=subject&client-request-id=7",
    ],
)
async def test_how_options_may_be_written(client: Client, emulator: Emulator, query: str) -> None:
    await client.send()
    await client.send()
    (message,) = (await client.read(f"/messages?{query}")).json["value"]
    assert message.keys() == {"@odata.etag", "id", "subject"}
    assert not len(emulator.not_emulated)


async def test_a_plus_is_a_blank(client: Client) -> None:
    await client.send(b"To: bob@contoso.example\r\nSubject: a b\r\n\r\n")
    assert len((await client.read("/messages?$filter=subject+eq+'a%20b'")).json["value"]) == 1


ORDER_RULE = [
    ("$filter=receivedDateTime ge 2026-01-01&$orderby=receivedDateTime desc", True),
    ("$filter=receivedDateTime ge 2026-01-01 and subject ne 'x'&$orderby=receivedDateTime", True),
    ("$filter=receivedDateTime ge 2026-01-01 and isRead eq false&$orderby=receivedDateTime,isRead", True),
    ("$filter=isRead eq false&$orderby=receivedDateTime", False),
    ("$filter=isRead eq false and receivedDateTime ge 2026-01-01&$orderby=receivedDateTime", False),
    ("$filter=receivedDateTime ge 2026-01-01 and isRead eq false&$orderby=isRead,receivedDateTime", False),
]


@pytest.mark.parametrize(("query", "good"), ORDER_RULE)
async def test_what_is_sorted_by_must_be_filtered_by_first(client: Client, query: str, good: bool) -> None:
    answer = await client.read(f"/messages?{query}")
    assert answer.status == (200 if good else 400)
    if not good:
        text = "The restriction or sort order is too complex for this operation."
        assert (answer.code, answer.json["error"]["message"]) == ("InefficientFilter", text)


@pytest.mark.parametrize("query", ["$top=5", "$filter=isRead eq true", "$orderby=subject", "$count=true"])
async def test_one_entity_takes_no_options_of_lists(client: Client, query: str) -> None:
    await client.send()
    ident = (await client.read("/messages")).json["value"][0]["id"]
    assert (await client.read(f"/messages/{ident}?{query}")).code == "BadRequest"


async def test_a_gap_is_told_whole(client: Client, emulator: Emulator) -> None:
    await client.read("/messages?$expand=attachments($select=id,name)")
    assert [gap.what for gap in emulator.not_emulated] == ["$expand=attachments($select=id,name)"]
