"""The composition root: settings become parts, parts become a running service. The only place that picks classes.

`open` makes what needs the store alone (a command may do that when no service runs); `start` opens the doors and lets
mail leave; `stop` closes in the opposite order, so that what was promised is kept.
"""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from fastapi import FastAPI

from pillarbox.access.submitters import DEFAULT_COST, HashCost, Submitters
from pillarbox.core import catalogue, tls
from pillarbox.core.accounts import AppRegistration
from pillarbox.core.errors import ConfigError, Unavailable
from pillarbox.core.log import Logger, make_logger, tell_final
from pillarbox.core.mail import Clock
from pillarbox.core.settings import Settings
from pillarbox.core.vault import Vault, parse_master_key, read_master_key
from pillarbox.delivery import senders
from pillarbox.delivery.submission import Submission
from pillarbox.endpoints.api import app as api
from pillarbox.store.accounts import Accounts
from pillarbox.store.outbox import INTERRUPTED, Outbox
from pillarbox.store.sqlite import SqliteDatabase, open_sqlite

STORE = "pillarbox.db"
MASTER_KEY = "master.key"
_LONGEST_SOCKET = 107
"""Bytes of a Unix socket's path (unix(7): sun_path, less the zero at its end)."""


class Gateway:
    """One installation: a store, and the service on it."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        clock: Clock = time.time,
        random: Callable[[int], bytes] = os.urandom,
        hash_cost: HashCost = DEFAULT_COST,
        log_file: TextIO = sys.stderr,
        max_pages: int | None = None,
    ) -> None:
        self.settings = settings
        self._environ = environ
        self._clock = clock
        self._random = random
        self._hash_cost = hash_cost
        self._max_pages = max_pages
        self.log: Logger = make_logger(log_file, settings.log.level, settings.log.format, clock)
        self.died: asyncio.Future[BaseException] | None = None
        self.smtp_address = ""
        self._wake: Callable[[int], None] = lambda _mailbox_id: None
        self._running: _Running | None = None

    # ---- what needs the store alone

    async def open(self, patience: float = 0) -> None:
        """Open the store. Raises ConfigError, or Unavailable `store.in_use` after `patience` seconds."""
        self.died = asyncio.get_running_loop().create_future()
        folder = _state_folder(self.settings.state_dir)
        self.database = await self._open_store(folder / STORE, patience)
        try:
            await self._open_parts(folder)
        except BaseException:
            await self.database.close()
            raise

    async def _open_store(self, path: Path, patience: float) -> SqliteDatabase:
        deadline = time.monotonic() + patience
        while True:
            try:
                return await open_sqlite(path, on_death=self._store_died, max_pages=self._max_pages)
            except Unavailable:
                # A command that looks into the store is done in a moment.
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(0.05)

    async def _open_parts(self, folder: Path) -> None:
        vault = Vault(await self._master_key(folder))
        self.accounts = Accounts(self.database, vault, self._clock)
        await self.accounts.check_key()
        self.outbox = Outbox(self.database, self._clock)
        self.submitters = Submitters(self.accounts, self._clock, self._hash_cost)
        self.submission = Submission(
            outbox=self.outbox,
            wake=self.wake,
            clock=self._clock,
            random=self._random,
            log=self.log,
            max_size=self.settings.smtp.max_size,
            max_recipients=self.settings.smtp.max_recipients,
        )
        self.api: FastAPI = api.build(
            api.Services(
                accounts=self.accounts,
                outbox=self.outbox,
                submitters=self.submitters,
                submission=self.submission,
                wake=self.wake,
                forget_tokens=self._forget_tokens,
                smtp_address=lambda: self.smtp_address,
                log=self.log,
            )
        )

    async def _master_key(self, folder: Path) -> bytes:
        if self.settings.master_key:
            return parse_master_key(self.settings.master_key.reveal(), self.settings.origin("master_key"))
        # A store that holds sealed values and has lost its key must not get a new one.
        sealed = bool(await self.database.read("credential_any"))
        return read_master_key(folder / MASTER_KEY, make=None if sealed else self._random)

    def wake(self, mailbox_id: int) -> None:
        """Something of this mailbox is due; without a running service it waits for one."""
        self._wake(mailbox_id)

    def _forget_tokens(self, app: AppRegistration) -> None:
        if self._running is not None:
            self._running.tokens.forget(app)

    def _store_died(self, error: BaseException) -> None:
        if self.died is not None and not self.died.done():
            self.died.set_result(error)

    # ---- the service

    async def start(self) -> None:
        """Open the doors and let mail leave. Raises ConfigError for what cannot be listened on or read."""
        check(self.settings, self._environ)
        self._running = _Running(self)
        try:
            await self._running.start()
        except BaseException:
            await self._running.stop()
            self._running = None
            raise
        self.log.info("service.ready", smtp=self.smtp_address, socket=str(self.settings.socket), pid=os.getpid())

    async def stop(self) -> None:
        """Finish what is in flight and close everything; a second call does nothing."""
        if self._running is not None:
            self.log.info("service.stopping")
            await self._running.stop()
            self.log.info("service.stopped", sent=self._running.worker.sent)
            self._running = None
        self.submitters.close()
        await self.database.close()


class _Running:
    """The parts of a running service. Imported here, as a command that only reads the store needs none of them."""

    def __init__(self, gateway: Gateway) -> None:
        from pillarbox.delivery.transports import GraphTransport
        from pillarbox.delivery.worker import Worker
        from pillarbox.endpoints.api.local import LocalSocket
        from pillarbox.endpoints.smtp.listener import Listener, Services
        from pillarbox.endpoints.smtp.session import Rules
        from pillarbox.entra.tokens import Tokens
        from pillarbox.graph.client import GraphClient

        settings, clock, log = gateway.settings, gateway._clock, gateway.log
        self._gateway = gateway
        self._settings = settings
        cloud = settings.addresses()
        outbound = _outbound(settings, gateway._environ)
        host, self._smtp_port = parse_address("smtp.listen", settings.smtp.listen, settings.origin("smtp.listen"))
        self._smtp_host = host
        hostname = settings.smtp.hostname or socket.gethostname()
        self.graph = GraphClient(cloud.graph_url, outbound, settings.microsoft.timeout)
        self.tokens = Tokens(cloud, outbound, gateway.accounts, clock, log)
        transport = GraphTransport(self.graph, self.tokens, clock, settings.delivery.retry_after_default)
        self.worker = Worker(gateway.outbox, gateway.accounts, transport, clock, log, settings.delivery.per_mailbox)
        self.listener = Listener(
            Rules(
                hostname=hostname,
                max_size=settings.smtp.max_size,
                max_recipients=settings.smtp.max_recipients,
                offers_tls=True,
                plain_auth=tls.is_loopback(host),
                check_sender=senders.mailbox_for,
            ),
            Services(
                authenticate=gateway.submitters.authenticate,
                accept=gateway.submission.accept,
                tls=tls.server_context(*self._certificate(hostname, clock()), settings.origin("smtp.tls_cert_file")),
                log=log,
                timeout=settings.smtp.timeout,
            ),
        )
        self.local = LocalSocket(gateway.api, settings.socket, settings.delivery.stop_timeout)
        self._work: asyncio.Task[None] | None = None

    def _certificate(self, hostname: str, now: float) -> tuple[Path, Path]:
        given = certificate_files(self._settings)
        return given or tls.self_made_certificate(self._settings.state_dir, hostname, now)

    async def start(self) -> None:
        gateway = self._gateway
        await self._tell_interrupted()
        await self.local.start()
        try:
            host, port = await self.listener.start(self._smtp_host, self._smtp_port)
        except OSError as error:
            raise ConfigError(
                "config.cannot_listen", address=self._settings.smtp.listen, reason=error.strerror or error
            ) from error
        gateway.smtp_address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        gateway._wake = self.worker.wake
        self._work = asyncio.create_task(self.worker.run(), name="worker")

    async def _tell_interrupted(self) -> None:
        words = catalogue.entry(INTERRUPTED)
        interrupted = await self._gateway.outbox.recover(words.sentence, words.cure)
        for queue_id in interrupted:
            self._gateway.log.warning("mail.interrupted", id=queue_id)
            if message := await self._gateway.outbox.get(queue_id):
                tell_final(self._gateway.log, message, message["state"], self._gateway._clock())

    async def stop(self) -> None:
        grace = self._settings.delivery.stop_timeout
        await self.listener.stop(grace)
        if self._work is not None:
            self._work.cancel()
        await self.worker.stop(grace)
        await self.local.stop()
        await self.graph.close()
        self.tokens.close()


def check(settings: Settings, environ: Mapping[str, str]) -> None:
    """Everything that can be found wrong without starting or changing anything. Raises ConfigError."""
    cloud = settings.addresses()
    outbound = _outbound(settings, environ)
    outbound.ssl_context()
    for url in (cloud.authority_url, cloud.graph_url):
        outbound.proxy_for(url)
    parse_address("smtp.listen", settings.smtp.listen, settings.origin("smtp.listen"))
    if files := certificate_files(settings):
        tls.server_context(*files, settings.origin("smtp.tls_cert_file"))
    if len(os.fsencode(settings.socket)) > _LONGEST_SOCKET:
        raise ConfigError("config.bad_socket", path=settings.socket, reason=f"longer than {_LONGEST_SOCKET} bytes")
    _check_writable(settings.state_dir)
    if settings.master_key:
        parse_master_key(settings.master_key.reveal(), settings.origin("master_key"))
    elif (key_file := settings.state_dir / MASTER_KEY).exists():
        read_master_key(key_file, make=None)


def _outbound(settings: Settings, environ: Mapping[str, str]) -> tls.Outbound:
    microsoft = settings.microsoft
    return tls.outbound(microsoft.ca_file, microsoft.proxy.reveal(), environ, settings.origin)


def certificate_files(settings: Settings) -> tuple[Path, Path] | None:
    """Certificate and key that were set; a file may hold both. Raises ConfigError for a key alone."""
    cert, key = settings.smtp.tls_cert_file, settings.smtp.tls_key_file
    if cert is None and key is not None:
        raise ConfigError("config.key_without_certificate", place=settings.origin("smtp.tls_key_file"))
    return (cert, key or cert) if cert is not None else None


def parse_address(key: str, text: str, place: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[v6]:port`. Raises ConfigError `config.bad_listen` that names `place`."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 65536):
        raise ConfigError("config.bad_listen", place=place, key=key, value=text)
    return host, int(port)


def _state_folder(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("config.state_dir", path=folder, reason=error.strerror) from error
    _check_writable(folder)
    return folder


def _check_writable(folder: Path) -> None:
    """Whether the folder can be written to; where it is not made yet, the nearest one above it."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    name = "it" if nearest == folder else nearest
    if not os.path.isdir(nearest):
        raise ConfigError("config.state_dir", path=folder, reason=f"{name} is not a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError("config.state_dir", path=folder, reason=f"{name} is not writable")
