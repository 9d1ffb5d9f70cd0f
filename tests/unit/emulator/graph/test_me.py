"""Every operation on a mailbox succeeds below /users and below /me, and below mailFolders where it is there too.

What these answers hold is judged by tests/openapi, and docs/reference/emulator-coverage.md counts them.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from pillarbox.emulator.graph.operations import OPERATIONS
from tests.unit.emulator.conftest import Client, Reply
from tests.unit.emulator.graph.mail.writer import BOB

SCOPES = ("User.Read", "Mail.ReadWrite", "Mail.Send")
OWNED = [(each.method, each.path) for each in OPERATIONS if each.path.startswith("/users/{user}")]
FILE = {"@odata.type": "#microsoft.graph.fileAttachment", "name": "a.txt", "contentBytes": "YWJj"}
LARGE = {"AttachmentItem": {"attachmentType": "file", "name": "a.bin", "size": 3_500_000}}
DRAFT = {"subject": "Hi", "toRecipients": [BOB]}
BODIES: dict[str, Any] = {
    "POST attachments": FILE,
    "POST createUploadSession": LARGE,
    "POST messages": DRAFT,
    "POST sendMail": {"message": DRAFT},
    "PATCH {message}": {"subject": "Hello"},
}
"""By the method and the last part of the path; the others have none."""


@dataclass
class Alice:
    """Signed in, with a draft that has a file."""

    client: Client
    folder: str = "drafts"
    child: str = ""
    message: str = ""
    attachment: str = ""

    async def call(self, method: str, path: str, body: Any = None) -> Reply:
        return await self.client.as_user(method, path, "alice", *SCOPES, json=body)

    async def prepare(self) -> None:
        """Make what the paths name."""
        self.message = (await self.call("POST", "/me/messages", DRAFT)).json["id"]
        attachments = f"/me/messages/{self.message}/attachments"
        self.attachment = (await self.call("POST", attachments, FILE)).json["id"]

    async def ask(self, method: str, template: str, owner: str) -> Reply:
        """The operation below `owner`, which stands for `/users/{user}`."""
        if template.endswith("{child}"):
            self.folder, self.child = "syncissues", "conflicts"
        names = {"folder": self.folder, "child": self.child, "message": self.message, "attachment": self.attachment}
        path = template.removeprefix("/users/{user}").format(**names)
        return await self.call(method, owner + path, BODIES.get(f"{method} {template.rpartition('/')[2]}"))


@pytest.fixture
async def alice(client: Client) -> Alice:
    made = Alice(client)
    await made.prepare()
    return made


@pytest.mark.parametrize("owner", ["/me", "/users/alice@contoso.example", "/users('alice@contoso.example')"])
@pytest.mark.parametrize("operation", OWNED, ids=" ".join)
async def test_an_operation_on_a_mailbox_succeeds(alice: Alice, owner: str, operation: tuple[str, str]) -> None:
    answer = await alice.ask(*operation, owner)
    assert answer.status in (200, 201, 202, 204), answer.body
