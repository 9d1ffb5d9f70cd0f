"""Certificates of an app as Graph's keyCredential: read from a body and shown (facts 5.7)."""

import base64
import binascii
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from pillarbox.emulator.graph.directory.body import Body
from pillarbox.emulator.graph.directory.lookup import bad_request, timestamp
from pillarbox.emulator.ids import Entropy, guid, is_guid
from pillarbox.emulator.world import KeyCredential

KIND = "KeyCredential"
TYPE, USAGE = "AsymmetricX509Cert", "Verify"


def read(body: Body, existing: list[KeyCredential], entropy: Entropy) -> KeyCredential:
    """The credential in a body. Without `key` it must be one of the existing, by its `keyId`.

    A GraphError (Request_BadRequest) for what is no certificate, or dates outside of the certificate's own.
    """
    ident, encoded = body.text("keyId"), body.text("key", longest=64 * 1024)
    if encoded is None:
        return _kept(body, ident, existing)
    if ident is not None and not is_guid(ident):
        raise body.invalid("keyId")
    for name, only in (("type", TYPE), ("usage", USAGE)):
        value = body.required(name)
        if value != only:
            raise body.missing(name, value)
    certificate = _certificate(body, encoded)
    starts, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    credential = KeyCredential(
        ident.lower() if ident else guid(entropy),
        certificate.public_bytes(Encoding.DER),
        _within(body, "startDateTime", starts, ends, starts),
        _within(body, "endDateTime", starts, ends, ends),
        body.text("displayName") or certificate.subject.rfc4514_string(),
    )
    # The thumbprint is told by the certificate, whatever the body says.
    body.text("customKeyIdentifier")
    body.done()
    return credential


def show(credential: KeyCredential, *, with_key: bool = False) -> dict[str, Any]:
    """The credential for JSON; the certificate itself is given only where it is asked for."""
    key = base64.b64encode(credential.certificate).decode() if with_key else None
    certificate = x509.load_der_x509_certificate(credential.certificate)
    thumbprint = certificate.fingerprint(hashes.SHA1())  # noqa: S303 - Microsoft's name of a certificate
    return {
        "customKeyIdentifier": base64.b64encode(thumbprint).decode(),
        "displayName": credential.name,
        "endDateTime": timestamp(credential.ends_at),
        "key": key,
        "keyId": credential.id,
        "startDateTime": timestamp(credential.starts_at),
        "type": TYPE,
        "usage": USAGE,
    }


def _kept(body: Body, ident: str | None, existing: list[KeyCredential]) -> KeyCredential:
    """The existing credential that a body repeats, as GET showed it: without its key."""
    found = next((each for each in existing if ident and each.id == ident.lower()), None)
    if found is None:
        raise body.invalid("key")
    for name in ("type", "usage", "displayName", "startDateTime", "endDateTime", "customKeyIdentifier"):
        body.text(name)
    body.done()
    return found


def _certificate(body: Body, encoded: str) -> x509.Certificate:
    """The certificate in base64, in whichever alphabet; SDKs send the usual one, OData wants that of URLs."""
    try:
        return x509.load_der_x509_certificate(base64.b64decode(encoded.translate(_URL_SAFE), validate=True))
    except (binascii.Error, ValueError):
        raise body.invalid("key") from None


def _within(body: Body, name: str, starts: float, ends: float, default: float) -> float:
    value = body.time(name)
    if value is None:
        return default
    if not starts <= value <= ends:
        which = "start" if name == "startDateTime" else "end"
        raise bad_request(f"Key credential {which} date is invalid.")
    return value


_URL_SAFE = str.maketrans("-_", "+/")
