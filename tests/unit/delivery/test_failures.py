"""What a call that brought no answer means, by Graph as by SMTP."""

from typing import Any

import pytest

from pillarbox.core.cause import Cause
from pillarbox.core.errors import ConfigError, InvalidInput, PillarboxError, Unavailable
from pillarbox.delivery.failures import FAILURES, outcome_of
from pillarbox.entra.authority import TokenRefused, TokenUnavailable
from pillarbox.exchange import login, submission
from pillarbox.graph import client

Params = dict[str, Any]
TLS: Params = {"host": "login.contoso.example", "reason": "self-signed certificate"}
GONE: Params = {"host": "mail.contoso.example", "reason": "nobody there"}


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (TokenUnavailable("microsoft.unreachable", **GONE), Cause.TOKEN_UNAVAILABLE),
        (TokenRefused("microsoft.tls", **TLS), Cause.UNTRUSTED),
        (TokenRefused("microsoft.token_refused", number=50173, text="x", remedy="y"), Cause.ACCOUNT_BROKEN),
        (ConfigError("microsoft.unreachable", **GONE), Cause.ACCOUNT_BROKEN),
        (Unavailable("store.failed", reason="disk I/O error"), Cause.STORE),
        (InvalidInput("mail.mime_two_types"), Cause.BAD_CONTENT),
        (client.UnknownHost("microsoft.unknown_host", **GONE), Cause.UNKNOWN_HOST),
        (login.UnknownHost("microsoft.unknown_host", **GONE), Cause.UNKNOWN_HOST),
        (client.Unreachable("microsoft.unreachable", **GONE), Cause.UNREACHABLE),
        (login.Unreachable("microsoft.unreachable", **GONE), Cause.UNREACHABLE),
        (client.Untrusted("microsoft.tls", **TLS), Cause.UNTRUSTED),
        (login.Untrusted("microsoft.tls", **TLS), Cause.UNTRUSTED),
        (client.AnswerLost("microsoft.answer_lost", **GONE), Cause.UNCLEAR),
        (submission.AnswerLost("microsoft.answer_lost", **GONE), Cause.UNCLEAR),
    ],
    ids=lambda one: f"{type(one).__module__}.{type(one).__name__}" if isinstance(one, Exception) else one,
)
def test_each_failure_has_its_cause_and_its_own_words(error: PillarboxError, cause: Cause) -> None:
    assert isinstance(error, FAILURES)
    outcome = outcome_of(error)
    assert (outcome.cause, outcome.code, outcome.text, outcome.cure) == (cause, error.code, error.sentence, error.cure)


@pytest.mark.parametrize(
    ("number", "of_app"),
    [(7000215, True), (7000222, True), (700016, True), (90002, True), (53003, False), (50173, False), (0, False)],
)
def test_a_credential_that_is_refused_concerns_all_mailboxes_of_the_app(number: int, of_app: bool) -> None:
    outcome = outcome_of(TokenRefused("microsoft.token_refused", number=number, text="x", remedy="y"))
    assert (outcome.cause, outcome.app_wide) == (Cause.ACCOUNT_BROKEN, of_app)
