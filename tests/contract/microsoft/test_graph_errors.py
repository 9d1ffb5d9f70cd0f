"""Graph's refusals: who calls, may they, is there such a thing; and the envelope that they all share."""

import base64
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.microsoft import needs
from tests.contract.microsoft.entra import Entra
from tests.contract.microsoft.graph import Graph
from tests.contract.microsoft.mails import Mails
from tests.contract.microsoft.needs import needed
from tests.contract.microsoft.record import Record
from tests.contract.microsoft.target import Target
from tests.contract.microsoft.web import Bearer, Reply, Web


def check_envelope(reply: Reply) -> None:
    """The refusal is in the form that the documents show (facts 3.2), and carries the ids for support."""
    error = reply.json["error"]
    assert {"code", "message"} <= error.keys()
    inner = error.get("innerError") or error.get("innererror")
    assert inner is None or inner.keys() >= {"date", "request-id", "client-request-id"}
    assert "request-id" in reply.headers


def found(reply: Reply) -> list[Any]:
    """Status and code."""
    return [reply.status, reply.code]


TOKENS = {
    "no token": None,
    "rubbish": "rubbish",
    "not signed": ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b"{}", b"{}", b"x")),
}


@pytest.mark.parametrize("case", TOKENS)
async def test_token_that_is_none_is_refused(web: Web, target: Target, record: Record, case: str) -> None:
    token = TOKENS[case]
    url = f"{target.graph}/v1.0/users/{target.sender_address}/messages"
    reply = await web.ask("GET", url, bearer=Bearer(token) if token else None)
    record.answer("answer", reply)
    check_envelope(reply)
    assert found(reply) == [401, "InvalidAuthenticationToken"]


async def test_token_for_exchange_is_refused(graph: Graph, entra: Entra, target: Target, record: Record) -> None:
    app = needed(target.exchange, needs.EXCHANGE)
    token = await entra.token(app, entra.exchange_scope)
    reply = await graph.ask("GET", f"/users/{target.sender_address}/messages", bearer=token)
    record.answer("answer", reply)
    assert found(reply) == [401, "InvalidAuthenticationToken"]


@pytest.mark.parametrize(
    ("method", "path", "assumed"),
    [
        ("GET", "/users/{sender}/messages", [403, "ErrorAccessDenied"]),
        ("GET", "/users/{sender}/mailFolders", [403, "ErrorAccessDenied"]),
        ("POST", "/users/{sender}/messages", [403, "ErrorAccessDenied"]),
        ("GET", "/users/{sender}", [403, "Authorization_RequestDenied"]),
        ("GET", "/applications", [403, "Authorization_RequestDenied"]),
        ("GET", "/users/nobody-{guid}@{domain}/messages", None),
    ],
)
async def test_app_without_the_permission_is_refused(
    graph: Graph, target: Target, record: Record, method: str, path: str, assumed: list[Any] | None
) -> None:
    path = path.format(sender=target.sender_address, domain=target.domain, guid=uuid4())
    reply = await graph.ask(method, path, target.nobody, json={} if method == "POST" else None)
    record.answer("answer", reply)
    check_envelope(reply)
    # Whether the mailbox or the right is looked at first is Microsoft's to tell.
    record.finding("refusal", found(reply), assumed or [403, "ErrorAccessDenied"])


async def test_app_without_consent_cannot_send(graph: Graph, target: Target, mails: Mails, record: Record) -> None:
    reply = await graph.send_json(mails.json("no consent"), target.nobody)
    record.answer("answer", reply)
    assert found(reply) == [403, "ErrorAccessDenied"]


@pytest.mark.parametrize("path", ["/me", "/me/messages", "/me/sendMail"])
async def test_me_needs_somebody_who_signed_in(graph: Graph, record: Record, path: str) -> None:
    method = "POST" if path.endswith("sendMail") else "GET"
    reply = await graph.ask(method, path, json={} if method == "POST" else None)
    record.answer("answer", reply)
    check_envelope(reply)
    record.finding("refusal", found(reply), [400, "BadRequest"])


