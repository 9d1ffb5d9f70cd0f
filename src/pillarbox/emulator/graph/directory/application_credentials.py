"""Secrets and certificates of an app, added and removed one at a time (facts 5.2 and 5.7)."""

from datetime import UTC, datetime
from typing import Any

from pillarbox.emulator.graph.directory import key_credentials, proof
from pillarbox.emulator.graph.directory.answers import entity
from pillarbox.emulator.graph.directory.body import Body
from pillarbox.emulator.graph.directory.lookup import (
    WRITE_APPS,
    bad_request,
    check_owner,
    find_app,
    find_own_app,
    operation,
    timestamp,
)
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.request import Request
from pillarbox.emulator.http import Answer
from pillarbox.emulator.ids import guid, secret_value
from pillarbox.emulator.world import App, Secret, Tenant

YEARS = 2
"""How long a secret lives unless told otherwise."""


def add_password(request: Request) -> Answer:
    """POST /applications/{app}/addPassword: the only answer that has the secret's text."""
    app, now = find_own_app(request), request.call.now
    body = Body.action(request, "passwordCredential")
    wish = body.part("passwordCredential", "PasswordCredential") or Body({}, "PasswordCredential", request)
    starts, ends = wish.time("startDateTime"), wish.time("endDateTime")
    name = wish.text("displayName")
    wish.done()
    body.done()
    starts = now if starts is None else starts
    ends = _years_later(starts) if ends is None else ends
    if ends <= max(starts, now):
        raise wish.invalid("endDateTime")
    _check_policy(request.caller.tenant, ends - starts)
    entropy = request.world.entropy
    secret = Secret(guid(entropy), secret_value(entropy), ends, starts, name)
    app.secrets.append(secret)
    return entity(request, "microsoft.graph.passwordCredential", show_secret(secret) | {"secretText": secret.value})


def remove_password(request: Request) -> Answer:
    """POST /applications/{app}/removePassword."""
    app = find_own_app(request)
    body = Body.action(request, "keyId")
    ident = body.required("keyId").lower()
    body.done()
    if all(each.id != ident for each in app.secrets):
        raise bad_request("No password credential found with keyId.")
    app.secrets = [each for each in app.secrets if each.id != ident]
    return Answer(204)


def add_key(request: Request) -> Answer:
    """POST /applications/{app}/addKey: proved by a certificate that the app has; the first one comes by PATCH."""
    app = _find_rolled(request)
    body = Body.action(request, "keyCredential", "passwordCredential", "proof")
    part = body.part("keyCredential", key_credentials.KIND)
    if part is None:
        raise bad_request("Property keyCredential value is required but is empty or missing.")
    _check_proof(request, app, body)
    credential = key_credentials.read(part, [], request.world.entropy)
    if body.part("passwordCredential", "PasswordCredential") is not None:
        raise body.missing("passwordCredential", "X509CertAndPassword")
    body.done()
    app.certificates.append(credential)
    return entity(request, "microsoft.graph.keyCredential", key_credentials.show(credential))


def remove_key(request: Request) -> Answer:
    """POST /applications/{app}/removeKey: proved like addKey."""
    app = _find_rolled(request)
    body = Body.action(request, "keyId", "proof")
    ident = body.required("keyId").lower()
    _check_proof(request, app, body)
    body.done()
    if all(each.id != ident for each in app.certificates):
        raise bad_request("No key credential found with keyId.")
    app.certificates = [each for each in app.certificates if each.id != ident]
    return Answer(204)


def show_secret(secret: Secret) -> dict[str, Any]:
    """The secret for JSON, without its text."""
    return {
        "customKeyIdentifier": None,
        "displayName": secret.name,
        "endDateTime": timestamp(secret.ends_at),
        "hint": secret.hint,
        "keyId": secret.id,
        "secretText": None,
        "startDateTime": timestamp(secret.starts_at),
    }


def _check_policy(tenant: Tenant, life: float) -> None:
    """Refuse a secret that the tenant's policy does not allow; programs take a certificate then (facts 5.2)."""
    longest, policy = tenant.longest_secret, f"policy '{tenant.id}'"
    if longest == 0:
        text = f"Credential type not allowed as per assigned {policy}."
        raise GraphError("CredentialTypeNotAllowedAsPerAppPolicy", text)
    if longest is not None and life > longest:
        text = f"Credential lifetime exceeds the max value allowed as per assigned {policy}."
        raise GraphError("CredentialInvalidLifetimeAsPerAppPolicy", text)


def _check_proof(request: Request, app: App, body: Body) -> None:
    proof.check(app, body.required("proof", longest=16 * 1024), request.call.now)


def _find_rolled(request: Request) -> App:
    """The app in the path: its own keys an app may roll without any permission, another's only with one."""
    app, caller = find_app(request), request.caller
    if caller.user is None and caller.principal.app is app:
        return app
    if not caller.holds(*WRITE_APPS):
        raise GraphError("Authorization_RequestDenied")
    check_owner(caller, app)
    return app


def _years_later(start: float) -> float:
    moment = datetime.fromtimestamp(start, UTC)
    year = min(moment.year + YEARS, 9999)
    try:
        return moment.replace(year=year).timestamp()
    except ValueError:  # 29 February
        return moment.replace(year=year, day=28).timestamp()


OPERATIONS = (
    operation("POST", "/applications/{app}/addPassword", add_password, *WRITE_APPS),
    operation("POST", "/applications/{app}/removePassword", remove_password, *WRITE_APPS),
    operation("POST", "/applications/{app}/addKey", add_key),
    operation("POST", "/applications/{app}/removeKey", remove_key),
)
