"""Client assertions, signed by a certificate (RFC 7523, facts 2.2)."""

import base64
import time
import uuid
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.contract.microsoft.target import Target

LIFE = 300
"""Seconds."""


def assertion(file: Path, target: Target, algorithm: str, thumbprint: str, **claims: Any) -> str:
    """An assertion of the sender's; `claims` replace the usual ones. `file` is a PEM with certificate and key."""
    pem = file.read_bytes()
    certificate, key = x509.load_pem_x509_certificate(pem), load_pem_private_key(pem, None)
    # The older name is that of a SHA-1, which is all that it identifies by.
    digest = certificate.fingerprint(hashes.SHA256() if thumbprint.endswith("#S256") else hashes.SHA1())
    now = int(time.time())
    usual = {
        "aud": f"{target.authority}/{target.tenant}/oauth2/v2.0/token",
        "iss": target.sender.client_id,
        "sub": target.sender.client_id,
        "jti": str(uuid.uuid4()),
        "nbf": now,
        "iat": now,
        "exp": now + LIFE,
    }
    header = {thumbprint: base64.urlsafe_b64encode(digest).rstrip(b"=").decode()}
    return jwt.encode(usual | claims, key, algorithm, headers=header)  # type: ignore[arg-type]
