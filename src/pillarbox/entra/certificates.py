"""Certificates of app registrations: made here, or read from PEM and PFX files; always RSA, as Entra ID takes no other.

https://learn.microsoft.com/entra/identity-platform/certificate-credentials
"""

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from pillarbox.core.errors import InvalidInput
from pillarbox.core.vault import Secret

BITS: Final = 3072
DAYS: Final = 730
_LEAST_BITS: Final = 2048
"""Microsoft's own minimum for keys that sign."""
_SKEW: Final = datetime.timedelta(minutes=10)
"""By so much the machine's clock may be ahead of Microsoft's: a certificate must be good at once."""
_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_KEY: Final = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)

_PEM_BEGIN: Final = b"-----BEGIN "
_SEQUENCE: Final = b"\x30"
"""What every DER file begins with (X.690)."""
_PFX_VERSION: Final = b"\x02\x01\x03"
"""What a PFX has at its begin: version 3 (RFC 7292, section 4)."""


@dataclass(frozen=True, slots=True)
class Public:
    """What everybody may know of a certificate; the thumbprints as the portal writes them; times since 1970."""

    pem: str
    subject: str
    sha1: str
    sha256: str
    starts_at: float
    ends_at: float


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key with its certificate and perhaps its chain: `pem` holds all of them, the certificate first."""

    pem: Secret
    public: Public


def make(common_name: str, now: float, days: int = DAYS) -> KeyPair:
    """A new key with a self-signed certificate, good from now on."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    begins = datetime.datetime.fromtimestamp(now, datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins - _SKEW)
        .not_valid_after(begins + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _key_pair(key, [certificate])


def read_pem(text: Secret, password: Secret | None = None) -> KeyPair:
    """A key and its certificate, with or without a chain, from the text of one PEM file, or of two put together.

    Raises InvalidInput for what is not that, or cannot be used with Entra ID.
    """
    found = _KEY.search(text.reveal())
    if found is None:
        raise InvalidInput("certificate.no_key")
    key = _loaded_key(found[0], password)
    try:
        chain = [x509.load_pem_x509_certificate(each.encode()) for each in _CERTIFICATE.findall(text.reveal())]
    except ValueError as error:
        raise InvalidInput("certificate.unreadable", reason="the certificate is damaged") from error
    return _key_pair(key, chain)


def text_of(content: bytes) -> Secret:
    """The PEM text of a file, of a DER certificate or key too. Raises InvalidInput for what is something else."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Secret(content.decode("utf-16", "replace"))  # as Windows PowerShell writes
    if _PEM_BEGIN in content or content[:1] != _SEQUENCE:
        return Secret(content.decode("utf-8-sig", "replace"))
    if _PFX_VERSION in content[:8]:
        raise InvalidInput("certificate.unreadable", reason="the file is a PFX (PKCS #12), for --pfx-file")
    try:
        return Secret(_pem(x509.load_der_x509_certificate(content)))
    except ValueError:
        return _key_text(content)


def _key_text(der: bytes) -> Secret:
    try:
        return Secret(_key_pem(serialization.load_der_private_key(der, None)))
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        reason = "the file is DER, and neither a certificate nor a key that is not encrypted"
        raise InvalidInput("certificate.unreadable", reason=reason) from error


def read_pfx(content: bytes, password: Secret) -> KeyPair:
    """The same from a PFX (PKCS #12) file. Raises InvalidInput; a wrong password cannot be told from a damaged file."""
    if _PEM_BEGIN in content:
        raise InvalidInput("certificate.unreadable", reason="the file is PEM, for --certificate-file")
    try:
        key, certificate, more = pkcs12.load_key_and_certificates(content, password.reveal().encode() or None)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput("certificate.bad_pfx") from error
    if key is None:
        raise InvalidInput("certificate.no_key")
    return _key_pair(key, [each for each in (certificate, *more) if each is not None])


def split(pem: Secret) -> tuple[str, str]:
    """The private key and the certificates of what was sealed: the form that MSAL takes. Raises InvalidInput."""
    text = pem.reveal()
    key = _KEY.search(text)
    chain = _CERTIFICATE.findall(text)
    if key is None or not chain:
        raise InvalidInput("certificate.no_key" if key is None else "certificate.missing")
    return key[0], "\n".join(chain)


def public_of(pem: Secret) -> Public:
    """What everybody may know of a sealed certificate. Raises InvalidInput."""
    return _public(x509.load_pem_x509_certificate(split(pem)[1].encode()))


def _loaded_key(pem: str, password: Secret | None) -> PrivateKeyTypes:
    given = password.reveal().encode() if password else None
    try:
        try:
            return serialization.load_pem_private_key(pem.encode(), given)
        except TypeError:
            if given is None:
                raise
            # It is not encrypted: the password is not needed.
            return serialization.load_pem_private_key(pem.encode(), None)
    except TypeError as error:
        raise InvalidInput("certificate.key_encrypted") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput("certificate.bad_key" if given is None else "certificate.wrong_password") from error


def _key_pair(key: PrivateKeyTypes, chain: Sequence[x509.Certificate]) -> KeyPair:
    """The pair, the key's own certificate first, whatever order they came in."""
    if not isinstance(key, rsa.RSAPrivateKey):
        raise InvalidInput("certificate.not_rsa")
    if key.key_size < _LEAST_BITS:
        raise InvalidInput("certificate.short_key", bits=key.key_size)
    if not chain:
        raise InvalidInput("certificate.missing")
    own = [each for each in chain if each.public_key() == key.public_key()]
    if not own:
        raise InvalidInput("certificate.other_key")
    ordered = [own[0], *(each for each in chain if each is not own[0])]
    return KeyPair(Secret(_key_pem(key) + "".join(map(_pem, ordered))), _public(own[0]))


def _public(certificate: x509.Certificate) -> Public:
    return Public(
        pem=_pem(certificate),
        subject=certificate.subject.rfc4514_string(),
        sha1=certificate.fingerprint(hashes.SHA1()).hex().upper(),  # noqa: S303 - a name that the portal shows
        sha256=certificate.fingerprint(hashes.SHA256()).hex().upper(),
        starts_at=certificate.not_valid_before_utc.timestamp(),
        ends_at=certificate.not_valid_after_utc.timestamp(),
    )


def _key_pem(key: PrivateKeyTypes) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
