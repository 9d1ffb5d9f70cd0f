"""The token endpoint's refusals: always the same envelope; `error`, number and status are Microsoft's to tell."""

import re
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.microsoft import needs
from tests.contract.microsoft.assertion import assertion
from tests.contract.microsoft.entra import Entra
from tests.contract.microsoft.needs import needed
from tests.contract.microsoft.record import Record
from tests.contract.microsoft.target import Target
from tests.contract.microsoft.test_tokens import ASSERTION
from tests.contract.microsoft.web import Reply

UNKNOWN = "11111111-1111-4111-8111-111111111111"
ALWAYS = {"error", "error_description", "error_codes", "timestamp", "trace_id", "correlation_id"}
SOMETIMES = {"error_uri", "suberror", "claims"}
TEXT = re.compile(
    r"AADSTS\d+: .+\r\nTrace ID: [0-9a-f-]{36}\r\nCorrelation ID: [0-9a-f-]{36}\r\nTimestamp: [0-9-]{10} [0-9:]{8}Z",
    re.DOTALL,
)

CHANGES: dict[str, tuple[dict[str, str | None], int, str, int]] = {
    "wrong secret": ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
    "id of the secret": ({"client_secret": UNKNOWN}, 401, "invalid_client", 7000215),
    "no secret": ({"client_secret": None}, 401, "invalid_client", 7000218),
    "unknown app": ({"client_id": UNKNOWN}, 400, "unauthorized_client", 700016),
    "no app": ({"client_id": None}, 400, "invalid_request", 900144),
    "no grant": ({"grant_type": None}, 400, "invalid_request", 900144),
    "unknown grant": ({"grant_type": "magic"}, 400, "unsupported_grant_type", 70003),
    "no scope": ({"scope": None}, 400, "invalid_request", 900144),
    "one permission": ({"scope": "https://graph.microsoft.com/Mail.Send"}, 400, "invalid_scope", 1002012),
    "unknown resource": ({"scope": "https://api.contoso.example/.default"}, 400, "invalid_resource", 500011),
    "resource of the older endpoint": ({"resource": "https://graph.microsoft.com"}, 400, "invalid_request", 901002),
    "assertion that is none": (
        {"client_secret": None, "client_assertion_type": ASSERTION, "client_assertion": "e30.e30.e30"},
        400,
        "invalid_request",
        50027,
    ),
}


def check_envelope(reply: Reply) -> None:
    """The refusal is in the form that the documents show (facts 2.1)."""
    body = reply.json
    assert ALWAYS <= body.keys() <= ALWAYS | SOMETIMES
    assert TEXT.fullmatch(body["error_description"])
    assert body["error_description"].startswith(f"AADSTS{body['error_codes'][0]}: ")
    assert f"Trace ID: {body['trace_id']}" in body["error_description"]


def found(reply: Reply) -> tuple[int, str, int]:
    """Status, OAuth error and AADSTS number."""
    return reply.status, reply.json["error"], reply.json["error_codes"][0]


@pytest.mark.parametrize("case", CHANGES)
async def test_request_is_refused(entra: Entra, target: Target, record: Record, case: str) -> None:
    change, *assumed = CHANGES[case]
    reply = await entra.post(entra.form(target.sender, **change))
    record.answer("answer", reply)
    check_envelope(reply)
    record.finding("refusal", [*found(reply)], assumed)


@pytest.mark.parametrize(
    ("tenant", "assumed"),
    [
        (UNKNOWN, (400, "invalid_request", 90002)),
        ("unknown.invalid", (400, "invalid_request", 90002)),
        ("not_a_tenant", (400, "invalid_request", 900023)),
        ("common", (400, "invalid_request", 50059)),
    ],
)
async def test_tenant_is_refused(
    entra: Entra, target: Target, record: Record, tenant: str, assumed: tuple[int, str, int]
) -> None:
    reply = await entra.post(entra.form(target.sender), tenant=tenant)
    record.answer("answer", reply)
    check_envelope(reply)
    record.finding("refusal", [*found(reply)], [*assumed])


async def test_get_is_refused(entra: Entra, target: Target, record: Record) -> None:
    reply = await entra.get(f"/{target.tenant}/oauth2/v2.0/token")
    record.answer("answer", reply)
    record.note("is JSON", "json" in reply.headers.get("Content-Type", ""))
    record.finding("status", reply.status, 400)


async def test_correlation_id_is_the_clients(entra: Entra, target: Target, record: Record) -> None:
    ident = str(uuid4())
    headers = {"client-request-id": ident, "return-client-request-id": "true"}
    reply = await entra.post(entra.form(target.sender, client_secret="wrong"), headers=headers)
    assert reply.json["correlation_id"] == ident
    record.finding("client-request-id comes back", reply.headers.get("client-request-id") == ident, True)


WRONG_CLAIMS: dict[str, tuple[dict[str, Any], tuple[int, str, int]]] = {
    "expired": ({"nbf": 1_600_000_000, "iat": 1_600_000_000, "exp": 1_600_000_600}, (401, "invalid_client", 700024)),
    "issuer is another": ({"iss": UNKNOWN}, (401, "invalid_client", 50048)),
    "for another": ({"aud": "https://login.contoso.example/token"}, (400, "invalid_request", 50027)),
}


@pytest.mark.parametrize("case", WRONG_CLAIMS)
async def test_assertion_is_refused(entra: Entra, target: Target, record: Record, case: str) -> None:
    file = needed(target.certificate, needs.CERTIFICATE)
    changed, assumed = WRONG_CLAIMS[case]
    signed = assertion(file, target, "PS256", "x5t#S256", **changed)
    form = entra.form(target.sender, client_secret=None, client_assertion_type=ASSERTION, client_assertion=signed)
    reply = await entra.post(form)
    record.answer("answer", reply)
    check_envelope(reply)
    record.finding("refusal", [*found(reply)], [*assumed])


async def test_wrong_password_is_refused(entra: Entra, target: Target, record: Record) -> None:
    app = needed(target.public, needs.PUBLIC)
    form: dict[str, str | None] = {
        "grant_type": "password",
        "client_id": app.client_id,
        "username": f"nobody-{UNKNOWN[:8]}@{target.domain}",
        "password": "wrong",
        "scope": f"{target.cloud.graph}/Mail.Send",
    }
    reply = await entra.post(form)
    record.answer("answer", reply)
    check_envelope(reply)
    record.finding("refusal", [*found(reply)], [400, "invalid_grant", 50034])
