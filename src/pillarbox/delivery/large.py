"""Mail that is too large for one call: a draft without its large attachments, and these uploaded one by one.

The draft is made of the message's own MIME, so that Message-ID, In-Reply-To and References stay; where Graph refuses
that MIME, in JSON, which loses what it has no words for. Its id is kept at once, with the mark that it is not whole,
until everything is there: a draft without an id, or with that mark, was certainly not sent, and is thrown away.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Final

from pillarbox.core import catalogue
from pillarbox.core.accounts import Mailbox
from pillarbox.core.bearer import TokenSource
from pillarbox.core.cause import Cause, Verdict
from pillarbox.core.errors import InvalidInput
from pillarbox.core.graph_limits import OURS, most_mime
from pillarbox.core.headers import address_key
from pillarbox.core.mail import Outcome
from pillarbox.delivery.crash_points import Reached, unheeded
from pillarbox.delivery.draft_files import DraftFiles, NotMade
from pillarbox.delivery.draft_transport import DraftTransport, not_made
from pillarbox.delivery.drafts import Fate, discard, discard_unkept
from pillarbox.delivery.failures import FAILURES, outcome_of
from pillarbox.delivery.graph_transport import GraphTransport
from pillarbox.delivery.message_file import nameless, write
from pillarbox.delivery.sent_items import said
from pillarbox.delivery.transports import Again, KeepDraft, Kept, Look, Report
from pillarbox.graph import json_drafts, mail
from pillarbox.graph.client import Answer
from pillarbox.graph.json_drafts import JsonMessage
from pillarbox.graph.uploads import Stuck, Uploads
from pillarbox.mime.conversion import Words
from pillarbox.mime.split import Divided, in_words, split
from pillarbox.store.messages import Claimed

_AT_ONCE: Final = 2
"""Messages that are taken apart at the same time."""
_MADE_AT_ONCE: Final = 16
"""Drafts that are made at the same time: each has a few MB of memory, and twice its message on the disk."""
_UPLOADS: Final = "outlook"
"""The host of uploads, for the count of attempts that did not reach one."""
_TOO_LARGE: Final = ("mail.too_large_sealed", "mail.too_large_text", "mail.not_divided")


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
        # Where none is made it is left to the sweep.
        begun = message.begun_draft if message.mailbox.mode == "draft" else ""
        if not await self._discard(message.mailbox, begun, keep_draft):
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
        except NotMade as refused:
            return Report(replace(refused.outcome, nothing_sent=True), tuple(notes))
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
        """The id of a draft that has everything. Raises NotMade and FAILURES: nothing was sent then."""
        client, token = self.plain.client, self._token(message.mailbox)
        if message.attempt > 1 and not message.begun_draft:
            await discard_unkept(client, message, token)
        with nameless(self.folder) as file:
            notes += await write(file, body, message.envelope.recipients)
            address = message.mailbox.address
            async with self._parsing:
                divided = await split(file, most, address, self.folder)
            with closing(divided):
                self.reached("before_create")
                answer = await mail.create_draft(client, address, divided.rest, token)
                self.reached("after_create")
                if mail.draft_in(answer):
                    return await self._complete(message, answer, divided, keep_draft, notes)
            outcome = _before_sending(await self.plain.judged(message.mailbox, answer))
            if outcome.cause is not Cause.BAD_CONTENT and answer.status != 415:
                raise NotMade(outcome)
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
                raise NotMade(_before_sending(await self.plain.judged(message.mailbox, answer)))
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
            files = DraftFiles(self.plain, self.uploads, message.mailbox, draft_id, divided)
            for one in divided.attachments:
                await files.attach(one)
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
