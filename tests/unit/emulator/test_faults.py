"""Fault rules: which request is hit, and what the client then sees."""

import json
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.emulator import Emulator, Fault, Faults
from pillarbox.emulator.faults import Traits
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client

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
    [],
]


@pytest.mark.parametrize("fields", IMPOSSIBLE)
def test_impossible_rules_are_refused_with_a_reason(fields: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Fault.from_json(fields)


RULES = st.builds(
    Fault,
    path=st.none() | st.text(),
    nth=st.integers(1, 9),
    delay=st.floats(0, 60),
    status=st.integers(400, 599),
    headers=st.dictionaries(st.sampled_from(["X-A", "X-B"]), st.just("v")),
    retry_after=st.none() | st.floats(0, 600),
)


@settings(deadline=None)
@given(RULES)
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


async def test_revoked_tokens_need_a_new_one(client: Client, emulator: Emulator) -> None:
    token = {"Authorization": f"Bearer {await client.token()}", "Content-Type": "text/plain"}
    emulator.faults.add(**SEND, revoke_tokens=True, times=1)
    path = "/v1.0/users/alice@contoso.example/sendMail"
    assert [(await client.request("POST", path, headers=token)).status for _ in range(2)] == [401, 401]
    assert (await client.send()).status == 202
