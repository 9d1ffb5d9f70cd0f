"""The way out by SMTP with XOAUTH2: the message as it came, its envelope as RCPT, and what the replies mean."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from pillarbox.core import catalogue, headers
from pillarbox.core.accounts import Mailbox
from pillarbox.core.bearer import Challenge
from pillarbox.core.cause import Cause
from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import Found, Outcome
from pillarbox.core.scopes import Resource
from pillarbox.core.vault import Secret
from pillarbox.delivery.crash_points import Reached, unheeded
from pillarbox.delivery.failures import FAILURES, outcome_of
from pillarbox.delivery.graph_transport import TENANTS_LIMIT
from pillarbox.delivery.transports import KeepDraft, Look, Report
from pillarbox.entra.authority import TokenRefused
from pillarbox.entra.tokens import Tokens
from pillarbox.exchange.login import Credentials, LoginRefused
from pillarbox.exchange.submission import Refused, Submissions, Taken
from pillarbox.store.messages import Claimed

_BAD_TOKEN: Final = "535 5.7.3 "
"""The token, or the right to the mailbox, and Exchange does not tell which."""


@dataclass(frozen=True, slots=True)
class SmtpTransport:
    """Sends a message by SMTP, signed in by a token for Exchange Online."""

    submissions: Submissions
    tokens: Tokens
    retry_after_default: float
    reached: Reached = unheeded

    async def ready(self, mailbox: Mailbox) -> None:
        """See `Transport.ready`."""
        try:
            await self.tokens.token(mailbox, Resource.EXCHANGE)
        except PillarboxError:
            pass

    async def look_up(self, message: Claimed) -> Look:
        """SMTP has no way to look: Route asks Graph."""
        return Look(Found.UNKNOWN, catalogue.sentence("look.not_possible"))

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        """See `Transport.send`. The header is as it came, but for Bcc, which nobody else may see."""
        try:
            start = headers.without_blind(await _start(body))
            self.reached("before_send")
            taken = await self._handed_in(message, _pieces(start, body))
            self.reached("after_answer")
        except Refused as error:
            return Report(judge(error.reply, self.retry_after_default, error.recipient))
        except LoginRefused as error:
            return Report(judge(str(error.params["reply"]), self.retry_after_default))
        except FAILURES as error:
            return Report(outcome_of(error))
        return Report(Outcome(Cause.ACCEPTED, text=taken.reply, reports=taken.reports))

    async def _handed_in(self, message: Claimed, pieces: AsyncIterator[bytes]) -> Taken:
        """As `Submissions.hand_in`. A token that is not taken is replaced once: nothing of the message was said."""
        mailbox = message.mailbox
        token = await self.tokens.token(mailbox, Resource.EXCHANGE)
        try:
            return await self._hand_in(message, token, pieces)
        except LoginRefused as error:
            if not str(error.params["reply"]).startswith(_BAD_TOKEN):
                raise
            try:
                other = await self.tokens.token(mailbox, Resource.EXCHANGE, Challenge(token))
            except TokenRefused:
                # Exchange's own words say more.
                raise error from None
        return await self._hand_in(message, other, pieces)

    async def _hand_in(self, message: Claimed, token: str, pieces: AsyncIterator[bytes]) -> Taken:
        credentials = Credentials(message.mailbox.address, Secret(token))
        return await self.submissions.hand_in(credentials, message.envelope, message.size, pieces)


def judge(reply: str, retry_after_default: float, recipient: str = "") -> Outcome:
    """What a refusal of Exchange's in SMTP means, such as `554 5.2.2 mailbox full; ...`. Pure.

    `recipient` is at whom it was said. The table is core/catalogue/exchange-replies.csv.
    """
    known = catalogue.reply_of(reply)
    status, enhanced, text = _parted(reply)
    of_tenant = bool(TENANTS_LIMIT.search(reply))
    cause = Cause.QUOTA if of_tenant else Cause(known.cause)
    if cause is Cause.UNKNOWN:
        cause = Cause.BAD_RECIPIENT if recipient else _by_class(enhanced)
    return Outcome(
        cause,
        code=f"{status} {enhanced}".rstrip(),
        text=f"{recipient}: {text}" if recipient and cause in _PERHAPS_OF_RECIPIENT else text,
        cure=known.explanation.remedy if cause == known.cause else cause.entry.cure,
        retry_after=retry_after_default if cause is Cause.THROTTLED else None,
        recipient=recipient if cause is Cause.BAD_RECIPIENT else "",
        app_wide=of_tenant,
        nothing_sent=True,
    )


_PERHAPS_OF_RECIPIENT: Final = (Cause.BAD_RECIPIENT, Cause.BUSY)
"""Exchange says at a recipient also what is none's: of all other causes it is known that they are not."""


def _by_class(enhanced: str) -> Cause:
    return next((cause for codes, cause in _BY_CLASS if codes.fullmatch(enhanced)), Cause.UNKNOWN)


_BY_CLASS: Final = (
    # RFC 3463 sections 3.2 and 3.7: an address that is none, and content that is not taken.
    (re.compile(r"5\.1\.(?:[1236]|10)"), Cause.BAD_RECIPIENT),
    (re.compile(r"5\.6\.\d{1,3}"), Cause.BAD_CONTENT),
)


def _parted(reply: str) -> tuple[str, str, str]:
    """Status, enhanced status code and text of a reply (RFC 2034)."""
    status, _, rest = reply.partition(" ")
    enhanced, _, text = rest.partition(" ")
    return (status, enhanced, text) if enhanced.count(".") == 2 and enhanced[:2] in ("4.", "5.") else (status, "", rest)


async def _start(body: AsyncIterator[bytes]) -> bytes:
    """So much of a message that its whole header is in it."""
    start = b""
    async for part in body:
        start += part
        if len(start) >= headers.LONGEST_BLOCK:
            break
    return start


async def _pieces(start: bytes, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield start
    async for part in body:
        yield part
