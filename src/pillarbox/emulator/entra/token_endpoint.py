"""The token endpoints, v2.0 and v1: which grant is asked for, and the count of what came of it."""

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.call import EntraCall, Handler, Route
from pillarbox.emulator.entra.grants import authorization_code, client_credentials, device_code, password, refresh_token
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world.tenant import CONSUMERS

V2 = "/{tenant}/oauth2/v2.0/token"
V1 = "/{tenant}/oauth2/token"
TEMPLATES = (V2, V1)

GRANTS: dict[str, Handler] = {
    "client_credentials": client_credentials.grant,
    "authorization_code": authorization_code.grant,
    "refresh_token": refresh_token.grant,
    "urn:ietf:params:oauth:grant-type:device_code": device_code.grant,
    "device_code": device_code.grant,
    "password": password.grant,
}
KNOWN_GRANTS = ("urn:ietf:params:oauth:grant-type:jwt-bearer",)
"""Grants that Entra has and the emulator has not: refused like unknown ones, and noted as a gap."""


def issue(call: EntraCall) -> Answer:
    """The answer of the grant that was asked for."""
    outcomes = call.authority.ledger.tokens
    try:
        answer = _grant(call)
    except EntraError as error:
        outcomes[f"AADSTS{error.number}"] += 1
        raise
    outcomes["issued"] += 1
    return answer


def wrong_method(call: EntraCall) -> Answer:
    """The token endpoints take POST alone."""
    number = 900561
    call.authority.ledger.tokens[f"AADSTS{number}"] += 1
    raise EntraError(number, f"The endpoint only accepts POST requests. Received a {call.http.method} request.")


def _grant(call: EntraCall) -> Answer:
    _check_loop(call)
    name = call.required("grant_type")
    grant = GRANTS.get(name)
    if grant is None:
        if name in KNOWN_GRANTS:
            call.gap(f"grant_type={name}")
        raise EntraError(70003, f"The app requested an unsupported grant type '{name}'.")
    if call.v1 and call.tenant_name in ("consumers", CONSUMERS):
        raise EntraError(90027)
    return grant(call)


def _check_loop(call: EntraCall) -> None:
    limit, http = call.world.token_loop_limit, call.http
    if limit:
        request = hash((http.path, http.body, http.headers.get("Authorization")))
        call.authority.loops.count(request, limit, call.now)


ROUTES: tuple[Route, ...] = tuple(
    (method, template, issue if method == "POST" else wrong_method)
    for template in TEMPLATES
    for method in ("POST", "GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
)
