"""The emulator as a server: one HTTPS port for Entra, Graph and the control API, with faults in between."""

import asyncio
import contextlib
import secrets
import socket
import ssl
import time
from asyncio.trsock import TransportSocket
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from pillarbox.emulator.announce import Announcement
from pillarbox.emulator.callers import Callers
from pillarbox.emulator.certificates import Certificates, is_ours
from pillarbox.emulator.connection import Server, malformed, timed_out
from pillarbox.emulator.control import Control
from pillarbox.emulator.dispatch import Dispatcher, Witness
from pillarbox.emulator.entra.call import Authority
from pillarbox.emulator.entra.refresh_tokens import RefreshTokens
from pillarbox.emulator.entra.service import Entra
from pillarbox.emulator.entra.tokens import SigningKey, Tokens
from pillarbox.emulator.faults import Faults
from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.graph.service import Graph
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.ids import Entropy, guid
from pillarbox.emulator.keyvault.service import KeyVaults
from pillarbox.emulator.ledger import Ledger
from pillarbox.emulator.world import Clock, World

if TYPE_CHECKING:
    from pillarbox.emulator.exchange.service import Exchange

Address = tuple[str, int]
LOCAL = ("127.0.0.1", 0)
WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not listened on
HTTPS_PORT, SMTP_PORT, IMAP_PORT = 443, 587, 993
MAX_BODY = 4 * 1024 * 1024
"""Graph takes requests up to 4 MB (facts 3.3)."""
MAX_HEADER = 64 * 1024
SHUTDOWN = 1.0
"""Seconds that requests under way get to end when the emulator stops."""
READ_TIMEOUT = 60.0
"""Seconds that the head of a request may take, and its body."""
BACKLOG = 1024
"""Connections that may wait to be taken: Microsoft takes those of a whole service at once. The kernel drops one more,
and who connects tries again a second later."""
HANG_UP_ROUNDS = 100
"""The loop needs few rounds to notice that a socket was shut down."""


