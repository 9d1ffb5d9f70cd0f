"""What the API answers to an error, beyond its words."""

import io
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.requests import ClientDisconnect

from pillarbox.core.errors import Conflict, InvalidInput, PillarboxError, Unavailable, Upstream
from pillarbox.core.log import make_logger
from pillarbox.endpoints.api import problems
from pillarbox.endpoints.api.models import Problem, UpstreamOut
from pillarbox.endpoints.api.problems import pointer_to, problem_of
from pillarbox.entra.authority import TokenUnavailable, refusal
from pillarbox.exchange.submission import Refused
from pillarbox.graph import refusal as graph_refusal
from pillarbox.graph.client import Answer, Unreachable
from tests.conftest import House


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Conflict("idempotency.in_progress"), (409, "1")),
        (Unavailable("store.failed", reason="I/O error"), (503, "5")),
        (InvalidInput("idempotency.mismatch"), (422, None)),
    ],
)
def test_what_is_worth_another_try_says_when(error: PillarboxError, told: tuple[int, str | None]) -> None:
    answer = problem_of(error)
    assert (answer.status_code, answer.headers.get("Retry-After")) == told


def test_a_problem_names_its_request_and_its_type() -> None:
    problem = Problem.of(Conflict("idempotency.in_progress"), request_id="r-1")
    assert (problem.request_id, problem.type) == ("r-1", "urn:problem-type:pillarbox:idempotency.in_progress")


def test_a_flaw_in_a_body_says_where() -> None:
    problem = Problem.of(InvalidInput("mail.bad_recipient", pointer="/to/0", address="x"))
    assert [(flaw.pointer, flaw.detail) for flaw in problem.errors] == [("/to/0", problem.title)]


def test_a_pointer_escapes_what_would_lead_elsewhere() -> None:
    assert pointer_to(["a/b", "m~n", 0, ""]) == "/a~1b/m~0n/0/"


async def test_a_client_that_hangs_up_while_it_sends_is_no_error_of_ours() -> None:
    lines = io.StringIO()
    app = FastAPI()
    problems.add(app, make_logger(lines, "debug", "text", lambda: 0.0))

    @app.put("/")
    async def read(request: Request) -> None:
        async for _ in request.stream():
            pass

    pieces = [
        {"type": "http.request", "body": b"begun", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return pieces.pop(0)

    async def send(_message: object) -> None:
        """To nobody."""

    scope = {"type": "http", "method": "PUT", "path": "/", "query_string": b"", "headers": []}
    with pytest.raises(ClientDisconnect):
        await app(scope, receive, send)
    assert not lines.getvalue()


async def test_who_hangs_up_while_it_sends_ends_its_request_and_nothing_else(house: House) -> None:
    gone = [{"type": "http.request", "body": b"Subject: cut", "more_body": True}, {"type": "http.disconnect"}]
    told: list[Any] = []

    async def receive() -> Any:
        return gone.pop(0)

    async def send(message: Any) -> None:
        told.append(message.get("status"))

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/sends",
        "raw_path": b"/api/v1/sends",
        "query_string": b"",
        "headers": [(b"content-type", b"message/rfc822")],
    }
    await house.gateway.local_api(scope, receive, send)
    assert told == [400, None]
    assert house.log.lines("unexpected") == []


def graph_answer(status: int, code: str) -> Answer:
    body = f'{{"error": {{"code": "{code}", "message": "No."}}}}'.encode()
    return Answer(status, {"request-id": "7e1a5a1c"}, body)


_ENTRA = {
    "error": "invalid_client",
    "error_description": "AADSTS7000222: The secret has expired.",
    "error_codes": [7000222],
    "trace_id": "2f6c8b6e-0000-4000-8000-1d3b5a7c9e00",
}


@pytest.mark.parametrize(
    ("error", "upstream"),
    [
        (
            graph_refusal.refusal(graph_answer(403, "ErrorAccessDenied"), 0.0),
            Upstream("graph", 403, "ErrorAccessDenied", "7e1a5a1c"),
        ),
        (Unreachable("microsoft.unreachable", host="graph.contoso.example", reason="refused"), Upstream("graph")),
        (refusal(_ENTRA), Upstream("entra", None, "AADSTS7000222", "2f6c8b6e-0000-4000-8000-1d3b5a7c9e00")),
        (refusal(_ENTRA | {"trace_id": "a\r\nb"}), Upstream("entra", None, "AADSTS7000222")),
        (TokenUnavailable("microsoft.token_unavailable", text="HTTP 502."), Upstream("entra")),
        (TokenUnavailable("identity.unreachable", reason="refused"), None),
        (Refused("550 5.7.60 SMTP; Client does not have permissions"), Upstream("exchange", 550, "5.7.60")),
        (Refused("421 Busy"), Upstream("exchange", 421)),
        (Conflict("idempotency.in_progress"), None),
    ],
)
def test_what_microsoft_told_is_told(error: PillarboxError, upstream: Upstream | None) -> None:
    shown = Problem.of(error).upstream
    wanted = upstream and UpstreamOut(
        service=upstream.service, status=upstream.status, code=upstream.code, request_id=upstream.request_id
    )
    assert shown == wanted


def test_an_error_that_was_made_from_one_of_microsofts_tells_the_same() -> None:
    with pytest.raises(Unavailable) as raised:
        raise Unavailable("store.failed", reason="x") from graph_refusal.refusal(graph_answer(503, "busy"), 0.0)
    assert raised.value.upstream == Upstream("graph", 503, "busy", "7e1a5a1c")
