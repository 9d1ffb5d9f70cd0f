"""Each call of the API as requests and answers, without a network."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pillarbox.client import Attachment, Message, PillarboxApiError, PillarboxClientError, PillarboxUnreachable
from pillarbox.client.exchange import Answer, Call, Lost, Request
from pillarbox.client.files import PIECE, File
from tests.unit.client.play import Network, answer, problem

MESSAGE = Message("app@contoso.example", ["alice@contoso.example"], "Hello", text="Hi")
LOST = Lost("reset")


def body(request: Request) -> Any:
    return json.loads(request.body)


def keys(requests: list[Request]) -> list[str]:
    return [one.headers["Idempotency-Key"] for one in requests]


def test_a_message_is_handed_in_with_one_key_however_often_it_is_tried() -> None:
    network = Network()
    busy = problem(409, "idempotency.in_progress", retryable=True, retry_after="1")
    played = network.play(network.calls.send(MESSAGE, None, None), LOST, busy, answer({"id": "Q1", "state": "queued"}))
    assert (played.value.id, played.value.state, played.value.ended) == ("Q1", "queued", False)
    assert keys(played.requests) == ["key-1"] * 3
    assert len({one.body for one in played.requests}) == 1


def test_each_call_has_a_key_of_its_own_and_a_given_one_counts() -> None:
    network, queued = Network(), answer({"id": "Q1", "state": "queued"}, 202)
    plays = [network.play(network.calls.send(MESSAGE, None, key), queued) for key in (None, None, "invoice-7")]
    assert [key for played in plays for key in keys(played.requests)] == ["key-1", "key-2", "invoice-7"]


def test_what_was_handed_in_before_is_told() -> None:
    network = Network()
    again = answer({"id": "Q1", "state": "over"}, 202, idempotent_replayed="true")
    sent = network.play(network.calls.send(MESSAGE, 5, "k"), again).value
    assert (sent.replayed, sent.ended) == (True, True)


def test_waiting_asks_until_the_message_came_to_its_end() -> None:
    network = Network()
    queued, sent = ({"message": {"id": "Q1", "state": state, "request_id": "r"}} for state in ("queued", "sent"))
    played = network.play(
        network.calls.send(MESSAGE, 30, None),
        answer({"id": "Q1", "state": "queued"}, 202, idempotent_replayed="true"),
        answer(queued),
        answer(queued),
        answer(sent),
    )
    assert (played.value.state, played.value.replayed) == ("sent", True)
    assert played.requests[0].headers["Prefer"] == "wait=30"
    assert [one.path for one in played.requests[1:]] == ["/api/v1/sends/Q1"] * 3


def test_waiting_ends_with_the_time() -> None:
    network = Network()
    still = answer({"message": {"id": "Q1", "state": "deferred"}})
    played = network.play(network.calls.wait("Q1", 1.0), *[still] * 6)
    assert played.value.state == "deferred"
    assert network.clock.now == pytest.approx(1.0)


def test_a_message_as_it_is_has_its_envelope_in_the_query() -> None:
    network = Network()
    call = network.calls.send_mime(
        b"Subject: x\r\n\r\n", "a@contoso.example", ["b+c@contoso.example"], {"hold": True}, None, None
    )
    request = network.play(call, answer({"id": "Q1", "state": "held"})).requests[0]
    assert request.target == "/api/v1/sends?sender=a%40contoso.example&recipient=b%2Bc%40contoso.example&hold=true"
    assert request.headers["Content-Type"] == "message/rfc822"


def test_an_id_leads_nowhere_else() -> None:
    network = Network()
    call = network.calls.trace("../api-keys?x")
    request = network.play(call, answer({"message": {"id": "Q1", "state": "sent"}})).requests[0]
    assert request.target == "/api/v1/sends/..%2Fapi-keys%3Fx"


def test_a_decision_is_not_made_twice() -> None:
    network = Network()
    with pytest.raises(PillarboxUnreachable):
        network.play(network.calls.act("Q1", "retry"), LOST)


def test_pages_follow_by_their_cursor() -> None:
    network = Network()
    page = answer({"data": [{"id": "Q1", "state": "sent", "of_tomorrow": 1}], "next": "c2"})
    since = datetime(2026, 11, 21, tzinfo=UTC)
    filters = {"state": "sent", "recipient": "*@contoso.example", "since": since, "limit": 2}
    played = network.play(network.calls.page(filters, "c1"), page)
    asked = f"state=sent&recipient=%2A%40contoso.example&since={since.timestamp()}&limit=2&cursor=c1"
    assert played.requests[0].target == f"/api/v1/sends?{asked}"
    assert ([one.id for one in played.value.data], played.value.next) == (["Q1"], "c2")


@pytest.mark.parametrize("key", ["", "a b", "\u0437\u0430\u043a\u0430\u0437-1", "a\r\nX: y", "x" * 256])
def test_a_key_that_is_none_is_refused_before_anything_is_sent(key: str) -> None:
    network = Network()
    for call in (
        network.calls.send(MESSAGE, None, key),
        network.calls.send_mime(b"", None, (), {}, None, key),
    ):
        with pytest.raises(ValueError, match="no idempotency key"):
            next(call)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b"5", b'{"data": 5}', b'{"data": [5]}', b"[" * 100_000])
def test_an_answer_of_something_else_is_told_as_such(body: bytes) -> None:
    network = Network()
    calls: list[Call[Any]] = [
        network.calls.send(MESSAGE, None, None),
        network.calls.trace("Q1"),
        network.calls.page({}, None),
        network.calls.act("Q1", "retry"),
        network.calls.feed(None, (), 0),
        network.calls.upload(file(b"abc"), None),
        network.calls.link("L1"),
    ]
    for call in calls:
        with pytest.raises(PillarboxApiError) as caught:
            network.play(call, Answer(200, {}, body))
        assert caught.value.code == "client.not_json"


def test_events_each_know_where_to_go_on() -> None:
    network = Network()
    events = [{"id": number, "type": "send.sent", "cursor": f"c1.{number}"} for number in range(3)]
    played = network.play(network.calls.feed("c1", ["send.sent"], 20), answer({"data": events, "next": "c2"}))
    assert [one.cursor for one in played.value.data] == ["c1.0", "c1.1", "c1.2"]
    assert played.value.next == "c2"
    assert played.requests[0].patience == 20
    assert "type=send.sent" in played.requests[0].target


class Server:
    """Takes pieces of an upload."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = bytearray()

    def told(self) -> Answer:
        return answer({"id": "U1", "size": self.size, "received": len(self.taken)})

    def take(self, request: Request) -> Answer:
        first = int(request.headers["Content-Range"].removeprefix("bytes ").partition("-")[0])
        self.taken[first:] = request.body
        return self.told()

    def take_and_say_nothing(self, request: Request) -> Lost:
        self.take(request)
        return LOST


