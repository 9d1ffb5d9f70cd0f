"""The emulator as a server: one HTTPS port for Entra, Graph and the control API, with faults in between."""

import asyncio
import contextlib
import secrets
import ssl
import time
from email.utils import formatdate
from pathlib import Path
from types import TracebackType

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from pillarbox.emulator.certificates import Certificates
from pillarbox.emulator.control import Control
from pillarbox.emulator.dispatch import Dispatcher, Witness
from pillarbox.emulator.entra.service import Entra
from pillarbox.emulator.entra.tokens import SigningKey, Tokens
from pillarbox.emulator.faults import Faults
from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.graph.service import Graph
from pillarbox.emulator.http import Call
from pillarbox.emulator.ids import Entropy, guid
from pillarbox.emulator.ledger import Ledger
from pillarbox.emulator.world import Clock, World

MAX_BODY = 4 * 1024 * 1024
"""Graph takes requests up to 4 MB (facts 3.3)."""
MAX_HEADER = 64 * 1024
SHUTDOWN = 1.0
"""Seconds that requests under way get to end when the emulator stops."""


class Emulator:
    """Entra ID and Graph mail on one port of this machine.

    `directory` receives the CA as `ca.pem`. Certificates and signing key may be handed in, to make them once for many
    emulators. `clock` gives seconds since 1970, `entropy` random bytes, `token_lifetime` is in seconds. With
    `keep_bytes=False` mails are counted and thrown away: for benches. `witness` is told each true answer of a service.
    """

    def __init__(
        self,
        directory: Path,
        *,
        world: World | None = None,
        certificates: Certificates | None = None,
        signing_key: SigningKey | None = None,
        clock: Clock = time.time,
        entropy: Entropy = secrets.token_bytes,
        token_lifetime: int = 3599,
        token_padding: int = 0,
        keep_bytes: bool = True,
        witness: Witness | None = None,
    ) -> None:
        self.ca_file = directory / "ca.pem"
        self.world = world or World(entropy)
        self.ledger = Ledger(keep_bytes=keep_bytes)
        self.faults = Faults()
        self.not_emulated = Gaps()
        self.url = ""
        self._certificates = certificates
        self._signing_key = signing_key
        self._witness = witness
        self._lifetime, self._padding = token_lifetime, token_padding
        self.clock, self._entropy = clock, entropy
        self._date = (0, "")
        self._made_directory = False
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> "Emulator":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 lets the system choose. Afterwards `url` and `ca_file` are good."""
        context, key = await asyncio.to_thread(self._make_keys)
        self._tokens = Tokens(key, self._entropy, lifetime=self._lifetime, padding_bytes=self._padding)
        entra = Entra(self.world, self._tokens, self.ledger, self.not_emulated)
        graph = Graph(self.world, self._tokens, self.ledger, self.not_emulated)
        control = Control(self.world, self.ledger, self.faults, self.not_emulated)
        self._dispatcher = Dispatcher(graph, entra, control, self.faults, self.ledger, self._tokens, self._witness)
        server = web.Server(self._serve, request_factory=_request, access_log=None, max_field_size=MAX_HEADER)
        self._runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port, ssl_context=context).start()
        except OSError:
            await self.stop()
            raise
        self.url = f"https://localhost:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop listening, drop connections, and take the CA file away, with its directory if start made it."""
        if self._runner:
            self._dispatcher.stop()
            await self._runner.cleanup()
            self._runner = None
        self._remove_files()

    @property
    def tokens(self) -> Tokens:
        """What signs tokens, once the emulator is started: for tests that want one without a sign-in."""
        return self._tokens

    def revoke_tokens(self) -> None:
        """Make all tokens issued so far useless, as an administrator's "revoke sessions" does."""
        self._tokens.revoke_all()

    def _make_keys(self) -> tuple[ssl.SSLContext, SigningKey]:
        certificates = self._certificates or Certificates.make()
        self._made_directory = not self.ca_file.parent.exists()
        self.ca_file.parent.mkdir(parents=True, exist_ok=True)
        self.ca_file.write_bytes(certificates.ca)
        return certificates.server_context(), self._signing_key or SigningKey()

    def _remove_files(self) -> None:
        self.ca_file.unlink(missing_ok=True)
        if self._made_directory:
            with contextlib.suppress(OSError):  # Somebody else put a file into it: then it stays.
                self.ca_file.parent.rmdir()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        call = await self._read(request)
        answer = await self._dispatcher.answer(call)
        if answer is None:
            if request.transport:
                request.transport.abort()
            return web.Response()
        answer.headers["Date"] = self._http_date(call.now)
        return web.Response(status=answer.status, body=answer.body or None, headers=answer.headers)

    async def _read(self, request: web.BaseRequest) -> Call:
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


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,  # type: ignore[type-arg,unused-ignore]
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=0)


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
