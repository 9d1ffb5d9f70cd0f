"""Delegated permissions that end in `.Shared` cover the own mailbox too (Microsoft Graph permissions reference)."""

from typing import Any

import pytest

from tests.unit.emulator.conftest import Client
from tests.unit.emulator.graph.mail.writer import BOB

MAIL = {"message": {"toRecipients": [BOB]}}
CALLS: list[tuple[str, str, Any, str, int]] = [
    ("GET", "/me/messages", None, "Mail.Read.Shared", 200),
    ("GET", "/me/messages", None, "Mail.ReadBasic.Shared", 200),
    ("GET", "/users/alice@contoso.example/mailFolders", None, "Mail.ReadWrite.Shared", 200),
    ("POST", "/me/messages", {}, "Mail.ReadWrite.Shared", 201),
    ("POST", "/me/sendMail", MAIL, "Mail.Send.Shared", 202),
]


@pytest.mark.parametrize(("method", "path", "body", "scope", "status"), CALLS)
async def test_a_shared_scope_opens_the_own_mailbox(
    client: Client, method: str, path: str, body: Any, scope: str, status: int
) -> None:
    assert (await client.as_user(method, path, "alice", scope, json=body)).status == status


async def test_reading_shared_mail_is_not_sending(client: Client) -> None:
    answer = await client.as_user("POST", "/me/sendMail", "alice", "Mail.Read.Shared", json=MAIL)
    assert (answer.status, answer.code) == (403, "ErrorAccessDenied")
