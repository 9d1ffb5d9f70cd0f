"""What no client should send gets a refusal, never a traceback."""

import base64
import io
import json
from typing import Any

import jwt
import pytest

from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import NOON, Client
from tests.unit.emulator.entra.app_key import AppKey
from tests.unit.emulator.entra.clients.test_certificates import ask
from tests.unit.emulator.entra.sign_ins import SignIns

MEGABYTE = "x" * 1_000_000


def part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def token(header: Any, claims: Any, signature: bytes = b"") -> str:
    return ".".join((part(json.dumps(header).encode()), part(json.dumps(claims).encode()), part(signature)))


DEEP = part(b"[" * 20_000)
MALFORMED = [
    "x",
    "..",
    "a.b.c",
    "x" * 70_000,
    f"{DEEP}.e30.",
    f"e30.{DEEP}.",
    "W10.W10.",
    "bnVsbA.bnVsbA.",
    "e30.e30.é",
]


@pytest.mark.parametrize("assertion", MALFORMED, ids=range(len(MALFORMED)))
async def test_malformed_assertions(client: Client, planted: Seed, assertion: str) -> None:
    assert (await ask(client, planted.gateway, assertion)).json["error_codes"] == [50027]


async def test_weak_algorithms(client: Client, planted: Seed, app_key: AppKey) -> None:
    app = planted.gateway
    app.certificates = [app_key.credential]
    thumbprint = jwt.get_unverified_header(app_key.sign({}))["x5t#S256"]
    claims = {"iss": app.client_id, "sub": app.client_id, "exp": NOON + 60}
    claims["aud"] = f"{client.emulator.url}/{planted.tenant.id}/oauth2/v2.0/token"
    fakes: list[Any] = ["none", "None", "HS256", "RS1", "", None, ["RS256"], {"a": 1}]
    for algorithm in fakes:
        fake = token({"alg": algorithm, "x5t#S256": thumbprint}, claims, b"x")
        assert (await ask(client, app, fake)).json["error_codes"] == [700027]
    keyed = jwt.encode(claims, "k" * 64, "HS256", headers={"x5t#S256": thumbprint})
    assert (await ask(client, app, keyed)).json["error_codes"] == [700027]


async def test_a_thumbprint_that_is_no_text(client: Client, planted: Seed) -> None:
    wrong: list[Any] = [[], {}, 1, "é", "!"]
    for thumbprint in wrong:
        fake = token({"alg": "RS256", "x5t": thumbprint}, {"iss": "a"})
        assert (await ask(client, planted.gateway, fake)).json["error_codes"] == [700027]


FIELDS = ["grant_type", "client_id", "client_secret", "scope"]


@pytest.mark.parametrize("field", FIELDS)
async def test_a_megabyte_in_a_field(client: Client, field: str) -> None:
    fields: dict[str, Any] = {field: MEGABYTE}
    answer = await client.ask_token(**fields)
    assert answer.status in (400, 401)
    assert len(answer.body) < 4000


@pytest.mark.parametrize("field", ["username", "password", "scope"])
async def test_a_megabyte_in_a_sign_in(sign_ins: SignIns, field: str) -> None:
    assert (await sign_ins.password(**{field: MEGABYTE})).status == 400


@pytest.mark.parametrize("field", ["code", "redirect_uri", "code_verifier"])
async def test_a_megabyte_with_a_code(sign_ins: SignIns, field: str) -> None:
    assert (await sign_ins.redeem(sign_ins.code(), **{field: MEGABYTE})).status == 400


async def test_a_redirect_uri_that_is_none(sign_ins: SignIns) -> None:
    for uri in ("http://[", "http://localhost:x", "\0", "é"):
        assert (await sign_ins.redeem(sign_ins.code(), redirect_uri=uri)).json["error_codes"] == [50011]


BODIES = [b"\xff\xfe", b"grant_type=%ff", b"a=1&a=2", b"=&=", b"grant_type=password&grant_type=password"]


@pytest.mark.parametrize("body", BODIES)
async def test_a_body_that_is_no_form(client: Client, planted: Seed, body: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for path in ("token", "devicecode"):
        answer = await client.request("POST", f"/{planted.tenant.id}/oauth2/v2.0/{path}", data=body, headers=headers)
        assert answer.json["error_codes"] == [9002313]


async def test_a_json_body_has_no_parameters(client: Client, planted: Seed) -> None:
    form = {"grant_type": "client_credentials", "client_id": planted.gateway.client_id}
    answer = await client.request("POST", f"/{planted.tenant.id}/oauth2/v2.0/token", json=form)
    assert answer.json["error_codes"] == [900144]
    assert "'grant_type'" in answer.json["error_description"]


async def test_a_body_that_is_too_large(client: Client, planted: Seed) -> None:
    body = io.BytesIO(b"grant_type=" + b"x" * 5 * 1024 * 1024)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.request("POST", f"/{planted.tenant.id}/oauth2/v2.0/token", data=body, headers=headers)
    assert (answer.status, answer.body) == (413, b"")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_other_methods(client: Client, planted: Seed, method: str) -> None:
    for path in ("token", "devicecode"):
        answer = await client.request(method, f"/{planted.tenant.id}/oauth2/v2.0/{path}")
        assert answer.json["error_codes"] == [900561]
