"""A program that keeps drafts in Alice's mailbox."""

import base64
from typing import Any

from tests.unit.emulator.conftest import Client, Reply

ALICE = "/users/alice@contoso.example"
BOB = {"emailAddress": {"address": "bob@contoso.example", "name": "Bob"}}
IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}


class Writer:
    """Calls of the app Writer; paths are below the mailbox."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, method: str, path: str, **more: Any) -> Reply:
        return await self.client.graph(method, f"{ALICE}{path}", self.client.planted.writer, **more)

    async def create(self, message: Any = None, folder: str = "", **more: Any) -> Reply:
        return await self.call("POST", f"{folder}/messages", json=message or {}, **more)

    async def create_mime(self, mail: bytes, folder: str = "") -> Reply:
        headers = {"Content-Type": "text/plain"}
        return await self.call("POST", f"{folder}/messages", data=base64.b64encode(mail), headers=headers)

    async def draft(self, **message: Any) -> str:
        """A draft to Bob; gives its id."""
        return str((await self.create({"toRecipients": [BOB]} | message)).json["id"])

    async def received(self) -> str:
        """The id of a mail that Bob sent to Alice."""
        await self.client.send(b"To: alice@contoso.example\r\nSubject: in\r\n\r\nHi", "bob@contoso.example")
        return str((await self.call("GET", "/mailFolders/inbox/messages")).json["value"][0]["id"])

    async def get(self, ident: str, more: str = "") -> Any:
        """A message or what is below it, read."""
        answer = await self.call("GET", f"/messages/{ident}{more}")
        assert answer.status == 200, answer.body
        return answer.json

    async def send(self, ident: str, **more: Any) -> Reply:
        return await self.call("POST", f"/messages/{ident}/send", **more)
