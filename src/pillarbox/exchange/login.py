"""What signing in by SMTP and by IMAP have in common: where, as whom, and how it can fail."""

import ssl
from dataclasses import dataclass
from typing import NoReturn

from pillarbox.core.errors import AuthenticationFailed, PillarboxError, Unavailable
from pillarbox.core.explain import explain
from pillarbox.core.reasons import reason
from pillarbox.core.vault import Secret


class LoginRefused(AuthenticationFailed):
    """Exchange does not let us in; the parameter `reply` is its own line."""


class Untrusted(PillarboxError):
    """What answered in Exchange's place has no certificate that we trust: nothing was sent."""


class Unreachable(Unavailable):
    """Exchange could not be reached, or hung up before it answered."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to sign in, and whom to trust there; `timeout` are the seconds that each answer may take."""

    host: str
    port: int
    context: ssl.SSLContext
    timeout: float

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
        raise Unreachable("microsoft.unreachable", host=f"{self.host}:{self.port}", reason=why(error)) from error


def why(error: Exception) -> str:
    """Why a connection broke, in words."""
    return "no answer in time" if isinstance(error, TimeoutError) else reason(error, None)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The mailbox to enter, and an access token for Exchange Online of who may enter it."""

    user: str
    token: Secret
