"""The recorder judges Graph, inside of batches too, counts the rest, and forgets no problem."""

import json
from typing import Any

from pillarbox.emulator.http import Answer, Call
from tests.openapi.recorder import Heard, Recorder, complaint
from tests.unit.openapi.bodies import CONTEXT, GUID, JSON, page, refusal


def call(method: str, path: str, body: bytes = b"") -> Call:
    return Call(method, "https://localhost", path, "", {}, body, 0.0, GUID)


def answer(body: bytes, status: int = 200) -> Answer:
    return Answer(status, body, {"Content-Type": JSON, "request-id": GUID, "client-request-id": GUID})


def listed(**more: Any) -> bytes:
    return page(**{"@odata.context": CONTEXT.replace("graph.microsoft.com", "localhost")} | more)


def batch(recorder: Recorder, *pairs: tuple[dict[str, Any], dict[str, Any]]) -> list[str]:
    asked = json.dumps({"requests": [request for request, _ in pairs]}).encode()
    answered = json.dumps({"responses": [response for _, response in reversed(pairs)]}).encode()
    recorder(call("POST", "/v1.0/$batch", asked), answer(answered), None)
    return recorder.take()


def test_a_problem_names_method_path_and_status_and_is_taken_once() -> None:
    recorder = Recorder()
    for _ in range(2):
        recorder(call("GET", "/v1.0//me/messages"), answer(listed(total=9)), None)
    assert recorder.take() == [
        "GET //me/messages 200: Microsoft has no 'total' in microsoft.graph.messageCollectionResponse"
    ]
    assert recorder.take() == []


def test_links_must_lead_to_the_host_that_was_asked() -> None:
    recorder = Recorder()
    recorder(call("GET", "/v1.0/me/messages"), answer(page()), None)
    assert recorder.take() == [
        f"GET /me/messages 200: @odata.context leads to another host than https://localhost: {CONTEXT}"
    ]


def test_each_answer_has_its_two_names() -> None:
    recorder = Recorder()
    recorder(call("POST", "/v1.0/me/sendMail"), Answer(202, headers={"request-id": GUID}), None)
    assert recorder.take() == ["POST /me/sendMail 202: no header client-request-id"]


def test_what_was_done_and_what_was_refused_is_counted() -> None:
    recorder = Recorder()
    recorder(call("GET", "/v1.0/me/messages"), answer(listed()), None)
    recorder(call("GET", "/V1.0/ME/messages"), answer(listed(total=9)), None)
    recorder(call("GET", "/v1.0/me/messages"), answer(refusal("BadRequest"), 400), None)
    graph = recorder.coverage()["graph"]
    assert graph["GET /me/messages"] == {"succeeded": 2, "refused": 1, "validated": 1}
    assert graph["GET /me"] == {"succeeded": 0, "refused": 0, "validated": 0}


def test_what_the_file_does_not_have_is_counted_by_area_and_not_judged() -> None:
    recorder = Recorder()
    recorder(call("GET", "/beta/me"), answer(b"?"), "/beta/me")
    recorder(call("POST", "/contoso.example/oauth2/v2.0/token"), answer(b"?", 400), "/{tenant}/oauth2/v2.0/token")
    recorder(call("PUT", "/api/v2.0/x"), answer(b"?"), "/api/v2.0/{session}")
    recorder(call("GET", "/nowhere"), answer(b"?", 404), None)
    recorder.heard("Exchange IMAP", "FETCH", succeeded=True)
    assert recorder.others == {
        ("Graph beta", "GET /beta/me"): Heard(succeeded=1),
        ("Entra", "POST /{tenant}/oauth2/v2.0/token"): Heard(refused=1),
        ("Upload sessions", "PUT /api/v2.0/{session}"): Heard(succeeded=1),
        ("Exchange IMAP", "FETCH"): Heard(succeeded=1),
    }
    assert recorder.answers == {"not validated": 4}
    assert recorder.take() == []


def test_answers_inside_of_a_batch_are_judged() -> None:
    recorder = Recorder()
    me = {"@odata.context": "https://localhost/v1.0/$metadata#users/$entity", "id": GUID, "colour": "red"}
    problems = batch(
        recorder,
        (
            {"id": "1", "method": "GET", "url": "me?$select=id"},
            {"id": "1", "status": 200, "headers": {"content-type": JSON}, "body": me},
        ),
        ({"id": "2", "method": "DELETE", "url": "/me/messages/x"}, {"id": "2", "status": 204}),
    )
    assert problems == ["GET /me 200: Microsoft has no 'colour' in microsoft.graph.user"]
    assert recorder.graph["DELETE", "/me/messages/{message-id}"] == Heard(succeeded=1, validated=1)


def test_a_batch_that_answers_what_was_not_asked_is_a_problem() -> None:
    (problem,) = batch(Recorder(), ({"id": "1", "method": "GET", "url": "/me"}, {"id": "7", "status": 200}))
    assert problem.startswith("POST /$batch 200: the answers do not fit the requests")


def test_the_complaint_lists_the_first_problems() -> None:
    assert complaint(["a", "b", "c"], most=2).splitlines()[1:] == ["  a", "  b", "  ... and 1 more"]
