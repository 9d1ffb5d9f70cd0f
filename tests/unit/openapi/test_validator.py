"""The judge lets Microsoft's answers pass, and names what Microsoft would not have said."""

import json
from typing import Any

import pytest

from tests.openapi.validator import LONGEST, Schema
from tests.unit.openapi.bodies import ALICE, CONTEXT, GUID, JSON, ONE, file, message, one, outermost, page, refusal

NEXT = "https://graph.microsoft.com/v1.0/me/messages?$skiptoken=x"
DELTA = "https://graph.microsoft.com/v1.0/me/messages/delta?$deltatoken=x"
MAIL = {"@odata.type": "#microsoft.graph.message", "subject": "Inside"}
ITEM = {"@odata.type": "#microsoft.graph.itemAttachment", "id": "x", "item": MAIL}
FILE = file(**{"@odata.mediaContentType": "a/b"})
FILES = f"{CONTEXT}('x')/attachments"
TYPES = "https://graph.microsoft.com/v1.0/$metadata#microsoft.graph."
TIME = "2026-11-20T12:00:00Z"
SECRET = {
    "@odata.context": f"{TYPES}passwordCredential",
    "keyId": GUID,
    "secretText": "s",
    "hint": "s",
    "startDateTime": TIME,
    "endDateTime": TIME,
}
UPLOAD = {
    "@odata.context": f"{TYPES}uploadSession",
    "uploadUrl": "https://outlook.office.com/x",
    "expirationDateTime": TIME,
    "nextExpectedRanges": ["0-"],
}
GONE = {"@removed": {"reason": "deleted"}, "id": "x"}


MAIL_PATH = "/me/messages/x"
USERS = "https://graph.microsoft.com/v1.0/$metadata#users"


def without(body: dict[str, Any], name: str) -> bytes:
    return outermost(**{key: value for key, value in body.items() if key != name})


def judge(method: str, path: str, body: bytes = b"", status: int = 200, kind: str | None = JSON) -> list[str]:
    return Schema.load().problems(method, path, status, kind, body)


