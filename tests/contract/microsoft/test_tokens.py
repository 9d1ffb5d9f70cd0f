"""Tokens that are given: to an app alone, by every proof, and to a person by password."""

import base64

import pytest

from tests.contract.microsoft import needs
from tests.contract.microsoft.assertion import assertion
from tests.contract.microsoft.entra import Entra, bearer, claims
from tests.contract.microsoft.needs import needed
from tests.contract.microsoft.record import Record
from tests.contract.microsoft.target import Target

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


async def test_app_gets_a_token_and_never_a_refresh_token(entra: Entra, target: Target, record: Record) -> None:
    reply = await entra.post(entra.form(target.sender))
    record.answer("answer", reply)
    assert reply.status == 200
    assert reply.names == {"access_token", "expires_in", "ext_expires_in", "token_type"}
    assert isinstance(reply.json["expires_in"], int)


async def test_app_may_prove_itself_by_http_basic(entra: Entra, target: Target, record: Record) -> None:
    login = base64.b64encode(f"{target.sender.client_id}:{target.sender.secret}".encode()).decode()
    form = entra.form(target.sender, client_id=None, client_secret=None)
    reply = await entra.post(form, headers={"Authorization": f"Basic {login}"})
    record.answer("answer", reply)
    bearer(reply)


async def test_tenant_may_be_named_by_its_domain(entra: Entra, target: Target, record: Record) -> None:
    reply = await entra.post(entra.form(target.sender), tenant=target.domain)
    assert claims(bearer(reply))["tid"] == target.tenant


async def test_older_endpoint_sends_numbers_as_strings(entra: Entra, target: Target, record: Record) -> None:
    form = entra.form(target.sender, scope=None, resource=target.cloud.graph)
    reply = await entra.post(form, path="token")
    record.answer("answer", reply)
    assert reply.json["resource"] == target.cloud.graph
    kinds = {type(reply.json[name]) for name in ("expires_in", "expires_on", "not_before")}
    assert kinds == {str}


async def test_token_of_an_app_names_its_permissions(entra: Entra, target: Target, record: Record) -> None:
    shown = claims(await entra.token(target.sender))
    record.steps["claims"] = record.redaction.value(shown)
    assert shown["roles"] == ["Mail.Send"]
    assert shown["oid"] == shown["sub"]
    assert (shown["appid"], shown["appidacr"], shown["tid"]) == (target.sender.client_id, "1", target.tenant)
    assert "scp" not in shown


async def test_app_without_consent_gets_a_token_without_permissions(
    entra: Entra, target: Target, record: Record
) -> None:
    shown = claims(await entra.token(target.nobody))
    record.steps["claims"] = record.redaction.value(shown)
    assert "roles" not in shown


async def test_token_for_exchange_is_another(entra: Entra, target: Target, record: Record) -> None:
    app = needed(target.exchange, needs.EXCHANGE)
    shown = claims(await entra.token(app, entra.exchange_scope))
    record.steps["claims"] = record.redaction.value(shown)
    assert shown["aud"].rstrip("/") == target.cloud.exchange


@pytest.mark.parametrize(("algorithm", "thumbprint"), [("PS256", "x5t#S256"), ("RS256", "x5t"), ("RS256", "x5t#S256")])
async def test_certificate_proves_the_app(
    entra: Entra, target: Target, record: Record, algorithm: str, thumbprint: str
) -> None:
    file = needed(target.certificate, needs.CERTIFICATE)
    signed = assertion(file, target, algorithm, thumbprint)
    form = entra.form(target.sender, client_secret=None, client_assertion_type=ASSERTION, client_assertion=signed)
    reply = await entra.post(form)
    record.answer("answer", reply)
    assert claims(bearer(reply))["appidacr"] == "2"


async def test_person_gets_a_token_by_password(entra: Entra, target: Target, record: Record) -> None:
    app, person = needed(target.public, needs.PUBLIC), needed(target.person, needs.PERSON)
    form: dict[str, str | None] = {
        "grant_type": "password",
        "client_id": app.client_id,
        "username": person.address,
        "password": person.password,
        "scope": f"{target.cloud.graph}/Mail.Send offline_access openid",
    }
    reply = await entra.post(form)
    record.answer("answer", reply)
    shown = claims(bearer(reply))
    assert "Mail.Send" in shown["scp"].split()
    assert "roles" not in shown
    assert {"refresh_token", "id_token"} <= reply.names
    again = {"grant_type": "refresh_token", "client_id": app.client_id, "refresh_token": reply.json["refresh_token"]}
    refreshed = await entra.post({**again, "scope": f"{target.cloud.exchange}/SMTP.Send"})
    record.answer("refreshed for exchange", refreshed)
    assert claims(bearer(refreshed))["aud"].rstrip("/") == target.cloud.exchange


async def test_device_code_is_pending_until_somebody_signs_in(entra: Entra, target: Target, record: Record) -> None:
    app = needed(target.public, needs.PUBLIC)
    scope = f"{target.cloud.graph}/Mail.Send offline_access"
    started = await entra.post({"client_id": app.client_id, "scope": scope}, path="v2.0/devicecode")
    record.answer("started", started)
    assert {"device_code", "user_code", "verification_uri", "expires_in", "interval", "message"} <= started.names
    assert "verification_uri_complete" not in started.names
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    code = started.json["device_code"]
    polled = await entra.post({"grant_type": grant, "client_id": app.client_id, "device_code": code})
    record.answer("polled", polled)
    assert (polled.status, polled.json["error"]) == (400, "authorization_pending")
