"""Fault rules: which request is hit, and what the client then sees."""

import asyncio
import contextlib
import dataclasses
import json
import re
import ssl
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import jwt
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.emulator import Emulator, Fault, Faults
from pillarbox.emulator.faults import Traits
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import NOON, Client, Clock

SEND = {"path": "/sendMail"}
TRAITS = Traits(
    "POST", "Graph.contoso.example:443", "/v1.0/users/alice/sendMail", frozenset({"alice", "id-1"}), "app-1"
)


def hits(count: int = 5, **fields: Any) -> list[bool]:
    faults = Faults()
    rule = faults.add(status=500, **fields)
    return [faults.hit(TRAITS) is rule for _ in range(count)]


@pytest.mark.parametrize(
    "matcher",
    [
        {},
        {"host": "graph."},
        {"path": "/SENDMAIL"},
        {"pattern": r"^POST Graph.*/users/\w+/sendMail$"},
        {"method": "post"},
        {"mailbox": "Alice"},
        {"mailbox": "ID-1"},
        {"app": "APP-1"},
        {"host": "contoso", "method": "POST", "app": "app-1"},
    ],
)
def test_matchers_that_fit(matcher: dict[str, Any]) -> None:
    assert hits(1, **matcher) == [True]


@pytest.mark.parametrize(
    "matcher",
    [{"host": "login."}, {"path": "/token"}, {"pattern": "^GET"}, {"method": "GET"}, {"mailbox": "bob"}, {"app": "b"}],
)
def test_matchers_that_do_not_fit(matcher: dict[str, Any]) -> None:
    assert hits(1, path="/sendMail" if "path" not in matcher else matcher.pop("path"), **matcher) == [False]


def test_nth_and_times_choose_the_requests() -> None:
    assert hits(nth=2, times=2) == [False, True, True, False, False]
    assert hits(nth=4) == [False, False, False, True, True]


def test_the_first_rule_that_hits_decides() -> None:
    faults = Faults()
    first, second = faults.add(status=500, times=1), faults.add(status=503)
    assert [faults.hit(TRAITS), faults.hit(TRAITS)] == [first, second]
    assert (faults.matched(first), faults.matched(second)) == (2, 1)


IMPOSSIBLE = [
    {},
    {"code": "x", "delay": 1},
    {"status": 503, "cut": True},
    {"status": 200},
    {"status": 99, "when": "after"},
    {"status": 500, "nth": 0},
    {"status": 500, "times": 0},
    {"status": 500, "when": "later"},
    {"status": 500, "pattern": "("},
    {"status": 500, "pattern": "a{99999999999999999999}"},
    {"status": 500, "retry_after": -1},
    {"status": 500, "retry_form": "roman"},
    {"status": 500, "headers": {"X": "a\r\nb"}},
    {"status": "500"},
    {"status": True},
    {"cut": 1},
    {"delay": float("nan")},
    {"delay": 1e9},
    {"path": 7, "cut": True},
    {"unknown": 1, "cut": True},
    {"gzip_bomb": 0},
    {"gzip_bomb": 1001},
    {"gzip_bomb": True},
    {"truncate": -1},
    {"truncate": 1, "cut": True},
    {"token_lifetime": 0},
    {"token_lifetime": 2.0},
    {"token_lifetime": 2, "status": 400},
    {"clock_skew": float("inf")},
    {"clock_skew": "1"},
    {"next_link_host": "https://evil.example/"},
    {"next_link_host": "evil.example", "status": 500},
    {"next_link_host": "evil.example", "empty_body": True},
    {"empty_body": 1},
    {"rotate_secret": 1},
    {"command": 7, "cut": True},
    {"command": "DATA"},
    {"command": "DATA", "method": "HTTP", "delay": 1},
    {"when": [], "cut": True},
    {"second_send": "maybe"},
    {"second_send": True},
    {"rewrite_message_id": 1},
    {"sent_copy_delay": -1},
    {"sent_copy_delay": float("nan")},
    {"sent_copy_delay": True},
    {"sent_copy_delay": 5, "status": 503},
    {"rewrite_message_id": False, "cut": True},
    {"status": 500, "message": "\ud800"},
    [],
]
BAD_HEADERS = [
    ({"X": "a\r\nb"}, "the value of X fits no header"),
    ({"X": "a\x01b"}, "the value of X fits no header"),
    ({"X": "a\x7f"}, "the value of X fits no header"),
    ({"X": " a"}, "the value of X fits no header"),
    ({"X": "a\t"}, "the value of X fits no header"),
    ({"X": "\N{EURO SIGN}"}, "the value of X fits no header"),
    ({"X": "\udcff"}, "the value of X fits no header"),
    ({"": "a"}, "'' is no name of a header"),
    ({"X Y": "a"}, "'X Y' is no name of a header"),
    ({"X:": "a"}, "'X:' is no name of a header"),
    ({"X\x00": "a"}, "is no name of a header"),
    ({"\xdc": "a"}, "'\xdc' is no name of a header"),
    ({"Content-Length": "3"}, "Content-Length says where an answer ends"),
    ({"transfer-encoding": "chunked"}, "transfer-encoding says where an answer ends"),
    ({"CONNECTION": "close"}, "CONNECTION says where an answer ends"),
    ({"X-A": "1", "x-a": "2"}, "each name once"),
    ({"X": 1}, "wrong type: headers"),
    (["X"], "wrong type: headers"),
]
NOT_FOR_COMMANDS = [
    {"headers": {"X-A": "b"}},
    {"retry_after": 0},
    {"retry_after": 5},
    {"clock_skew": 5},
    {"rotate_secret": True},
    {"token_lifetime": 5, "when": "after"},
    {"empty_body": True},
    {"gzip_bomb": 1},
    {"truncate": 0},
    {"next_link_host": "evil.example", "status": None},
    {"second_send": "accept", "status": None},
    {"status": 201, "when": "after"},
    {"command": "MAIL", "sent_copy_delay": 5, "status": None},
]


