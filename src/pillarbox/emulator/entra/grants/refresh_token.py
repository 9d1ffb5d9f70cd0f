"""The refresh grant: new tokens for a sign-in of long ago, for whichever resource (RFC 6749 section 6, facts 2.4)."""

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.call import EntraCall
from pillarbox.emulator.entra.clients.authentication import presented_client
from pillarbox.emulator.entra.grants.authorization_code import prove_on
from pillarbox.emulator.entra.grants.delegated import SignIn, granted
from pillarbox.emulator.entra.grants.scope_parameter import chosen
from pillarbox.emulator.entra.people import check_allowed, known_user
from pillarbox.emulator.entra.refresh_tokens import RefreshToken
from pillarbox.emulator.entra.tenants import find_app, named_tenant
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world import App, User


def grant(call: EntraCall) -> Answer:
    """New tokens and the next refresh token; the old one stays good."""
    presented = presented_client(call)
    value = call.required("refresh_token")
    app = find_app(call.world, call.tenant_name, presented.client_id)
    token = _find(call, app, value)
    proof = prove_on(call, app, presented, token.platform)
    tenant, user = known_user(call.world, token.tenant_id, token.user_id)
    if named_tenant(call.world, call.tenant_name) not in (None, tenant):
        raise EntraError(50020)
    _check_age(token, user, call.now)
    check_allowed(user)
    sign_in = SignIn(tenant, app, user, proof, token.platform, token.signed_in, refreshed=token)
    return granted(call, sign_in, chosen(call, token.scopes))


def _find(call: EntraCall, app: App, value: str) -> RefreshToken:
    token = call.authority.refresh_tokens.find(value)
    if token is None or token.client_id != app.client_id:
        raise EntraError(70000, "The provided refresh token is malformed, or was issued to another app.")
    return token


def _check_age(token: RefreshToken, user: User, now: float) -> None:
    if user.sessions_valid_from > token.signed_in:
        raise EntraError(50173)
    if token.spa_ended(now):
        raise EntraError(700084)
    if token.unused_too_long(now):
        raise EntraError(700082)
