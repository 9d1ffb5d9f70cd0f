"""What the API answers to an error, beyond its words."""

import pytest

from pillarbox.core.errors import Conflict, InvalidInput, PillarboxError, Unavailable
from pillarbox.endpoints.api.app import problem_of


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Conflict("idempotency.in_progress"), (409, "1")),
        (Unavailable("store.failed", reason="I/O error"), (503, "5")),
        (InvalidInput("idempotency.mismatch"), (422, None)),
    ],
)
def test_what_is_worth_another_try_says_when(error: PillarboxError, told: tuple[int, str | None]) -> None:
    answer = problem_of(error)
    assert (answer.status_code, answer.headers.get("Retry-After")) == told
