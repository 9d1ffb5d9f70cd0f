"""Mail that is too large for one call: a draft without its large attachments, and these uploaded one by one.

The draft is made of the message's own MIME, so that Message-ID, In-Reply-To and References stay; where Graph refuses
that MIME, in JSON, which loses what it has no words for. Its id is kept at once, with the mark that it is not whole,
until everything is there: a draft without an id, or with that mark, was certainly not sent, and is thrown away.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Final

from pillarbox.core import catalogue, headers
from pillarbox.core.accounts import Mailbox
from pillarbox.core.bearer import TokenSource
from pillarbox.core.cause import Cause, Verdict
from pillarbox.core.errors import DISK_FULL, InvalidInput, Unavailable
from pillarbox.core.graph_limits import OURS, most_mime
from pillarbox.core.headers import address_key
from pillarbox.core.mail import Outcome
from pillarbox.delivery.crash_points import Reached, unheeded
from pillarbox.delivery.draft_transport import DraftTransport, not_made
from pillarbox.delivery.drafts import Fate, discard, discard_unkept
from pillarbox.delivery.graph_failures import FAILURES, outcome_of
from pillarbox.delivery.graph_transport import GraphTransport, judge
from pillarbox.delivery.sent_items import said
from pillarbox.delivery.transports import Again, KeepDraft, Kept, Look, Report
from pillarbox.graph import json_drafts, mail, uploads
from pillarbox.graph.client import Answer
from pillarbox.graph.json_drafts import JsonMessage
from pillarbox.graph.mail import FileItem
from pillarbox.graph.uploads import Stuck, Uploads
from pillarbox.mime.conversion import Words
from pillarbox.mime.split import Attachment, Divided, in_words, split
from pillarbox.store.outbox import Claimed

SESSION_FROM: Final = 3_000_000
"""Bytes from which on a file goes by an upload session; between this and 3 MiB Graph may want the other way."""
_TOO_SMALL: Final = "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"
_AT_ONCE: Final = 2
"""Messages that are taken apart at the same time."""
_MADE_AT_ONCE: Final = 16
"""Drafts that are made at the same time: each has a few MB of memory, and twice its message on the disk."""
_UPLOADS: Final = "outlook"
"""The host of uploads, for the count of attempts that did not reach one."""
_TOO_LARGE: Final = ("mail.too_large_sealed", "mail.too_large_text", "mail.not_divided")
_OF_THE_MESSAGE: Final = (Cause.TOO_LARGE, Cause.MAILBOX_FULL, Cause.THROTTLED, Cause.CONCURRENCY, Cause.QUOTA)
"""What an answer about one attachment may say of the message; all else is about the upload, which is begun anew."""


class _Refused(Exception):
    """The draft cannot be made, or not now; nothing was sent."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class LargeMail:
    """Makes drafts of large messages, which `drafts` sends; all others it hands on.

    Large is also what Graph finds too large for one call, whatever its size. In another mode than `draft` a large
    message is refused.

    `folder` gets files without a name. `request_limit` is bytes of one request to Graph. `again` reads a message once
    more.
    """

    drafts: DraftTransport
    plain: GraphTransport
    uploads: Uploads
    folder: Path
    request_limit: int
    again: Again
    reached: Reached = unheeded
    _parsing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _making: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_MADE_AT_ONCE))

    async def ready(self, mailbox: Mailbox) -> None:
        """See `Transport.ready`."""
        await self.drafts.ready(mailbox)

    async def look_up(self, message: Claimed) -> Look:
        """See `Transport.look_up`: a draft is a draft, however it was made."""
        return await self.drafts.look_up(message)

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        """See `Transport.send`."""
        gone = bool(message.draft_id) and message.cause == Cause.DRAFT_GONE
        if message.draft_id and not gone:
            return await self.drafts.send(message, body, keep_draft)
        if not await self._discard(message.mailbox, message.begun_draft, keep_draft):
            # Its id would be lost by that of another one, and it would lie there for ever.
            return Report(replace(not_made(catalogue.sentence("draft.left")), cause=Cause.BUSY))
        if self._is_large(message):
            if message.mailbox.mode != "draft":
                return Report(_too_large(message, most_mime(self.request_limit)))
            notes: list[str] = []
            if gone:
                await keep_draft("")
                notes.append(catalogue.sentence("draft.anew"))
            return await self._divided(message, body, most_mime(self.request_limit), keep_draft, notes)
        kept = Kept(keep_draft, message.draft_id)
        report = await self.drafts.send(message, body, kept)
        if report.outcome.cause is not Cause.TOO_LARGE or message.mailbox.mode != "draft" or kept.draft_id:
            return report
        # Of what the whole message was too large for, half of it may not be.
        most = min(most_mime(self.request_limit), message.size // 2)
        return await self._divided(message, self.again(message), most, keep_draft, list(report.notes))

    async def _divided(
        self, message: Claimed, body: AsyncIterator[bytes], most: int, keep_draft: KeepDraft, notes: list[str]
    ) -> Report:
        """Send it as a draft of `most` bytes, to which the rest is uploaded."""
        try:
            async with self._making:
                draft_id = await self._make(message, body, most, keep_draft, notes)
        except _Refused as refused:
            return Report(refused.outcome, tuple(notes))
        except Stuck as error:
            # That Outlook's host for uploads is out of reach says nothing of Graph's.
            return Report(outcome_of(error), tuple(notes), host=_UPLOADS)
        except FAILURES as error:
            return Report(_before_sending(outcome_of(error)), tuple(notes))
        await keep_draft(draft_id)
        self.reached("after_keep_draft")
        report = await self.drafts.send_made(replace(message, draft_id=draft_id, cause=""), keep_draft)
        return replace(report, notes=(*notes, *report.notes))

    def _is_large(self, message: Claimed) -> bool:
        return message.size > most_mime(self.request_limit) + OURS

    # ---- making the draft

    async def _make(
        self, message: Claimed, body: AsyncIterator[bytes], most: int, keep_draft: KeepDraft, notes: list[str]
    ) -> str:
        """The id of a draft that has everything. Raises _Refused and FAILURES: nothing was sent then."""
        client, token = self.plain.client, self._token(message.mailbox)
        if message.attempt > 1 and not message.begun_draft:
            await discard_unkept(client, message, token)
        with _nameless(self.folder) as file:
            await _write(file, body, message, notes)
            address = message.mailbox.address
            async with self._parsing:
                divided = await split(file, most, address, self.folder)
            with closing(divided):
                self.reached("before_create")
                answer = await mail.create_draft(client, address, divided.rest, token)
                self.reached("after_create")
                if mail.draft_in(answer):
                    return await self._complete(message, answer, divided, keep_draft, notes)
            outcome = _before_sending(await self._judged(message.mailbox, answer))
            if outcome.cause is not Cause.BAD_CONTENT and answer.status != 415:
                raise _Refused(outcome)
            notes.append(catalogue.sentence("draft.mime_refused", said=said(answer)))
            return await self._make_of_json(message, file, most, keep_draft, notes)

    async def _make_of_json(
        self, message: Claimed, file: IO[bytes], most: int, keep_draft: KeepDraft, notes: list[str]
    ) -> str:
        """As `_make`, in JSON: what that has no words for is lost, and listed."""
        async with self._parsing:
            divided, words = await in_words(file, most, message.mailbox.address, self.folder)
        with closing(divided):
            written = json_drafts.written(in_json(words, divided.rest, message.envelope.recipients))
            if len(written) > self.request_limit:
                raise InvalidInput("mail.too_large_text", limit=self.request_limit)
            token = self._token(message.mailbox)
            answer = await json_drafts.create(self.plain.client, message.mailbox.address, written, token)
            if not mail.draft_in(answer):
                raise _Refused(_before_sending(await self._judged(message.mailbox, answer)))
            draft_id = await self._complete(message, answer, divided, keep_draft, notes)
        notes.append(catalogue.sentence("draft.of_json", lost=", ".join(words.lost) or "nothing"))
        return draft_id

    async def _complete(
        self, message: Claimed, made: Answer, divided: Divided, keep_draft: KeepDraft, notes: list[str]
    ) -> str:
        """Give a draft what it lacks; its id."""
        draft_id = mail.draft_in(made)
        await keep_draft(draft_id, whole=False)
        self.reached("after_begun_draft")
        try:
            await self._keep_message_id(message, made, notes)
            for one in divided.attachments:
                await self._attach(message.mailbox, draft_id, divided, one)
        except Exception:
            await self._discard(message.mailbox, draft_id, keep_draft)
            raise
        notes.append(catalogue.sentence("mail.divided", count=len(divided.attachments)))
        return draft_id

    async def _discard(self, mailbox: Mailbox, draft_id: str, keep_draft: KeepDraft) -> bool:
        """Throw away a draft that is not whole; whether there is none now."""
        if not draft_id:
            return True
        if await discard(self.plain.client, mailbox, draft_id, self._token(mailbox)) is Fate.LEFT:
            return False
        await keep_draft("")
        return True

    async def _keep_message_id(self, message: Claimed, made: Answer, notes: list[str]) -> None:
        """Exchange is said to give drafts a Message-ID of its own; replies and reports name ours."""
        if json_drafts.message_id_in(made) in ("", message.message_id):
            return
        answer = await json_drafts.set_message_id(
            self.plain.client,
            message.mailbox.address,
            mail.draft_in(made),
            message.message_id,
            self._token(message.mailbox),
        )
        if json_drafts.message_id_in(answer) != message.message_id:
            notes.append(catalogue.sentence("draft.other_message_id", found=json_drafts.message_id_in(made)))

    async def _attach(self, mailbox: Mailbox, draft_id: str, divided: Divided, one: Attachment) -> None:
        item = FileItem(one.name, one.content_type, one.size, one.content_id, one.is_inline)
        if one.size < SESSION_FROM:
            return await self._add(mailbox, draft_id, item, divided, one)
        token = self._token(mailbox)
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
        token = self._token(mailbox)
        answer = await mail.add_file(self.plain.client, mailbox.address, draft_id, item, content, token)
        if answer.status != 201:
            raise _Refused(_of_an_attachment(await self._judged(mailbox, answer)))

    async def _judged(self, mailbox: Mailbox, answer: Answer) -> Outcome:
        if answer.status == 403:
            await self.plain.tokens.doubt(mailbox)
        return self._judgement(mailbox, answer)

    def _judgement(self, mailbox: Mailbox, answer: Answer) -> Outcome:
        return judge(answer, mailbox, self.plain.clock(), self.plain.retry_after_default)

    def _token(self, mailbox: Mailbox) -> TokenSource:
        return self.plain.tokens.source(mailbox)


def in_json(words: Words, text: bytes, recipients: Iterable[str]) -> JsonMessage:
    """The words with the envelope's recipients, and nobody else: whom To and Cc do not name gets it blind. Pure."""
    wanted = {address_key(one): one for one in recipients}
    shown = [[one for one in people if wanted.pop(address_key(one[1]), None)] for people in (words.to, words.cc)]
    return JsonMessage(
        text=text.decode(),
        is_html=words.is_html,
        subject=words.subject,
        to=shown[0],
        cc=shown[1],
        bcc=[("", one) for one in wanted.values()],
        reply_to=words.reply_to,
        from_=words.from_,
        sender=words.sender,
        message_id=words.message_id,
        in_reply_to=words.in_reply_to,
        references=words.references,
        importance=words.importance,
        own=words.own,
    )


def _too_large(message: Claimed, limit: int) -> Outcome:
    """It was taken while its mailbox could send it; Graph would refuse it too, after all of it went there."""
    error = InvalidInput("mail.too_large_for_graph", limit=limit, mailbox=message.mailbox.address)
    return Outcome(Cause.TOO_LARGE, code=error.code, text=error.sentence, cure=error.cure)


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
