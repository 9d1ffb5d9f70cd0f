"""The way out through Microsoft Graph: one call of sendMail, and what its answer means."""

import math
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from pillarbox.core import catalogue, headers
from pillarbox.core.accounts import Mailbox, SignIn
from pillarbox.core.cause import SOMETIMES_SENT, Cause, Verdict
from pillarbox.core.errors import PillarboxError
from pillarbox.core.excerpt import scrubbed
from pillarbox.core.mail import Clock, Found, Outcome
from pillarbox.core.retry_after import seconds_of
from pillarbox.delivery import sent_items
from pillarbox.delivery.crash_points import Reached, unheeded
from pillarbox.delivery.failures import FAILURES, outcome_of
from pillarbox.delivery.pauses import LOOK_FAILED
from pillarbox.delivery.sent_items import Twins
from pillarbox.delivery.transports import KeepDraft, Look, Report
from pillarbox.entra.tokens import Tokens
from pillarbox.graph import mail
from pillarbox.graph.client import Answer, GraphClient
from pillarbox.store.messages import Claimed


@dataclass(frozen=True, slots=True)
class GraphTransport:
    """Sends a message as MIME by one call of Graph's sendMail."""

    client: GraphClient
    tokens: Tokens
    clock: Clock
    retry_after_default: float
    twins: Twins
    reached: Reached = unheeded
    settle: float = 0.0
    """Seconds that are to be lived before it counts that no copy is there."""
    jumped_at: Clock = lambda: -math.inf
    """What the clock showed when it was set last, as far as that was seen."""

    async def ready(self, mailbox: Mailbox) -> None:
        """See `Transport.ready`."""
        try:
            await self.tokens.token(mailbox)
        except PillarboxError:
            pass

    async def look_up(self, message: Claimed) -> Look:
        """See `Transport.look_up`."""
        token = self.tokens.source(message.mailbox)
        return await sent_items.look(self.client, message, token, self.clock, self.twins, self.jumped_at())

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        """See `Transport.send`."""
        notes: tuple[str, ...] = ()
        mailbox = message.mailbox
        if message.cause in SOMETIMES_SENT and mailbox.can_look_up:
            look = await self.look_up(message)
            if look.found is Found.SENT:
                return Report(Outcome(Cause.ACCEPTED), (look.note,))
            if look.found is not Found.ABSENT or self.clock() - self.jumped_at() < self.settle:
                # Sent blindly it may come twice. It is looked for as all that is unclear.
                cure = Cause.DOUBTED.entry.cure
                return Report(Outcome(Cause.DOUBTED, code=LOOK_FAILED, text=look.note, cure=cure))
        try:
            addressed = headers.address_to(b"".join([part async for part in body]), message.envelope.recipients)
            notes = tuple(catalogue.sentence("mail.recipient_removed", entry=entry) for entry in addressed.removed)
            self.reached("before_send")
            answer = await mail.send_mime(
                self.client,
                mailbox.address,
                addressed.mime,
                self.tokens.source(mailbox),
            )
            self.reached("after_answer")
        except FAILURES as error:
            return Report(outcome_of(error), notes)
        outcome = await self.judged(mailbox, answer)
        if outcome.cause is Cause.UNKNOWN:
            said = scrubbed(answer.body.decode("utf-8", "replace"))
            notes += (catalogue.sentence("microsoft.raw_answer", body=said),)
        return Report(outcome, notes)

    async def judged(self, mailbox: Mailbox, answer: Answer) -> Outcome:
        """What an answer to a mail call means; after a 403 the token is doubted, which may lack a right given since."""
        if answer.status == 403:
            await self.tokens.doubt(mailbox)
        return judge(answer, mailbox, self.clock(), self.retry_after_default)


def judge(answer: Answer, mailbox: Mailbox, now: float, retry_after_default: float) -> Outcome:
    """What an answer of Graph to a mail call means. Pure. The table stands in docs/explanation/flow.md."""
    code, text = answer.error()
    if answer.status == 404 and code == "ErrorItemNotFound" and mailbox.sign_in is not None:
        return _may_not_send(answer, mailbox.address, mailbox.sign_in)
    cause = _cause(answer.status, code, text)
    told = answer.headers.get("Retry-After", "")
    retry_after = None
    if told and cause.verdict in _SAYS_WHEN:
        retry_after = min(seconds_of(told, now), _HOUR)
    elif cause is Cause.THROTTLED:
        retry_after = retry_after_default
    if cause is Cause.ACCEPTED:
        return Outcome(cause, http_status=answer.status, request_id=answer.request_id, retry_after=retry_after)
    return Outcome(
        cause,
        code=code or f"http_{answer.status}",
        text=text or catalogue.sentence("microsoft.answer", status=answer.status),
        cure=_cure(mailbox, cause, answer.status, code),
        http_status=answer.status,
        request_id=answer.request_id,
        retry_after=retry_after,
        app_wide=_is_app_wide(cause, answer, text),
    )


