"""What signing in by SMTP and by IMAP have in common: where, as whom, and how it can fail."""

import re
import socket
import ssl
from dataclasses import dataclass
from typing import Final, NoReturn

from pillarbox.core.errors import AuthenticationFailed, PillarboxError, Unavailable, Upstream
from pillarbox.core.explain import explain
from pillarbox.core.reasons import NO_SUCH_NAME, reason
from pillarbox.core.vault import Secret

_REPLY: Final = re.compile(r"(?P<status>[2-5]\d\d)[ -](?:(?P<code>[245]\.\d{1,3}\.\d{1,3})\b)?")
"""How a reply of SMTP begins: with its code, and an enhanced one perhaps (RFC 2034)."""


def told_by(reply: str) -> Upstream:
    """What Exchange told by a reply; by one of IMAP there are no numbers. Pure."""
    match = _REPLY.match(reply)
    return Upstream("exchange", int(match["status"]), match["code"] or "") if match else Upstream("exchange")


class LoginRefused(AuthenticationFailed):
    """Exchange does not let us in; the parameter `reply` is its own line."""

    @property
    def upstream(self) -> Upstream:
        """The codes of its reply."""
        return told_by(str(self.params.get("reply", "")))


class Untrusted(PillarboxError):
    """What answered in Exchange's place has no certificate that we trust: nothing was sent."""

    @property
    def upstream(self) -> Upstream:
        """Exchange, which told nothing."""
        return Upstream("exchange")


class Unreachable(Unavailable):
    """Exchange could not be reached, or hung up before it answered."""

    @property
    def upstream(self) -> Upstream:
        """Exchange, which told nothing."""
        return Upstream("exchange")


class UnknownHost(Unreachable):
    """DNS says that there is no such host."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to sign in, and whom to trust there; `timeout` are the seconds that each answer may take.

    `proxy` is the name of that by which other hosts are reached: it carries HTTPS alone, so no way leads through it.
    """

    host: str
    port: int
    context: ssl.SSLContext
    timeout: float
    proxy: str = ""

    def refused(self, reply: str) -> LoginRefused:
        """The error for a reply that refuses, with what the catalogue knows of it."""
        for found in explain(reply):
            return LoginRefused(
                "exchange.refused", host=self.host, reply=reply, meaning=found.meaning, remedy=found.cure
            )
        return LoginRefused("exchange.refused_unexplained", host=self.host, reply=reply)

    def fail(self, error: Exception) -> NoReturn:
        """Raise what a broken connection means: Untrusted for a certificate, else Unreachable."""
        if isinstance(error, ssl.SSLCertVerificationError):
            raise Untrusted("microsoft.tls", host=self.host, reason=error.verify_message) from error
        place, reason = f"{self.host}:{self.port}", why(error)
        if self.proxy:
            raise Unreachable("check.no_mail_proxy", host=place, reason=reason, proxy=self.proxy) from error
        if isinstance(error, socket.gaierror) and error.errno in NO_SUCH_NAME:
            raise UnknownHost("microsoft.unknown_host", host=self.host, reason=error.strerror) from error
        raise Unreachable("microsoft.unreachable", host=place, reason=reason) from error


def why(error: Exception) -> str:
    """Why a connection broke, in words."""
    return "no answer in time" if isinstance(error, TimeoutError) else reason(error, None)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The mailbox to enter, and an access token for Exchange Online of who may enter it."""

    user: str
    token: Secret
