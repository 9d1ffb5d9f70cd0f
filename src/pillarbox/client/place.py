"""Where the service is, and the key for it: as given, or from the environment. Light: commands take it too."""

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import certifi

from pillarbox.client.errors import PillarboxConfigError

URL = "PILLARBOX_URL"
KEY = "PILLARBOX_API_KEY"
CA_FILE = "PILLARBOX_CA_FILE"


@dataclass(frozen=True, slots=True)
class Place:
    """The address of a service, without a slash at its end, a key for it, and the CA that its certificate is of."""

    url: str
    key: str = field(repr=False)
    ca_file: str | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """What goes with every request."""
        return {"Authorization": f"Bearer {self.key}", "Accept-Encoding": "identity", "User-Agent": "pillarbox-client"}

    @property
    def trusted(self) -> str:
        """The PEM file of the CAs that are trusted, and no other."""
        return self.ca_file or certifi.where()

    def ssl_context(self) -> ssl.SSLContext:
        """A context that trusts these CAs alone. Raises PillarboxConfigError."""
        try:
            return ssl.create_default_context(cafile=self.trusted)
        except OSError as error:
            raise PillarboxConfigError(f"{self.trusted} holds no certificates that can be used: {error}") from error

    @classmethod
    def find(cls, url: str | None, key: str | None, ca_file: str | None, environ: Mapping[str, str]) -> "Place":
        """As given, else of the environment; the key also from the file of PILLARBOX_API_KEY_FILE.

        Raises PillarboxConfigError.
        """
        found = url or environ.get(URL, "")
        if not found:
            raise PillarboxConfigError(f"No address: give `url`, or set {URL}.")
        token = key or environ.get(KEY) or _of_file(environ.get(f"{KEY}_FILE", ""))
        if not token:
            raise PillarboxConfigError(f"No API key: give `key`, or set {KEY} or {KEY}_FILE.")
        place = cls(checked(found), checked_key(token), ca_file or environ.get(CA_FILE) or None)
        if place.ca_file is not None:
            place.ssl_context()
        return place


def checked(url: str) -> str:
    """The address as it is used. Raises PillarboxConfigError for one that a key must not be sent to."""
    try:
        parts = urlsplit(url)
        host, good = parts.hostname or "", parts.port != 0
    except ValueError:
        host, good = "", False
    good = good and bool(host) and url.isascii() and url.isprintable() and " " not in url
    if not good or parts.query or parts.fragment or "?" in url or "#" in url or "@" in parts.netloc:
        raise PillarboxConfigError("The address is not https://HOST, perhaps with :PORT and /PATH behind it.")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise PillarboxConfigError("The address must begin with https://: a key never travels in clear.")
    return url.rstrip("/")


def checked_key(key: str) -> str:
    """The key without blanks around it. Raises PillarboxConfigError for what cannot stand in a header."""
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise PillarboxConfigError("The API key has characters that no key has.")
    return key


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _of_file(name: str) -> str:
    if not name:
        return ""
    try:
        return Path(name).read_text("utf-8")
    except (OSError, ValueError) as error:
        raise PillarboxConfigError(f"{KEY}_FILE names a file that cannot be read.") from error
