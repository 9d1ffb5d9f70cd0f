"""TLS and the way out: one CA and proxy policy for every client, and the self-made certificate of the doors."""

import datetime
import ipaddress
import os
import ssl
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pillarbox.core.errors import ConfigError

SELF_MADE: Final = "tls-cert.pem"
"""Name of the certificate that is made where none is set."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """How connections to Microsoft are made: which CA is trusted, and through which proxy they go.

    SSL_CERT_FILE, REQUESTS_CA_BUNDLE and their like never count: a variable that somebody exported for another
    program must not silently replace the CA of ours.
    """

    ca_file: Path
    proxy: str = ""
    """Proxy set by the administrator: used for every host."""
    environment_proxy: str = ""
    """HTTPS_PROXY as it stands there: looked at only for a request that would go through it."""
    no_proxy: tuple[str, ...] = ()
    ca_place: str = "default"
    """Where `ca_file` was set."""

    def ssl_context(self) -> ssl.SSLContext:
        """A client context that verifies against `ca_file` alone. Raises ConfigError `config.bad_ca_file`."""
        try:
            return _trusting(self.ca_file)
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or error
            raise ConfigError("config.bad_ca_file", place=self.ca_place, file=self.ca_file, reason=reason) from error

    def proxy_for(self, url: str) -> str | None:
        """The proxy that a request to `url` goes through, or None. Raises ConfigError if HTTPS_PROXY names none."""
        if self.proxy:
            return self.proxy
        host = (urlsplit(url).hostname or "").lower()
        # As in Go's httpproxy: what the environment says of proxies is never meant for this machine itself.
        if not self.environment_proxy or is_loopback(host) or any(_covers(rule, host) for rule in self.no_proxy):
            return None
        return _proxy_url(self.environment_proxy, "environment", "HTTPS_PROXY")


@cache
def _trusting(ca_file: Path) -> ssl.SSLContext:
    """One for all: each would hold the whole file in memory, of Mozilla's list a megabyte."""
    context = ssl.create_default_context(cafile=str(ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def outbound(
    ca_file: Path | None, proxy: str, environ: Mapping[str, str], origin: Callable[[str], str] = lambda _key: "settings"
) -> Outbound:
    """The policy from the settings, and HTTPS_PROXY and NO_PROXY where the settings name no proxy.

    `origin` says where a setting came from. Raises ConfigError for a proxy that is no address of an HTTP proxy; it is
    not shown, as it may hold a password.
    """
    either = {name: environ.get(name) or environ.get(name.lower()) or "" for name in ("HTTPS_PROXY", "NO_PROXY")}
    rules = tuple(rule.strip().lower() for rule in either["NO_PROXY"].split(",") if rule.strip())
    return Outbound(
        ca_file or Path(certifi.where()),
        _proxy_url(proxy, origin("microsoft.proxy"), "microsoft.proxy"),
        either["HTTPS_PROXY"],
        rules,
        origin("microsoft.ca_file"),
    )


def _proxy_url(text: str, place: str, key: str) -> str:
    """The proxy's address with its scheme, as `proxy:3128` is commonly written."""
    url = text if "://" in text or not text else f"http://{text}"
    try:
        parts = urlsplit(url)
        good = not url or (parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
        good = good and url.isprintable() and " " not in url
    except ValueError:
        good = False
    if not good:
        raise ConfigError("config.wrong_value", place=place, key=key, reason="it is not http://HOST:PORT")
    return url


def is_loopback(host: str) -> bool:
    """Whether this host name or address is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _covers(rule: str, host: str) -> bool:
    name = rule.lstrip("*").lstrip(".")
    return rule == "*" or host == name or host.endswith("." + name)


def server_context(cert_file: Path, key_file: Path, place: str = "default", minimum: str = "1.2") -> ssl.SSLContext:
    """A server context of this TLS version (`1.0` to `1.3`) or newer. Raises ConfigError `config.bad_certificate` that
    names `place`; also for a key with a passphrase, for which OpenSSL would ask the terminal, and wait.

    OpenSSL 3 takes versions before 1.2 at security level 0 alone (SSL_CTX_set_security_level(3), level 1).
    """

    def refuse() -> str:
        reason = "the key has a passphrase"
        raise ConfigError("config.bad_certificate", place=place, file=key_file, reason=reason)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():
        # Python warns of the old versions; so does the setting's description, to who asks for one.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = _VERSIONS[minimum]
    if context.minimum_version < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    try:
        context.load_cert_chain(cert_file, key_file, refuse)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or error
        raise ConfigError("config.bad_certificate", place=place, file=cert_file, reason=reason) from error
    return context


_VERSIONS: Final = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


class ServerTls:
    """A certificate and its key as files that may change while they are used, as those of certbot do.

    `context` looks at the files at most every LOOK_EVERY seconds of `clock`. A new pair that cannot be used leaves the
    old one where it is, and is told to `broken` once.
    """

    LOOK_EVERY: Final = 5.0

    def __init__(
        self,
        files: tuple[Path, Path],
        *,
        clock: Callable[[], float],
        broken: Callable[[ConfigError], None],
        place: str = "default",
        minimum: str = "1.2",
    ) -> None:
        self._files = files
        self._clock = clock
        self._broken = broken
        self._place = place
        self._minimum = minimum
        self._looked_at = clock()
        self._seen = self._state()
        self._context = self._load()

    def context(self) -> ssl.SSLContext:
        """What the next handshake is done with."""
        now = self._clock()
        if now - self._looked_at >= self.LOOK_EVERY:
            self._looked_at = now
            self._look()
        return self._context

    def _look(self) -> None:
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            self._context = self._load()
        except ConfigError as error:
            self._broken(error)

    def _load(self) -> ssl.SSLContext:
        return server_context(*self._files, self._place, self._minimum)

    def _state(self) -> list[tuple[int, ...]]:
        """What changes when a file does; a file that is not there (now) is another state too."""
        found: list[tuple[int, ...]] = []
        for file in self._files:
            try:
                status = file.stat()
            except OSError:
                found.append(())
            else:
                found.append((status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev))
        return found


def self_made_certificate(folder: Path, hostname: str, now: float) -> tuple[Path, Path]:
    """Certificate and key files in `folder`, made there if they are not: TLS works from the first start.

    Clients must be told to trust `tls-cert.pem`, or not to check; a real certificate is a setting.
    """
    cert_file, key_file = folder / SELF_MADE, folder / "tls-key.pem"
    if not (cert_file.exists() and key_file.exists()):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(key, hostname, datetime.datetime.fromtimestamp(now, datetime.UTC))
        new_cert = _written(cert_file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        new_key = _written(key_file, _pem(key), 0o600)
        # Wherever this is interrupted, one of the two is not there, and the next start makes both anew.
        cert_file.unlink(missing_ok=True)
        new_key.replace(key_file)
        new_cert.replace(cert_file)
    return cert_file, key_file


def _certificate(key: ec.EllipticCurvePrivateKey, hostname: str, now: datetime.datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    names = [x509.DNSName(host) for host in dict.fromkeys([hostname, "localhost"]) if host.isascii()]
    addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    # A leaf that is its own anchor: not a CA, so that trusting it lets it speak for nobody else. The identifiers
    # and the critical constraints are what VERIFY_X509_STRICT (Python 3.13) asks for.
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([*names, *addresses]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _written(path: Path, content: bytes, mode: int) -> Path:
    """A file beside this one, on the disk, to be put in its place."""
    beside = path.with_name(f"{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return beside
