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
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import unquote, urlsplit

from fastapi import FastAPI

from pillarbox.access import first_admin
from pillarbox.access.audit import Audit
from pillarbox.access.entra_sign_in import Terms
from pillarbox.access.guard import DEFAULT_PATIENCE, Patience
from pillarbox.access.household import Household
from pillarbox.access.invitations import Invitation
from pillarbox.access.keys import Keys
from pillarbox.access.passwords import DEFAULT_COST, HashCost
from pillarbox.access.request_rates import RequestRates
from pillarbox.access.submitters import Submitters
from pillarbox.admin import certificates, end_dates
from pillarbox.admin.vault import Rotation
from pillarbox.core import catalogue, core_dumps, master_key, tls
from pillarbox.core.accounts import AppRegistration, Credential, CredentialKind, Mailbox
from pillarbox.core.caller import Role
from pillarbox.core.clock import Watched
from pillarbox.core.errors import ConfigError, PillarboxError, Unavailable
from pillarbox.core.governor import Limits
from pillarbox.core.graph_limits import OURS, most_mime
from pillarbox.core.listening import (
    certificate_files,
    check_http,
    is_https,
    parse_address,
    smtp_listeners,
    written_address,
)
from pillarbox.core.log import Logger, make_logger, tell_final
from pillarbox.core.mail import Clock
from pillarbox.core.master_key import KeyRing
from pillarbox.core.recent import Recent
from pillarbox.core.scopes import Resource
from pillarbox.core.settings import Settings
from pillarbox.core.tally import Tally
from pillarbox.core.vault import Vault
from pillarbox.delivery.backlog import Backlog
from pillarbox.delivery.crash_points import Reached, unheeded
from pillarbox.delivery.governor import Governors
from pillarbox.delivery.once import Once
from pillarbox.delivery.rates import Rates
from pillarbox.delivery.retention import Housekeeping
from pillarbox.delivery.route import narrows, ways_of
from pillarbox.delivery.submission import Submission
from pillarbox.delivery.trial import Trial
from pillarbox.delivery.uploads import Uploads
from pillarbox.delivery.watch import Watch
from pillarbox.delivery.window import Window
from pillarbox.endpoints import console
from pillarbox.endpoints.api import app as api
from pillarbox.endpoints.api.access import LocalDoor
from pillarbox.endpoints.smtp.spool import Budget, Spool
from pillarbox.store import sealed
from pillarbox.store.accounts import Accounts
from pillarbox.store.audit import AuditLog
from pillarbox.store.connect_links import ConnectLinks
from pillarbox.store.events import EventLog
from pillarbox.store.idempotency import IdempotencyKeys
from pillarbox.store.keys import KeyStore
from pillarbox.store.limits import LimitStore
from pillarbox.store.measures import recall
from pillarbox.store.outbox import INTERRUPTED, Outbox
from pillarbox.store.pulse import answers, takes_more
from pillarbox.store.retention import Retention
from pillarbox.store.sealed import SealedValues
from pillarbox.store.sign_ins import SignIns
from pillarbox.store.sqlite import SqliteDatabase, open_sqlite
from pillarbox.store.submitters import SubmitterStore
from pillarbox.store.uploads import UploadStore

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from pillarbox.admin.check.journey import Check
    from pillarbox.admin.clients import Clients
    from pillarbox.admin.connect import Connect
    from pillarbox.admin.doctor import Diagnosis
    from pillarbox.admin.examine.examined import Examined
    from pillarbox.admin.overview import Overview
    from pillarbox.delivery.assurance import Assurance
    from pillarbox.delivery.delays import Delays
    from pillarbox.delivery.draft_transport import DraftTransport
    from pillarbox.delivery.drafts import Sweep
    from pillarbox.delivery.graph_transport import GraphTransport
    from pillarbox.delivery.large import LargeMail
    from pillarbox.delivery.notices import Notices
    from pillarbox.delivery.returned import Returned
    from pillarbox.delivery.traces import Traces
    from pillarbox.delivery.transports import Transport
    from pillarbox.delivery.worker import Worker
    from pillarbox.endpoints.web import HttpListener
    from pillarbox.entra.authority import Authority
    from pillarbox.entra.openid import OpenId
    from pillarbox.exchange.submission import Submissions

