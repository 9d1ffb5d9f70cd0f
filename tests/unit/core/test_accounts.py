"""What a mailbox is known to be able to do, beside what a person has chosen for it."""

import pytest

from pillarbox.core.accounts import AppRegistration, Mailbox

APP = AppRegistration(1, "contoso", "tenant", "client")


@pytest.mark.parametrize(
    ("found", "chosen", "lacking"),
    [
        ("send-only", "verify", "mailbox.cannot_verify"),
        ("send-only", "draft", "mailbox.cannot_draft"),
        ("verify", "draft", "mailbox.cannot_draft"),
        ("verify", "verify", ""),
        ("draft", "verify", ""),
        ("draft", "draft", ""),
        ("send-only", "send-only", ""),
        ("send-only", "", ""),
        # Nothing was tried yet.
        ("", "verify", ""),
        ("", "draft", ""),
    ],
)
def test_a_chosen_mode_lacks_what_the_last_test_did_not_find(found: str, chosen: str, lacking: str) -> None:
    mailbox = Mailbox(1, "a@contoso.example", APP, assurance=found, chosen_assurance=chosen)
    assert mailbox.lacking == lacking
