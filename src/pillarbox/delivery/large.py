"""Mail that is too large for one call: a draft without its large attachments, and these uploaded one by one.

The draft is made of the message's own MIME, so that Message-ID, In-Reply-To and References stay. Its id is kept when
everything is there, not before: a draft without a kept id was certainly not sent, and is thrown away.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Final

from pillarbox.core import catalogue, headers
from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause, Verdict
from pillarbox.core.errors import DISK_FULL, PillarboxError, Unavailable
from pillarbox.core.graph_limits import OURS, most_mime
from pillarbox.core.mail import Outcome
from pillarbox.delivery.crash_points import Reached, unheeded
from pillarbox.delivery.graph_failures import FAILURES, outcome_of
from pillarbox.delivery.graph_transport import GraphTransport, judge
from pillarbox.delivery.transports import KeepDraft, Look, Report, Transport
from pillarbox.graph import mail, uploads
from pillarbox.graph.client import Answer
from pillarbox.graph.mail import FileItem
from pillarbox.graph.uploads import Uploads
from pillarbox.mime.split import Attachment, Divided, split
from pillarbox.store.outbox import Claimed

SESSION_FROM: Final = 3_000_000
"""Bytes from which on a file goes by an upload session; between this and 3 MiB Graph may want the other way."""
_TOO_SMALL: Final = "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"
_AT_ONCE: Final = 2
"""Messages that are taken apart at the same time."""
_TOO_LARGE: Final = ("mail.too_large_sealed", "mail.too_large_text")
_OF_THE_MESSAGE: Final = (Cause.TOO_LARGE, Cause.MAILBOX_FULL, Cause.THROTTLED, Cause.CONCURRENCY, Cause.QUOTA)
"""What an answer about one attachment may say of the message; all else is about the upload, which is begun anew."""


class _Refused(Exception):
    """The draft cannot be made, or not now; nothing was sent."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class LargeMail:
    """Makes drafts of large messages of mailboxes in the mode `draft`, which `drafts` sends; all others it hands on.

    `folder` gets files without a name. `request_limit` is bytes of one request to Graph.
    """

    drafts: Transport
    plain: GraphTransport
    uploads: Uploads
    folder: Path
    request_limit: int
    reached: Reached = unheeded
    _parsing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def ready(self, mailbox: Mailbox) -> None:
        """See `Transport.ready`."""
        await self.drafts.ready(mailbox)

    async def look_up(self, message: Claimed) -> Look:
        """See `Transport.look_up`: a draft is a draft, however it was made."""
        return await self.drafts.look_up(message)

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        """See `Transport.send`."""
        gone = bool(message.draft_id) and message.cause == Cause.DRAFT_GONE
        if not self._is_large(message) or (message.draft_id and not gone):
            return await self.drafts.send(message, body, keep_draft)
        notes: list[str] = []
        try:
            if gone:
                await keep_draft("")
                notes.append(catalogue.sentence("draft.anew"))
            draft_id = await self._make(message, body, notes)
        except _Refused as refused:
            return Report(refused.outcome, tuple(notes))
        except FAILURES as error:
            return Report(_before_sending(outcome_of(error)), tuple(notes))
        await keep_draft(draft_id)
        self.reached("after_keep_draft")
        report = await self.drafts.send(replace(message, draft_id=draft_id, cause=""), body, keep_draft)
        if report.outcome.verdict is Verdict.REFUSED:
            await keep_draft("")
            await self._discard(message.mailbox, draft_id)
        return Report(report.outcome, (*notes, *report.notes))

    def _is_large(self, message: Claimed) -> bool:
        return message.mailbox.mode == "draft" and message.size > most_mime(self.request_limit) + OURS

    # ---- making the draft

    async def _make(self, message: Claimed, body: AsyncIterator[bytes], notes: list[str]) -> str:
        """The id of a draft that has everything. Raises _Refused and FAILURES: nothing was sent then."""
        if message.attempt > 1:
            await self._discard_former(message)
        async with self._divided(message, body, notes) as divided:
            self.reached("before_create")
            answer = await mail.create_draft(
                self.plain.client, message.mailbox.address, divided.rest, self.plain.tokens.source(message.mailbox)
            )
            self.reached("after_create")
            draft_id = mail.draft_in(answer)
            if not draft_id:
                raise _Refused(_before_sending(await self._judged(message.mailbox, answer)))
            try:
                for one in divided.attachments:
                    await self._attach(message.mailbox, draft_id, divided, one)
            except Exception:
                await self._discard(message.mailbox, draft_id)
                raise
            notes.append(catalogue.sentence("mail.divided", count=len(divided.attachments)))
            return draft_id

    @asynccontextmanager
    async def _divided(self, message: Claimed, body: AsyncIterator[bytes], notes: list[str]) -> AsyncIterator[Divided]:
        async with self._parsing:
            with _nameless(self.folder) as file:
                await _write(file, body, message, notes)
                most = most_mime(self.request_limit)
                divided = await split(file, most, message.mailbox.address, self.folder)
        try:
            yield divided
        finally:
            divided.close()

    async def _attach(self, mailbox: Mailbox, draft_id: str, divided: Divided, one: Attachment) -> None:
        item = FileItem(one.name, one.content_type, one.size, one.content_id, one.is_inline)
        if one.size < SESSION_FROM:
            return await self._add(mailbox, draft_id, item, divided, one)
        token = self.plain.tokens.source(mailbox)
        answer = await mail.create_upload_session(self.plain.client, mailbox.address, draft_id, item, token)
        session = uploads.session_in(answer)
        if not session and answer.error()[0] == _TOO_SMALL:
            return await self._add(mailbox, draft_id, item, divided, one)
        if not session:
            raise _Refused(_of_an_attachment(await self._judged(mailbox, answer), may_be_right=answer.status == 403))

        async def read(begin: int, end: int) -> bytes:
            return await asyncio.to_thread(divided.read, one, begin, end)

        refusal = await self.uploads.put(session, one.size, read)
        if refusal is not None:
            raise _Refused(_of_an_attachment(self._judgement(mailbox, refusal)))
        return None

    async def _add(self, mailbox: Mailbox, draft_id: str, item: FileItem, divided: Divided, one: Attachment) -> None:
        content = await asyncio.to_thread(divided.read, one, 0, one.size)
        token = self.plain.tokens.source(mailbox)
        answer = await mail.add_file(self.plain.client, mailbox.address, draft_id, item, content, token)
        if answer.status != 201:
            raise _Refused(_of_an_attachment(await self._judged(mailbox, answer)))

    async def _judged(self, mailbox: Mailbox, answer: Answer) -> Outcome:
        if answer.status == 403:
            await self.plain.tokens.doubt(mailbox)
        return self._judgement(mailbox, answer)

    def _judgement(self, mailbox: Mailbox, answer: Answer) -> Outcome:
        return judge(answer, mailbox, self.plain.clock(), self.plain.retry_after_default)

    # ---- throwing away

    async def _discard_former(self, message: Claimed) -> None:
        """Throw away the drafts of attempts before this one: without a kept id they were not complete."""
        token = self.plain.tokens.source(message.mailbox)
        answer = await mail.drafts(self.plain.client, message.mailbox.address, message.message_id, token)
        for copy in mail.copies_in(answer) or []:
            if copy.is_draft and copy.queue_id == message.id:
                await self._discard(message.mailbox, copy.id)

    async def _discard(self, mailbox: Mailbox, draft_id: str) -> None:
        """Delete a draft, out of Deleted Items too; what does not work is only litter."""
        token = self.plain.tokens.source(mailbox)
        try:
            for _ in range(2):
                await mail.delete_message(self.plain.client, mailbox.address, draft_id, token)
        except PillarboxError:
            pass