STORE = "pillarbox.db"
MASTER_KEY = "master.key"
UPLOADS = "uploads"
_OWN_WORDS = ("api", "setup", "signin", *console.WORDS)
"""With which the paths of the HTTP listener begin."""
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
        running: Clock = time.monotonic,
        random: Callable[[int], bytes] = os.urandom,
        hash_cost: HashCost = DEFAULT_COST,
        login_patience: Patience = DEFAULT_PATIENCE,
        log_file: TextIO = sys.stderr,
        max_pages: int | None = None,
        transport: "Transport | None" = None,
        reached: Reached = unheeded,
    ) -> None:
        self.settings = settings
        self._environ = environ
        self._clock = Watched(clock, running)
        self._steady = running
        self._random = random
        self._hash_cost = hash_cost
        self._login_patience = login_patience
        self._max_pages = max_pages
        self._transport = transport
        self._reached = reached
        self.tally = Tally()
        self.recent = Recent(self._clock)
        self.log: Logger = make_logger(log_file, settings.log.level, settings.log.format, self._clock, self._heard)
        self.died: asyncio.Future[BaseException] | None = None
        self.smtp_address = ""
        """The first listener of the SMTP door; empty while there is none."""
        self.listeners: Mapping[str, str] = {}
        """All listeners of the SMTP door: name and address."""
        self.http_address = ""
        self.first_link: Invitation | None = None
        """By which somebody becomes the first administrator; None where there is somebody."""
        self._authority: Authority | None = None
        self._clients: Clients | None = None
        self._submissions: Submissions | None = None
        self._connect: Connect | None = None
        self._worker: Worker | None = None
        self._assurance: Assurance | None = None
        self._running: _Running | None = None

    # ---- what needs the store alone

    async def open(self, patience: float = 0) -> None:
        """Open the store. Raises ConfigError, or Unavailable `store.in_use` after `patience` seconds."""
        if not core_dumps.forbid():
            self.log.warning("service.dumpable")
        self.died = asyncio.get_running_loop().create_future()
        folder = _state_folder(self.settings.state_dir)
        self.database, ring = await self._open_store(folder, patience)
        try:
            await self._open_parts(ring)
        except BaseException:
            await self.database.close()
            raise

    async def _open_store(self, folder: Path, patience: float) -> tuple[SqliteDatabase, KeyRing]:
        given = await self._given_ring()
        rings: list[KeyRing] = []

        def look(path: Path) -> None:
            # Before anything is changed: a store that has lost its key must not be touched, nor get a new one.
            rings.append(master_key.find(given, folder / MASTER_KEY, sealed.needed(path), self._random))

        deadline = time.monotonic() + patience
        while True:
            try:
                database = await open_sqlite(
                    folder / STORE, on_death=self._store_died, max_pages=self._max_pages, look=look
                )
                return database, rings[-1]
            except Unavailable:
                # A command that looks into the store is done in a moment.
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(0.05)

    async def _given_ring(self) -> KeyRing | None:
        """The master key that the settings give, or name a key vault for; None where it lies in the state folder."""
        if self.settings.master_key:
            origin = self.settings.origin("master_key")
            return KeyRing(master_key.parse(self.settings.master_key.reveal(), origin), origin)
        if url := self.settings.vault.key_vault_secret:
            from pillarbox.entra import keyvault

            outbound, authority_url = _outbound(self.settings, self._environ), self.settings.addresses().authority_url
            text = await asyncio.to_thread(keyvault.read_master_key_text, url, outbound, authority_url, self._environ)
            return KeyRing(master_key.parse(text.reveal(), url), url)
        return None

    async def _open_parts(self, ring: KeyRing) -> None:
        vault = Vault(*ring.keys)
        self.rotation = Rotation(vault, ring, SealedValues(self.database), self._random, self.log)
        self.accounts = Accounts(self.database, vault, self._clock)
        self.sign_ins = SignIns(self.database, vault, self._clock)
        self.audit = Audit(AuditLog(self.database, self._clock), self.log)
        self.household = Household(
            self.database,
            vault,
            self._clock,
            self._random,
            self.log,
            self.settings.state_dir,
            lambda: self.public_url,
            self.audit,
            cost=self._hash_cost,
            patience=self._login_patience,
            entra=self._entra_terms(),
        )
        await self.accounts.forget_leases()
        self.outbox = Outbox(self.database, self._clock)
        self.events = EventLog(self.database, self._clock)
        self.watch = Watch(self.events)
        self.connect_links = ConnectLinks(self.database, self._clock)
        self.database.on_commit(self.watch.ring)
        limits = self.settings.limits
        self.governors = Governors(
            LimitStore(self.database, self._clock),
            self._clock,
            self.log,
            self.wake,
            Limits(
                self.settings.delivery.per_mailbox, limits.messages, limits.recipients, limits.bytes, limits.requests
            ),
            Limits(limits.app_concurrency, requests=limits.app_requests),
            self._hosts_of,
        )
        await self.governors.load()
        self.submitters = Submitters(
            self.accounts,
            SubmitterStore(self.database, self._clock),
            self._clock,
            self._random,
            self.log,
            cost=self._hash_cost,
            audit=self.audit,
            patience=self._login_patience,
        )
        await self.submitters.load()
        self.keys = Keys(
            self.accounts,
            KeyStore(self.database),
            self._clock,
            self._random,
            self.log,
            patience=self._login_patience,
            monotonic=self._steady,
        )
        await self.keys.load()
        await self.household.load()
        self.window = Window(self.outbox, self._clock)
        await self.window.load()
        smtp = self.settings.smtp
        self.submission = Submission(
            outbox=self.outbox,
            mailbox_of=self.accounts.ensure_mailbox,
            wake=self.wake,
            used=self.submitters.used,
            rates=Rates(self._clock),
            backlog=Backlog(self.outbox.waiting, self._clock, smtp.max_backlog, smtp.max_backlog_bytes),
            window=self.window,
            clock=self._clock,
            random=self._random,
            log=self.log,
            max_recipients=max(door.max_recipients for door in (smtp, *smtp.listeners.values())),
            route_limit=self._route_limit,
            whole_limit=self._whole_limit,
            is_broken=self.governors.is_broken,
            max_age=self.settings.delivery.max_age,
            due_later=self._due_later,
            goes_by=self._goes_by,
        )
        folder = self.settings.state_dir
        uploads = UploadStore(self.database, self._clock)
        self.uploads = Uploads(folder / UPLOADS, uploads, self._clock, self._random, self.log)
        keys, kept = IdempotencyKeys(self.database, self._clock, self._steady), self.settings.retention
        self.housekeeping = Housekeeping(
            Retention(self.database),
            keys,
            self._clock,
            self.log,
            kept.sent_bodies,
            kept.messages,
            also=[
                partial(self.audit.forget, kept.audit),
                partial(self.events.forget, kept.events),
                partial(self.connect_links.forget, kept.events),
            ],
        )
        self.once = Once(keys)
        self.local_api = LocalDoor(self.answer)

    async def answer(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """The API as an ASGI application for any door."""
        await self.api(scope, receive, send)

    @cached_property
    def api(self) -> FastAPI:
        """The API, made when it is first asked: nothing of a message by SMTP needs it."""
        made = api.build(
            api.Services(
                accounts=self.accounts,
                outbox=self.outbox,
                submitters=self.submitters,
                keys=self.keys,
                sender_of=self.keys.sender_of,
                submission=self.submission,
                uploads=self.uploads,
                spool=partial(Spool, Budget(self.settings.smtp.max_unfinished), self.settings.state_dir),
                once=self.once,
                governors=self.governors,
                purge=self.housekeeping.round,
                wake=self._retried,
                clients=self.clients,
                check=self.test_button,
                examined=self.examined,
                overview=self.overview,
                settings=self.settings,
                rotation=self.rotation,
                changed=self._changed,
                connect=self.connect,
                smtp_address=lambda: self.smtp_address,
                listeners=lambda: self.listeners,
                smtp_host=lambda: self.settings.addresses().smtp_host,
                events=self.events,
                watch=self.watch,
                connect_links=self.connect_links,
                return_urls=self.settings.http.return_urls,
                ways=lambda mailbox: ways_of(mailbox, self.settings.delivery.transport),
                audit=self.audit,
                household=self.household,
                log=self.log,
                clock=self._clock,
            )
        )
        if prefix := urlsplit(self.settings.http.public_url).path.rstrip("/"):
            made.servers.append({"url": prefix})  # what the paths of its OpenAPI document stand behind
        return made

    def wake(self, mailbox_id: int) -> None:
        """Something of this mailbox is due; without a running service it waits for one."""
        if self._worker is not None:
            self._worker.wake(mailbox_id)

    def _due_later(self) -> None:
        """A message was taken whose time comes later."""
        if self._worker is not None:
            self._worker.look_again()

    def _retried(self, mailbox_id: int) -> None:
        """A person has put a message of this mailbox back into the queue."""
        self.submission.backlog.doubt()
        self.governors.retried(mailbox_id)

    def _route_limit(self, mailbox: Mailbox) -> int:
        """Bytes that leave from there of one message; of a transport that was handed in nothing is known."""
        if self._transport is not None or mailbox.mode != "draft":
            return self._whole_limit(mailbox)
        return mailbox.send_limit or self.settings.delivery.send_limit

    def _whole_limit(self, mailbox: Mailbox) -> int:
        """As `_route_limit`, of a message that is not taken apart: what Graph takes in one call, or else SMTP."""
        if self._transport is not None:
            return 0
        delivery = self.settings.delivery
        if Resource.EXCHANGE in ways_of(mailbox, delivery.transport) and self.settings.addresses().smtp_host:
            return mailbox.send_limit or delivery.send_limit
        return most_mime(delivery.request_limit)

    def _goes_by(self, mailbox: Mailbox, transport: str) -> bool:
        """Whether one message of a mailbox may choose this transport."""
        if transport == "smtp" and not self.settings.addresses().smtp_host:
            return False
        return narrows(mailbox, transport, self.settings.delivery.transport)

    def _changed(self, holder: AppRegistration | Mailbox) -> None:
        """A credential or a sign-in is another one: what was remembered of the last one is forgotten."""
        if self._clients is not None:
            self._clients.tokens.forget(holder)
        self.governors.mended(holder)
        if self._worker is not None:
            self._worker.forget()

    async def _signed_in(self, mailbox: Mailbox) -> None:
        """A mailbox has another sign-in, and so perhaps other ways out: submitters hold copies of their mailboxes."""
        self._changed(mailbox)
        await self.submitters.refresh()

    def _hosts_of(self, mailbox: Mailbox) -> tuple[str, ...]:
        """Where a mailbox's mail goes, mostly to the first: what holds for a host holds for all of its mailboxes."""
        ways = ways_of(mailbox, self.settings.delivery.transport) or (Resource.GRAPH,)
        return tuple(self._hosts[way is Resource.EXCHANGE] or self._hosts[0] for way in ways)

    @cached_property
    def _hosts(self) -> tuple[str, str]:
        cloud = self.settings.addresses()
        return urlsplit(cloud.graph_url).hostname or "", cloud.smtp_host

    # ---- what talks to Microsoft: made when it is first wanted, as a command that only reads the store needs none

    def clients(self) -> "Clients":
        """The clients of Microsoft. Raises ConfigError."""
        if self._clients is None:
            from pillarbox.admin.clients import Clients
            from pillarbox.entra.acquire import Acquire
            from pillarbox.entra.sources import Sources
            from pillarbox.entra.tokens import Tokens
            from pillarbox.graph.client import GraphClient

            authority = self.authority()
            cloud, outbound = authority.cloud, authority.outbound
            sources = Sources(self._environ, outbound, authority)
            acquire = Acquire(authority, self.accounts, sources.read, self._clock, self.log)
            tokens = Tokens(acquire, self.accounts, self._clock, self.log)
            told = partial(self._told, "graph")
            graph = GraphClient(cloud.graph_url, outbound, self.settings.microsoft.timeout, told)
            self._clients = Clients(cloud, outbound, authority, acquire, tokens, graph, sources.read)
        return self._clients

    def authority(self) -> "Authority":
        """What asks Entra ID. Raises ConfigError."""
        if self._authority is None:
            from pillarbox.entra.authority import Authority

            outbound = _outbound(self.settings, self._environ)
            told = partial(self._told, "tokens")
            self._authority = Authority(self.settings.addresses(), outbound, self._clock, told=told)
        return self._authority

    def _told(self, name: str, status: int | None, seconds: float) -> None:
        """Microsoft was asked something, for the metrics."""
        self.tally.time(seconds, name, str(status or "none"))

    def test_button(self) -> "Check":
        """What tests app registrations and mailboxes. Raises ConfigError."""
        from pillarbox.admin.check.journey import Check

        return Check(
            self.accounts,
            self.clients(),
            Trial(self.submission, self.outbox, self._ready).send,
            self._clock,
            self.log,
            sends_by_smtp=lambda mailbox: Resource.EXCHANGE in ways_of(mailbox, self.settings.delivery.transport),
        )

    def examined(self, patience: float) -> "Examined":
        """What the doctor looks at."""
        from pillarbox.admin.examine.examined import Examined
        from pillarbox.delivery.pauses import PROBED

        return Examined(
            settings=self.settings,
            environ=self._environ,
            clock=self._clock,
            authority=self.authority,
            doors=lambda: {**self.listeners, "http": self.http_address},
            patience=patience,
            accounts=self.accounts,
            database=self.database,
            store=self.settings.state_dir / STORE,
            rotation=self.rotation,
            check=self.test_button,
            pauses=self.governors.waits,
            probed=PROBED,
            turned_away=self.submitters.turned_away,
            strangers=self.submitters.strangers,
        )

    def overview(self) -> "Overview":
        """What says whether all is well."""
        from pillarbox.admin.overview import Overview
        from pillarbox.delivery.pauses import PROBED

        return Overview(
            accounts=self.accounts,
            database=self.database,
            recent=self.recent,
            pauses=self.governors.waits,
            probed=PROBED,
            used=self.governors.used,
            certificates=lambda: [
                shown for look in (certificates.in_files, certificates.of_console) for shown in look(self.settings)[0]
            ],
            turned_away=self.submitters.turned_away,
            strangers=self.submitters.strangers,
            clock=self._clock,
        )

    async def recall(self, start: float) -> None:
        """Count what was sent in the day before the start. Mail goes on where that cannot be read."""
        try:
            await recall(self.database, self.recent, start)
        except PillarboxError as error:
            self.log.error("store.unusable", where="overview", code=error.code, reason=error.sentence)

    def _heard(self, level: str, event: Mapping[str, Any]) -> None:
        """What the log tells is counted."""
        self.tally.heard(level, event)
        self.recent.heard(level, event)

    async def examine_without_store(self, why: PillarboxError) -> "Diagnosis":
        """What the doctor finds where the store cannot be opened; `why` says it. Call neither `open` nor `stop`."""
        from pillarbox.admin.doctor import examine_without_store
        from pillarbox.admin.examine.examined import Machine

        machine = Machine(
            settings=self.settings,
            environ=self._environ,
            clock=self._clock,
            authority=self.authority,
            doors=dict,
        )
        try:
            return await examine_without_store(machine, why, self.log)
        finally:
            await self._close_ways()

    def _ready(self, mailbox: Mailbox) -> None:
        self.worker()
        self.governors.retried(mailbox.id)

    def connect(self) -> "Connect":
        """The journey of a sign-in. Raises ConfigError."""
        if self._connect is None:
            from pillarbox.admin.connect import Connect
            from pillarbox.entra.discovery import Discovery
            from pillarbox.entra.identity import IdTokens

            clients = self.clients()
            self._connect = Connect(
                accounts=self.accounts,
                sign_ins=self.sign_ins,
                links=self.connect_links,
                clients=clients,
                id_tokens=IdTokens(Discovery(clients.authority, self._clock), self._clock),
                clock=self._clock,
                random=self._random,
                log=self.log,
                changed=self._signed_in,
                wake=self.wake,
                public_url=lambda: self.public_url,
                password_grant=self.settings.sign_in.password_grant,
            )
        return self._connect

    def _entra_terms(self) -> Terms | None:
        """Who signs in to the console by Microsoft; None: nobody."""
        entra = self.settings.console.entra
        holders = {Role(name): listed for name, listed in entra.roles}
        return Terms(entra.tenant, holders, lambda: self._openid) if entra.is_on else None

    @cached_property
    def _openid(self) -> "OpenId":
        """What signs people in to the console. Raises ConfigError."""
        from pillarbox.entra.credentials import msal_credential
        from pillarbox.entra.openid import OpenId

        entra, clients = self.settings.console.entra, self.clients()
        kind = CredentialKind.SECRET if entra.client_secret else CredentialKind.CERTIFICATE
        source = "" if entra.client_secret else f"file:{entra.certificate_file}"
        credential = Credential("console", kind, entra.client_secret, source)
        app = AppRegistration(0, "console", entra.tenant, entra.client_id)
        return OpenId(
            clients.authority, self.connect().id_tokens, app, lambda: msal_credential(credential, clients.read)
        )

    @property
    def public_url(self) -> str:
        """Where browsers reach the HTTP listener; empty while there is none."""
        if not self.http_address:
            return ""
        scheme = "https" if is_https(self.settings) else "http"
        return (
            self.settings.http.public_url.rstrip("/") or f"{scheme}://localhost:{self.http_address.rpartition(':')[2]}"
        )

    def worker(self) -> "Worker":
        """What takes mail out of the outbox."""
        if self._worker is None:
            from pillarbox.delivery.assurance import Assurance
            from pillarbox.delivery.draft_transport import DraftTransport
            from pillarbox.delivery.graph_transport import GraphTransport
            from pillarbox.delivery.worker import Worker

            notices = self._notices
            clients, delivery = self.clients(), self.settings.delivery
            graph = GraphTransport(
                clients.graph,
                clients.tokens,
                self._clock,
                delivery.retry_after_default,
                self.outbox.twins,
                self._reached,
                settle=delivery.settle[0],
                jumped_at=lambda: self._clock.jumped_at,
            )
            transport = self._transport or self._route(self._large_mail(DraftTransport(graph, self._reached), graph))
            self._assurance = Assurance(
                self.outbox,
                transport,
                self._clock,
                self.log,
                delivery.settle,
                self.wake,
                self.governors.request,
                reached=self._reached,
                notices=notices,
            )
            self._worker = Worker(
                self.outbox,
                self.accounts,
                transport,
                self._clock,
                self.log,
                self.governors,
                delivery.settle,
                self._assurance.doubt,
                reached=self._reached,
                notices=notices,
            )
        return self._worker

    def _route(self, graph: "Transport") -> "Transport":
        """Graph, and SMTP beside it where this cloud's host is known."""
        from pillarbox.admin.check.connection import proxy_name
        from pillarbox.delivery.route import Route
        from pillarbox.delivery.smtp_transport import SmtpTransport
        from pillarbox.exchange.login import Server
        from pillarbox.exchange.submission import Submissions

        clients, delivery, smtp = self.clients(), self.settings.delivery, None
        if clients.cloud.smtp_host:
            server = Server(
                clients.cloud.smtp_host,
                clients.cloud.smtp_port,
                clients.outbound.ssl_context(),
                self.settings.microsoft.timeout,
                proxy_name(clients.outbound.proxy_for(f"https://{clients.cloud.smtp_host}") or ""),
            )
            self._submissions = Submissions(server)
            smtp = SmtpTransport(self._submissions, clients.tokens, delivery.retry_after_default, self._reached)
        one_call = most_mime(delivery.request_limit) + OURS
        return Route(graph, smtp, delivery.transport, one_call, self.outbox.body, self.outbox.keep_copy_at, self._hosts)

    def returned(self) -> "Returned":
        """What looks for reports that sent mail was not delivered."""
        from pillarbox.delivery.returned import Returned
        from pillarbox.store.returns import Returns

        clients, every = self.clients(), self.settings.delivery.read_reports
        returns, governors = Returns(self.database), self.governors
        return Returned(self.accounts, returns, clients.graph, clients.tokens, governors, self._clock, self.log, every)

    def traces(self) -> "Traces":
        """What asks Exchange's message trace what became of sent mail."""
        from pillarbox.delivery.traces import Traces
        from pillarbox.store.returns import Returns

        clients, every = self.clients(), self.settings.delivery.read_traces
        returns, governors = Returns(self.database), self.governors
        return Traces(self.accounts, returns, clients.graph, clients.tokens, governors, self._clock, self.log, every)

    def delays(self) -> "Delays":
        """What warns of messages that wait long."""
        from pillarbox.delivery.delays import Delays

        age = self.settings.delivery.delay_warning

        def is_paused(mailbox: Mailbox) -> bool:
            return bool(self.governors.paused(mailbox))

        return Delays(self.outbox, self._notices, is_paused, self._clock, self.log, age)

    def drafts(self) -> "Sweep":
        """What throws away drafts that nothing will send."""
        from pillarbox.delivery.drafts import Sweep
        from pillarbox.store.drafts import Drafts

        clients = self.clients()
        return Sweep(
            Drafts(self.database),
            self.accounts,
            clients.graph,
            clients.tokens,
            lambda mailbox: not self.governors.paused(mailbox),
            self.governors.request,
            self._clock,
            self.log,
        )

    @cached_property
    def _notices(self) -> "Notices":
        """What tells senders of what became of their messages."""
        from pillarbox.delivery.notices import Notices, Wishes

        delivery = self.settings.delivery
        wishes = Wishes(
            self.settings.smtp.hostname or socket.gethostname(),
            delivery.max_age,
            delivery.bounce_mailbox,
            delivery.bounce_domains,
            delivery.postmaster,
        )
        return Notices(self.outbox, self.accounts, self._clock, self._random, self.log, self.wake, wishes)

    def _large_mail(self, drafts: "DraftTransport", graph: "GraphTransport") -> "LargeMail":
        from pillarbox.delivery.large import LargeMail
        from pillarbox.graph.uploads import Uploads, hosts_of

        clients, settings = self.clients(), self.settings
        hosts = hosts_of(clients.cloud.outlook_url, clients.cloud.exchange_url, clients.cloud.graph_url)
        uploads = Uploads(clients.graph, hosts, asyncio.sleep, self._clock)
        limit = settings.delivery.request_limit
        return LargeMail(drafts, graph, uploads, settings.state_dir, limit, self.outbox.body, self._reached)

    def assurance(self) -> "Assurance":
        """What looks for messages of which it is not known whether they arrived."""
        self.worker()
        assert self._assurance is not None
        return self._assurance

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
        self.log.info(
            "service.ready",
            smtp=self.smtp_address,
            listeners=" ".join(f"{name}={address}" for name, address in self.listeners.items()),
            http=self.http_address,
            socket=str(self.settings.socket),
            pid=os.getpid(),
        )

    async def stop(self) -> None:
        """Finish what is in flight and close everything; a second call does nothing."""
        if self._running is not None:
            self.log.info("service.stopping")
            await self._running.stop()
            await self.window.save()
            self.log.info("service.stopped", sent=self.worker().sent)
            self._running = None
        await self._close_ways()
        await self.governors.close()
        await self.rotation.stop()
        await self.submitters.stop()
        self.household.close()
        await self.keys.stop()
        await self.audit.close()
        await self.database.close()

    async def _close_ways(self) -> None:
        """Let what is on its way to Microsoft end, and close the connections."""
        if self._worker is not None:
            await self._worker.stop(self.settings.delivery.stop_timeout)
        if self._submissions is not None:
            await self._submissions.close()
        if self._clients is not None:
            await self._clients.tokens.close()
            await self._clients.close()
        if self._authority is not None:
            self._authority.close()


class _Running:
    """The doors of a running service. Imported here, as a command that only reads the store needs none of them."""

    def __init__(self, gateway: Gateway) -> None:
        from pillarbox.endpoints.api.local import LocalSocket
        from pillarbox.endpoints.maildrop import Maildrop
        from pillarbox.endpoints.smtp.connection import Services
        from pillarbox.endpoints.smtp.door import Judges, SmtpDoor

        settings, log = gateway.settings, gateway.log
        self._gateway = gateway
        self._settings = settings
        self.worker = gateway.worker()
        services = Services(
            authenticate=gateway.submitters.authenticate,
            accept=gateway.submission.accept,
            of_network=gateway.submitters.of_network,
            of_unix=gateway.submitters.of_unix,
            is_banned=gateway.submitters.is_banned,
            log=log,
            clock=time.monotonic,
            tally=gateway.tally,
            refused=gateway.submitters.refused,
        )
        submission = gateway.submission
        judges = Judges(gateway.submitters.current, submission.check_mail, submission.check_recipient)
        self.smtp = SmtpDoor(settings, services, judges, gateway._clock())
        self.maildrop: Maildrop | None = None
        if settings.sendmail.folder is not None:
            self.maildrop = Maildrop(settings.sendmail.folder, self.smtp.local_rules, services, gateway._clock)
        self.local = LocalSocket(gateway.local_api, settings.socket, settings.delivery.stop_timeout)
        self.http: HttpListener | None = None
        if settings.http.listen:
            self.http = self._http_door()
        self._stopping = False
        self._work: list[asyncio.Task[None]] = []
        self._endings: asyncio.Task[None] | None = None

    def _http_door(self) -> "HttpListener":
        from pillarbox.endpoints import setup, signin
        from pillarbox.endpoints.api.request_ids import RequestIds
        from pillarbox.endpoints.api.session_cookie import SessionCookie
        from pillarbox.endpoints.front import Front, Parts
        from pillarbox.endpoints.health import Health, Look, Probe
        from pillarbox.endpoints.measures import Sources
        from pillarbox.endpoints.metrics import Metrics
        from pillarbox.endpoints.proxies import Proxies
        from pillarbox.endpoints.smtp.limits import Census
        from pillarbox.endpoints.web import HttpListener, HttpTerms
        from pillarbox.endpoints.web_connection import Patience
        from pillarbox.endpoints.who import HttpDoor, HttpWho

        gateway, settings, http = self._gateway, self._settings, self._settings.http
        proxies = Proxies(http.trusted_proxies)
        sessions = SessionCookie(gateway.household.sessions, gateway.household.public_url)
        who = HttpWho(gateway.keys, RequestRates(http.rate, gateway._steady), gateway.audit, sessions.caller_of)
        pages = signin.build(gateway.connect, gateway.audit, gateway.log)
        setup.add(pages, gateway.household, gateway.audit, gateway.log)
        sources = Sources(
            gateway.database,
            gateway.governors,
            self.worker.sending,
            lambda: self.smtp.connections,
            lambda: certificates.in_files(settings)[0],
            gateway._clock,
        )
        lives: dict[str, Look] = {"store": partial(answers, gateway.database)}
        is_ready: dict[str, Look] = {"store": partial(takes_more, gateway.database), "service": self._ready}
        health = {"/healthz": Health(Probe(lives, time.monotonic)), "/readyz": Health(Probe(is_ready, time.monotonic))}
        metrics = HttpDoor(Metrics(gateway.tally, sources.measures(), http.metrics_networks))
        prefix = urlsplit(http.public_url).path
        parts = Parts(
            HttpDoor(gateway.answer),
            {"/metrics": metrics, **health},
            by_link=pages,
            elsewhere=console.Lazy(gateway.answer, sessions, gateway.log, prefix),
            in_clear=health,
        )
        terms = HttpTerms(
            Census(http.max_connections, http.max_connections_per_ip, http.max_connections),
            Patience(http.header_timeout, http.idle_timeout, http.min_rate),
            self._http_certificate().context if is_https(settings) else None,
            proxies.trusts,
            cannot_accept=lambda error: gateway.log.error(
                "listener.cannot_accept", listener="http", reason=error.strerror
            ),
        )
        heard = partial(gateway.tally.add, "http")
        front = Front(parts, who, proxies, gateway.log, prefix, heard)
        return HttpListener(RequestIds(front), settings.delivery.stop_timeout, terms)

    async def _ready(self) -> None:
        """Raises Unavailable where mail is not taken, or not sent: it is not begun yet, or is over."""
        # Some have nothing to do as the settings are, and end at once; none may fail.
        failed = any(work.done() and (work.cancelled() or work.exception()) for work in self._work)
        if self._stopping or not self._work or failed:
            raise Unavailable("http.not_ready")

    def _http_certificate(self) -> tls.ServerTls:
        settings, log = self._settings, self._gateway.log
        files, place = certificate_files(settings, "http")
        if files is None:
            hostname = settings.smtp.hostname or socket.gethostname()
            files = tls.self_made_certificate(settings.state_dir, hostname, self._gateway._clock())

        def broken(error: ConfigError) -> None:
            log.warning("http.certificate_unusable", reason=error.sentence, cure=error.cure)

        return tls.ServerTls(files, clock=time.monotonic, broken=broken, place=place)

    async def start(self) -> None:
        gateway = self._gateway
        await self._tell_interrupted()
        await gateway.governors.recount()
        await self.local.start()
        await self.smtp.start()
        gateway.listeners = self.smtp.addresses
        gateway.smtp_address = next(iter(gateway.listeners.values()), "")
        if self.http is not None:
            gateway.http_address = await self._listen_http(self.http)
        admin = self._settings.admin
        offered = gateway.household.first_admin.at_start(admin.name, admin.password, reachable=bool(gateway.public_url))
        gateway.first_link = await offered
        if self.maildrop is not None:
            await self.maildrop.start()
        self._work = [
            asyncio.create_task(self.worker.run(), name="worker"),
            asyncio.create_task(gateway.assurance().run(), name="assurance"),
            asyncio.create_task(gateway.housekeeping.run(), name="retention"),
            asyncio.create_task(gateway.uploads.run(), name="uploads"),
            asyncio.create_task(gateway.returned().run(), name="returned"),
            asyncio.create_task(gateway.drafts().run(), name="drafts"),
            asyncio.create_task(gateway.traces().run(), name="traces"),
            asyncio.create_task(gateway.delays().run(), name="delays"),
            asyncio.create_task(gateway.recall(gateway._clock()), name="recall"),
        ]
        listeners = partial(certificates.tell, self._settings, gateway.events, gateway.log)
        endings = end_dates.tell_daily(gateway.accounts, gateway._clock, gateway.log, also=[listeners])
        self._endings = asyncio.create_task(endings)
        gateway.rotation.resume()

    async def _listen_http(self, http: "HttpListener") -> str:
        """Open the HTTP listener; its address. Raises ConfigError that names the setting."""
        key, listen = "http.listen", self._settings.http.listen
        place = parse_address(key, listen, self._settings.origin(key))
        try:
            return written_address(*await http.start(*place))
        except OSError as error:
            address, reason = written_address(*place), error.strerror or error
            refused = ConfigError("config.cannot_listen", key=key, address=address, reason=reason)
            if self._settings.origin(key) != "default":
                raise refused from error
            # Who never asked for it must not lose their mail for it.
            self._gateway.log.warning("http.unavailable", reason=refused.sentence)
            return ""

    async def _tell_interrupted(self) -> None:
        words = catalogue.entry(INTERRUPTED)
        interrupted = await self._gateway.outbox.recover(words.sentence, words.cure, self._settings.delivery.settle)
        for queue_id in interrupted:
            self._gateway.log.warning("mail.interrupted", id=queue_id)
            if message := await self._gateway.outbox.get(queue_id):
                tell_final(self._gateway.log, message, message["state"], self._gateway._clock())

    async def stop(self) -> None:
        self._stopping = True
        grace = self._settings.delivery.stop_timeout
        self._gateway.watch.stop()
        await self.smtp.stop(grace)
        if self.maildrop is not None:
            await self.maildrop.stop()
        if self._endings is not None:
            self._endings.cancel()
        for work in self._work:
            work.cancel()
        await self.worker.stop(grace)
        if self.http is not None:
            await self.http.stop()
        await self.local.stop()


def check(settings: Settings, environ: Mapping[str, str]) -> None:
    """Everything that can be found wrong without starting or changing anything. Raises ConfigError."""
    cloud = settings.addresses()
    if settings.delivery.transport == "smtp" and not cloud.smtp_host:
        raise ConfigError("config.no_smtp_host", place=settings.origin("delivery.transport"))
    outbound = _outbound(settings, environ)
    outbound.ssl_context()
    for url in (cloud.authority_url, cloud.graph_url):
        outbound.proxy_for(url)
    listeners = smtp_listeners(settings)
    check_http(settings)
    if settings.admin.password:
        first_admin.check(settings.admin.name, settings.admin.password)
    _check_public_url(settings)
    for door in (*(one.name for one in listeners), "http"):
        files, place = certificate_files(settings, door)
        if files:
            tls.server_context(*files, place)
    for path in (settings.socket, settings.sendmail.socket):
        if path is not None and len(os.fsencode(path)) > _LONGEST_SOCKET:
            raise ConfigError("config.bad_socket", path=path, reason=f"longer than {_LONGEST_SOCKET} bytes")
    if settings.socket == settings.sendmail.socket:
        reason = "`socket` and `sendmail.socket` are the same"
        raise ConfigError("config.bad_socket", path=settings.socket, reason=reason)
    _check_writable(settings.state_dir)
    if settings.master_key:
        master_key.parse(settings.master_key.reveal(), settings.origin("master_key"))
    elif url := settings.vault.key_vault_secret:
        from pillarbox.entra import keyvault

        keyvault.check(url)
    elif os.path.lexists(key_file := settings.state_dir / MASTER_KEY):
        master_key.read(key_file)


def _outbound(settings: Settings, environ: Mapping[str, str]) -> tls.Outbound:
    microsoft = settings.microsoft
    return tls.outbound(microsoft.ca_file, microsoft.proxy.reveal(), environ, settings.origin)


def _check_public_url(settings: Settings) -> None:
    """Microsoft sends a browser back by HTTPS, or in clear to this machine alone (the redirect URI's rules)."""
    url = settings.http.public_url
    try:
        parts = urlsplit(url)
        good = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname == "localhost")
        good = (
            good and bool(parts.hostname) and parts.port != 0 and not (parts.query or parts.fragment or parts.username)
        )
        # Links of it are read out, mailed and clicked: nothing that browsers would write otherwise (URL Standard).
        good = good and url.isascii() and url.isprintable() and not set(' \\"<>').intersection(url)
        steps = unquote(parts.path).removeprefix("/").removesuffix("/")
        good = good and not (steps and {"", ".", ".."}.intersection(steps.split("/")))
    except ValueError:
        good = False
    if url and not good:
        raise ConfigError("config.bad_public_url", place=settings.origin("http.public_url"))
    word = urlsplit(url).path.strip("/").partition("/")[0]
    if word in _OWN_WORDS:
        raise ConfigError("config.own_path", place=settings.origin("http.public_url"), word=word)


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
