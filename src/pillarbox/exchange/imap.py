"""Signing in to Exchange Online by IMAP: TLS, XOAUTH2, and SELECT, which alone shows whether the mailbox is reached."""

import asyncio
import logging
import re
import ssl
from collections.abc import Callable
from typing import Final

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError

from pillarbox.core import sasl
from pillarbox.exchange.login import Credentials, Server

# It writes what it says and hears; nothing but our own log writes to standard error.
logging.getLogger("imapclient").setLevel(logging.CRITICAL)

_COMMAND_ERROR: Final = re.compile(r"\w+ command error: (\w+) \[b?['\"]?(.*?)['\"]?\]", re.DOTALL)


async def login(server: Server, credentials: Credentials) -> str:
    """Sign in, select INBOX, log out; what INBOX holds, in a line.

    Raises LoginRefused (also where a token is taken and the mailbox is not reached), Untrusted, Unreachable.
    """
    return await asyncio.to_thread(_login, server, credentials)


def _login(server: Server, credentials: Credentials) -> str:
    try:
        # At its end it logs out, or closes the connection where that fails.
        with IMAPClient(server.host, server.port, ssl_context=server.context, timeout=server.timeout) as client:
            client.sasl_login("XOAUTH2", _answers(credentials))
            selected = client.select_folder("INBOX")
    except (ssl.SSLError, OSError) as error:
        server.fail(error)
    except IMAPClientError as error:
        if _is_broken_off(error):
            server.fail(error)
        raise server.refused(_reply(str(error))) from error
    return f"INBOX {selected.get(b'EXISTS', 0)} EXISTS"


def _answers(credentials: Credentials) -> Callable[[bytes], bytes]:
    """Our answers to the challenges: first the token; to what comes then, the reason in JSON, an empty line."""
    left = [b"", sasl.xoauth2(credentials.user, credentials.token)]
    return lambda _challenge: left.pop() if len(left) > 1 else left[0]


def _is_broken_off(error: IMAPClientError) -> bool:
    # A login that fails hides why behind an error of its own.
    return any(isinstance(one, IMAPClientAbortError) for one in (error, error.__context__))


def _reply(text: str) -> str:
    """The server's line, from what the library makes of it: `SELECT command error: BAD [b'...']`, or the text of NO."""
    found = _COMMAND_ERROR.match(text)
    return f"{found[1]} {found[2]}" if found else f"NO {text}"
