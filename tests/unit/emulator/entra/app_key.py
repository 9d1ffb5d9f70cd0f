"""Keys with which apps and foreign issuers sign."""

import datetime
import hashlib
import json
import uuid
from base64 import urlsafe_b64encode
from functools import cached_property
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from pillarbox.emulator.world import KeyCredential
from tests.unit.emulator.conftest import NOON


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


class AppKey:
    """An RSA key with a self-signed certificate, as an administrator uploads it."""

    def __init__(self) -> None:
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway.contoso.example")])
        day = datetime.timedelta(days=1)
        now = datetime.datetime.fromtimestamp(NOON, datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
        builder = builder.public_key(self.private.public_key()).not_valid_before(now - day)
        certificate = builder.not_valid_after(now + 365 * day).sign(self.private, hashes.SHA256())
        self.der = certificate.public_bytes(serialization.Encoding.DER)
        self.public_pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        plain, pkcs8 = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
        self.private_pem = self.private.private_bytes(serialization.Encoding.PEM, pkcs8, plain).decode()

    @cached_property
    def credential(self) -> KeyCredential:
        """The certificate as it stands on a registration, good for ever."""
        return KeyCredential(str(uuid.uuid4()), self.der, 0.0, 1e12)

    @property
    def sha1(self) -> str:
        """The thumbprint in hexadecimal digits."""
        return hashlib.sha1(self.der).hexdigest()

    def sign(self, claims: dict[str, Any], algorithm: str = "PS256", **header: Any) -> str:
        """A JWT, by default with the thumbprint that Microsoft recommends; PyJWT would not write all claims itself."""
        header = header or {"x5t#S256": encode(hashlib.sha256(self.der).digest())}
        payload = json.dumps(claims).encode()
        return jwt.api_jws.PyJWS().encode(payload, self.private, algorithm, headers=header)

    def key_set(self) -> dict[str, Any]:
        """The public key as an issuer publishes it."""
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key()))
        return {"keys": [key | {"kid": "1"}]}
