"""The way out through Microsoft Graph: one call of sendMail, and what its answer means."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final

from pillarbox.core import catalogue, headers
from pillarbox.core.accounts import Mailbox, SignIn
from pillarbox.core.cause import Cause
from pillarbox.core.errors import ConfigError, InvalidInput, PillarboxError, Unavailable
from pillarbox.core.mail import Clock, Found, Outcome
from pillarbox.core.retry_after import seconds_of
from pillarbox.delivery.transports import KeepDraft, Look, Report
from pillarbox.entra.authority import TokenRefused, TokenUnavailable
from pillarbox.entra.tokens import Tokens
from pillarbox.graph import mail
from pillarbox.graph.client import Answer, AnswerLost, GraphClient, Unreachable, Untrusted
from pillarbox.store.outbox import Claimed


@dataclass(frozen=True, slots=True)
class GraphTransport:
    """Sends a message as MIME by one call of Graph's sendMail."""

    client: GraphClient
    tokens: Tokens
    clock: Clock
    retry_after_default: float

    async def ready(self, mailbox: Mailbox) -> None:
        """See `Transport.ready`."""
        try:
            await self.tokens.token(mailbox)
        except PillarboxError:
            pass

    async def look_up(self, message: Claimed) -> Look:
        """See `Transport.look_up`."""
        return Look(Found.UNKNOWN, catalogue.sentence("look.not_possible"))

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        """See `Transport.send`."""
        notes: tuple[str, ...] = ()
        mailbox = message.mailbox
        try:
            addressed = headers.address_to(b"".join([part async for part in body]), message.envelope.recipients)
            notes = tuple(catalogue.sentence("mail.recipient_removed", entry=entry) for entry in addressed.removed)
            answer = await mail.send_mime(
                self.client,
                mailbox.address,
                addressed.mime,
                self.tokens.source(mailbox),
            )
        except TokenUnavailable as error:
            return Report(replace(_failed(Cause.TOKEN_UNAVAILABLE, error), retry_after=error.retry_after), notes)
        except Unavailable as error:
            return Report(_failed(Cause.STORE, error), notes)
        except Unreachable as error:
            return Report(_failed(Cause.UNREACHABLE, error), notes)
        except Untrusted as error:
            return Report(_failed(Cause.UNTRUSTED, error), notes)
        except InvalidInput as error:
            return Report(_failed(Cause.BAD_CONTENT, error), notes)
        except (TokenRefused, ConfigError) as error:
            return Report(_failed(Cause.ACCOUNT_BROKEN, error), notes)
        except AnswerLost as error:
            return Report(_failed(Cause.UNCLEAR, error), notes)
        if answer.status == 403:
            await self.tokens.doubt(mailbox)
        return Report(judge(answer, mailbox, self.clock(), self.retry_after_default), notes)


def judge(answer: Answer, mailbox: Mailbox, now: float, retry_after_default: float) -> Outcome:
    """What an answer of Graph to a mail call means. Pure. The table stands in docs/explanation/flow.md."""
    code, text = answer.error()
    if answer.status == 404 and code == "ErrorItemNotFound" and mailbox.sign_in is not None:
        return _may_not_send(answer, mailbox.address, mailbox.sign_in)
    cause = _cause(answer.status, code)
    told = answer.headers.get("Retry-After", "")
    retry_after = None
    if answer.status in _SAYS_WHEN and told:
        retry_after = seconds_of(told, now)
    elif cause is Cause.THROTTLED:
        retry_after = retry_after_default
    if cause is Cause.ACCEPTED:
        return Outcome(cause, http_status=answer.status, request_id=answer.request_id, retry_after=retry_after)
    return Outcome(
        cause,
        code=code or f"http_{answer.status}",
        text=text or catalogue.sentence("microsoft.answer", status=answer.status),
        cure=_cure(cause, code, answer.status),
        http_status=answer.status,
        request_id=answer.request_id,
        retry_after=retry_after,
    )


_SAYS_WHEN: Final = (202, 429)

_BY_CODE: Final = {
    "ErrorExceededMessageLimit": Cause.QUOTA,
    "ErrorSubmissionQuotaExceeded": Cause.QUOTA,
    "ErrorQuotaExceeded": Cause.MAILBOX_FULL,
    "ErrorSendAsDenied": Cause.SEND_AS_DENIED,
    "ErrorInvalidRecipients": Cause.BAD_RECIPIENT,
    "ErrorMissingRecipients": Cause.BAD_RECIPIENT,
    "ErrorMessageSizeExceeded": Cause.TOO_LARGE,
}
_BY_STATUS: Final = {
    202: Cause.ACCEPTED,
    400: Cause.BAD_CONTENT,
    401: Cause.ACCOUNT_BROKEN,
    403: Cause.ACCESS_DENIED,
    404: Cause.NO_MAILBOX,
    408: Cause.UNCLEAR,
    413: Cause.TOO_LARGE,
    429: Cause.THROTTLED,
    507: Cause.MAILBOX_FULL,
}


def _cause(status: int, code: str) -> Cause:
    if not 200 <= status < 300 and code in _BY_CODE:
        return _BY_CODE[code]
    return _BY_STATUS.get(status, Cause.UNKNOWN if 400 <= status < 500 else Cause.UNCLEAR)


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


def _cure(cause: Cause, code: str, status: int) -> str:
    if cause is Cause.UNCLEAR:
        return catalogue.entry("microsoft.uncertain").cure
    explanation = catalogue.explain_graph(code) or catalogue.explain_graph(f"http_{status}")
    return explanation.remedy if explanation else catalogue.entry("microsoft.answer").cure


def _failed(cause: Cause, error: PillarboxError) -> Outcome:
    return Outcome(cause, code=error.code, text=error.sentence, cure=error.cure)
