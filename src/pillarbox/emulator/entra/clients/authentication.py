"""How an app proves itself at the token endpoint: by secret, by assertion, or not at all (RFC 6749 section 2.3)."""

import base64
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.call import EntraCall
from pillarbox.emulator.entra.claims import Proof
from pillarbox.emulator.entra.clients.certificates import check_certificate
from pillarbox.emulator.entra.clients.federation import check_federated
from pillarbox.emulator.entra.clients.jwt import parse
from pillarbox.emulator.world import App

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class Presented:
    """What a request says of its client: the id, and the secret or the assertion if one came."""

    client_id: str
    secret: str | None = field(repr=False)
    assertion: str | None = field(repr=False)

    @property
    def proves(self) -> bool:
        """Whether there is anything to prove it with."""
        return bool(self.secret or self.assertion)


def presented_client(call: EntraCall) -> Presented:
    """Client id and secret from HTTP Basic (form-encoded inside, RFC 6749 section 2.3.1) or from the form."""
    assertion = call.form.get("client_assertion")
    scheme, _, credentials = call.http.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return Presented(call.required("client_id"), call.form.get("client_secret"), assertion)
    try:
        name, _, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:
        raise EntraError(9002313, "The Authorization header is malformed.") from None
    client_id = unquote_plus(name)
    if call.form.get("client_id", client_id).lower() != client_id.lower() or "client_secret" in call.form:
        raise EntraError(90023, "The body and the Authorization header must not both name the client.")
    return Presented(client_id, unquote_plus(secret), assertion)


def prove(call: EntraCall, app: App, presented: Presented) -> Proof:
    """How a confidential client has proved itself; 7000218 if it has not tried, 700025 if it has nothing to do so."""
    if not presented.proves:
        raise EntraError(7000218, "The request body must contain: 'client_assertion' or 'client_secret'.")
    if app.public_client and not app.confidential:
        raise EntraError(700025)
    if presented.secret and presented.assertion:
        raise EntraError(90023, "Only one way of client authentication may be used.")
    if presented.assertion:
        _check_assertion(call, app, presented.assertion)
        return "certificate"
    _check_secret(app, presented.secret or "", call.now)
    return "secret"


def refuse_proof(presented: Presented) -> Proof:
    """A public client proves nothing, and must not try to: 700025."""
    if presented.proves:
        raise EntraError(700025)
    return "none"


def prove_or_be_public(call: EntraCall, app: App, presented: Presented) -> Proof:
    """For grants without a redirect URI: a client that "allows public client flows" proves nothing, any other must."""
    return refuse_proof(presented) if app.public_client else prove(call, app, presented)


def _check_secret(app: App, value: str, now: float) -> None:
    secret = app.matching(value)
    if secret is None:
        raise EntraError(7000215, f"App: '{app.client_id}'.")
    if secret.ended(now):
        raise EntraError(7000222, f"App: '{app.client_id}'.")


def _check_assertion(call: EntraCall, app: App, assertion: str) -> None:
    if call.required("client_assertion_type") != JWT_BEARER:
        raise EntraError(90100, "Parameter: 'client_assertion_type'.")
    token = parse(assertion)
    if token is None:
        raise EntraError(50027, "The client assertion is malformed.")
    # An app names itself by its client id; every other issuer is an address.
    check = check_federated if "://" in token.text("iss") else check_certificate
    check(call, app, token)
