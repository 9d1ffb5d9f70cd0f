"""What not every tenant has been given: a case without it is skipped, with a reason of tests/skips.toml."""

from typing import TypeVar

import pytest

Given = TypeVar("Given")
EXCHANGE = "tenant: no app for Exchange"
CERTIFICATE = "tenant: no certificate on the sender's app"
PERSON = "tenant: nobody signs in by password"
PUBLIC = "tenant: no public app"
CLOSED = "tenant: no mailbox that is closed to the app for Exchange"
BARE = "tenant: no account without a mailbox"
ADMIN = "tenant: no administrator's token"


def needed(given: Given | None, reason: str) -> Given:
    """What the case needs; without it the case is skipped. An emulator has everything."""
    if given is None:
        pytest.skip(reason)
    return given