class Emulator:
    """Entra ID and Graph mail on one port of this machine; with `exchange`, SMTP and IMAP on two more.

    `directory` receives the CA as `ca.pem`. Certificates, signing key and refresh tokens may be handed in: made once
    for many emulators, or kept from the last run. `clock` gives seconds since 1970, `entropy` random bytes,
    `token_lifetime` is in seconds. With `keep_bytes=False` mails are counted and thrown away: for benches. `witness` is
    told each true answer of a service; `faults` may choose by other means than rules. `keeps_ca` leaves the CA file
    when it stops. Half a request gets 408 after `read_timeout` seconds.
    """

    def __init__(
        self,
        directory: Path,
        *,
        world: World | None = None,
        certificates: Certificates | None = None,
        signing_key: SigningKey | None = None,
        refresh_tokens: RefreshTokens | None = None,
        clock: Clock = time.time,
        entropy: Entropy = secrets.token_bytes,
        token_lifetime: int = 3599,
        token_padding: int = 0,
        keep_bytes: bool = True,
        witness: Witness | None = None,
        faults: Faults | None = None,
        exchange: bool = False,
        keeps_ca: bool = False,
        read_timeout: float = READ_TIMEOUT,
    ) -> None:
        self._exchange_class = _exchange_class() if exchange else None
        self.exchange: Exchange | None = None
        self.ca_file, self._keeps_ca = directory / "ca.pem", keeps_ca
        self.world = world or World(entropy)
        self.world.token_padding = token_padding or self.world.token_padding
        self.ledger = Ledger(keep_bytes=keep_bytes)
        self.faults = Faults() if faults is None else faults
        self.not_emulated = Gaps()
        self.url = ""
        self._names: str | None = None
        self._certificates = certificates
        self._signing_key, self._refresh_tokens = signing_key, refresh_tokens
        self._witness = witness
        self._read_timeout = read_timeout
        self._lifetime = token_lifetime
        self.clock, self._entropy = clock, entropy
        self._date = (0, "")
        self._made_directory = self._wrote_ca = False
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> "Emulator":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        smtp: Address = LOCAL,
        imap: Address = LOCAL,
        names: str | None = None,
        shown_as: str | None = None,
    ) -> None:
        """Listen; port 0 lets the system choose. Afterwards `url`, `ca_file`, `smtp` and `imap` are good.

        `shown_as` is the host in `url`; without it that is localhost or the address that was asked for. A file in the
        place of the CA that is none of an emulator is a FileExistsError: it is somebody's. `names` is an address on
        which it listens too, at the ports that are built into programs: whoever lets Microsoft's host names lead there
        needs no settings.
        """
        self._names = names
        context, key = await asyncio.to_thread(self._make_keys, shown_as or host)
        self._tokens = Tokens(key, self._entropy, lifetime=self._lifetime, padding=lambda: self.world.token_padding)
        self._authority = Authority.over(self.world, self._tokens, self.ledger, self.not_emulated, self._refresh_tokens)
        entra = Entra(self._authority)
        graph = Graph(self.world, self._tokens, self.ledger, self.not_emulated)
        key_vaults = KeyVaults(self.world, self._tokens, self.not_emulated)
        callers = Callers(self.ledger)
        control = Control(self.world, self.ledger, self.faults, self.not_emulated, callers, self._authority.forget)
        self._dispatcher = Dispatcher(
            graph,
            entra,
            key_vaults,
            control,
            self.world,
            self.faults,
            self.ledger,
            self._tokens,
            callers,
            self._witness,
        )
        # Graph is not known to take compressed requests, and a small one may hold any amount.
        server = Server(
            self._serve,
            request_factory=_request,
            access_log=None,
            max_field_size=MAX_HEADER,
            auto_decompress=False,
            read_timeout=self._read_timeout,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port, ssl_context=context, backlog=BACKLOG).start()
            await self._start_exchange(context, smtp, imap)
            if names:
                await web.TCPSite(self._runner, names, HTTPS_PORT, ssl_context=context).start()
                await self._start_names(names)
        except OSError:
            await self.stop()
            raise
        self.url = f"https://{_shown(shown_as or host)}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop listening, drop connections, and take the CA file away, with its directory if start made it."""
        if self.exchange:
            await self.exchange.stop()
            self.exchange = None
        if self._runner:
            self._dispatcher.stop()
            open_sockets = _sockets(self._runner)
            await self._runner.cleanup()
            self._runner = None
            await _hang_up(open_sockets)
        self._remove_files()

    @property
    def smtp(self) -> Address | None:
        """Host and port of SMTP (with STARTTLS), None without Exchange."""
        return self.exchange.smtp if self.exchange else None

    @property
    def imap(self) -> Address | None:
        """Host and port of IMAP (TLS from the start), None without Exchange."""
        return self.exchange.imap if self.exchange else None

    @property
    def announcement(self) -> Announcement:
        """Where it listens, once it is started."""
        header = self._authority.identity_header
        return Announcement(self.world, self.url, self.ca_file, header, self.smtp, self.imap, self._names)

    @property
    def tokens(self) -> Tokens:
        """What signs tokens, once the emulator is started: for tests that want one without a sign-in."""
        return self._tokens

    @property
    def authority(self) -> Authority:
        """What Entra remembers, once the emulator is started: codes, devices, refresh tokens."""
        return self._authority

    def revoke_tokens(self) -> None:
        """Make all tokens issued so far useless, as an administrator's "revoke sessions" does."""
        self._tokens.revoke_all()

    async def _start_exchange(self, context: ssl.SSLContext, smtp: Address, imap: Address) -> None:
        if self._exchange_class is None:
            return
        from pillarbox.emulator.exchange.site import Site

        site = Site(self.world, self._tokens, self.ledger, self.faults, self.not_emulated, self.clock, context)
        self.exchange = self._exchange_class(site)
        await self.exchange.start(smtp, imap)

    async def _start_names(self, address: str) -> None:
        if self.exchange:
            await self.exchange.listen((address, SMTP_PORT), (address, IMAP_PORT))

    def _make_keys(self, host: str) -> tuple[ssl.SSLContext, SigningKey]:
        certificates = self._certificates or Certificates.make(*_hosts(host))
        self._made_directory = not self.ca_file.parent.exists()
        self.ca_file.parent.mkdir(parents=True, exist_ok=True)
        if self.ca_file.exists() and not is_ours(self.ca_file.read_bytes()):
            raise FileExistsError(f"{self.ca_file} is not the emulator's: choose another directory")
        self.ca_file.write_bytes(certificates.ca)
        self._wrote_ca = True
        return certificates.server_context(), self._signing_key or SigningKey()

    def _remove_files(self) -> None:
        if self._keeps_ca or not self._wrote_ca:
            return
        self.ca_file.unlink(missing_ok=True)
        if self._made_directory:
            with contextlib.suppress(OSError):  # Somebody else put a file into it: then it stays.
                self.ca_file.parent.rmdir()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            async with asyncio.timeout(self._read_timeout):
                call = await self._read(request)
        except TimeoutError:
            return timed_out()
        except (web.RequestPayloadError, ConnectionError):
            return malformed()  # The body is no HTTP, or the client has gone in the middle of it.
        answer = await self._dispatcher.answer(call)
        if answer is None:
            if request.transport:
                request.transport.abort()
            return web.Response()
        answer.headers.setdefault("Date", self._http_date(call.now))
        if answer.truncate is not None and answer.truncate < len(answer.body):
            return await _truncated(request, answer)
        return web.Response(status=answer.status, body=answer.body or None, headers=answer.headers)

    async def _read(self, request: web.BaseRequest) -> Call:
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # Else curl waits before a large body.
        body, too_large = await _body(request)
        url = request.rel_url
        return Call(
            method=request.method,
            base=f"https://{request.host}",
            path=url.raw_path,
            query_string=url.raw_query_string,
            headers=request.headers,
            body=body,
            now=self.clock(),
            request_id=guid(self._entropy),
            too_large=too_large,
        )

    def _http_date(self, now: float) -> str:
        if self._date[0] != int(now):
            self._date = (int(now), formatdate(now, usegmt=True))
        return self._date[1]