@pytest.mark.parametrize("fields", IMPOSSIBLE)
def test_impossible_rules_are_refused_with_a_reason(fields: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Fault.from_json(fields)


@pytest.mark.parametrize(("headers", "reason"), BAD_HEADERS)
def test_headers_that_would_break_the_answer_are_refused(headers: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Fault(status=500, headers=headers)


@pytest.mark.parametrize("value", ["", "a", "a\tb c", "\xe9", "~"])
def test_what_a_header_may_hold_is_taken(value: str) -> None:
    assert Fault(status=500, headers={"x-~!1": value}).headers == {"x-~!1": value}


@pytest.mark.parametrize("fields", NOT_FOR_COMMANDS)
def test_commands_have_no_effects_of_http(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="command"):
        Fault.from_json({"command": "DATA", "status": 451} | fields)


RULES = st.builds(
    Fault,
    path=st.none() | st.text(),
    nth=st.integers(1, 9),
    delay=st.floats(0, 60),
    status=st.integers(400, 599),
    headers=st.dictionaries(st.sampled_from(["X-A", "X-B"]), st.just("v")),
    retry_after=st.none() | st.floats(0, 600),
)


SPOILING = st.builds(
    Fault,
    clock_skew=st.floats(-1e8, 1e8),
    token_lifetime=st.none() | st.integers(1, 86400),
    gzip_bomb=st.integers(1, 1000),
    truncate=st.none() | st.integers(0),
    rotate_secret=st.booleans(),
)
COMMANDS = st.builds(
    Fault,
    command=st.just("DATA"),
    delay=st.floats(0.1, 60),
    rewrite_message_id=st.none() | st.booleans(),
    sent_copy_delay=st.none() | st.floats(0, 1e9),
    message=st.just("Fault"),
    status=st.integers(400, 599),
    when=st.just("after"),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
NAMES = [each.name for each in dataclasses.fields(Fault)]


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))
def test_any_other_json_is_a_rule_or_a_reason(fields: dict[str, Any]) -> None:
    with contextlib.suppress(ValueError):
        assert json.dumps(Fault.from_json(fields).as_json())


@settings(deadline=None)
@given(RULES | SPOILING | COMMANDS)
def test_rules_survive_json(rule: Fault) -> None:
    assert Fault.from_json(json.loads(json.dumps(rule.as_json()))) == rule


@pytest.mark.parametrize(
    ("form", "header"),
    [("seconds", "3"), ("decimal", "2.128"), ("date", "Fri, 20 Nov 2026 12:00:02 GMT")],
)
async def test_throttling_with_retry_after(client: Client, emulator: Emulator, form: str, header: Any) -> None:
    emulator.faults.add(**SEND, status=429, retry_after=2.128, retry_form=form)
    answer = await client.send()
    assert (answer.status, answer.code) == (429, "ApplicationThrottled")
    assert (answer.headers["Retry-After"], len(emulator.ledger)) == (header, 0)
    assert answer.headers["request-id"]


async def test_a_chosen_code_text_and_header(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(**SEND, status=503, code="ErrorMailboxMoveInProgress", message="Moving.", headers={"X-A": "b"})
    answer = await client.send()
    assert (answer.status, answer.code, answer.headers["X-A"]) == (503, "ErrorMailboxMoveInProgress", "b")
    assert answer.json["error"]["message"] == "Moving."


async def test_accepted_but_answered_with_an_error(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(**SEND, status=504, when="after")
    assert ((await client.send()).status, len(emulator.ledger)) == (504, 1)


async def test_a_refused_mail_keeps_its_refusal(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(**SEND, status=504, when="after")
    assert (await client.send(b"Subject: nobody\r\n\r\n")).status == 400


async def test_200_instead_of_202(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(**SEND, status=200, when="after")
    answer = await client.send()
    assert (answer.status, answer.body, len(emulator.ledger)) == (200, b"", 1)


@pytest.mark.parametrize(("when", "accepted"), [("before", 0), ("after", 1)])
async def test_connections_are_cut(client: Client, emulator: Emulator, when: Any, accepted: int) -> None:
    emulator.faults.add(**SEND, cut=True, when=when)
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.send()
    assert (len(emulator.ledger), emulator.ledger.answers[0]) == (accepted, 1)


async def test_a_delay_after_acceptance_outlasts_the_client(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(**SEND, delay=60, when="after")
    with pytest.raises(TimeoutError):
        await client.send(timeout=aiohttp.ClientTimeout(total=0.05))
    assert len(emulator.ledger) == 1


async def test_a_short_delay_only_delays(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(**SEND, delay=0.001)
    assert (await client.send()).status == 202


@pytest.mark.parametrize("name", ["alice@contoso.example", "A@contoso.example"])
async def test_a_rule_for_one_mailbox_under_any_name(
    client: Client, emulator: Emulator, planted: Seed, name: str
) -> None:
    emulator.world.add_user(planted.tenant, "dave", aliases=["A@contoso.example"])
    target = planted.tenant.user_by_address(name)
    assert target
    emulator.faults.add(mailbox=name, status=503)
    assert (await client.send(user=target.id, mime=b"To: b@x.example\r\n\r\n")).status == 503
    assert (await client.send(user="bob@contoso.example", mime=b"To: b@x.example\r\n\r\n")).status == 202


async def test_a_rule_for_one_app(client: Client, emulator: Emulator, planted: Seed) -> None:
    emulator.faults.add(path="/token", app=planted.reader.client_id, status=400, code="AADSTS50196")
    assert (await client.ask_token()).status == 200
    assert (await client.ask_token(planted.reader)).json["error_codes"] == [50196]


async def test_token_endpoint_without_json(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(path="/token", status=503, retry_after=1)
    answer = await client.ask_token()
    assert (answer.status, answer.body, answer.headers["Retry-After"]) == (503, b"", "1")
    assert emulator.ledger.tokens == {"fault 503": 1}


async def test_an_aadsts_number_that_nobody_knows(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(path="/token", status=400, code="999999", message="New.")
    assert (await client.ask_token()).json["error_description"].startswith("AADSTS999999: Refused. New.\r\n")


@pytest.mark.parametrize("command", ["DATA", "data"])
def test_commands_of_smtp_and_imap_have_their_own_matcher(command: str) -> None:
    faults = Faults()
    rule = faults.add(command=command, mailbox="alice", cut=True)
    assert faults.hit(Traits("SMTP", "localhost", "DATA", frozenset({"alice"}))) is rule
    assert faults.hit(Traits("SMTP", "localhost", "RCPT", frozenset({"alice"}))) is None
    assert faults.hit(Traits("POST", "localhost", "DATA", frozenset({"alice"}))) is None


def test_a_rule_can_be_taken_away() -> None:
    faults = Faults()
    faults.add(cut=True)
    kept = faults.add(status=500)
    faults.remove(1)
    assert list(faults) == [kept]
    with pytest.raises(KeyError):
        faults.remove(1)


async def test_an_empty_body_with_200(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(path="/messages", empty_body=True)
    answer = await client.read("/messages")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Type"].startswith("application/json")


async def test_a_gzip_bomb(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(path="/messages", gzip_bomb=2)
    answer = await client.read("/messages")
    assert (answer.status, answer.headers["Content-Encoding"]) == (200, "gzip")
    assert len(answer.body) == 2_000_000  # unpacked by the client


async def test_a_refusal_can_be_a_bomb_too(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(path="/messages", status=503, gzip_bomb=1)
    answer = await client.read("/messages")
    assert (answer.status, len(answer.body)) == (503, 1_000_000)


async def test_the_next_page_is_on_a_foreign_host(client: Client, emulator: Emulator) -> None:
    for _ in range(2):
        await client.send()
    emulator.faults.add(path="/messages", next_link_host="evil.example")
    link = (await client.read("/messages?$top=1")).json["@odata.nextLink"]
    assert link.startswith("https://evil.example/v1.0/")


@pytest.mark.parametrize("count", [0, 10])
async def test_an_answer_that_ends_in_the_middle(client: Client, emulator: Emulator, count: int) -> None:
    emulator.faults.add(path="/messages", truncate=count)
    context = ssl.create_default_context(cafile=str(emulator.ca_file))
    reader, writer = await asyncio.open_connection("localhost", int(emulator.url.rpartition(":")[2]), ssl=context)
    token = client.app_token(client.planted.reader)
    path = "/v1.0/users/bob@contoso.example/messages"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == b'{"@odata.context"'[:count]
    assert int(re.findall(rb"Content-Length: (\d+)", head)[0]) > count


async def test_a_client_sees_that_the_body_is_not_whole(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(path="/messages", truncate=10, times=1)
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.read("/messages")
    assert (await client.read("/messages")).status == 200


async def test_more_bytes_than_there_are_truncate_nothing(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(path="/messages", truncate=10**6)
    assert (await client.read("/messages")).json["value"] == []


async def test_tokens_that_live_two_seconds(client: Client, emulator: Emulator, clock: Clock) -> None:
    emulator.faults.add(path="/token", token_lifetime=2, times=1)
    answer = (await client.ask_token()).json
    assert answer["expires_in"] == 2
    headers = {"Authorization": f"Bearer {answer['access_token']}", "Content-Type": "text/plain"}
    clock.now += 2
    late = await client.request("POST", "/v1.0/users/alice@contoso.example/sendMail", headers=headers)
    assert (late.status, late.code) == (401, "InvalidAuthenticationToken")
    assert (await client.ask_token()).json["expires_in"] == 3599


@pytest.mark.parametrize("skew", [-600, 600.5])
async def test_a_clock_that_is_wrong(client: Client, emulator: Emulator, skew: float) -> None:
    emulator.faults.add(path="/token", clock_skew=skew, times=1)
    answer = await client.ask_token()
    claims = jwt.decode(answer.json["access_token"], options={"verify_signature": False})
    date = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    assert claims["iat"] == claims["nbf"] == date == int(NOON + skew)
    assert parsedate_to_datetime((await client.ask_token()).headers["Date"]).timestamp() == NOON


async def test_a_rotated_secret_is_refused_from_now_on(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(path="/token", rotate_secret=True, when="after", times=1)
    assert [(await client.ask_token()).status for _ in range(2)] == [200, 401]
    assert (await client.ask_token()).json["error_codes"] == [7000222]


async def test_a_secret_rotated_before(client: Client, emulator: Emulator, planted: Seed) -> None:
    emulator.faults.add(path="/token", rotate_secret=True, times=1)
    assert (await client.ask_token()).json["error_codes"] == [7000222]
    assert (await client.ask_token(planted.reader)).status == 200


async def test_a_cut_leaves_no_transport_behind(client: Client, emulator: Emulator) -> None:
    """The client of `requests` keeps its connection open until the emulator stops, and says no goodbye in TLS."""
    emulator.faults.add(path="/token", cut=True, nth=2, times=1)
    url = f"{emulator.url}/{client.planted.tenant.id}/oauth2/v2.0/token"

    def ask() -> list[int]:
        statuses = []
        with requests.Session() as session:
            session.trust_env, session.verify = False, str(emulator.ca_file)
            for _ in range(3):
                try:
                    statuses.append(session.post(url, data={"grant_type": "x"}).status_code)
                except requests.ConnectionError:
                    statuses.append(0)
        return statuses

    assert await asyncio.to_thread(ask) == [400, 0, 400]


async def test_revoked_tokens_need_a_new_one(client: Client, emulator: Emulator) -> None:
    token = {"Authorization": f"Bearer {await client.token()}", "Content-Type": "text/plain"}
    emulator.faults.add(**SEND, revoke_tokens=True, times=1)
    path = "/v1.0/users/alice@contoso.example/sendMail"
    assert [(await client.request("POST", path, headers=token)).status for _ in range(2)] == [401, 401]
    assert (await client.send()).status == 202


# ---- Exchange behaves otherwise, for one request


def sent(emulator: Emulator, clock: Clock) -> list[str]:
    """The Message-IDs that can be seen in alice's Sent Items, the last first."""
    mailbox = emulator.world.mailbox("alice@contoso.example")
    return [each.internet_message_id for each in mailbox.messages(clock.now, mailbox.folders["sentitems"])]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("world", "rule"), [(False, True), (True, False)])
async def test_a_rule_rewrites_or_keeps_one_message_id(
    client: Client, emulator: Emulator, clock: Clock, when: Any, world: bool, rule: bool
) -> None:
    emulator.world.rewrites_message_ids = world
    emulator.faults.add(**SEND, times=1, rewrite_message_id=rule, when=when)
    assert [(await client.send()).status for _ in range(2)] == [202, 202]
    assert [each != "<1@x>" for each in sent(emulator, clock)] == [world, rule]


async def test_a_rule_delays_one_sent_copy(client: Client, emulator: Emulator, clock: Clock) -> None:
    emulator.faults.add(mailbox="alice@contoso.example", sent_copy_delay=0.5, nth=2, times=1)
    assert [(await client.send()).status for _ in range(3)] == [202] * 3
    assert (len(sent(emulator, clock)), emulator.world.sent_copy_delay) == (2, 0.0)
    clock.now += 0.5
    assert len(sent(emulator, clock)) == 3


@pytest.mark.parametrize(("world", "rule", "statuses"), [(False, "accept", [202, 404]), (True, "refuse", [404, 202])])
async def test_a_rule_accepts_or_refuses_a_second_send(
    client: Client, emulator: Emulator, planted: Seed, world: bool, rule: Any, statuses: list[int]
) -> None:
    emulator.world.sends_drafts_twice = world
    emulator.faults.add(path="/send", nth=2, times=1, second_send=rule)
    prefer = {"Prefer": 'IdType="ImmutableId"'}
    mails = "/users/alice@contoso.example/messages"
    people = [{"emailAddress": {"address": "bob@contoso.example"}}]
    draft = await client.graph("POST", mails, planted.writer, json={"toRecipients": people}, headers=prefer)
    path = f"{mails}/{draft.json['id']}/send"
    answers = [(await client.graph("POST", path, planted.writer, headers=prefer)).status for _ in range(3)]
    assert answers == [202, *statuses]


async def test_a_header_of_a_rule_stands_in_place_of_the_services_own(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(**SEND, status=503, headers={"content-type": "text/html", "Request-ID": "x"})
    answer = await client.send()
    assert answer.headers.getall("Content-Type") == ["text/html"]  # type: ignore[attr-defined]
    assert answer.headers["request-id"] == "x"
