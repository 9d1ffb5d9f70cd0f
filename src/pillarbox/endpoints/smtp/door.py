"""The SMTP door as the settings have it: all its listeners, the local one, and what they share."""

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pillarbox.core import tls
from pillarbox.core.accounts import Submitter
from pillarbox.core.errors import DISK_FULL, ConfigError, Unavailable
from pillarbox.core.listening import Listening, certificate_files, smtp_listeners, written_address
from pillarbox.core.settings import Door, Settings
from pillarbox.endpoints.api.local import bind
from pillarbox.endpoints.smtp.connection import Services, Terms
from pillarbox.endpoints.smtp.limits import Census, Discretion, Patience, allow_open_files
from pillarbox.endpoints.smtp.listener import Listener
from pillarbox.endpoints.smtp.peer import Networks
from pillarbox.endpoints.smtp.rules import Rules
from pillarbox.endpoints.smtp.spool import Budget, Spool

Auth = Literal["encrypted", "clear", "none"]
SPOOL: Final = "spool"
LOCAL: Final = "sendmail"
_OTHER_FILES: Final = 256
"""Files and sockets beside the connections: the store, Microsoft, the HTTP doors."""


@dataclass(frozen=True, slots=True)
class Judges:
    """What `Rules` asks the house about submitters."""

    current: Callable[[Submitter], Submitter]
    check_mail: Callable[[Submitter, str, int], None]
    check_recipient: Callable[[Submitter, str], None]


class SmtpDoor:
    """All listeners of the SMTP door. `now` is the time of day, for a certificate that must be made."""

    def __init__(self, settings: Settings, services: Services, judges: Judges, now: float) -> None:
        self._settings = settings
        self._services = services
        self._judges = judges
        self._now = now
        smtp = settings.smtp
        self._budget = Budget(smtp.max_unfinished)
        self._census = Census(smtp.max_connections, smtp.max_connections_per_ip, smtp.max_connections_per_submitter)
        self._discretion = Discretion()
        self._spool_folder = settings.state_dir / SPOOL
        self._listeners = [(one, Listener(self._terms(one))) for one in smtp_listeners(settings)]
        self._local = Listener(self._local_terms()) if settings.sendmail.socket else None
        self._local_path: Path | None = None
        self.addresses: dict[str, str] = {}
        """Where each listener listens, by its name, once the door is open."""

    async def start(self) -> None:
        """Open all listeners. Raises ConfigError for one that cannot be."""
        self._make_spool()
        # A message in a file of the spool has a second one.
        needed = 2 * self._settings.smtp.max_connections + _OTHER_FILES
        if not allow_open_files(needed):
            self._services.log.warning("smtp.few_files", needed=needed)
        for one, listener in self._listeners:
            try:
                host, port = await listener.start(one.host, one.port)
            except OSError as error:
                address, reason = written_address(one.host, one.port), error.strerror or error
                raise ConfigError("config.cannot_listen", key=one.key, address=address, reason=reason) from error
            self.addresses[one.name] = written_address(host, port)
        path = self._settings.sendmail.socket
        if self._local is not None and path is not None:
            await self._local.serve([bind(path, mode=0o666, folder_mode=0o755)])
            self._local_path = path

    async def stop(self, grace: float) -> None:
        """Take no new connections, let messages that are being handed in be answered, and close."""
        everyone = [listener for _, listener in self._listeners]
        if self._local is not None:
            everyone.append(self._local)
        await asyncio.gather(*(listener.stop(grace) for listener in everyone))
        if self._local_path is not None:
            self._local_path.unlink(missing_ok=True)
            self._local_path = None

    @property
    def connections(self) -> int:
        """How many are open, by the local door too."""
        everyone = [listener for _, listener in self._listeners] + ([self._local] if self._local is not None else [])
        return sum(listener.connections for listener in everyone)

    @property
    def local_rules(self) -> Rules:
        """The rules of the local door, which are those of the fallback folder too."""
        return self._local_terms().rules

    # ---- terms

    def _terms(self, one: Listening) -> Terms:
        door = one.door
        return Terms(
            name=one.name,
            rules=self._rules(door, one.auth, offers_tls=door.tls == "starttls"),
            services=self._services,
            census=self._census,
            discretion=self._discretion,
            patience=self._patience(door),
            tls=None if door.tls == "none" else self._certificate(one).context,
            implicit_tls=door.tls == "implicit",
            networks=Networks(door.networks),
            proxies=Networks(door.proxy_networks),
            received=door.received,
        )

    def _local_terms(self) -> Terms:
        """Of the Unix socket: the kernel says who is there, so there is neither TLS nor AUTH."""
        smtp = self._settings.smtp
        return Terms(
            name=LOCAL,
            door=LOCAL,
            rules=self._rules(smtp, "none", offers_tls=False),
            services=self._services,
            census=self._census,
            discretion=self._discretion,
            patience=self._patience(smtp),
            received=smtp.received,
        )

    def _rules(self, door: Door, auth: Auth, *, offers_tls: bool) -> Rules:
        return Rules(
            hostname=door.hostname or socket.gethostname(),
            banner=door.banner,
            max_size=door.max_size,
            max_recipients=door.max_recipients,
            offers_tls=offers_tls,
            auth=auth,
            newlines=door.newlines,
            current=self._judges.current,
            check_mail=self._judges.check_mail,
            check_recipient=self._judges.check_recipient,
            spool=lambda: Spool(self._budget, self._spool_folder),
        )

    def _patience(self, door: Door) -> Patience:
        smtp = self._settings.smtp
        return Patience(
            greeting=smtp.greeting_timeout,
            idle=door.timeout,
            handshake=smtp.handshake_timeout,
            data=smtp.data_timeout,
            min_rate=smtp.min_rate,
        )

    def _certificate(self, one: Listening) -> tls.ServerTls:
        files, place = certificate_files(self._settings, one.name)
        if files is None:
            hostname = self._settings.smtp.hostname or socket.gethostname()
            files = tls.self_made_certificate(self._settings.state_dir, hostname, self._now)
        log = self._services.log
        return tls.ServerTls(
            files,
            clock=self._services.clock,
            broken=lambda error: log.warning(
                "smtp.certificate_unusable", listener=one.name, reason=error.sentence, cure=error.cure
            ),
            place=place,
            minimum=one.door.tls_minimum,
        )

    def _make_spool(self) -> None:
        """The folder for large messages that are coming in: strangers' mail, for nobody else to read."""
        try:
            self._spool_folder.mkdir(mode=0o700, exist_ok=True)
            os.chmod(self._spool_folder, 0o700)
        except OSError as error:
            if error.errno in DISK_FULL:
                raise Unavailable("store.full") from error
            raise ConfigError("config.state_dir", path=self._spool_folder, reason=error.strerror) from error
