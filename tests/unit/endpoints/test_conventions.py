"""What holds for all routes of the API, over the local socket."""

import asyncio
import http.client
import json
import os
from dataclasses import dataclass
from typing import Any

import pytest

from pillarbox.cli.local import UnixConnection
from pillarbox.endpoints.api.body_limit import MOST
from tests.conftest import House

APPS = "/api/v1/apps"
BOX = "/api/v1/mailboxes/scanner@contoso.example"
PRINTER = "/api/v1/submitters/printer"
JSON = {"Content-Type": "application/json"}


@dataclass
class Answer:
    """An answer of the API."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def value(self) -> Any:
        """Its JSON."""
        return json.loads(self.text)

    @property
    def outcome(self) -> tuple[int, str]:
        """Status and code of a problem."""
        assert self.headers["Content-Type"] == "application/problem+json"
        return self.status, self.value["code"]


async def call(
    house: House, method: str, path: str, body: Any = None, /, headers: dict[str, str] | None = None
) -> Answer:
    """Ask: with bytes as they are, or a value as JSON."""

    def asked() -> Answer:
        connection: http.client.HTTPConnection = UnixConnection(house.gateway.settings.socket, os.geteuid())
        try:
            data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            kind = {} if isinstance(body, bytes | None) else JSON
            connection.request(method, path, data, {**kind, **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    return await asyncio.to_thread(asked)


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "outcome"),
    [
        ("POST", APPS, b'{"name": "a", "name": "b"}', JSON, (400, "request.bad_json")),
        ("POST", "/api/v1/uploads", b"{", JSON, (400, "request.bad_json")),
        ("POST", APPS, b"{}", {"Content-Type": "text/plain"}, (415, "request.wrong_type")),
        ("POST", APPS, b"{}", {**JSON, "Content-Encoding": "gzip"}, (415, "request.encoded")),
        ("POST", APPS, b" " * (MOST + 1), JSON, (413, "request.too_large")),
        ("POST", APPS, b"", {}, (422, "request.invalid")),
        ("GET", f"{APPS}?cursor=x", None, {}, (422, "request.bad_cursor")),
        ("GET", f"{APPS}?limit=0", None, {}, (422, "request.invalid")),
        ("GET", f"{APPS}?limit=501", None, {}, (422, "request.invalid")),
        ("GET", f"{APPS}?limit=1&limit=2", None, {}, (422, "request.invalid")),
        ("GET", "/api/v1/status?x=1", None, {}, (422, "request.invalid")),
        ("GET", f"{APPS}/contoso%2Fcredentials", None, {}, (404, "app.not_found")),
        ("GET", "/api/v1%2Fapps", None, {}, (404, "request.not_found")),
        ("GET", "/api/v1/nothing", None, {}, (404, "request.not_found")),
        ("PUT", "/api/v1/status", b"", {}, (405, "request.wrong_method")),
    ],
)
async def test_what_no_route_takes_is_a_problem(
    house: House, method: str, path: str, body: bytes | None, headers: dict[str, str], outcome: tuple[int, str]
) -> None:
    answer = await call(house, method, path, body, headers={**headers, "X-Request-Id": "r-1"})
    assert answer.outcome == outcome
    assert (answer.value["request_id"], answer.headers["X-Request-Id"]) == ("r-1", "r-1")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (APPS, "GET, HEAD, POST"),
        (f"{APPS}/x", "DELETE, GET, HEAD, PUT"),
        (f"{APPS}/x%2Fy", "DELETE, GET, HEAD, PUT"),
        (f"{APPS}/x:test", "POST"),
        ("/api/v1/people/me", "GET, HEAD, PATCH"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(house: House, path: str, allowed: str) -> None:
    answer = await call(house, "OPTIONS", path)
    assert (answer.outcome, answer.headers["Allow"]) == ((405, "request.wrong_method"), allowed)


async def test_what_is_wrong_in_a_body_is_pointed_at_and_never_repeated(house: House) -> None:
    new = {"name": "", "tenant_id": 5, "client_id": "c", "client_secret": ["canary"], "more/~": "canary"}
    answer = await call(house, "POST", APPS, new)
    assert sorted(flaw["pointer"] for flaw in answer.value["errors"]) == [
        "/client_secret",
        "/more~1~0",
        "/name",
        "/tenant_id",
    ]
    assert "canary" not in answer.text


async def test_what_is_wrong_in_a_parameter_is_named(house: House) -> None:
    answer = await call(house, "GET", "/api/v1/sends?state=canary&limit=-1")
    assert {flaw["parameter"] for flaw in answer.value["errors"]} == {"state", "limit"}
    assert "canary" not in answer.text


@pytest.mark.parametrize("recipient", ["bob", "*@", "*", "@fabrikam.example", "<bob@fabrikam.example>", ""])
async def test_a_list_is_not_narrowed_by_what_can_be_no_recipient(house: House, recipient: str) -> None:
    answer = await call(house, "GET", f"/api/v1/sends?recipient={recipient}")
    assert (answer.outcome, "*@contoso.example" in answer.text) == ((422, "submitter.bad_recipient"), True)


async def test_a_parameter_that_is_misspelled_is_refused_and_not_left_out(house: House) -> None:
    headers = {"Content-Type": "message/rfc822"}
    answer = await call(house, "POST", "/api/v1/sends?holds=true", MESSAGE, headers=headers)
    (flaw,) = answer.value["errors"]
    assert (answer.outcome, flaw["parameter"]) == ((422, "request.invalid"), "holds")
    assert (await call(house, "GET", "/api/v1/sends")).value["data"] == []


async def test_a_parameter_that_is_a_list_may_stand_there_twice(house: House) -> None:
    headers = {"Content-Type": "message/rfc822"}
    path = "/api/v1/sends?recipient=a@fabrikam.example&recipient=b@fabrikam.example"
    queued = await call(house, "POST", path, MESSAGE, headers=headers)
    shown = await call(house, "GET", f"/api/v1/sends/{queued.value['id']}")
    assert shown.value["message"]["recipients"] == ["a@fabrikam.example", "b@fabrikam.example"]


@pytest.mark.parametrize(
    ("path", "status"), [(f"{APPS}?limit=1", 200), (PRINTER, 200), (f"{APPS}/x", 404), ("/api/v1/outbox:pause", 405)]
)
async def test_head_tells_what_get_does_without_the_body(house: House, path: str, status: int) -> None:
    got, asked = await call(house, "GET", path), await call(house, "HEAD", path)
    assert (asked.status, asked.text) == (status, "")
    fields = ("Content-Type", "Content-Length", "ETag", "Link", "Allow")
    assert [asked.headers[one] for one in fields] == [got.headers[one] for one in fields]


async def test_a_name_with_a_slash_is_one_name(house: House) -> None:
    path = "/api/v1/mailboxes/sales%2Feurope@contoso.example"
    await call(house, "POST", "/api/v1/mailboxes", {"address": "sales/europe@contoso.example", "app": "contoso"})
    assert (await call(house, "GET", path)).value["address"] == "sales/europe@contoso.example"
    paused = await call(house, "POST", f"{path}:pause", {})
    assert (paused.value["mailbox"], paused.value["paused"]) == ("sales/europe@contoso.example", True)
    assert (await call(house, "DELETE", path.lower())).status == 204


async def test_a_list_leads_to_its_next_page(house: House) -> None:
    first = await call(house, "GET", "/api/v1/mailboxes?limit=1")
    link = first.headers["Link"]
    assert link == f'<?limit=1&cursor={first.value["next"]}>; rel="next"'
    second = await call(house, "GET", f"/api/v1/mailboxes{link[1 : link.index('>')]}")
    addresses = [one["address"] for page in (first, second) for one in page.value["data"]]
    assert (addresses, second.value["next"]) == (["erp@contoso.example", "scanner@contoso.example"], None)


# ---- ETags


CHANGES = [
    ("PUT", f"{APPS}/contoso", {"tenant_id": "contoso.example", "client_id": "0" * 8 + "-0000-4000-8000-" + "0" * 12}),
    ("PATCH", BOX, {"on_uncertain": "hold"}),
    ("PUT", BOX, {"app": "contoso"}),
    ("PATCH", PRINTER, {"rate": 5}),
    ("DELETE", PRINTER, None),
]


@pytest.mark.parametrize(("method", "path", "change"), CHANGES)
async def test_what_was_changed_meanwhile_is_not_changed(house: House, method: str, path: str, change: Any) -> None:
    before = await call(house, "GET", path)
    answer = await call(house, method, path, change, headers={"If-Match": '"0000000000000000-0000000000000000"'})
    assert answer.outcome == (412, "request.changed")
    assert (await call(house, "GET", path)).value == before.value


@pytest.mark.parametrize(("method", "path", "change"), CHANGES)
async def test_what_is_as_it_was_seen_is_changed(house: House, method: str, path: str, change: Any) -> None:
    seen = (await call(house, "GET", path)).headers["ETag"]
    answer = await call(house, method, path, change, headers={"If-Match": f'"x", {seen}'})
    assert answer.status in (200, 204)


@pytest.mark.parametrize("field", ["*", None])
async def test_whoever_has_seen_nothing_may_change_it(house: House, field: str | None) -> None:
    headers = {"If-Match": field} if field else {}
    assert (await call(house, "PATCH", PRINTER, {"rate": 5}, headers=headers)).status == 200


async def test_a_weak_tag_proves_nothing(house: House) -> None:
    seen = (await call(house, "GET", PRINTER)).headers["ETag"]
    answer = await call(house, "PATCH", PRINTER, {"rate": 5}, headers={"If-Match": f"W/{seen}"})
    assert answer.outcome == (412, "request.changed")


async def test_what_is_not_there_is_not_found_whatever_was_seen(house: House) -> None:
    answer = await call(house, "DELETE", f"{APPS}/none", headers={"If-Match": "*"})
    assert answer.outcome == (404, "app.not_found")


async def test_a_change_tells_the_tag_for_the_next_one(house: House) -> None:
    tag = (await call(house, "PATCH", PRINTER, {"rate": 5, "new_password": True})).headers["ETag"]
    assert (await call(house, "GET", PRINTER)).headers["ETag"] == tag
    assert (await call(house, "PATCH", PRINTER, {"rate": 6}, headers={"If-Match": tag})).status == 200
    assert (await call(house, "PATCH", PRINTER, {"rate": 7}, headers={"If-Match": tag})).status == 412


async def test_of_many_who_saw_the_same_one_changes_it(house: House) -> None:
    tag = (await call(house, "GET", PRINTER)).headers["ETag"]
    changes = [call(house, "PATCH", PRINTER, {"rate": rate}, headers={"If-Match": tag}) for rate in range(1, 5)]
    assert sorted(answer.status for answer in await asyncio.gather(*changes)) == [200] + [412] * 3


async def test_a_pause_is_news_but_no_reason_to_refuse_a_change(house: House) -> None:
    seen = (await call(house, "GET", BOX)).headers["ETag"]
    assert (await call(house, "GET", BOX, headers={"If-None-Match": seen})).status == 304
    await call(house, "POST", "/api/v1/outbox:pause", {"mailbox": "scanner@contoso.example"})
    assert (await call(house, "GET", BOX, headers={"If-None-Match": seen})).status == 200
    assert (await call(house, "PATCH", BOX, {"on_uncertain": "hold"}, headers={"If-Match": seen})).status == 200


async def test_an_answer_that_is_known_has_no_body(house: House) -> None:
    seen = (await call(house, "GET", PRINTER)).headers["ETag"]
    for field in (seen, f"W/{seen}", f'"x", {seen}', "*"):
        answer = await call(house, "GET", PRINTER, headers={"If-None-Match": field})
        assert (answer.status, answer.text, answer.headers["ETag"]) == (304, "", seen)


# ---- request ids


MESSAGE = b"From: scanner@contoso.example\r\nTo: anna@fabrikam.example\r\nSubject: Scan\r\n\r\nScan.\r\n"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_the_trace_of_a_message_shows_that_of_the_client(house: House) -> None:
    headers = {"Content-Type": "message/rfc822", "traceparent": TRACEPARENT}
    queued = await call(house, "POST", "/api/v1/sends", MESSAGE, headers=headers)
    shown = await call(house, "GET", f"/api/v1/sends/{queued.value['id']}")
    assert shown.value["arrival"]["trace"] == TRACEPARENT


async def test_the_log_and_the_audit_log_bear_the_id_of_a_request(house: House) -> None:
    await call(house, "PATCH", PRINTER, {"rate": 5}, headers={"X-Request-Id": "ticket-7"})
    (line,) = house.log.lines("account.changed")
    assert line.endswith(" request=ticket-7")
    events = await call(house, "GET", "/api/v1/audit-events")
    assert events.value["data"][0]["request_id"] == "ticket-7"


async def test_pages_of_messages_hold_each_of_them_once(house: House) -> None:
    headers = {"Content-Type": "message/rfc822"}
    sent = [(await call(house, "POST", "/api/v1/sends", MESSAGE, headers=headers)).value["id"] for _ in range(3)]
    first = await call(house, "GET", "/api/v1/sends?limit=2")
    second = await call(house, "GET", f"/api/v1/sends?limit=2&cursor={first.value['next']}")
    assert [one["id"] for page in (first, second) for one in page.value["data"]] == sorted(sent, reverse=True)
    assert second.value["next"] is None


# ---- strangers


@pytest.mark.parametrize("path", [APPS, "/api/v1/uploads"])
async def test_nothing_of_a_strangers_body_is_read(house: House, path: str) -> None:
    read = []

    async def receive() -> Any:
        read.append(True)
        return {"type": "http.request", "body": b"{", "more_body": False}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    # Through no door: nobody says who asks.
    await house.gateway.api({**scope, "headers": [(b"content-type", b"application/json")]}, receive, send)
    assert (sent[0]["status"], read) == (401, [])
