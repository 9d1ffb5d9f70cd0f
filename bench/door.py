"""The SMTP door over a durable outbox, and nothing behind it: `python -m bench.door pillarbox|aiosmtpd FOLDER`.

Both kinds take the same accept, the same store with its group commit, and the same passwords; only the engine differs.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import uvloop
from aiosmtpd.smtp import SMTP, AuthResult

from pillarbox.admin import apps, mailboxes
from pillarbox.core import settings, tls
from pillarbox.core.accounts import Submitter
from pillarbox.core.content import in_memory
from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import Envelope
from pillarbox.core.vault import Secret
from pillarbox.delivery import senders
from pillarbox.endpoints.smtp.listener import Listener, Services
from pillarbox.endpoints.smtp.session import Rules
from pillarbox.gateway import Gateway

NOBODY = "00000000-0000-0000-0000-000000000000"
SENDER = "scanner@contoso.example"


async def _pillarbox(gateway: Gateway, folder: Path) -> tuple[str, int]:
    certificate = tls.self_made_certificate(folder, "localhost", 1_800_000_000)
    rules = Rules(
        hostname="localhost",
        max_size=gateway.settings.smtp.max_size,
        max_recipients=500,
        offers_tls=True,
        plain_auth=True,
        check_sender=senders.mailbox_for,
    )
    services = Services(
        authenticate=gateway.submitters.authenticate,
        accept=gateway.submission.accept,
        tls=tls.server_context(*certificate),
        log=gateway.log,
        timeout=300,
    )
    return await Listener(rules, services).start("127.0.0.1", 0)


async def _aiosmtpd(gateway: Gateway, _folder: Path) -> tuple[str, int]:
    class Handler:
        """What aiosmtpd calls."""

        async def auth_PLAIN(self, _server: SMTP, arguments: list[str]) -> AuthResult:  # noqa: N802
            import base64

            _, name, password = base64.b64decode(arguments[1]).decode().split("\0")
            submitter = await gateway.submitters.authenticate(name, Secret(password))
            return AuthResult(success=True, auth_data=submitter)

        async def handle_DATA(self, _server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
            submitter: Submitter = session.auth_data
            try:
                to = Envelope(envelope.mail_from, tuple(envelope.rcpt_tos))
                return (
                    f"250 2.0.0 queued as {await gateway.submission.accept(to, in_memory(envelope.content), submitter)}"
                )
            except PillarboxError as error:
                return f"{error.entry.smtp} {error.sentence}"

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Handler(), loop=loop, auth_required=True, auth_require_tls=False, data_size_limit=36_700_160),
        "127.0.0.1",
        0,
    )
    host, port = server.sockets[0].getsockname()
    return str(host), int(port)


async def main() -> None:
    """Serve until SIGTERM."""
    kind, folder = sys.argv[1], Path(sys.argv[2])
    gateway = Gateway(settings.load(None, {}, {"state_dir": str(folder)}), os.environ)
    await gateway.open()
    await apps.add(gateway.accounts, "bench", NOBODY, NOBODY.replace("0", "1"), Secret("not used"))
    await mailboxes.add(gateway.accounts, SENDER, "bench")
    _, password = await gateway.submitters.add("bench", [SENDER], [], None)
    start = _pillarbox if kind == "pillarbox" else _aiosmtpd
    host, port = await start(gateway, folder)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(json.dumps({"smtp": f"{host}:{port}", "password": password.reveal()}), flush=True)
    await stop.wait()
    await gateway.stop()


if __name__ == "__main__":
    uvloop.run(main())
