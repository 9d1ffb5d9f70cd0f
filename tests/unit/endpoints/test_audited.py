"""What changes something is in the audit log before it is done, and so is a look at the text of a message."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from pillarbox.access.audit import Audit
from pillarbox.core.caller import LOCAL, Caller, Scope
from pillarbox.core.errors import AuthenticationFailed, Conflict, Unavailable
from pillarbox.endpoints.api import problems
from pillarbox.endpoints.api.access import WHO, needs
from pillarbox.endpoints.api.audited import UID, AuditedRoute
from pillarbox.endpoints.api.request_ids import REQUEST_ID
from pillarbox.store.audit import AuditLog, AuditRow
from tests.conftest import House, MakeHouse

KEY = Caller("key", "k1", "crm", frozenset(Scope))


class Thing(BaseModel):
    name: str
    secret: str = ""


class FullLog(AuditLog):
    """One that can begin no row."""

    async def begin(self, row: AuditRow) -> int:
        raise Unavailable("store.full")


class EndlessLog(AuditLog):
    """One that can end none."""

    async def end(self, seq: int, outcome: str, code: str) -> None:
        raise Unavailable("store.full")


class Door:
    """An application with audited routes, and who comes in there."""

    def __init__(self, house: House, log: AuditLog) -> None:
        self.done: list[str] = []
        self.log = log
        self.caller: Caller | None = KEY
        self.app = FastAPI()
        self.app.router.route_class = AuditedRoute
        self.app.state.audit = Audit(log, house.gateway.log)
        problems.add(self.app, house.gateway.log)
        self._add()

    def _add(self) -> None:
        @self.app.post("/things/{name}", dependencies=[needs(Scope.ADMIN)])
        async def add_thing(name: str, new: Thing) -> None:
            self.done.append(f"{name}, after {len(await self.log.list(limit=9))} rows")
            if new.name == "there":
                raise Conflict("store.failed", reason="it is there")
            if new.name == "ours":
                raise ZeroDivisionError

        @self.app.post("/things", dependencies=[needs(Scope.ADMIN)])
        async def make_thing(new: Thing) -> None:
            self.done.append(new.name)

        @self.app.get("/things", dependencies=[needs(Scope.OUTBOX_READ)])
        async def list_things() -> None:
            self.done.append("listed")

        @self.app.get("/things/{name}/text")
        async def read_text(name: str, caller: Annotated[Caller, needs(Scope.CONTENT_READ)]) -> StreamingResponse:
            return StreamingResponse(self._text())

        @self.app.post("/api/v1/sends", dependencies=[needs(Scope.SEND)])
        async def send() -> None:
            self.done.append("sent")

        @self.app.post("/api/v1/doctor", dependencies=[needs(Scope.DOCTOR_RUN)])
        async def run_doctor() -> None:
            self.done.append("looked")

        @self.app.post("/sign-ins")
        async def sign_in() -> None:
            self.done.append("signed in")

    async def _text(self) -> AsyncIterator[bytes]:
        self.done.append(f"read, after {len(await self.log.list(limit=9))} rows")
        yield b"text"

    async def ask(self, method: str, path: str, body: bytes = b"", **scope: Any) -> int:
        """The status; the client hangs up at the first byte of an answer where `scope` says `gone`."""
        gone, status = scope.pop("gone", False), []

        async def who(_request: object) -> Caller:
            if self.caller is None:
                raise AuthenticationFailed("access.no_credentials")
            return self.caller

        async def receive() -> dict[str, Any]:
            self.done += [] if not body else ["body read"]
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            if gone:
                raise OSError
            status.append(message.get("status"))

        whole = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
            "client": ("192.0.2.1", 1),
            WHO: who,
        }
        await self.app(whole | scope, receive, send)
        return int(status[0])

    async def rows(self) -> list[tuple[str, str, str, str]]:
        """Who did what to what, and how it ended, oldest first."""
        return [(row.actor_name, row.action, row.subject, row.outcome) for row in (await self.log.list(limit=9))[::-1]]


@pytest.fixture
async def house(make_house: MakeHouse) -> House:
    return await make_house(start=False)


@pytest.fixture
def log(house: House) -> AuditLog:
    return AuditLog(house.gateway.database, lambda: 1000.0)


@pytest.fixture
def door(house: House, log: AuditLog) -> Door:
    return Door(house, log)


def thing(name: str = "new", **more: str) -> bytes:
    return json.dumps({"name": name, **more}).encode()


async def test_the_row_is_there_before_the_change(door: Door) -> None:
    assert await door.ask("POST", "/things/a", thing()) == 200
    assert door.done[-1] == "a, after 1 rows"
    assert await door.rows() == [("crm", "add_thing", "a", "done")]


async def test_names_are_told_and_never_values(door: Door) -> None:
    await door.ask("POST", "/things/a", thing(secret="canary"), **{REQUEST_ID: "r-1"})
    (row,) = await door.log.list(limit=9)
    assert (row.fields, row.request_id, row.peer, row.door) == (("name", "secret"), "r-1", "192.0.2.1", "http")
    assert "canary" not in repr(row)


async def test_what_a_body_without_a_path_is_about_is_told(door: Door) -> None:
    await door.ask("POST", "/things", thing("printer", secret="canary"))
    assert await door.rows() == [("crm", "make_thing", "printer", "done")]


@pytest.mark.parametrize("named", [{"address": ""}, {"address": 7}, {"mailbox": []}])
async def test_what_a_body_is_about_is_never_what_it_merely_names(door: Door, named: dict[str, object]) -> None:
    assert await door.ask("POST", "/things", json.dumps({**named, "app": "contoso"}).encode()) == 422
    assert await door.rows() == [("crm", "make_thing", "", "refused")]


async def test_at_the_local_socket_the_user_is_told(door: Door) -> None:
    door.caller = LOCAL
    await door.ask("POST", "/things/a", thing(), **{UID: 1000})
    (row,) = await door.log.list(limit=9)
    assert (row.actor_kind, row.door, row.peer) == ("local", "local", "uid 1000")


@pytest.mark.parametrize(
    ("body", "status", "outcome", "code"),
    [
        (thing("there"), 503, "refused", "store.failed"),
        (b'{"nothing": 1}', 422, "refused", "request.invalid"),
        (b"[]", 422, "refused", "request.invalid"),
        (b"{", 422, "refused", "request.invalid"),
    ],
)
async def test_a_refusal_is_told(door: Door, body: bytes, status: int, outcome: str, code: str) -> None:
    assert await door.ask("POST", "/things/a", body) == status
    (row,) = await door.log.list(limit=9)
    assert (row.outcome, row.code) == (outcome, code)


async def test_a_mistake_of_ours_is_told(door: Door) -> None:
    with pytest.raises(ZeroDivisionError):
        await door.ask("POST", "/things/a", thing("ours"))
    (row,) = await door.log.list(limit=9)
    assert (row.outcome, row.code) == ("failed", "internal")


async def test_who_lacks_the_scope_is_told(door: Door) -> None:
    door.caller = Caller("key", "k2", "small", frozenset({Scope.SEND}))
    assert await door.ask("POST", "/things/a", thing()) == 403
    assert await door.rows() == [("small", "add_thing", "a", "refused")]


async def test_a_stranger_writes_no_row_and_nothing_of_theirs_is_read(door: Door) -> None:
    door.caller = None
    assert await door.ask("POST", "/things/a", thing()) == 401
    assert (await door.rows(), door.done) == ([], [])


async def test_what_cannot_be_written_down_is_not_done(house: House) -> None:
    door = Door(house, FullLog(house.gateway.database, lambda: 0.0))
    assert await door.ask("POST", "/things/a", thing()) == 507
    assert await door.ask("GET", "/things/a/text") == 507
    assert set(door.done) == {"body read"}


async def test_what_was_done_is_answered_also_where_its_end_cannot_be_written_down(house: House) -> None:
    door = Door(house, EndlessLog(house.gateway.database, lambda: 0.0))
    assert await door.ask("POST", "/things/a", thing()) == 200
    assert await door.rows() == [("crm", "add_thing", "a", "")]
    assert house.log.lines("store.unusable")


async def test_a_look_at_the_text_is_there_before_the_first_byte(door: Door) -> None:
    assert await door.ask("GET", "/things/a/text") == 200
    assert door.done == ["read, after 1 rows"]
    assert await door.rows() == [("crm", "read_text", "a", "done")]


async def test_a_look_at_the_text_stays_where_the_client_hangs_up(door: Door) -> None:
    with pytest.raises(ClientDisconnect):
        await door.ask("GET", "/things/a/text", gone=True)
    assert [row[:3] for row in await door.rows()] == [("crm", "read_text", "a")]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/things"), ("POST", "/api/v1/sends"), ("POST", "/api/v1/doctor"), ("POST", "/sign-ins")],
)
async def test_what_is_recorded_elsewhere_or_changes_nothing_has_no_row(door: Door, method: str, path: str) -> None:
    assert await door.ask(method, path) == 200
    assert (await door.rows(), len(door.done)) == ([], 1)