async def test_unknown_user_has_no_mailbox(graph: Graph, target: Target, record: Record) -> None:
    reply = await graph.ask("GET", f"/users/nobody-{uuid4()}@{target.domain}/messages")
    record.answer("answer", reply)
    check_envelope(reply)
    record.finding("refusal", found(reply), [404, "ErrorInvalidUser"])


@pytest.mark.parametrize("what", ["messages", "sendMail"])
async def test_account_without_a_mailbox(graph: Graph, target: Target, mails: Mails, record: Record, what: str) -> None:
    bare = needed(target.bare, needs.BARE)
    body = {"message": mails.json("bare")} if what == "sendMail" else None
    reply = await graph.ask("POST" if body else "GET", f"/users/{bare}/{what}", json=body)
    record.answer("answer", reply)
    record.finding("refusal", found(reply), [404, "MailboxNotEnabledForRESTAPI"])


@pytest.mark.parametrize(
    ("path", "assumed"),
    [
        ("/nonsense", [400, "BadRequest"]),
        ("/users/{sender}/nonsense", [400, "BadRequest"]),
        ("/users/{sender}/messages/nonsense", [400, "ErrorInvalidIdMalformed"]),
        ("/users/{sender}/mailFolders/nonsense", [404, "ErrorFolderNotFound"]),
        ("/users/{sender}/messages?$top=none", [400, "BadRequest"]),
        ("/users/{sender}/messages?$top=1001", [400, "BadRequest"]),
        ("/users/{sender}/messages?$select=nonsense", [400, "RequestBroker--ParseUri"]),
        ("/users/{sender}/messages?$filter=nonsense", [400, "BadRequest"]),
    ],
)
async def test_path_is_refused(graph: Graph, target: Target, record: Record, path: str, assumed: list[Any]) -> None:
    reply = await graph.ask("GET", path.format(sender=target.sender_address))
    record.answer("answer", reply)
    check_envelope(reply)
    record.finding("refusal", found(reply), assumed)


async def test_wrong_method_is_refused(graph: Graph, target: Target, record: Record) -> None:
    reply = await graph.ask("PUT", f"/users/{target.sender_address}/messages", json={})
    record.answer("answer", reply)
    record.finding("refusal", found(reply), [405, "BadRequest"])


@pytest.mark.parametrize(
    ("kind", "body", "assumed"),
    [
        ("application/json", b"{", [400, "BadRequest"]),
        ("application/json", b"[]", [400, "BadRequest"]),
        ("application/json", b"{}", [400, "ErrorInvalidRequest"]),
        ("application/json", b'{"message": {"nonsense": 1}}', [400, "RequestBodyRead"]),
        ("application/json", b'{"message": {"subject": 1}}', [400, "RequestBodyRead"]),
        ("text/plain", b"not base64!", [400, "ErrorMimeContentInvalidBase64String"]),
        ("text/plain", b"", [400, "ErrorMimeContentInvalidBase64String"]),
        ("application/xml", b"<a/>", [415, "UnsupportedMediaType"]),
    ],
)
async def test_body_is_refused(graph: Graph, record: Record, kind: str, body: bytes, assumed: list[Any]) -> None:
    reply = await graph.send_raw(body, kind)
    record.answer("answer", reply)
    check_envelope(reply)
    record.finding("refusal", found(reply), assumed)


async def test_answer_carries_the_ids_for_support(graph: Graph, target: Target, record: Record) -> None:
    ident = str(uuid4())
    headers = {"client-request-id": ident, "return-client-request-id": "true"}
    reply = await graph.ask("GET", f"/users/{target.sender_address}/messages?$top=1&$select=id", headers=headers)
    record.answer("answer", reply)
    assert reply.headers["client-request-id"] == ident
    assert reply.headers["request-id"]
    assert "x-ms-ags-diagnostic" in reply.headers