@pytest.mark.parametrize(
    ("method", "path", "status", "kind", "body"),
    [
        ("GET", "/me/messages", 200, JSON, page(message(), message(), **{"@odata.nextLink": NEXT, "@odata.count": 9})),
        ("GET", "/me/messages", 200, JSON, page(message(**{"from": None, "attachments": [file()]}))),
        ("GET", "/me/messages", 200, f"{JSON};odata.metadata=none", page({"id": "x"}, **{"@odata.context": None})),
        ("GET", "/me/messages/x", 200, JSON, one(id="x", subject=None)),
        ("GET", "/me/messages/x", 200, JSON, one(id="x", attachments=[], **{"attachments@odata.context": CONTEXT})),
        ("GET", "/me/messages/x/$value", 200, "text/plain", b"Subject: Hi\r\n\r\n"),
        ("GET", "/me/messages/$count", 200, "text/plain", b"12"),
        ("GET", "/me/messages/x/attachments/y", 200, JSON, outermost(**FILE | {"@odata.context": f"{FILES}/$entity"})),
        ("GET", "/me/messages/x/attachments", 200, JSON, page(ITEM, **{"@odata.context": FILES})),
        ("GET", "/me/messages/x/attachments/y/$value", 200, "image/png", b"\x89PNG"),
        ("GET", "/me/messages/delta", 200, JSON, page(GONE, **{"@odata.deltaLink": DELTA})),
        ("POST", "/me/messages", 201, JSON, one(**message())),
        ("POST", "/applications/x/addPassword", 200, JSON, outermost(**SECRET)),
        ("POST", "/me/messages/x/attachments/createUploadSession", 201, JSON, outermost(**UPLOAD)),
        ("POST", "/me/sendMail", 202, None, b""),
        ("DELETE", "/me/messages/x", 204, None, b""),
        ("GET", "/me/messages/x", 404, JSON, refusal()),
        ("GET", "/me/letters", 400, JSON, refusal("BadRequest")),
        ("GET", "/me/messages/x", 413, JSON, refusal("ErrorItemNotFound")),
        ("POST", "/$batch", 200, JSON, b'{"responses": [{"id": "1", "status": 429, "body": {"x": 1}}]}'),
    ],
)  # fmt: skip
def test_microsofts_answers_pass(method: str, path: str, status: int, kind: str | None, body: bytes) -> None:
    assert judge(method, path, body, status, kind) == []


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"colour": "red"}, "value[0]: Microsoft has no 'colour' in microsoft.graph.message"),
        ({"from": ALICE | {"colour": "red"}}, "value[0].from: Microsoft has no 'colour' in microsoft.graph.recipient"),
        ({"isRead": "yes"}, "value[0].isRead: 'yes' is not of type 'boolean'"),
        ({"importance": "urgent"}, "value[0].importance: 'urgent' is not one of ['low', 'normal', 'high', None]"),
        ({"toRecipients": ALICE}, "value[0].toRecipients: "),
        ({"receivedDateTime": "yesterday"}, "value[0].receivedDateTime: 'yesterday' "),
        ({"receivedDateTime": "2026-11-20T12:00:00"}, "value[0].receivedDateTime: "),
        ({"categories": None}, "value[0].categories: None for not nullable"),
        ({"@odata.type": "#microsoft.graph.event"}, "value[0].@odata.type: '#microsoft.graph.event' is not one of"),
        ({"@odata.etag": "CQ"}, "value[0].@odata.etag: 'CQ' does not match"),
        ({"@odata.context": CONTEXT}, "value[0]: Microsoft has no '@odata.context' in microsoft.graph.message"),
        ({"@odata.nextLink": NEXT}, "value[0]: Microsoft has no '@odata.nextLink' in microsoft.graph.message"),
        ({"@removed": {"reason": "deleted"}}, "value[0]: Microsoft has no '@removed' in microsoft.graph.message"),
        ({"subject@odata.colour": "x"}, "value[0]: Microsoft has no 'subject@odata.colour'"),
        ({"letters@odata.context": CONTEXT}, "value[0]: Microsoft has no 'letters@odata.context'"),
        ({"subject@odata.type": 5}, "value[0].subject@odata.type: 5 is not of type 'string'"),
        ({"attachments@odata.nextLink": "x"}, "value[0].attachments@odata.nextLink: 'x' does not match"),
        ({"attachments": [{"id": "x"}]}, "value[0].attachments[0]: @odata.type is None and must be one of"),
        ({"attachments": [file(contentBytes="?")]}, "value[0].attachments[0].contentBytes: '?' is not a 'base64url'"),
        ({"attachments": [file(content="YQ==")]}, "value[0].attachments[0]: Microsoft has no 'content' in"),
    ],
)
def test_an_item_that_microsoft_would_not_give_is_named(item: dict[str, Any], problem: str) -> None:
    problems = judge("GET", "/me/messages", page(message(**item)))
    assert problems
    assert all(each.startswith(problem.partition(": ")[0]) for each in problems)
    assert any(each.startswith(problem) for each in problems)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"@odata.nextLink": 7}, "@odata.nextLink: 7 is not of type 'string'"),
        ({"@odata.nextLink": None}, "@odata.nextLink: None for not nullable"),
        ({"@odata.nextLink": "/me/messages?$skip=10"}, "@odata.nextLink: '/me/messages?$skip=10' does not match"),
        ({"@odata.count": "9"}, "@odata.count: '9' is not of type 'integer'"),
        ({"@odata.deltaLink": DELTA}, "Microsoft has no '@odata.deltaLink' in"),
        ({"@odata.context": None}, "@odata.context is missing"),
        ({"@odata.type": "#microsoft.graph.messageCollectionResponse"}, "Microsoft has no '@odata.type' in"),
        ({"@odata.context": "/$metadata"}, "@odata.context: '/$metadata' does not match"),
        ({"total": 9}, "Microsoft has no 'total' in microsoft.graph.messageCollectionResponse"),
    ],
)
def test_a_page_that_microsoft_would_not_give_is_named(more: dict[str, Any], problem: str) -> None:
    assert any(each.startswith(problem) for each in judge("GET", "/me/messages", page(**more)))


