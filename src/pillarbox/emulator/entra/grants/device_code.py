"""The device authorization grant: a code to show, and the polls until a person has entered it (RFC 8628, facts 2.5)."""

from typing import Any

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.call import EntraCall, Route
from pillarbox.emulator.entra.clients.authentication import presented_client, prove_or_be_public
from pillarbox.emulator.entra.grants.delegated import SignIn, granted
from pillarbox.emulator.entra.grants.scope_parameter import asked, chosen
from pillarbox.emulator.entra.pending import DEVICE_LIFE, INTERVAL, DeviceCode
from pillarbox.emulator.entra.people import check_allowed, known_user
from pillarbox.emulator.entra.refresh_tokens import Platform
from pillarbox.emulator.entra.tenants import find_app
from pillarbox.emulator.http import Answer


def begin(call: EntraCall) -> Answer:
    """A device code and a user code; whether the app may use them is only looked at in the polls."""
    app = find_app(call.world, call.tenant_name, call.required("client_id"))
    if "mkt" in call.http.query:
        call.gap("mkt")
    pending = call.authority.pending
    device = pending.add_device(client_id=app.client_id, tenant=call.tenant_name, scopes=asked(call), now=call.now)
    return Answer.json(_shown(call, device))


def grant(call: EntraCall) -> Answer:
    """The tokens, once a person has approved. `slow_down` is never sent: Microsoft's pages do not know it."""
    presented = presented_client(call)
    # The v1 endpoint calls it `code`; MSAL Python sends both.
    value = call.form.get("device_code") or call.form.get("code") or call.required("device_code")
    app = find_app(call.world, call.tenant_name, presented.client_id)
    proof = prove_or_be_public(call, app, presented)
    device = call.authority.pending.device(value)
    if device is None or device.client_id != app.client_id:
        raise EntraError(70018)
    _check(device, call.now)
    tenant, user = known_user(call.world, device.tenant_id or "", device.user_id or "")
    check_allowed(user)
    platform: Platform = "public" if proof == "none" else "web"
    answer = granted(call, SignIn(tenant, app, user, proof, platform, call.now), chosen(call, device.scopes))
    device.redeemed = True
    return answer


def _check(device: DeviceCode, now: float) -> None:
    if device.redeemed:
        raise EntraError(54005)
    if device.state == "declined":
        raise EntraError(70017)
    if now >= device.expires:
        raise EntraError(70020)
    if device.state == "pending":
        raise EntraError(70016)


def _shown(call: EntraCall, device: DeviceCode) -> dict[str, Any]:
    address = f"{call.base}/devicelogin"
    message = (
        f"To sign in, use a web browser to open the page {address} and enter the code {device.user_code} to"
        " authenticate."
    )
    shown = {"user_code": device.user_code, "device_code": device.value, "message": message}
    if call.v1:
        # The v1 endpoint has strings, and another name for the page.
        times = {"expires_in": str(int(DEVICE_LIFE)), "interval": str(INTERVAL)}
        return shown | {"verification_url": address} | times
    return shown | {"verification_uri": address, "expires_in": int(DEVICE_LIFE), "interval": INTERVAL}


ROUTES: tuple[Route, ...] = (
    ("POST", "/{tenant}/oauth2/v2.0/devicecode", begin),
    ("POST", "/{tenant}/oauth2/devicecode", begin),
)
