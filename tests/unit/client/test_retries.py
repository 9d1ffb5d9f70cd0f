"""When a request is made again: where it is safe, as long as the service wishes, and not for ever."""

import pytest

from pillarbox.client.errors import PillarboxApiError, PillarboxUnreachable
from pillarbox.client.exchange import Answer, Lost, Request
from pillarbox.client.retries import Retries, persistent
from tests.unit.client.play import Network, answer, problem

GET = Request("GET", "/api/v1/sends")
POST = Request("POST", "/api/v1/sends/x:retry", repeatable=False)
LOST = Lost("reset")


def ask(request: Request, *came: Answer | Lost, retries: Retries | None = None) -> tuple[int, int, list[float]]:
    """Status in the end, requests, pauses."""
    network = Network()
    retries = retries or network.retries
    played = network.play(persistent(request, retries, lambda: 1.0), *came)
    return played.value.status, len(played.requests), played.pauses


def test_it_asks_again_after_a_lost_connection_and_waits_longer_each_time() -> None:
    assert ask(GET, LOST, LOST, answer()) == (200, 3, [1.0, 2.0])


def test_it_gives_up_in_the_end() -> None:
    with pytest.raises(PillarboxUnreachable, match="reset"):
        ask(GET, LOST, LOST, LOST)


def test_what_may_have_been_done_is_not_asked_again() -> None:
    with pytest.raises(PillarboxUnreachable):
        ask(POST, LOST)
    assert ask(POST, Answer(502, {}, b"<html>"))[:2] == (502, 1)


def test_a_certificate_of_a_stranger_is_told_at_once() -> None:
    with pytest.raises(PillarboxUnreachable):
        ask(GET, Lost("CERTIFICATE_VERIFY_FAILED", hopeless=True))


@pytest.mark.parametrize("request_", [GET, POST], ids=["GET", "POST"])
@pytest.mark.parametrize("status", [409, 429, 503])
def test_what_the_service_did_not_do_is_asked_again_when_it_says_so(request_: Request, status: int) -> None:
    busy = problem(status, "access.too_many", retryable=True, retry_after="7")
    assert ask(request_, busy, answer()) == (200, 2, [8.0])


def test_those_who_were_refused_at_once_do_not_come_back_at_once() -> None:
    pauses = {Retries().pause(1, 1.0, chance) for chance in (0.0, 0.5, 1.0)}
    assert len(pauses) == 3
    assert min(pauses) >= 1.0


def test_a_service_that_wants_a_long_rest_is_not_waited_for() -> None:
    assert ask(GET, problem(429, "access.too_many", retryable=True, retry_after="11"))[:2] == (429, 1)


def test_a_date_counts_as_if_nothing_was_said() -> None:
    busy = problem(503, "store.full", retryable=True, retry_after="Wed, 21 Oct 2026 07:28:00 GMT")
    assert ask(GET, busy, answer()) == (200, 2, [1.0])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 500])
def test_a_refusal_that_lasts_is_told_at_once(status: int) -> None:
    assert ask(GET, problem(status, "request.invalid"))[:2] == (status, 1)


def test_a_proxy_without_a_service_behind_it_is_asked_again() -> None:
    assert ask(GET, Answer(502, {"content-type": "text/html"}, b"<html>"), answer())[:2] == (200, 2)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_refusal(status: int) -> None:
    with pytest.raises(PillarboxApiError) as caught:
        Answer(status, {"location": "https://attacker.fabrikam.example/"}).value(dict)
    assert (caught.value.code, caught.value.status) == (f"http.{status}", status)


def test_an_answer_that_is_no_json_is_told_as_such() -> None:
    with pytest.raises(PillarboxApiError) as caught:
        Answer(200, {}, b"<html>").value(dict)
    assert caught.value.code == "client.not_json"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"[" * 100_000, b"\xff", b'{"errors": {}, "upstream": 5, "code": null}']
)
def test_a_broken_problem_is_still_told(body: bytes) -> None:
    error = PillarboxApiError.of(503, {"content-type": "application/problem+json", "x-request-id": "r1"}, body)
    assert (error.code, error.request_id, error.retryable) == ("http.503", "r1", False)


def test_a_problem_is_told_with_all_its_words() -> None:
    body = b'{"code": "graph.refused", "title": "Microsoft refused.", "hint": "Look.", "retryable": true,'
    body += b'"upstream": {"service": "graph", "status": 403}, "errors": [{"pointer": "/to/0", "detail": "no"}]}'
    error = PillarboxApiError.of(502, {"content-type": "application/problem+json"}, body)
    assert str(error) == "Microsoft refused. Look. (graph.refused)"
    assert error.upstream == {"service": "graph", "status": 403}
    assert error.errors == ({"pointer": "/to/0", "detail": "no"},)