@pytest.mark.parametrize(
    ("method", "path", "status", "body", "problem"),
    [
        ("GET", "/me/messages", 200, outermost(), "'value' is a required property"),
        ("GET", "/me/messages", 200, page({}, {}), "value[0]: 'id' is a required property"),
        ("GET", "/me/messages/x/attachments", 200, page(FILE | {"id": 7}), "value[0].id: 7 is not of type"),
        ("GET", "/me/messages/x", 200, one(), "'id' is a required property"),
        ("GET", "/users/x", 200, outermost(**{"@odata.context": f"{USERS}/$entity"}), "'id' is a required property"),
        ("POST", "/me/messages", 201, one(), "'id' is a required property"),
        *(
            ("POST", "/applications/x/addPassword", 200, outermost(**SECRET | {name: None}), f"{name!r} is missing")
            for name in ("secretText", "keyId")
        ),
        *(
            ("POST", f"{MAIL_PATH}/attachments/createUploadSession", 201, without(UPLOAD, name), f"{name!r} is missing")
            for name in ("uploadUrl", "expirationDateTime", "nextExpectedRanges")
        ),
        ("GET", "/me/messages", 200, page(**{"@odata.context": f"{USERS}"}), "@odata.context is of 'users' and must"),
        ("GET", "/me/messages", 200, page(**{"@odata.context": ONE}), "@odata.context is of "),
        ("GET", "/me/messages/x", 200, one(id="x", **{"@odata.context": CONTEXT}), "@odata.context is of "),
        ("GET", "/me/messages/x", 200, one(id="x", **{"@odata.context": f"{TYPES}message"}), "@odata.context is of "),
        ("GET", "/me/mailFolders/x", 200, one(id="x"), "@odata.context is of "),
    ],
)  # fmt: skip
def test_an_answer_without_what_was_asked_for_is_named(
    method: str, path: str, status: int, body: bytes, problem: str
) -> None:
    assert any(each.startswith(problem) for each in judge(method, path, body, status))


@pytest.mark.parametrize("name", ["@odata.nextLink", "@odata.context"])
def test_links_lead_to_the_host_that_was_asked(name: str) -> None:
    def problems(base: str) -> list[str]:
        body = page(**{"@odata.nextLink": NEXT})
        return Schema.load().problems("GET", "/me/messages", 200, JSON, body, base=base)

    assert not problems("https://graph.microsoft.com")
    foreign = problems("https://graph.microsoft.co")
    assert any(each.startswith(f"{name} leads to another host than https://graph.microsoft.co: ") for each in foreign)


@pytest.mark.parametrize(
    ("path", "query", "wanted"),
    [
        ("/users", "$select=mail", False),
        ("/users", "%24select=mail,Id", True),
        ("/users", "", True),
        ("/me/messages", "$select=subject", True),
    ],
)
def test_only_the_directory_leaves_out_the_id_that_was_not_selected(path: str, query: str, wanted: bool) -> None:
    context = CONTEXT if "messages" in path else USERS
    problems = Schema.load().problems("GET", path, 200, JSON, page({}, **{"@odata.context": context}), query=query)
    assert problems == (["value[0]: 'id' is a required property"] if wanted else [])


@pytest.mark.parametrize(
    ("code", "status", "problem"),
    [
        ("ErrorOfOurs", 400, "Microsoft has no code 'ErrorOfOurs'"),
        ("", 400, "Microsoft has no code ''"),
        ("ErrorItemNotFound", 500, "ErrorItemNotFound comes with 404, not with 500"),
        ("ErrorServerBusy", 400, "ErrorServerBusy comes with 503, not with 400"),
        ("InvalidAuthenticationToken", 403, "InvalidAuthenticationToken comes with 401, not with 403"),
        ("ApplicationThrottled", 400, "ApplicationThrottled comes with 429, not with 400"),
        ("BadRequest", 418, "Graph has no status 418"),
        ("UnknownError", 599, "Graph has no status 599"),
    ],
)
def test_a_code_that_microsoft_would_not_give_is_named(code: str, status: int, problem: str) -> None:
    assert judge("GET", "/me/messages", refusal(code), status) == [problem]


