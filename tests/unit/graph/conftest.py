"""A plain HTTPS server that keeps what it was asked, for what the emulator never does: redirects, cookies, links."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from pillarbox.emulator import Certificates


@dataclass
class Server:
    """What came, and what is answered; 202 when nothing else is said. `pages` are answered first, as JSON."""

    url: str = ""
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    location: str = ""
    cookie: str = ""
    cut: bool = False
    half: int = 0
    """The status of an answer whose body breaks off; 0: there is none such."""
    challenge: str = ""
    retry_after: str = ""
    content: bytes = b""
    pages: list[object] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        if self.cut and request.transport:
            request.transport.abort()
        if self.half:
            broken = web.StreamResponse(status=self.half)
            broken.content_length = 1000
            await broken.prepare(request)
            await broken.write(b'{"error": ')
            assert request.transport is not None
            request.transport.close()
            return broken
        headers = {"Location": self.location} if self.location else {}
        if self.cookie:
            headers["Set-Cookie"] = self.cookie
        if self.statuses:
            more = {"WWW-Authenticate": self.challenge, "Retry-After": self.retry_after}
            headers |= {name: value for name, value in more.items() if value}
            return web.Response(status=self.statuses.pop(0), headers=headers)
        if self.pages:
            return web.json_response(self.pages.pop(0))
        return web.Response(status=202, headers=headers, body=self.content)


@pytest.fixture
async def server(tmp_path: Path, certificates: Certificates) -> AsyncIterator[Server]:
    (tmp_path / "ca.pem").write_bytes(certificates.ca)
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/v1.0/users/{mailbox}/sendMail", made.answer)
    app.router.add_route("*", "/{rest:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificates.server_context()).start()
    made.url = f"https://localhost:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()
