"""Whether a host of Microsoft's can be reached, and who signed the certificate that is shown there.

A connection is opened and closed; beyond what a proxy and STARTTLS need, nothing is sent.
"""

import asyncio
import base64
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from pillarbox.admin.check.steps import Failed
from pillarbox.core.errors import Unavailable
from pillarbox.core.reasons import reason
from pillarbox.core.tls import Outbound

_CONNECT_TIMEOUT: Final = 5
"""Seconds for each of two addresses."""


@dataclass(frozen=True, slots=True)
class Place:
    """A port of Microsoft's; `starttls`: the connection begins in clear, as with SMTP; `mail`: no proxy leads there."""

    host: str
    port: int
    starttls: bool = False
    mail: bool = False

    @classmethod
    def of(cls, url: str) -> "Place":
        """The place of an https URL."""
        parts = urlsplit(url)
        return cls(parts.hostname or "", parts.port or 443)

    @property
    def shown(self) -> str:
        """The host, with the port where that is not everybody's."""
        return self.host if self.port == 443 else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """What the handshake agreed on, and who signed the server's certificate."""

    version: str
    signer: str

    @property
    def evidence(self) -> dict[str, object]:
        """As JSON."""
        return {"tls": self.version, "signer": self.signer}


async def reach(place: Place, outbound: Outbound) -> str:
    """Connect; the address that answered. Raises Unavailable, and Failed where a proxy cannot lead there."""
    async with _connected(place, outbound) as (_, writer):
        peer = writer.get_extra_info("peername")
        return str(peer[0]) if peer else ""


async def secure(place: Place, outbound: Outbound) -> Tls:
    """Connect and shake hands; what came of it.

    Raises Failed `check.intercepted`, with who signed what was shown instead, `check.no_tls`; Unavailable.
    """
    async with _connected(place, outbound) as (reader, writer):
        try:
            return await _handshake(place, outbound.ssl_context(), reader, writer)
        except ssl.SSLCertVerificationError as error:
            untrusted = error.verify_message
        except (ssl.SSLError, OSError, EOFError, asyncio.LimitOverrunError) as error:
            words = "the connection ends" if isinstance(error, EOFError | ConnectionError) else _why(error)
            raise Failed("check.no_tls", {"host": place.shown}, host=place.shown, reason=words) from error
    signer = await _shown_signer(place, outbound)
    evidence = {"host": place.shown, "signer": signer}
    raise Failed("check.intercepted", evidence, host=place.shown, signer=signer, reason=untrusted)


async def _shown_signer(place: Place, outbound: Outbound) -> str:
    """Who signed the certificate that we do not trust. The connection ends with the handshake, nothing is said."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        async with _connected(place, outbound) as (reader, writer):
            return (await _handshake(place, context, reader, writer)).signer
    except (ssl.SSLError, OSError, EOFError, Unavailable):
        return "unknown"


async def _handshake(
    place: Place, context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Tls:
    if place.starttls:
        await ask_for_tls(reader, writer)
    await writer.start_tls(context, server_hostname=place.host)
    tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True)
    return Tls(tls.version() or "", _signer(certificate) if certificate else "nobody")


async def ask_for_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """STARTTLS of SMTP (RFC 3207). Raises EOFError where the server does not begin it."""
    for command in (b"", b"EHLO localhost\r\n", b"STARTTLS\r\n"):
        writer.write(command)
        while (line := await reader.readuntil(b"\n"))[3:4] == b"-":
            pass
        if not line.startswith(b"2"):
            raise EOFError


def _signer(certificate: bytes) -> str:
    """The issuer as people call it: its common name, and the organisation where that says more."""
    try:
        issuer = x509.load_der_x509_certificate(certificate).issuer
    except ValueError:
        return "unknown"
    names = [str(one.value) for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME) for one in _named(issuer, oid)]
    return ", ".join(dict.fromkeys(names)) or issuer.rfc4514_string() or "unknown"


def _named(issuer: x509.Name, oid: x509.ObjectIdentifier) -> list[x509.NameAttribute[str | bytes]]:
    return issuer.get_attributes_for_oid(oid)


# ---- the way there


@asynccontextmanager
async def _connected(
    place: Place, outbound: Outbound
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a place, through the proxy that leads there, cut at the end. Raises Unavailable, Failed."""
    proxy = outbound.proxy_for(f"https://{place.host}:{place.port}")
    try:
        if proxy and not place.mail:
            reader, writer = await _through(proxy, place, outbound)
        else:
            reader, writer = await _straight(place.host, place.port)
    except (OSError, EOFError, asyncio.LimitOverrunError) as error:
        words = reason(_why(error), proxy)
        if proxy and place.mail:
            shown = proxy_name(proxy)
            evidence = {"host": place.shown, "proxy": shown}
            raise Failed("check.no_mail_proxy", evidence, host=place.shown, reason=words, proxy=shown) from error
        raise Unavailable("microsoft.unreachable", host=place.shown, reason=words) from error
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _straight(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the first address of either family: where one family leads nowhere, the other one may."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = {family: str(address[0]) for family, *_, address in reversed(found)}
    last: OSError = OSError("no address")
    for address in addresses.values():
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                return await asyncio.open_connection(address, port)
        except OSError as error:
            last = error
    raise last


async def _through(proxy: str, place: Place, outbound: Outbound) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A tunnel by CONNECT (RFC 9110 section 9.3.6)."""
    parts = urlsplit(proxy)
    host = parts.hostname or ""
    reader, writer = await _straight(host, parts.port or (443 if parts.scheme == "https" else 80))
    try:
        if parts.scheme == "https":
            await writer.start_tls(outbound.ssl_context(), server_hostname=host)
        target = f"[{place.host}]:{place.port}" if ":" in place.host else f"{place.host}:{place.port}"
        head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
        if parts.username is not None:
            user_info = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            head += f"Proxy-Authorization: Basic {base64.b64encode(user_info.encode()).decode()}\r\n"
        writer.write(f"{head}\r\n".encode())
        status = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()[0].partition(" ")[2]
        if not status.startswith("2"):
            raise ConnectionRefusedError(f"the proxy answers {status}")
    except BaseException:
        writer.transport.abort()
        raise
    return reader, writer


def proxy_name(proxy: str) -> str:
    """Host and port of a proxy, without the name and password that may stand in its URL."""
    return urlsplit(proxy).netloc.rpartition("@")[2]


def _why(error: Exception) -> str:
    """The reason in few words, without Python's own around it."""
    match error:
        case socket.gaierror():
            return "its name cannot be resolved (DNS)"
        case ssl.SSLCertVerificationError():
            return f"the proxy's certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return str(error.reason or error).replace("_", " ").lower()
        case TimeoutError():
            return "no connection in time"
        case EOFError():
            return "the connection ends"
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number else str(error) or type(error).__name__
