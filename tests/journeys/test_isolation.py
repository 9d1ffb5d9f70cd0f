"""A key with a list of mailboxes: for it, what belongs to another mailbox is not there.

The routes come from the OpenAPI document, so that a new one is asked too; one that this file does not know how to ask
fails the test.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest
from fastapi.routing import APIRoute

from pillarbox.core.caller import WHOLE, Scope
from pillarbox.core.content import in_memory
from pillarbox.core.mail import Envelope
from pillarbox.delivery.submission import Terms
from pillarbox.endpoints.api.access import ANY_CALLER, LOCAL_CALLER, OPEN_TO_ALL, PERSON_CALLER, Needs, who_asks
from pillarbox.endpoints.api.audited import calls_of
from tests.conftest import House, MakeHouse
from tests.http_api import Answer, ask, make_key

OURS, THEIRS, NOBODYS = "scanner@contoso.example", "erp@contoso.example", "abc@contoso.example"
MIME: Final = b"From: %s\r\nTo: bob@fabrikam.example\r\nSubject: Hello\r\n\r\nHello\r\n"
LETTER: Final = {"to": "bob@fabrikam.example", "subject": "Hello", "text": "Hello"}


@dataclass(frozen=True)
class Things:
    """Things of a mailbox that the key does not know of, and such as nobody has: by the names of path parameters."""

    theirs: Mapping[str, str]
    nobodys: Mapping[str, str]

    def all_theirs(self) -> Iterator[str]:
        """What must not be seen."""
        yield from (self.theirs[name] for name in ("address", "queue_id", "link_id", "upload_id"))


@pytest.fixture
async def things(house: House) -> Things:
    """A message that waits for an approval, a link and an upload, none of them of the key's mailbox."""
    other = await make_key(house, "other", scopes=[Scope.SEND, Scope.MAILBOXES_CONNECT])
    printer = await house.gateway.submitters.get("printer")
    queue_id = await house.gateway.submission.accept(
        Envelope(THEIRS, ("bob@fabrikam.example",)),
        in_memory(MIME % THEIRS.encode()),
        printer,
        terms=Terms(approval=True),
    )
    link = await ask(house, "POST", "/api/v1/connect-links", {"app": "contoso", "address": THEIRS}, key=other)
    file = {"name": "a.txt", "media_type": "text/plain", "size": 5}
    upload = await ask(house, "POST", "/api/v1/uploads", file, key=other)
    assert (link.status, upload.status) == (201, 201), link.text + upload.text
    theirs = {
        "address": THEIRS,
        "queue_id": queue_id,
        "link_id": link.json["id"],
        "upload_id": upload.json["id"],
        "name": "contoso",
        "credential_id": "1",
        "token_id": "1",
        "number": "0",
    }
    nobodys = {**theirs, "address": NOBODYS, "name": "nobody1"}
    for name in ("queue_id", "link_id", "upload_id"):
        nobodys[name] = theirs[name][:-1] + ("0" if theirs[name][-1] != "0" else "1")
    return Things(theirs, nobodys)


@pytest.fixture
async def key(house: House) -> str:
    """The text of a key that may do all that a key with a list of mailboxes can, there."""
    return await make_key(house, "some", scopes=list(set(Scope) - WHOLE), mailboxes=[OURS], rate=1_000_000)


MARKERS: Final = (LOCAL_CALLER, PERSON_CALLER, ANY_CALLER, OPEN_TO_ALL)

# Bodies that are good, so that a refusal is not one of the body. What is for others stays empty: it is refused before.
BODIES: Final[Mapping[str, Any]] = {
    "PUT /api/v1/uploads/{upload_id}": b"Hello",
    "POST /api/v1/mailboxes/{address}:pause": {"reason": "a test"},
    "POST /api/v1/mailboxes/{address}:test": {},
    "POST /api/v1/sends/{queue_id}:reject": {"reason": "a test"},
}
HEADERS: Final[Mapping[str, Mapping[str, str]]] = {
    "PUT /api/v1/uploads/{upload_id}": {
        "Content-Type": "application/octet-stream",
        "Content-Range": "bytes 0-4/5",
    },
}


def naming(route: str, things: Mapping[str, str]) -> list[Any]:
    """Bodies that name these things, for a route whose path does not."""
    address, queue_id = things["address"], things["queue_id"]
    letter = {"from": OURS, **LETTER}
    known: dict[str, list[Any]] = {
        "POST /api/v1/sends": [
            {"from": address, **LETTER},
            {
                **letter,
                "attachments": [{"name": "a.txt", "media_type": "text/plain", "upload_id": things["upload_id"]}],
            },
        ],
        "POST /api/v1/uploads": [],  # It names nothing.
        "POST /api/v1/outbox:decide": [{"act": act, "ids": [queue_id]} for act in ("approve", "cancel", "retry")],
        "POST /api/v1/outbox:pause": [{"mailbox": address, "reason": "a test"}],
        "POST /api/v1/outbox:resume": [{"mailbox": address}],
        "POST /api/v1/connect-links": [
            {"app": "contoso", "address": address},
            {"app": "contoso", "address": "carol@contoso.example", "mailbox": address},
        ],
    }
    return known[route]


