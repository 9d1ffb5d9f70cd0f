"""Microsoft's own SDK for Python against the emulator, in an environment of its own. Reads the facts from stdin.

Prints one JSON line per check: {"check": name, "result": what was seen}. An exception ends it with its traceback.
"""

import asyncio
import json
import ssl
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from azure.identity import ClientSecretCredential
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.attachment_item import AttachmentItem
from msgraph.generated.models.attachment_type import AttachmentType
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.file_attachment import FileAttachment
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.users.item.messages.item.attachments.create_upload_session.create_upload_session_post_request_body import (  # noqa: E501
    CreateUploadSessionPostRequestBody,
)
from msgraph.generated.users.item.messages.messages_request_builder import MessagesRequestBuilder
from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody
from msgraph_core import GraphClientFactory

ALICE, BOB = "alice@contoso.example", "bob@contoso.example"
LARGE = 4_500_000
PART = 3_276_800


class Checks:
    """One client for each app, and what is asked of it."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.context = ssl.create_default_context(cafile=facts["ca_file"])

    def client(self, app_name: str, credential: Any = None) -> GraphServiceClient:
        """The SDK, pointed at the emulator as at a national cloud."""
        app = next(app for app in self.facts["apps"] if app["name"] == app_name)
        credential = credential or ClientSecretCredential(
            self.facts["tenant_id"],
            app["client_id"],
            app["client_secret"],
            authority=self.facts["url"],
            disable_instance_discovery=True,
            connection_verify=self.facts["ca_file"],
        )
        host = self.facts["url"].removeprefix("https://")
        provider = AzureIdentityAuthenticationProvider(
            credential, scopes=[f"{self.facts['url']}/.default"], allowed_hosts=[host.partition(":")[0], host]
        )
        http = GraphClientFactory.create_with_default_middleware(client=httpx.AsyncClient(verify=self.context))
        http.base_url = httpx.URL(self.facts["graph"])
        adapter = GraphRequestAdapter(provider, client=http)
        adapter.base_url = self.facts["graph"]
        return GraphServiceClient(request_adapter=adapter)

    async def upload(self, url: str) -> None:
        """PUT the parts by hand: msgraph-core 1.5.2's LargeFileUploadTask fails on the second one, on `int("")`."""
        content = b"0123456789" * (LARGE // 10)
        async with httpx.AsyncClient(verify=self.context) as http:
            for start in range(0, LARGE, PART):
                part = content[start : start + PART]
                place = f"bytes {start}-{start + len(part) - 1}/{LARGE}"
                (await http.put(url, content=part, headers={"Content-Range": place})).raise_for_status()

    async def send_mail(self) -> Any:
        """POST sendMail by JSON."""
        body = SendMailPostRequestBody(message=letter("by the SDK"), save_to_sent_items=True)
        await self.client("Mail gateway").users.by_user_id(ALICE).send_mail.post(body)
        return "accepted"

    async def send_mail_refused(self) -> Any:
        """The SDK can read our refusals."""
        body = SendMailPostRequestBody(message=letter("refused"))
        try:
            await self.client("No consent").users.by_user_id(ALICE).send_mail.post(body)
        except ODataError as error:
            return [error.response_status_code, error.error.code if error.error else None]
        return "not refused"

    async def user(self) -> Any:
        """GET /users/{id}."""
        found = await self.client("Reader").users.by_user_id(ALICE).get()
        return [found.user_principal_name, found.display_name] if found else None

    async def list_messages(self) -> Any:
        """GET messages with $select, $filter, $top."""
        query = MessagesRequestBuilder.MessagesRequestBuilderGetQueryParameters(
            select=["subject", "from"], filter="subject eq 'by the SDK'", top=5
        )
        page = (
            await self.client("Reader")
            .users.by_user_id(BOB)
            .messages.get(request_configuration=RequestConfiguration(query_parameters=query))
        )
        return [message.subject for message in page.value or []] if page else None

    async def folders(self) -> Any:
        """GET mailFolders and one by its well-known name."""
        folders = self.client("Reader").users.by_user_id(BOB).mail_folders
        page, inbox = await folders.get(), await folders.by_mail_folder_id("inbox").get()
        return [bool(page and page.value), inbox.display_name if inbox else None]

    async def draft(self) -> Any:
        """POST a draft, attach a small and a large file, send it, find it in Sent Items."""
        mine = self.client("Writer").users.by_user_id(ALICE)
        draft = await mine.messages.post(letter("a draft"))
        one = mine.messages.by_message_id(draft.id)
        await one.attachments.post(
            FileAttachment(
                odata_type="#microsoft.graph.fileAttachment",
                name="small.txt",
                content_type="text/plain",
                content_bytes=b"c21hbGw=",
            )
        )
        item = AttachmentItem(attachment_type=AttachmentType.File, name="large.bin", size=LARGE)
        body = CreateUploadSessionPostRequestBody(attachment_item=item)
        session = await one.attachments.create_upload_session.post(body)
        await self.upload(session.upload_url)
        names = [each.name for each in (await one.attachments.get()).value]
        await one.send.post()
        sent = await mine.mail_folders.by_mail_folder_id("sentitems").messages.get()
        return [sorted(names), [message.subject for message in sent.value if message.subject == "a draft"]]

    async def mime(self) -> Any:
        """GET $value."""
        bob = self.client("Reader").users.by_user_id(BOB)
        page = await bob.messages.get()
        content = await bob.messages.by_message_id(page.value[0].id).content.get()
        return b"Subject:" in content


def letter(subject: str) -> Message:
    """A short mail to Bob."""
    return Message(
        subject=subject,
        body=ItemBody(content_type=BodyType.Text, content="Hello"),
        to_recipients=[Recipient(email_address=EmailAddress(address=BOB))],
    )


async def main() -> None:
    """All checks, one after the other."""
    checks = Checks(json.load(sys.stdin))
    steps: list[Callable[[], Awaitable[Any]]] = [
        checks.send_mail,
        checks.send_mail_refused,
        checks.user,
        checks.list_messages,
        checks.folders,
        checks.draft,
        checks.mime,
    ]
    for step in steps:
        print(json.dumps({"check": step.__name__, "result": await step()}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