def _is_app_wide(cause: Cause, answer: Answer, text: str) -> bool:
    if cause is Cause.THROTTLED:
        return bool(_APP_WIDE.match(answer.headers.get("x-ms-throttle-scope", "")))
    return cause is Cause.QUOTA and bool(TENANTS_LIMIT.search(text))


_APP_WIDE: Final = re.compile(r"(?:Application|Tenant(?:_Application)?)/")
"""Scopes of limits that are no mailbox's: https://learn.microsoft.com/graph/throttling-limits"""
_SAYS_WHEN: Final = (Verdict.SENT, Verdict.RETRY, Verdict.UNCERTAIN)
_NO_DRAFTS: Final = "mailbox.cannot_draft"
"""The right to make drafts is missing, which the chosen mode takes."""
_HOUR: Final = 3600.0
"""Nothing waits for longer by one header."""

TENANTS_LIMIT: Final = re.compile(r"\b5\.7\.(?:232|233|705|708)\b|\bTERRL\b", re.ASCII)
_BY_WORDS: Final = (
    # Both come with codes that say something else, or less. The numbers are of Exchange's replies: the limits of a
    # tenant (https://learn.microsoft.com/exchange/mail-flow-best-practices/non-delivery-reports-in-exchange-online).
    (re.compile(r"MailboxConcurrency"), Cause.CONCURRENCY),
    (TENANTS_LIMIT, Cause.QUOTA),
)
_BY_STATUS: Final = {
    202: Cause.ACCEPTED,
    400: Cause.BAD_CONTENT,
    401: Cause.ACCOUNT_BROKEN,
    403: Cause.ACCESS_DENIED,
    404: Cause.NO_MAILBOX,
    408: Cause.UNCLEAR,
    413: Cause.TOO_LARGE,
    # Not without a code of Graph's that says so (the catalogue has its cause): then it may have been taken.
    429: Cause.UNCLEAR,
    507: Cause.MAILBOX_FULL,
}


def _cause(status: int, code: str, text: str) -> Cause:
    cause = _by_code(status, code)
    if _is_definite(cause):
        return next((other for words, other in _BY_WORDS if words.search(text)), cause)
    return cause


def _by_code(status: int, code: str) -> Cause:
    known = catalogue.explain_graph(code)
    said = Cause(known.cause) if known and known.cause else None
    cause = _by_status(status)
    if status == 429:
        return said if said in SOMETIMES_SENT else cause
    return said if said and _is_definite(cause) else cause


def _by_status(status: int) -> Cause:
    return _BY_STATUS.get(status, Cause.UNKNOWN if 400 <= status < 500 else Cause.UNCLEAR)


def _is_definite(cause: Cause) -> bool:
    """Whether it is a refusal: mail was seen to leave although a server error said why it could not."""
    return cause.verdict not in (Verdict.SENT, Verdict.UNCERTAIN)


def _may_not_send(answer: Answer, address: str, sign_in: SignIn) -> Outcome:
    """In the mailbox of another, Exchange says by 404 that a person has no right. No time mends that."""
    code, text = answer.error()
    words = PillarboxError("mailbox.may_not_send", who=sign_in.who, mailbox=address, text=text)
    return Outcome(
        Cause.ACCESS_DENIED,
        code=code,
        text=words.sentence,
        cure=words.cure,
        http_status=answer.status,
        request_id=answer.request_id,
    )


def _cure(mailbox: Mailbox, cause: Cause, status: int, code: str) -> str:
    if cause is Cause.ACCESS_DENIED and mailbox.lacking == _NO_DRAFTS:
        # Not that to send, of which the tables speak.
        lacking = PillarboxError(_NO_DRAFTS, mailbox=mailbox.address)
        return f"{lacking.sentence} {lacking.cure}"
    if cause is Cause.UNCLEAR or cause is not _by_code(status, code):
        return cause.entry.cure
    known = catalogue.explain_graph(code)
    if known is None or not _is_definite(_by_status(known.status)):
        # Of a code that comes with server errors the remedy is to look whether the mail left: this was refused.
        known = catalogue.explain_graph(f"http_{status}")
    return known.remedy if known else cause.entry.cure