def routes(house: House) -> Iterator[tuple[str, str, APIRoute, Mapping[str, Any]]]:
    """All routes: method, path, the route itself, what the OpenAPI document says of it."""
    made = {
        (method, route.path): route
        for route in house.gateway.api.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    for path, operations in house.gateway.api.openapi()["paths"].items():
        for method, said in operations.items():
            yield method.upper(), path, made[method.upper(), path], said


def needed(route: APIRoute) -> set[Scope]:
    """The scopes that a route takes."""
    return {call.scope for call in calls_of(route.dependant) if isinstance(call, Needs)}


def is_for(route: APIRoute, marker: Any) -> bool:
    """Whether a route bears one of the markers of access.py."""
    return marker.dependency in list(calls_of(route.dependant))


def neutral(answer: Answer, things: Mapping[str, str]) -> tuple[int, str]:
    """An answer without the names that were asked for, and without the id of its request."""
    text = answer.text
    if answer.status >= 400:
        problem = answer.json
        problem.pop("instance", None)
        problem.pop("request_id", None)
        text = json.dumps(problem)
    for name in ("address", "queue_id", "link_id", "upload_id", "name"):
        text = text.replace(things[name], f"<{name}>")
    return answer.status, text


def test_every_route_says_what_it_takes_of_its_caller(house: House) -> None:
    silent = [
        route.path
        for route in house.gateway.api.routes
        if isinstance(route, APIRoute) and not (needed(route) or any(is_for(route, one) for one in MARKERS))
    ]
    assert silent == []


def test_every_route_names_its_security_scheme_but_those_that_are_open(house: House) -> None:
    for _method, path, route, said in routes(house):
        assert ("security" in said) == (who_asks in list(calls_of(route.dependant))), path
        assert [list(one) for one in said.get("security", ())] in ([], [["key"], ["session"]])


async def test_what_is_of_another_mailbox_is_answered_as_what_is_not_there(
    house: House, things: Things, key: str
) -> None:
    told: list[str] = []
    for method, path, route, _said in routes(house):
        names = re.findall(r"{(\w+)}", path)
        if not names:
            continue
        asked = f"{method} {path}"
        unknown = set(names) - set(things.theirs)
        assert not unknown, f"{asked}: say in `things` what {unknown} is"
        body, headers = BODIES.get(asked), HEADERS.get(asked)
        seen = []
        for one in (things.theirs, things.nobodys):
            answer = await ask(house, method, path.format_map(one), body, key=key, headers=headers)
            seen.append(neutral(answer, one))
        refused = bool(needed(route) & WHOLE) or is_for(route, PERSON_CALLER)
        if seen[0] != seen[1] or seen[0][0] != (403 if refused else 404):
            told.append(f"{asked}: {seen}")
    assert not told, "\n".join(told)


async def test_what_is_named_elsewhere_is_answered_as_what_is_not_there(house: House, things: Things, key: str) -> None:
    told: list[str] = []
    for method, path, route, said in routes(house):
        if "{" in path or needed(route) & WHOLE or not needed(route):
            continue
        asked = f"{method} {path}"
        bodies = [naming(asked, one) for one in (things.theirs, things.nobodys)] if method != "GET" else [[], []]
        queries = [one["name"] for one in said.get("parameters", ()) if one["name"] in ("mailbox", "address")]
        for theirs, nobodys in zip(*bodies, strict=True):
            seen = [
                neutral(await ask(house, method, path, body, key=key), one)
                for body, one in ((theirs, things.theirs), (nobodys, things.nobodys))
            ]
            if seen[0] != seen[1] or not (seen[0][0] in (404, 422) or '"outbox.not_found"' in seen[0][1]):
                told.append(f"{asked}: {seen}")
        for query in queries:
            seen = [
                neutral(await ask(house, method, f"{path}?{query}={one['address']}", key=key), one)
                for one in (things.theirs, things.nobodys)
            ]
            if seen[0] != seen[1] or seen[0][0] != 404:
                told.append(f"{asked}?{query}: {seen}")
    assert not told, "\n".join(told)


async def test_no_list_and_no_count_tells_of_another_mailbox(house: House, things: Things, key: str) -> None:
    everything = await make_key(house, "all", scopes=list(Scope), rate=1_000_000)
    shown = ""
    for method, path, route, _said in routes(house):
        if method != "GET" or "{" in path or needed(route) & WHOLE or not needed(route):
            continue
        answer = await ask(house, method, path, key=key)
        assert answer.status == 200, answer.text
        assert not [one for one in things.all_theirs() if one in answer.text], path
        shown += (await ask(house, method, path, key=everything)).text
    # And the same lists do hold them for whoever knows of all.
    assert all(one in shown for one in (THEIRS, things.theirs["queue_id"]))
    assert (await ask(house, "GET", "/api/v1/status", key=key)).json["outbox"] == {}
    assert (await ask(house, "GET", "/api/v1/status", key=everything)).json["outbox"] == {"held": 1}


async def test_what_all_callers_may_read_tells_of_nobodys_mailbox(house: House, things: Things, key: str) -> None:
    asked = [
        (method, path) for method, path, route, _said in routes(house) if is_for(route, ANY_CALLER) and "{" not in path
    ]
    assert ("GET", "/api/v1/openapi.json") in asked
    for method, path in asked:
        answer = await ask(house, method, path, key=key)
        assert answer.status == 200, path
        assert not [one for one in (OURS, *things.all_theirs()) if one in answer.text], path


async def test_a_trace_leaves_out_the_notice_in_another_mailbox_and_what_it_tells_of(make_house: MakeHouse) -> None:
    ahead = [0.0]
    settings = {"delivery.delay_warning": "3600", "delivery.bounce_mailbox": THEIRS}
    house = await make_house(settings, clock=lambda: time.time() + ahead[0])
    await house.furnish(OURS, THEIRS)
    scanner = await house.gateway.accounts.mailbox(OURS)
    assert scanner is not None
    await house.gateway.governors.pause(f"mailbox/{scanner.id}", "")
    about = await house.accept(MIME % OURS.encode(), "bob@fabrikam.example")
    ahead[0] = 3600.0
    await house.gateway.delays().round()
    row = await house.gateway.outbox.get(about)
    assert row is not None
    (notice,) = await house.gateway.outbox.notices(row["seq"])

    async def traces(*paths: str, **wish: Any) -> list[Any]:
        key = await make_key(house, f"key{len(house.gateway.keys.list())}", scopes=[Scope.OUTBOX_READ], **wish)
        return [(await ask(house, "GET", f"/api/v1/sends/{path}", key=key)).json for path in paths]

    (trace,) = await traces(about, mailboxes=[OURS])
    assert (trace["message"]["id"], trace["notices"]) == (about, [])
    (trace,) = await traces(notice["id"], mailboxes=[THEIRS])
    assert (trace["message"]["id"], trace["notice_of"]) == (notice["id"], None)
    for wish in ({}, {"mailboxes": [OURS, THEIRS]}):
        first, second = await traces(about, notice["id"], **wish)
        assert ([one["id"] for one in first["notices"]], second["notice_of"]) == ([notice["id"]], about)


async def test_what_is_of_its_own_mailbox_is_there(house: House, key: str) -> None:
    sent = await ask(house, "POST", "/api/v1/sends", {"from": OURS, **LETTER}, key=key)
    assert sent.status == 202, sent.text
    path = f"/api/v1/sends/{sent.json['id']}"
    await house.settled(sent.json["id"])
    shown = await ask(house, "GET", path, key=key)
    assert shown.json["message"]["submitter"] == "key:some"
    assert [one["id"] for one in (await ask(house, "GET", "/api/v1/sends", key=key)).json["data"]] == [sent.json["id"]]
    assert b"Hello" in (await ask(house, "GET", f"{path}/message", key=key)).text.encode()
    assert [one["address"] for one in (await ask(house, "GET", "/api/v1/mailboxes", key=key)).json["data"]] == [OURS]
    assert (await ask(house, "GET", "/api/v1/status", key=key)).json["outbox"] == {"sent": 1}


async def test_who_is_written_to_from_another_mailbox_is_not_found(house: House, things: Things, key: str) -> None:
    sent = await ask(house, "POST", "/api/v1/sends", {"from": OURS, **LETTER}, key=key)
    everything = await make_key(house, "all", scopes=list(Scope))

    async def found(by: str, more: str = "") -> set[str]:
        answer = await ask(house, "GET", f"/api/v1/sends?recipient=bob@fabrikam.example{more}", key=by)
        return {one["id"] for one in answer.json["data"]}

    assert await found(everything) == {sent.json["id"], things.theirs["queue_id"]}
    assert (await found(key), await found(key, "&state=held")) == ({sent.json["id"]}, set())


async def test_nothing_is_done_for_all_by_who_does_not_know_of_all(house: House, key: str) -> None:
    for act in ("pause", "resume"):
        answer = await ask(house, "POST", f"/api/v1/outbox:{act}", {"reason": ""} if act == "pause" else {}, key=key)
        assert (answer.status, answer.code) == (403, "access.not_all")


async def test_decisions_about_several_messages_are_taken_one_by_one(house: House, things: Things, key: str) -> None:
    sent = await ask(house, "POST", "/api/v1/sends", {"from": OURS, **LETTER, "hold": True}, key=key)
    ids = [sent.json["id"], things.theirs["queue_id"]]
    decided = await ask(house, "POST", "/api/v1/outbox:decide", {"act": "cancel", "ids": ids}, key=key)
    assert decided.status == 200, decided.text
    states = [(await house.gateway.outbox.get(one) or {})["state"] for one in ids]
    assert states == ["canceled", "held"]


# ---- to whom a key may send


async def test_what_goes_to_others_is_refused(house: House) -> None:
    key = await make_key(house, recipients=["*@contoso.example"])
    answer = await ask(house, "POST", "/api/v1/sends", {"from": OURS, **LETTER}, key=key)
    assert (answer.status, answer.code) == (403, "mail.recipient_not_allowed")
    # What there is to do is said of keys, too: no submitter has that name.
    assert "`pillarbox key change NAME --recipient`" in answer.json["hint"]


async def test_what_it_writes_from_others_is_refused_whether_they_are_there_or_not(house: House) -> None:
    key = await make_key(house, mailboxes=[OURS])
    seen = []
    for address in (THEIRS, NOBODYS):
        path = f"/api/v1/sends?sender={OURS}&recipient=bob@fabrikam.example"
        mime, mail = MIME % address.encode(), {"Content-Type": "message/rfc822"}
        answer = await ask(house, "POST", path, mime, key=key, headers=mail)
        assert (answer.status, answer.code) == (403, "mail.from_not_allowed")
        assert "`pillarbox key change NAME --mailbox`" in answer.json["hint"]
        seen.append((answer.json["title"] + answer.json["hint"]).replace(address, ""))
    assert seen[0] == seen[1]


async def test_what_goes_to_others_waits_until_a_person_lets_it_go(house: House) -> None:
    key = await make_key(house, recipients=["*@contoso.example"], on_other_recipients="hold")
    inside = await ask(house, "POST", "/api/v1/sends", {"from": OURS, **LETTER, "to": THEIRS}, key=key)
    outside = await ask(house, "POST", "/api/v1/sends", {"from": OURS, **LETTER, "cc": THEIRS}, key=key)
    assert (inside.json["state"], outside.json["state"]) == ("queued", "held")
    await house.settled(inside.json["id"])
    row = await house.gateway.outbox.get(outside.json["id"])
    assert row is not None
    assert (row["state"], row["approval"]) == ("held", "wanted")


async def test_a_key_does_not_let_go_what_it_handed_in_itself(house: House) -> None:
    both = [Scope.SEND, Scope.OUTBOX_DECIDE]
    key = await make_key(house, scopes=both, recipients=["*@contoso.example"], on_other_recipients="hold")
    other = await make_key(house, "desk", scopes=[Scope.OUTBOX_DECIDE])
    sent = await ask(house, "POST", "/api/v1/sends", {"from": OURS, **LETTER, "cc": THEIRS}, key=key)
    path = f"/api/v1/sends/{sent.json['id']}:approve"
    answer = await ask(house, "POST", path, key=key)
    assert (answer.status, answer.code) == (403, "outbox.own_approval")
    many = await ask(house, "POST", "/api/v1/outbox:decide", {"act": "approve", "ids": [sent.json["id"]]}, key=key)
    assert many.json["data"][0]["problem"]["code"] == "outbox.own_approval"
    assert (await house.settled(sent.json["id"], "held"))["approval"] == "wanted"
    assert (await ask(house, "POST", path, key=other)).json["state"] == "queued"


async def test_a_test_mail_is_a_mail(house: House) -> None:
    path, body = f"/api/v1/mailboxes/{OURS}:test", {"to": "bob@fabrikam.example"}
    without = await make_key(house, "decider", scopes=[Scope.OUTBOX_DECIDE])
    inside = await make_key(house, scopes=[Scope.OUTBOX_DECIDE, Scope.SEND], recipients=["*@contoso.example"])
    assert (await ask(house, "POST", path, body, key=without)).code == "access.no_scope"
    assert (await ask(house, "POST", path, body, key=inside)).code == "mail.recipient_not_allowed"
    assert await house.gateway.outbox.count() == {}
