"""Each request has an id, in its answer and in the lines of the log that are about it."""

import asyncio
import io
from typing import Any

import pytest

from pillarbox.core.log import make_logger
from pillarbox.endpoints.api.request_ids import REQUEST_ID, TRACE, RequestIds, traceparent

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def ask(app: Any, *fields: tuple[str, str], **more: Any) -> str:
    """The id in the answer to a request with these fields."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(name.lower().encode(), value.encode()) for name, value in fields]
    await RequestIds(app, lambda: "made")({"type": "http", "headers": headers, **more}, None, send)  # type: ignore[arg-type]
    return str(dict(sent[0]["headers"])[b"x-request-id"].decode())


async def answer(_scope: Any, _receive: Any, send: Any) -> None:
    """An application that answers."""
    await send({"type": "http.response.start", "status": 200, "headers": []})


@pytest.mark.parametrize("given", ["a", "A.b-c_9", "x" * 128])
async def test_the_id_that_a_client_gives_comes_back(given: str) -> None:
    assert await ask(answer, ("X-Request-Id", given)) == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a=b", "ä", "a\tb", '"'])
async def test_what_is_no_id_is_replaced(given: str) -> None:
    assert await ask(answer, ("X-Request-Id", given)) == "made"


async def test_two_ids_are_none() -> None:
    assert await ask(answer, ("X-Request-Id", "a"), ("X-Request-Id", "b")) == "made"


async def test_a_door_may_have_given_one() -> None:
    assert await ask(answer, ("X-Request-Id", "a"), **{REQUEST_ID: "of-the-door"}) == "of-the-door"


async def test_the_routes_know_id_and_trace() -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await answer(scope, receive, send)

    await ask(app, ("X-Request-Id", "a"), ("traceparent", TRACEPARENT))
    assert (scopes[0][REQUEST_ID], scopes[0][TRACE]) == ("a", TRACEPARENT)


async def test_its_lines_in_the_log_bear_id_and_trace_and_those_of_others_do_not() -> None:
    file = io.StringIO()
    log = make_logger(file, "info", "text", lambda: 0.0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        log.info("within")
        await answer(scope, receive, send)

    await ask(app, ("X-Request-Id", "a1"), ("traceparent", TRACEPARENT))
    log.info("after")
    within, after = file.getvalue().splitlines()
    assert within.endswith("event=within request=a1 trace=4bf92f3577b34da6a3ce929d0e0e4736")
    assert after.endswith("event=after")


async def test_work_that_goes_on_after_the_answer_is_no_part_of_the_request() -> None:
    file, tasks, go_on = io.StringIO(), [], asyncio.Event()
    log = make_logger(file, "info", "text", lambda: 0.0)

    async def work() -> None:
        log.info("while")
        await go_on.wait()
        log.info("later")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        tasks.append(asyncio.create_task(work()))
        await asyncio.sleep(0)
        await answer(scope, receive, send)

    await ask(app, ("X-Request-Id", "a1"))
    go_on.set()
    await tasks[0]
    assert [line.partition("event=")[2] for line in file.getvalue().splitlines()] == ["while request=a1", "later"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        TRACEPARENT.upper(),
        TRACEPARENT + "-more",
        TRACEPARENT + " ",
        "ff" + TRACEPARENT[2:],
        "00-" + "0" * 32 + TRACEPARENT[35:],
        TRACEPARENT[:36] + "0" * 16 + "-01",
        TRACEPARENT[:-1],
        "01" + TRACEPARENT[2:] + "x",
    ],
)
def test_a_traceparent_that_is_malformed_counts_as_none(value: str) -> None:
    assert traceparent([value.encode()]) == ""


def test_a_traceparent_of_a_later_version_is_read_as_far_as_we_know_it() -> None:
    assert traceparent([f"01{TRACEPARENT[2:]}-what-is-new".encode()]) == "01" + TRACEPARENT[2:]


def test_two_traceparents_are_none() -> None:
    assert traceparent([TRACEPARENT.encode()] * 2) == ""
