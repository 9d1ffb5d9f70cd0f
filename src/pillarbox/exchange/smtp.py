"""Signing in to Exchange Online by SMTP: STARTTLS, then XOAUTH2. What is said then stands in submission.py."""

import asyncio
import base64
import contextlib
import logging
import ssl
from typing import Final, cast

import aiosmtplib

from pillarbox.core import sasl
from pillarbox.exchange.login import Credentials, Server

# It writes what it says and hears; nothing but our own log writes to standard error.
logging.getLogger("aiosmtplib").setLevel(logging.CRITICAL)

_LONGEST_COMMAND: Final = 512
"""Bytes of a command with its CRLF (RFC 5321 section 4.5.3.1.4); RFC 4954 section 4 makes no exception for AUTH."""


async def login(server: Server, credentials: Credentials) -> str:
    """Sign in and hang up; the reply that lets us in.

    Raises LoginRefused, Untrusted, Unreachable.
    """
    client, reply = await sign_in(server, credentials)
    await hang_up(client)
    return reply


async def sign_in(server: Server, credentials: Credentials) -> tuple[aiosmtplib.SMTP, str]:
    """A connection that Exchange has let us in to, and the reply that says so; `hang_up` ends it.

    Raises LoginRefused, Untrusted, Unreachable.
    """
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        start_tls=True,
        tls_context=server.context,
        timeout=server.timeout,
        # Else the machine's own name would be looked up.
        local_hostname="localhost",
    )
    try:
        await client.connect()
        await client.ehlo()
        reply = await _authenticate(client, credentials)
        if reply.code != aiosmtplib.SMTPStatus.auth_successful:
            raise aiosmtplib.SMTPResponseException(reply.code, reply.message)
    except BaseException as error:
        await hang_up(client)
        match error:
            case aiosmtplib.SMTPResponseException() if is_refusal(error.code):
                raise server.refused(line(error)) from error
            case aiosmtplib.SMTPException() | ssl.SSLError() | OSError():
                server.fail(plain(error))
            case _:
                raise
    return client, line(reply)


def plain(error: Exception) -> Exception:
    """An error of the library's as Python calls it."""
    if isinstance(error, aiosmtplib.SMTPConnectError) and isinstance(error.__cause__, OSError):
        return error.__cause__
    return TimeoutError(str(error)) if isinstance(error, aiosmtplib.SMTPTimeoutError) else error


async def _authenticate(client: aiosmtplib.SMTP, credentials: Credentials) -> aiosmtplib.SMTPResponse:
    """AUTH in one line where it fits into one, else the token as the answer to a challenge."""
    token = base64.b64encode(sasl.xoauth2(credentials.user, credentials.token))
    if len(b"AUTH XOAUTH2 %s\r\n" % token) <= _LONGEST_COMMAND:
        reply = await client.execute_command(b"AUTH", b"XOAUTH2", token)
    else:
        reply = await client.execute_command(b"AUTH", b"XOAUTH2")
        if reply.code == aiosmtplib.SMTPStatus.auth_continue:
            reply = await client.execute_command(token)
    if reply.code == aiosmtplib.SMTPStatus.auth_continue:
        # The reason in JSON, as a challenge: an empty line asks for the reply.
        reply = await client.execute_command(b"")
    return reply


async def hang_up(client: aiosmtplib.SMTP) -> None:
    """Say goodbye, without waiting for an answer for long, and close the connection."""
    transport = client.transport
    if client.is_connected:
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await client.quit(timeout=1)
    client.close()
    if transport is not None:
        # TLS would wait for the other side's goodbye.
        cast(asyncio.WriteTransport, transport).abort()
        await asyncio.sleep(0)


def is_refusal(code: int) -> bool:
    """Whether a reply says no, for now or for good (RFC 5321 section 4.2.1); what is no reply has the code -1."""
    return code // 100 in (4, 5)


def line(reply: aiosmtplib.SMTPResponse | aiosmtplib.SMTPResponseException) -> str:
    """A reply in one line, as people read it."""
    return f"{reply.code} {' '.join(reply.message.split())}".strip()
