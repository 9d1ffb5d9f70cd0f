"""The authorization code grant: a code of the authorize endpoint for tokens (RFC 6749 section 4.1.3, facts 2.3)."""

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.call import EntraCall
from pillarbox.emulator.entra.claims import Proof
from pillarbox.emulator.entra.clients.authentication import Presented, presented_client, prove, refuse_proof
from pillarbox.emulator.entra.grants.delegated import SignIn, granted
from pillarbox.emulator.entra.grants.scope_parameter import chosen
from pillarbox.emulator.entra.pending import CODE_LIFE, AuthorizationCode
from pillarbox.emulator.entra.people import check_allowed, known_user
from pillarbox.emulator.entra.pkce import check_verifier
from pillarbox.emulator.entra.redirects import platform_of
from pillarbox.emulator.entra.refresh_tokens import Platform
from pillarbox.emulator.entra.tenants import find_app, named_tenant
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world import App


def grant(call: EntraCall) -> Answer:
    """All tokens that the user allowed, once."""
    presented = presented_client(call)
    value, redirect_uri = call.required("code"), call.required("redirect_uri")
    app = find_app(call.world, call.tenant_name, presented.client_id)
    platform = platform_of(app, redirect_uri)
    if platform is None:
        raise EntraError(50011, f"The redirect URI '{redirect_uri}' is not registered for app '{app.client_id}'.")
    proof = prove_on(call, app, presented, platform)
    code = call.authority.pending.code(value)
    # A code that was presented with a wrong verifier stays good: no page of Microsoft says what becomes of it, and
    # neither RFC 6749 nor RFC 7636 wants it gone.
    _check(call, app, code, redirect_uri)
    assert code is not None
    check_verifier(code.challenge, code.method, call.form.get("code_verifier"))
    scopes = chosen(call, code.scopes)
    tenant, user = known_user(call.world, code.tenant_id, code.user_id)
    check_allowed(user)
    signed_in = code.expires - CODE_LIFE
    answer = granted(call, SignIn(tenant, app, user, proof, platform, signed_in, code.nonce), scopes)
    code.redeemed = True
    return answer


def prove_on(call: EntraCall, app: App, presented: Presented, platform: Platform) -> Proof:
    """How the client proves itself on a platform: web apps must, others must not.

    Pages do their requests from a browser, which says so by `Origin`; others must not look as if (9002327, 9002326).
    """
    cross_origin = "Origin" in call.http.headers
    if platform == "spa" and not cross_origin:
        raise EntraError(9002327)
    if platform != "spa" and cross_origin:
        raise EntraError(9002326)
    return prove(call, app, presented) if platform == "web" else refuse_proof(presented)


def _check(call: EntraCall, app: App, code: AuthorizationCode | None, redirect_uri: str) -> None:
    if code is None or code.client_id != app.client_id:
        raise EntraError(70000, "The provided authorization code is invalid, or was issued to another app.")
    tenant = named_tenant(call.world, call.tenant_name)
    if tenant is not None and tenant.id != code.tenant_id:
        raise EntraError(700005)
    if redirect_uri != code.redirect_uri:
        raise EntraError(500112, f"Sent: '{redirect_uri}'. Expected: '{code.redirect_uri}'.")
    if code.redeemed:
        raise EntraError(54005)
    if call.now >= code.expires:
        raise EntraError(70008)
