"""The password grant (RFC 6749 section 4.3, facts 2.6): what old programs use, and what multi-factor sign-in ends."""

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.call import EntraCall
from pillarbox.emulator.entra.clients.authentication import presented_client, prove_or_be_public
from pillarbox.emulator.entra.grants.delegated import SignIn, granted
from pillarbox.emulator.entra.grants.scope_parameter import asked_of_one
from pillarbox.emulator.entra.people import check_allowed, check_audience, check_password, find_user
from pillarbox.emulator.entra.refresh_tokens import Platform
from pillarbox.emulator.entra.tenants import find_app
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world import User
from pillarbox.emulator.world.tenant import CONSUMERS

SECOND_FACTORS = {"enrolled": 50076, "demanded": 50079}


def grant(call: EntraCall) -> Answer:
    """Tokens for a user who has nothing but a password."""
    if call.tenant_name in ("common", "consumers", CONSUMERS):
        raise EntraError(9001023)
    presented = presented_client(call)
    username, password = call.required("username"), call.required("password")
    app = find_app(call.world, call.tenant_name, presented.client_id)
    scopes = asked_of_one(call)
    proof = prove_or_be_public(call, app, presented)
    tenant, user = find_user(call.world, call.tenant_name, username)
    if tenant.consumers:
        raise EntraError(9001023)
    check_audience(app, call.world.home(app), tenant)
    check_password(call, user, "" if password != password.strip() else password)
    check_allowed(user)
    _check_second_factor(user)
    platform: Platform = "public" if proof == "none" else "web"
    return granted(call, SignIn(tenant, app, user, proof, platform, call.now), scopes)


def _check_second_factor(user: User) -> None:
    number = SECOND_FACTORS.get(user.second_factor)
    if number:
        raise EntraError(number)
