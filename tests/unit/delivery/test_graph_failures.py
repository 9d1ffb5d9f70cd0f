"""What a call of Graph that brought no answer means."""

import pytest

from pillarbox.core.cause import Cause
from pillarbox.delivery.graph_failures import outcome_of
from pillarbox.delivery.smtp_transport import _failed
from pillarbox.entra.authority import TokenRefused


@pytest.mark.parametrize(
    ("number", "of_app"),
    [(7000215, True), (7000222, True), (700016, True), (90002, True), (53003, False), (50173, False), (0, False)],
)
def test_a_credential_that_is_refused_concerns_all_mailboxes_of_the_app(number: int, of_app: bool) -> None:
    error = TokenRefused("microsoft.token_refused", number=number, text="x", remedy="y")
    for outcome in (outcome_of(error), _failed(Cause.ACCOUNT_BROKEN, error)):
        assert (outcome.cause, outcome.app_wide) == (Cause.ACCOUNT_BROKEN, of_app)
