"""The certificates of the listeners, and the console's own: where they lie, for whom they are, and until when."""

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from pillarbox.admin import end_dates
from pillarbox.core import tls
from pillarbox.core.errors import ConfigError
from pillarbox.core.listening import certificate_files, is_https, smtp_listeners
from pillarbox.core.log import Logger
from pillarbox.core.settings import Settings
from pillarbox.store.events import EventLog


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate, and the listeners that show it: none shows the one by which the console asks Microsoft."""

    certificate: x509.Certificate
    listeners: tuple[str, ...]
    file: Path | None = None

    @property
    def ends_at(self) -> float:
        """When it ends."""
        return self.certificate.not_valid_after_utc.timestamp()

    @property
    def name(self) -> str:
        """What people call it: its file, or whom it is for."""
        users = ", ".join(self.listeners) or "console sign-in"
        return f"{self.file or self.certificate.subject.rfc4514_string()} ({users})"


def with_tls(settings: Settings) -> Mapping[str, str]:
    """The listeners that speak TLS, each with how it begins: implicit or starttls. Raises ConfigError."""
    found = {one.name: one.door.tls for one in smtp_listeners(settings) if one.door.tls != "none"}
    return found | ({"http": "implicit"} if settings.http.listen and is_https(settings) else {})


def in_files(settings: Settings) -> tuple[list[Shown], list[ConfigError]]:
    """The certificates that lie in the files of the listeners, and why others cannot be read. Raises ConfigError."""
    return _read(_files(settings))


def of_console(settings: Settings) -> tuple[list[Shown], list[ConfigError]]:
    """The certificate by which people sign in to the console by Microsoft, if it is not by a secret."""
    entra = settings.console.entra
    file = entra.certificate_file if entra.is_on and not entra.client_secret else None
    return _read({file: ()} if file else {})


def _read(files: Mapping[Path, Collection[str]]) -> tuple[list[Shown], list[ConfigError]]:
    shown, unread = list[Shown](), list[ConfigError]()
    for file, listeners in files.items():
        try:
            certificate = x509.load_pem_x509_certificate(file.read_bytes())
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "no PEM certificate"
            unread.append(ConfigError("config.unreadable_file", file=file, reason=reason))
        else:
            shown.append(Shown(certificate, tuple(listeners), file))
    return shown, unread


def unusable(settings: Settings) -> list[ConfigError]:
    """Why a certificate and key that were set cannot be used: listeners go on with what they have until the next start.

    Raises ConfigError.
    """
    found = list[ConfigError]()
    for files, place in dict.fromkeys(certificate_files(settings, name) for name in with_tls(settings)):
        try:
            if files:
                tls.server_context(*files, place)
        except ConfigError as error:
            found.append(error)
    return found


def _files(settings: Settings) -> Mapping[Path, list[str]]:
    files = dict[Path, list[str]]()
    for name in with_tls(settings):
        given, _ = certificate_files(settings, name)
        file = given[0] if given else settings.state_dir / tls.SELF_MADE
        # A self-made one is made at the first start.
        if given or file.exists():
            files.setdefault(file, []).append(name)
    return files


async def tell(settings: Settings, events: EventLog, log: Logger, now: float) -> None:
    """One warning in the log for each certificate that ends soon or has ended, and an event at each step of it."""
    for one in in_files(settings)[0]:
        days = end_dates.step(one.ends_at, now)
        if days is not None:
            ends = {"ends": end_dates.day(one.ends_at), "left": end_dates.left(one.ends_at, now)}
            log.warning("certificate.ending", file=str(one.file), listeners=" ".join(one.listeners), **ends)
            data = {"listeners": one.listeners, "ends_at": one.ends_at, "days": days}
            await events.tell_once("listener.certificate_ending", str(one.file), data)


def covers(certificate: x509.Certificate, host: str) -> bool:
    """Whether it is for this host (RFC 9525 section 6.3: a wildcard is for one label). Pure."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        known = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    host = host.lower()
    return not known.isdisjoint({host, f"*.{host.partition('.')[2]}"})