def _shown(host: str) -> str:
    """The host in the URL of a server that listens there; on all addresses, and on the usual one, it is localhost."""
    if host in (*WILDCARDS, "127.0.0.1"):
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _hosts(host: str) -> tuple[str, ...]:
    """What the certificate must be good for, beside the usual names."""
    return () if host in WILDCARDS else (host,)


def _exchange_class() -> "type[Exchange]":
    """Imported only where it is wanted, as SMTP needs a package more; a RuntimeError says how to get it."""
    try:
        from pillarbox.emulator.exchange.service import Exchange
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "aiosmtpd":
            raise
        raise RuntimeError("SMTP and IMAP need one package more: pip install 'pillarbox[emulator]'") from error
    return Exchange


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,  # type: ignore[type-arg,unused-ignore]
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=0)


async def _truncated(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    """Send a part of the body that was announced, then end the connection."""
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = len(answer.body)
    await response.prepare(request)
    await response.write(answer.body[: answer.truncate])
    if request.transport:
        request.transport.close()
    return response


def _sockets(runner: web.ServerRunner) -> list[TransportSocket]:
    transports = (each.transport for each in (runner.server.connections if runner.server else ()))
    found = (each.get_extra_info("socket") for each in transports if each)
    return [each for each in found if each]  # A connection that is just lost has no socket any more.


async def _hang_up(open_sockets: list[TransportSocket]) -> None:
    """End what still waits for the other side's goodbye in TLS: an idle client says none for half a minute."""
    for each in open_sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    for _ in range(HANG_UP_ROUNDS):
        if all(each.fileno() == -1 for each in open_sockets):
            return
        await asyncio.sleep(0)


async def _body(request: web.BaseRequest) -> tuple[bytes, bool]:
    """The body, and whether it was too large; then it is read and thrown away, so that the answer can arrive."""
    if not request.body_exists:
        return b"", False
    if (request.content_length or MAX_BODY + 1) <= MAX_BODY:
        return await request.read(), False
    body = bytearray()
    too_large = False
    async for chunk in request.content.iter_any():
        too_large = too_large or len(body) + len(chunk) > MAX_BODY
        if not too_large:
            body += chunk
    return (b"" if too_large else bytes(body)), too_large