def file(content: bytes) -> File:
    return File.of(content, "scan.pdf", None)


def test_a_file_goes_in_by_pieces_also_where_an_answer_is_lost() -> None:
    content = bytes(range(256)) * (PIECE // 128) + b"end"
    server, network = Server(len(content)), Network()
    came = (server.told(), server.take, server.take_and_say_nothing, server.take, server.take)
    played = network.play(network.calls.upload(file(content), None), *came)
    assert bytes(server.taken) == content
    assert body(played.requests[0]) == {"name": "scan.pdf", "media_type": "application/pdf", "size": len(content)}


def test_a_file_goes_on_where_it_stopped() -> None:
    server, network = Server(6), Network()
    server.taken += b"abc"
    played = network.play(network.calls.upload(file(b"abcdef"), "U1"), server.told(), server.take)
    assert played.requests[1].headers["Content-Range"] == "bytes 3-5/6"
    assert bytes(server.taken) == b"abcdef"


def test_another_file_does_not_go_on_with_it() -> None:
    network = Network()
    with pytest.raises(PillarboxClientError):
        network.play(network.calls.upload(file(b"another"), "U1"), Server(6).told())


def test_an_upload_that_stands_still_is_told() -> None:
    server, network = Server(6), Network()
    with pytest.raises(PillarboxClientError):
        network.play(network.calls.upload(file(b"abcdef"), None), server.told(), server.told())


def test_a_refusal_is_raised_with_its_code() -> None:
    network = Network()
    with pytest.raises(PillarboxApiError) as caught:
        network.play(network.calls.send(MESSAGE, None, None), problem(404, "mailbox.not_found"))
    assert (caught.value.code, caught.value.status) == ("mailbox.not_found", 404)


def test_a_message_says_only_what_was_given() -> None:
    assert MESSAGE.to_json() == {
        "from": "app@contoso.example",
        "subject": "Hello",
        "to": ["alice@contoso.example"],
        "text": "Hi",
    }


def test_a_message_says_all_that_was_given() -> None:
    picture = Attachment("dot.png", b"\x89PNG", inline=True, content_id="dot")
    message = Message(
        "app@contoso.example",
        html="<img src=cid:dot>",
        bcc=["bob@contoso.example"],
        attachments=[picture, Attachment("big.zip", upload_id="U1")],
        headers={"X-Order": "7"},
        send_at=datetime(2026, 11, 21, tzinfo=UTC),
        hold=True,
    )
    given = message.to_json()
    assert given["attachments"] == [
        {"name": "dot.png", "content": "iVBORw==", "media_type": "image/png", "inline": True, "content_id": "dot"},
        {"name": "big.zip", "upload_id": "U1"},
    ]
    assert (given["bcc"], given["hold"], given["headers"]) == (["bob@contoso.example"], True, {"X-Order": "7"})
    assert given["send_at"] == datetime(2026, 11, 21, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "message",
    [
        Message("app@contoso.example", "alice@contoso.example"),
        Message("app@contoso.example", send_at=datetime(2026, 11, 21)),
        Message("app@contoso.example", attachments=[Attachment("nothing.txt")]),
        Message("app@contoso.example", attachments=[Attachment("both.txt", b"", upload_id="U1")]),
    ],
    ids=["text for a list", "no time zone", "no content", "two contents"],
)
def test_a_message_that_cannot_be_meant_is_refused_here(message: Message) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        message.to_json()


@pytest.mark.parametrize("text", ["", ".", ".."])
def test_what_would_be_another_path_is_no_id(text: str) -> None:
    network = Network()
    for call in (network.calls.trace(text), network.calls.link(text), network.calls.revoke_link(text)):
        with pytest.raises(ValueError, match="no id"):
            next(call)
