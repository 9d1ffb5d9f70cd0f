"""For how long an outcome of one message makes its mailbox wait."""

from dataclasses import replace

import pytest

from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.mail import Outcome
from pillarbox.delivery.findings import asked_for
from pillarbox.delivery.policy import after
from tests.claimed import claimed

NOW = 100_000.0
SETTLE = (120.0, 300.0, 900.0)
ALICE = Mailbox(1, "alice@contoso.example", AppRegistration(1, "contoso", "t", "c"))


@pytest.mark.parametrize("mode", ["send-only", "verify", "draft"])
@pytest.mark.parametrize(
    ("cause", "asked", "waits"),
    [(Cause.THROTTLED, 1.0, 1.0), (Cause.THROTTLED, 600.0, 600.0), (Cause.QUOTA, None, 2880.0)],
)
def test_a_mailbox_waits_as_long_as_was_asked_though_its_message_is_to_be_looked_for_later(
    mode: str, cause: Cause, asked: float | None, waits: float
) -> None:
    mailbox = replace(ALICE, assurance=mode)
    outcome = Outcome(cause, retry_after=asked)
    message = claimed(mailbox, "bob@contoso.example", started_at=NOW)
    following = after(outcome, message, SETTLE, NOW, 0.0)
    (pause,) = asked_for(outcome, following, mailbox, NOW, guessed=False)
    assert pause.until == NOW + waits
