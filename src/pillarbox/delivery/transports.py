"""Transports: the ways out. Each makes one attempt and says in an Outcome what Microsoft's answer means."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Protocol

from pillarbox.core import catalogue, headers
from pillarbox.core.accounts import Mailbox, SignIn
from pillarbox.core.errors import ConfigError, InvalidInput, PillarboxError, Unavailable
from pillarbox.core.mail import Clock, Outcome, Verdict
from pillarbox.core.retry_after import seconds_of
from pillarbox.entra.authority import TokenRefused, TokenUnavailable
from pillarbox.entra.tokens import Tokens
from pillarbox.graph import mail
from pillarbox.graph.client import Answer, AnswerLost, GraphClient, Unreachable, Untrusted
from pillarbox.store.outbox import Claimed


@dataclass(frozen=True, slots=True)
class Report:
    """What an attempt came to, and what was changed in the header for it."""

    outcome: Outcome
    notes: tuple[str, ...] = ()


class Transport(Protocol):
    """A way out of the house. tests/contract/test_transport.py says how it behaves."""

    async def ready(self, mailbox: Mailbox) -> None:
        """Fetch what an attempt needs, such as a token, before it is written down as begun; `send` tells the faults."""

    async def send(self, message: Claimed, mailbox: Mailbox, body: AsyncIterator[bytes]) -> Report:
        """Make one attempt. Whatever Microsoft or the network does is an outcome, not an exception."""


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

    async def send(self, message: Claimed, mailbox: Mailbox, body: AsyncIterator[bytes]) -> Report:
        """See `Transport.send`."""
        notes: tuple[str, ...] = ()
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
            return Report(replace(_failed(Verdict.RETRY, error), retry_after=error.retry_after), notes)
        except (Unavailable, Unreachable) as error:
            # No token, no connection, or the store cannot be read: nothing has been sent.
            return Report(_failed(Verdict.RETRY, error), notes)
        except InvalidInput as error:
            return Report(_failed(Verdict.REFUSED, error), notes)
        except (TokenRefused, Untrusted, ConfigError) as error:
            return Report(_failed(Verdict.BROKEN, error), notes)
        except AnswerLost as error:
            return Report(_failed(Verdict.UNCERTAIN, error), notes)
        if answer.status == 403:
            await self.tokens.doubt(mailbox)
        return Report(judge(answer, mailbox, self.clock(), self.retry_after_default), notes)


def judge(answer: Answer, mailbox: Mailbox, now: float, retry_after_default: float) -> Outcome:
    """What an answer of sendMail means. Pure. The table stands in docs/explanation/flow.md."""
    code, text = answer.error()
    if answer.status == 404 and code == "ErrorItemNotFound" and mailbox.sign_in is not None:
        return _may_not_send(answer, mailbox.address, mailbox.sign_in)
    retry_after = None
    match answer.status:
        case 202:
            verdict = Verdict.SENT
        case 429:
            verdict = Verdict.RETRY
            told = answer.headers.get("Retry-After", "")
            retry_after = seconds_of(told, now) if told else retry_after_default
        case 401 | 403:
            verdict = Verdict.BROKEN
        case 404:
            verdict = Verdict.RETRY
        case 408:
            verdict = Verdict.UNCERTAIN
        case status if 400 <= status < 500:
            verdict = Verdict.REFUSED
        case _:
            verdict = Verdict.UNCERTAIN
    if verdict is Verdict.SENT:
        return Outcome(verdict, http_status=answer.status, request_id=answer.request_id)
    return Outcome(
        verdict,
        code=code or f"http_{answer.status}",
        text=text or catalogue.sentence("microsoft.answer", status=answer.status),
        cure=_cure(verdict, code, answer.status),
        http_status=answer.status,
        request_id=answer.request_id,
        retry_after=retry_after,
        pauses_mailbox=answer.status == 429,
    )


def _may_not_send(answer: Answer, address: str, sign_in: SignIn) -> Outcome:
    """In the mailbox of another, Exchange says by 404 that a person has no right. No time mends that."""
    code, text = answer.error()
    words = PillarboxError("mailbox.may_not_send", who=sign_in.who, mailbox=address, text=text)
    return Outcome(
        Verdict.BROKEN,
        code=code,
        text=words.sentence,
        cure=words.cure,
        http_status=answer.status,
        request_id=answer.request_id,
    )


def _cure(verdict: Verdict, code: str, status: int) -> str:
    if verdict is Verdict.UNCERTAIN:
        return catalogue.entry("microsoft.uncertain").cure
    explanation = catalogue.explain_graph(code) or catalogue.explain_graph(f"http_{status}")
    return explanation.remedy if explanation else catalogue.entry("microsoft.answer").cure


def _failed(verdict: Verdict, error: PillarboxError) -> Outcome:
    return Outcome(verdict, code=error.code, text=error.sentence, cure=error.cure)
