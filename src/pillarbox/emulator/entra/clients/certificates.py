"""Client assertions that an app signs with its own certificate (RFC 7523 section 3, facts 2.2)."""

import hashlib

from cryptography import x509

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.call import EntraCall
from pillarbox.emulator.entra.clients.jwt import PADDINGS, ForeignToken, decode
from pillarbox.emulator.entra.tenants import named_tenant
from pillarbox.emulator.world import App, KeyCredential

SKEW = 300.0
"""Seconds by which the clocks of client and Entra may differ."""


def check_certificate(call: EntraCall, app: App, token: ForeignToken) -> None:
    """Refuse an assertion that no certificate on the registration signed, or that is for somebody else.

    700027: thumbprint or signature. 50048: issuer or subject. 50027: audience. 700024: time. The certificate that the
    header may bring along (`x5c`) is not asked: only registered ones count. `jti` may come twice.
    """
    credential = _credential(app, token)
    if call.now < credential.starts_at or call.now >= credential.ends_at:
        raise EntraError(700027, "Reason: the key used is expired.")
    if not token.verified_by(_public_key(credential), *PADDINGS):
        raise EntraError(700027, "Reason: client assertion signature is invalid.")
    if not token.text("iss").lower() == token.text("sub").lower() == app.client_id:
        raise EntraError(50048)
    if token.text("aud").rstrip("/").lower() not in _audiences(call):
        raise EntraError(50027, f"Audience: '{token.text('aud')}'.")
    check_times(token, call.now)


def check_times(token: ForeignToken, now: float) -> None:
    """Refuse a token that is no longer or not yet good (700024); `exp` is required."""
    ends, begins = token.seconds("exp"), token.seconds("nbf")
    if ends is None:
        raise EntraError(50027, "The token has no expiration claim.")
    if now >= ends + SKEW or (begins is not None and now < begins - SKEW):
        raise EntraError(700024)


def _credential(app: App, token: ForeignToken) -> KeyCredential:
    for name, digest in (("x5t#S256", hashlib.sha256), ("x5t", hashlib.sha1)):
        thumbprint = token.header.get(name)
        if thumbprint is not None:
            wanted = _bytes(thumbprint)
            found = (each for each in app.certificates if digest(each.certificate).digest() == wanted)
            credential = next(found, None)
            if credential is None:
                raise EntraError(700027, "Reason: the key was not found.")
            return credential
    raise EntraError(50027, "The header has neither x5t nor x5t#S256.")


def _public_key(credential: KeyCredential) -> object:
    try:
        return x509.load_der_x509_certificate(credential.certificate).public_key()
    except ValueError:  # What Graph was given was no certificate.
        return None


def _bytes(thumbprint: object) -> bytes:
    try:
        return decode(str(thumbprint))
    except ValueError:
        return b""


def _audiences(call: EntraCall) -> set[str]:
    """The token URLs of the host that was asked, of both versions and with every name of the tenant, and its issuer."""
    tenant = named_tenant(call.world, call.tenant_name)
    names = {call.tenant_name, *((tenant.id, *tenant.domains) if tenant else ())}
    ends = ("/oauth2/v2.0/token", "/oauth2/token", "/v2.0")
    return {f"{call.base}/{name}{end}".lower() for name in names for end in ends}
