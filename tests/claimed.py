"""A message as a worker has claimed it, for tests that need no outbox."""

from typing import Any

from pillarbox.core.accounts import Mailbox
from pillarbox.core.mail import Envelope
from pillarbox.store.messages import Claimed


def claimed(mailbox: Mailbox, *recipients: str, **known: Any) -> Claimed:
    """One at its first attempt; `known` are fields that are to be otherwise."""
    fields: dict[str, Any] = {
        "seq": 1,
        "id": "ID",
        "mailbox": mailbox,
        "submitter": "printer",
        "envelope": Envelope(mailbox.address, recipients),
        "message_id": "<1@contoso.example>",
        "size": 9,
        "created_at": 0.0,
        "attempt": 1,
        "started_at": 0.0,
        "part": b"",
    }
    return Claimed(**{**fields, **known})


async def no_draft(draft_id: str, *, whole: bool = True, given_up: bool = False) -> None:
    """For a transport that makes none: `keep_draft`."""
    raise AssertionError(f"a draft was made: {draft_id}")


async def no_twins(message: Claimed) -> int:
    """For a transport of whose messages none has another one's Message-ID: `twins`."""
    return 0
