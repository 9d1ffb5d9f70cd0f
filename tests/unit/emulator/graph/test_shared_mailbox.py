"""Other people's mailboxes: the permission's .Shared form, and a right on the mailbox; neither is enough alone."""

import pytest

from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world import Mailbox
from tests.unit.emulator.conftest import Client

BOB = "/users/bob@contoso.example"
MAIL = {"message": {"toRecipients": [{"emailAddress": {"address": "carol@contoso.example"}}]}}


def bobs(planted: Seed) -> Mailbox:
    mailbox = planted.user("bob").mailbox
    assert mailbox
    return mailbox


@pytest.mark.parametrize(
    ("scope", "right", "status", "code"),
    [
        ("Mail.Read.Shared", True, 200, None),
        ("Mail.Read.Shared", False, 404, "ErrorItemNotFound"),
        ("Mail.Read", True, 403, "ErrorAccessDenied"),
    ],
)
async def test_reading(client: Client, planted: Seed, scope: str, right: bool, status: int, code: str | None) -> None:
    if right:
        bobs(planted).full_access.add(planted.user("alice").id)
    answer = await client.as_user("GET", f"{BOB}/messages", "alice", scope)
    assert (answer.status, answer.json.get("error", {}).get("code")) == (status, code)


@pytest.mark.parametrize(
    ("scope", "right", "status"),
    [("Mail.Send.Shared", True, 202), ("Mail.Send.Shared", False, 404), ("Mail.Send", True, 403)],
)
async def test_sending(client: Client, planted: Seed, scope: str, right: bool, status: int) -> None:
    if right:
        bobs(planted).send_as.add(planted.user("alice").id)
    answer = await client.as_user("POST", f"{BOB}/sendMail", "alice", scope, json=MAIL)
    assert answer.status == status


async def test_full_access_is_no_right_to_send(client: Client, planted: Seed) -> None:
    bobs(planted).full_access.add(planted.user("alice").id)
    answer = await client.as_user("POST", f"{BOB}/sendMail", "alice", "Mail.Send.Shared", json=MAIL)
    assert answer.status == 404


async def test_the_own_mailbox_needs_no_right(client: Client) -> None:
    assert (await client.as_user("GET", "/me/messages", "alice", "Mail.Read.Shared")).status == 200