@pytest.mark.parametrize("links", [{}, {"@odata.nextLink": DELTA, "@odata.deltaLink": DELTA}])
def test_a_delta_answer_has_one_link(links: dict[str, str]) -> None:
    assert judge("GET", "/me/messages/delta", page(**links)) == [
        "there must be either @odata.nextLink or @odata.deltaLink"
    ]


@pytest.mark.parametrize(
    ("inner", "problem"),
    [
        ({"colour": "red"}, "error.innerError: Microsoft has no 'colour' in microsoft.graph.ODataErrors.InnerError"),
        ({"request-id": None}, "error.innerError: 'request-id' is a required property"),
        ({"request-id": "1"}, "error.innerError.request-id: '1' is not a 'uuid'"),
        ({"date": "2026-11-20T12:00:00Z"}, "error.innerError.date: '2026-11-20T12:00:00Z' does not match"),
    ],
)
def test_a_refusal_in_another_form_is_named(inner: dict[str, Any], problem: str) -> None:
    (said,) = judge("GET", "/me/messages/x", refusal(**inner), 404)
    assert said.startswith(problem)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{}", "'error' is a required property"),
        (b'{"error": {"code": "x", "message": "x"}}', "error: 'innerError' is a required property"),
        (json.dumps(json.loads(refusal()) | {"@odata.context": CONTEXT}).encode(), "Microsoft has no '@odata.context'"),
    ],
)
def test_a_refusal_without_its_envelope_is_named(body: bytes, problem: str) -> None:
    (said,) = judge("GET", "/me/messages/x", body, 404)
    assert said.startswith(problem)


@pytest.mark.parametrize(
    ("method", "path", "status", "kind", "body", "problem"),
    [
        ("POST", "/me/sendMail", 202, JSON, b"{}", "the body must be empty and has 2 bytes"),
        ("POST", "/me/sendMail", 202, "text/plain", b"", "an answer without body has no Content-Type, "),
        ("DELETE", "/me/messages/x", 204, JSON, b"", "an answer without body has no Content-Type, "),
        ("POST", "/me/sendMail", 200, JSON, b"{}", "the status is not documented, only 202"),
        ("GET", "/me/messages", 302, None, b"", "the status is not documented, only 200"),
        ("GET", "/me/letters", 200, JSON, page(), "Microsoft has no such operation"),
        ("GET", "/me/messages", 200, "text/html", b"<p>", "Content-Type is 'text/html' and must be application/json"),
        ("GET", "/me/messages", 200, None, page(), "Content-Type is None and must be application/json"),
        ("GET", "/me/messages", 200, JSON, b"", "the body is no JSON: "),
        ("GET", "/me/messages", 200, JSON, b'{"value": NaN}', "the body is no JSON: NaN is no JSON"),
        ("GET", "/me/messages", 200, JSON, b"[" * 100_000, "the body is no JSON: "),
        ("GET", "/me/messages", 200, JSON, b"\xff", "the body is no JSON: "),
        ("GET", "/me/messages", 200, JSON, b"7", "7 is not of type 'object'"),
        ("GET", "/me/messages", 404, None, b"", "Content-Type is None and must be application/json"),
        ("GET", "/me/messages/$count", 200, "text/plain", b"a few", "the count is no number"),
        ("GET", "/me/messages/x/attachments/y/$value", 200, None, b"x", "Content-Type is None and must be */*"),
        ("GET", "/me/messages/x/$value", 200, "text/plain", b"", "the MIME is empty"),
    ],
)
def test_an_answer_in_the_wrong_form_is_named(
    method: str, path: str, status: int, kind: str | None, body: bytes, problem: str
) -> None:
    assert judge(method, path, body, status, kind)[0].startswith(problem)


def test_a_problem_does_not_repeat_a_large_value() -> None:
    (said,) = judge("GET", "/me/messages", page(message(isRead="x" * 10_000)))
    assert len(said) == LONGEST


def test_all_operations_can_be_judged() -> None:
    schema = Schema.load()
    for method, path in schema.operations:
        assert "Microsoft has no such operation, and this is no refusal" not in judge(method, path, b"{}")
        assert judge(method, path, refusal("BadRequest"), 400) == []
