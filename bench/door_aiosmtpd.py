"""aiosmtpd as the engine before our passwords, our accept and our outbox."""

import asyncio
import base64
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult

from pillarbox.core.accounts import Login, Submitter
from pillarbox.core.content import in_memory
from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import Envelope
from pillarbox.core.vault import Secret
from pillarbox.gateway import Gateway


class _Handler:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def auth_PLAIN(self, _server: SMTP, arguments: list[str]) -> AuthResult:  # noqa: N802
        """Called by aiosmtpd: AUTH PLAIN with an initial response."""
        _, name, password = base64.b64decode(arguments[1]).decode().split("\0")
        login = Login(name, Secret(password), "PLAIN", "127.0.0.1")
        try:
            submitter = await self._gateway.submitters.authenticate(login)
        except PillarboxError:
            return AuthResult(success=False)
        return AuthResult(success=True, auth_data=submitter)

    async def handle_DATA(self, _server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        """Called by aiosmtpd: a whole message."""
        submitter: Submitter = session.auth_data
        to, content = Envelope(envelope.mail_from, tuple(envelope.rcpt_tos)), in_memory(envelope.content)
        try:
            return f"250 2.0.0 queued as {await self._gateway.submission.accept(to, content, submitter)}"
        except PillarboxError as error:
            return f"{error.entry.smtp} {error.sentence}"


async def listen(gateway: Gateway) -> str:
    """Listen on a free port; the address."""
    loop = asyncio.get_running_loop()
    handler, limit = _Handler(gateway), gateway.settings.smtp.max_size
    server = await loop.create_server(
        lambda: SMTP(handler, loop=loop, auth_required=True, auth_require_tls=False, data_size_limit=limit),
        "127.0.0.1",
        0,
    )
    host, port = server.sockets[0].getsockname()
    return f"{host}:{port}"
