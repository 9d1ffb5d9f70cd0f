"""A certificate authority and a server certificate, made at run time, kept if there is a place for them.

Microsoft's client libraries refuse an http authority, so the emulator must speak TLS, and strictly correct TLS:
Python 3.13 verifies with VERIFY_X509_STRICT (RFC 5280 extensions are demanded).
"""

import datetime
import ipaddress
import os
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOGIN_NAMES = ("login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net")
GRAPH_NAME = "graph.microsoft.com"
OUTLOOK_NAMES = ("outlook.office.com", "outlook.office365.com", "smtp.office365.com", "smtp-mail.outlook.com")
MICROSOFT_NAMES = (*LOGIN_NAMES, GRAPH_NAME, *OUTLOOK_NAMES)
"""The hosts that programs have built in: the certificate is good for them too, for whoever points them here."""
VAULT_NAMES = ("*.vault.azure.net", "*.vault.localhost")
NAMES = ("localhost", *MICROSOFT_NAMES, *VAULT_NAMES)
ADDRESSES = ("127.0.0.1", "::1")
LIFE = datetime.timedelta(days=30)
SKEW = datetime.timedelta(minutes=10)
ENDING = datetime.timedelta(days=1)
FILES = {"ca": "ca.pem", "server": "tls-server.pem", "server_key": "tls-server-key.pem"}
SUBJECT = "Pillarbox emulator CA (for tests only)"


@dataclass(frozen=True)
class Certificates:
    """The CA that clients must trust, and what the server shows; all PEM."""

    ca: bytes
    server: bytes
    server_key: bytes = field(repr=False)

    @classmethod
    def make(cls, *hosts: str) -> "Certificates":
        """Make a new CA (its key is forgotten at once) and one server certificate.

        It is good for localhost, Microsoft's names, and these `hosts`: names or addresses.
        """
        ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        ca = _ca(ca_key)
        server = _leaf(ca, ca_key, server_key, _alternatives(hosts))
        return cls(_pem(ca), _pem(server), _key_pem(server_key))

    @classmethod
    def kept(cls, directory: Path, *hosts: str) -> "Certificates":
        """Those in the directory, so that clients need to trust only once.

        New ones if they are missing, ending, or not good for all of these `hosts`. A CA that is somebody else's is a
        FileExistsError.
        """
        try:
            found = cls(**{name: (directory / file).read_bytes() for name, file in FILES.items()})
            server = x509.load_pem_x509_certificate(found.server)
            names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            good = all(each in names for each in _alternatives(hosts))
            if good and server.not_valid_after_utc > datetime.datetime.now(datetime.UTC) + ENDING:
                return found
        except (OSError, ValueError, x509.ExtensionNotFound):
            pass
        place = directory / FILES["ca"]
        if place.exists() and not is_ours(place.read_bytes()):
            raise FileExistsError(f"{place} is not the emulator's: choose another directory")
        made = cls.make(*hosts)
        for name, file in FILES.items():
            write_private(directory / file, getattr(made, name))
        return made

    def server_context(self) -> ssl.SSLContext:
        """The context of the listening side."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # The ssl module loads keys from files only: this one is ours alone and lives for two lines.
        handle, path = tempfile.mkstemp(suffix=".pem")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.server + self.server_key)
            context.load_cert_chain(path)
        finally:
            Path(path).unlink()
        return context


def _ca(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SUBJECT)])
    usage = _usage(key_cert_sign=True, crl_sign=True)
    builder = _builder(name, name, key.public_key(), key.public_key(), usage, path_length=0)
    return builder.sign(key, hashes.SHA256())


def is_ours(pem: bytes) -> bool:
    """Whether that is the CA of an emulator, this one or another."""
    try:
        names = x509.load_pem_x509_certificate(pem).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return False
    return [each.value for each in names] == [SUBJECT]


def _alternatives(hosts: tuple[str, ...]) -> list[x509.GeneralName]:
    """What the certificate is good for; a host that is neither name nor address is a ValueError."""
    found: list[x509.GeneralName] = []
    for host in dict.fromkeys((*NAMES, *ADDRESSES, *hosts)):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            found.append(x509.DNSName(host))
    return found


def _leaf(
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePrivateKey,
    alternatives: list[x509.GeneralName],
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAMES[0])])
    usage = _usage(digital_signature=True)
    builder = _builder(name, ca.subject, key.public_key(), ca_key.public_key(), usage, path_length=None)
    builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(ca_key, hashes.SHA256())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    usage: x509.KeyUsage,
    path_length: int | None,
) -> x509.CertificateBuilder:
    # Real time, whatever clock the emulator runs by: the peers that verify it have real clocks.
    now = datetime.datetime.now(datetime.UTC)
    authority = path_length is not None
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = (
        builder.serial_number(x509.random_serial_number()).not_valid_before(now - SKEW).not_valid_after(now + LIFE)
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=path_length), critical=True)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    return builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_private(path: Path, content: bytes) -> None:
    """Write a file that its owner alone may read, whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
