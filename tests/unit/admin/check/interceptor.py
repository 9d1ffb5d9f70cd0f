"""Somebody between us and Microsoft: a server, or a proxy, that opens TLS with a certificate of its own CA."""

import asyncio
import datetime
import os
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SIGNER = "Contoso TLS inspection CA"


def context(folder: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate for localhost that SIGNER has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(
            x509.Name(
                [
                    x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Contoso"),
                    x509.NameAttribute(NameOID.COMMON_NAME, SIGNER),
                ]
            )
        )
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    descriptor, path = tempfile.mkstemp(dir=folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    made.load_cert_chain(path)
    return made


@dataclass
class Interceptor:
    """Takes connections: as a `proxy` after CONNECT, else at once; opens TLS; remembers all that it hears inside.

    `answer` is a proxy's status line. `tls` None: a proxy that tunnels to `target`.
    """

    tls: ssl.SSLContext | None
    proxy: bool = False
    answer: str = "200 Connection established"
    starttls: bool = False
    target: tuple[str, int] = ("", 0)
    heard: bytes = b""
    asked: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    port: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen at a free port."""
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and cut what is open."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._talk(reader, writer)
        except (ssl.SSLError, EOFError, OSError):
            pass  # The other side did not like the certificate.
        finally:
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.proxy:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            self.asked.append(head.split()[1])
            writer.write(f"HTTP/1.1 {self.answer}\r\n\r\n".encode())
            if not self.answer.startswith("2"):
                await writer.drain()
                return
        if self.tls is None:
            await self._tunnel(reader, writer)
            return
        if self.starttls:
            for line in (b"220 hello\r\n", b"250-localhost\r\n250 STARTTLS\r\n", b"220 go ahead\r\n"):
                writer.write(line)
                if b"go ahead" not in line:
                    await reader.readuntil(b"\r\n")
        await writer.start_tls(self.tls)
        while data := await reader.read(65536):
            self.heard += data

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self.target)
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            far_writer.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
    sink.close()
