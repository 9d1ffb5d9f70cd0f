"""The files of a draft that were taken out of its message: small ones in one request each, large ones uploaded."""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.mail import Outcome
from pillarbox.delivery.graph_transport import GraphTransport, judge
from pillarbox.graph import mail, uploads
from pillarbox.graph.mail import FileItem
from pillarbox.graph.uploads import Uploads
from pillarbox.mime.split import Attachment, Divided

_SESSION_FROM: Final = 3_000_000
"""Bytes from which on a file goes by an upload session; between this and 3 MiB Graph may want the other way."""
_TOO_SMALL: Final = "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"
_OF_THE_MESSAGE: Final = (Cause.TOO_LARGE, Cause.MAILBOX_FULL, Cause.THROTTLED, Cause.CONCURRENCY, Cause.QUOTA)
"""What an answer about one attachment may say of the message; all else is about the upload, which is begun anew."""


class NotMade(Exception):
    """The draft cannot be made, or not now; nothing was sent."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class DraftFiles:
    """Gives a draft its files."""

    plain: GraphTransport
    uploads: Uploads
    mailbox: Mailbox
    draft_id: str
    divided: Divided

    async def attach(self, one: Attachment) -> None:
        """Give it one of them. Raises NotMade, Stuck, and what calls of Graph raise."""
        item = FileItem(one.name, one.content_type, one.size, one.content_id, one.is_inline)
        if one.size < _SESSION_FROM:
            return await self._add(item, one)
        client, token = self.plain.client, self.plain.tokens.source(self.mailbox)
        answer = await mail.create_upload_session(client, self.mailbox.address, self.draft_id, item, token)
        session = uploads.session_in(answer)
        if not session and answer.error()[0] == _TOO_SMALL:
            return await self._add(item, one)
        if not session:
            outcome = await self.plain.judged(self.mailbox, answer)
            raise NotMade(_of_an_attachment(outcome, may_be_right=answer.status == 403))

        async def read(begin: int, end: int) -> bytes:
            return await asyncio.to_thread(self.divided.read, one, begin, end)

        refusal = await self.uploads.put(session, one.size, read)
        if refusal is not None:
            # Of another host, which says nothing of the token.
            outcome = judge(refusal, self.mailbox, self.plain.clock(), self.plain.retry_after_default)
            raise NotMade(_of_an_attachment(outcome))
        return None

    async def _add(self, item: FileItem, one: Attachment) -> None:
        content = await asyncio.to_thread(self.divided.read, one, 0, one.size)
        client, token = self.plain.client, self.plain.tokens.source(self.mailbox)
        answer = await mail.add_file(client, self.mailbox.address, self.draft_id, item, content, token)
        if answer.status != 201:
            raise NotMade(_of_an_attachment(await self.plain.judged(self.mailbox, answer)))


def _of_an_attachment(outcome: Outcome, *, may_be_right: bool = False) -> Outcome:
    """What a refused attachment means for its message. The mailbox can send all other mail: nothing is said of that.

    With `may_be_right` Graph allows the draft and not the upload, as in a shared mailbox by a person's sign-in
    (https://learn.microsoft.com/graph/known-issues): no time mends that.
    """
    if may_be_right:
        return replace(outcome, cause=Cause.TOO_LARGE)
    return outcome if outcome.cause in _OF_THE_MESSAGE else replace(outcome, cause=Cause.UNREACHABLE)
