"""What it means for a message that a call of Microsoft, by Graph or by SMTP, brought no answer at all."""

from dataclasses import replace
from typing import Final

from pillarbox.core.cause import Cause
from pillarbox.core.errors import ConfigError, InvalidInput, PillarboxError, Unavailable
from pillarbox.core.mail import Outcome
from pillarbox.entra.authority import TokenRefused, TokenUnavailable
from pillarbox.exchange import login, submission
from pillarbox.graph import client

FAILURES: Final = (
    Unavailable,
    client.Unreachable,
    client.Untrusted,
    login.Untrusted,
    InvalidInput,
    TokenRefused,
    ConfigError,
    client.AnswerLost,
    submission.AnswerLost,
)
"""What is raised in place of an answer. Anything else is a mistake of ours."""


def outcome_of(error: PillarboxError) -> Outcome:
    """The outcome of an attempt that ended in one of FAILURES. Pure."""
    of_app = isinstance(error, TokenRefused) and error.of_app
    outcome = Outcome(_cause(error), code=error.code, text=error.sentence, cure=error.cure, app_wide=of_app)
    return replace(outcome, retry_after=error.retry_after) if isinstance(error, TokenUnavailable) else outcome


def _cause(error: PillarboxError) -> Cause:
    match error:
        case TokenUnavailable():
            return Cause.TOKEN_UNAVAILABLE
        case client.UnknownHost() | login.UnknownHost():
            return Cause.UNKNOWN_HOST
        case client.Unreachable() | login.Unreachable():
            return Cause.UNREACHABLE
        case Unavailable():
            return Cause.STORE
        case client.Untrusted() | login.Untrusted() | TokenRefused(code="microsoft.tls"):
            return Cause.UNTRUSTED
        case InvalidInput():
            return Cause.BAD_CONTENT
        case TokenRefused() | ConfigError():
            return Cause.ACCOUNT_BROKEN
        case _:
            return Cause.UNCLEAR