def _before_sending(outcome: Outcome) -> Outcome:
    """What is unclear about a draft is no doubt about the mail: it was not sent, and can be tried again soon."""
    if outcome.code in _TOO_LARGE:
        return replace(outcome, cause=Cause.TOO_LARGE)
    if outcome.verdict in (Verdict.SENT, Verdict.UNCERTAIN):
        return replace(outcome, cause=Cause.UNREACHABLE)
    return outcome


def _of_an_attachment(outcome: Outcome, *, may_be_right: bool = False) -> Outcome:
    """What a refused attachment means for its message. The mailbox can send all other mail: nothing is said of that.

    With `may_be_right` Graph allows the draft and not the upload, as in a shared mailbox by a person's sign-in
    (https://learn.microsoft.com/graph/known-issues): no time mends that.
    """
    if may_be_right:
        return replace(outcome, cause=Cause.TOO_LARGE)
    return outcome if outcome.cause in _OF_THE_MESSAGE else replace(outcome, cause=Cause.UNREACHABLE)


# ---- the message as a file


def _nameless(folder: Path) -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(dir=folder)
    except OSError as error:
        raise _not_written(error) from error


async def _write(file: IO[bytes], body: AsyncIterator[bytes], message: Claimed, notes: list[str]) -> None:
    """Write the message as it leaves: its recipients made equal to the envelope's."""
    head = b""
    async for part in body:
        head += part
        if len(head) >= headers.LONGEST_BLOCK:
            break
    addressed = headers.address_to(head, message.envelope.recipients)
    notes += [catalogue.sentence("mail.recipient_removed", entry=entry) for entry in addressed.removed]
    try:
        await asyncio.to_thread(file.write, addressed.mime)
        async for part in body:
            await asyncio.to_thread(file.write, part)
        await asyncio.to_thread(file.flush)
    except OSError as error:
        raise _not_written(error) from error


def _not_written(error: OSError) -> Unavailable:
    if error.errno in DISK_FULL:
        return Unavailable("store.full")
    return Unavailable("mime.unavailable", reason=os.strerror(error.errno or 0))
