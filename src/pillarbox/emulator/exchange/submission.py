# ruff: noqa: N802 - aiosmtpd finds hooks by these names
"""From MAIL to the end of DATA: what Exchange takes from a client that is logged in, and what becomes of it."""

import re
from collections.abc import Iterable
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiosmtpd.smtp import Envelope, Session

from pillarbox.emulator.exchange import replies
from pillarbox.emulator.exchange.login import Login
from pillarbox.emulator.exchange.site import Site
from pillarbox.emulator.ids import guid
from pillarbox.emulator.mail import headers as mime
from pillarbox.emulator.switches import switched
from pillarbox.emulator.world.delivery import MAX_RECIPIENTS, Submission, deliver, new_message_id

if TYPE_CHECKING:
    from pillarbox.emulator.exchange.smtp import Connection

MAX_CONNECTIONS = 3
"""Connections that hand in mail for one mailbox at the same time (facts 3.10)."""
NOBODY = "<>"
ADDRESS = re.compile(r'(?:"[^"\r\n]*"|[^\s@<>()",:;\\]+)@(?:[^\s@<>()",:;\\\[\]]+|\[[^\s\[\]]+\])')
BARE_LF = re.compile(rb"(?<!\r)\n")


class Submissions:
    """The hooks that aiosmtpd calls; each gives a reply."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def handle_MAIL(
        self, server: "Connection", session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Note the sender; whether the client may send as it is told after DATA only."""
        if address != NOBODY and not _is_good(address, envelope):
            return replies.BAD_SENDER
        envelope.mail_from = address
        return replies.SENDER_OK

    async def handle_RCPT(
        self, server: "Connection", session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Note a recipient."""
        if not _is_good(address, envelope):
            return replies.BAD_RECIPIENT
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return replies.TOO_MANY_RECIPIENTS
        envelope.rcpt_tos.append(address)
        return replies.RECIPIENT_OK

    async def handle_RSET(self, server: "Connection", session: Session, envelope: Envelope) -> str:
        """Forget sender and recipients."""
        return replies.RESET

    async def handle_DATA(self, server: "Connection", session: Session, envelope: Envelope) -> str:
        """Take the mail, or say why not."""
        login, sender = server.login, envelope.mail_from or NOBODY
        assert login is not None
        assert login.mailbox is not None
        assert isinstance(envelope.content, bytes)
        if not self._has_place(server, login):
            return replies.TOO_MANY_CONNECTIONS
        content = self._completed(envelope.content, sender, login)
        if len(content) > login.mailbox.max_send_size:
            return replies.TOO_LARGE
        headers = mime.headers_of(content)
        denied = self._denied([*([] if sender == NOBODY else [sender]), *mime.addresses(headers, "from")], login)
        if denied:
            return replies.send_as_denied(login.owner.upn, denied)
        if login.mailbox.full:
            return replies.MAILBOX_FULL
        recipients = list(dict.fromkeys(envelope.rcpt_tos))
        now = self._site.clock()
        if not self._site.world.limits.may_send(login.owner.id, len(recipients), now):
            return replies.QUOTA_EXCEEDED
        submission = Submission(
            tenant=login.caller.tenant,
            sender=login.owner,
            mime=content,
            headers=headers,
            recipients=recipients,
            app_id=login.caller.app_id,
            request_id=guid(self._site.world.entropy),
            client_request_id=None,
            protocol="smtp",
        )
        with switched(self._site.world, server.fault.switches if server.fault else {}):
            deliver(self._site.world, self._site.ledger, submission, now)
        return replies.accepted(mime.header(headers, "message-id") or "")

    def _has_place(self, server: "Connection", login: Login) -> bool:
        """Whether this connection is one of the three that may hand in mail; it stays so until it ends.

        The real service counts submissions under way, which a test could not hit at will.
        """
        if not server.submits and self._site.submitting[login.owner.id] < MAX_CONNECTIONS:
            server.submits = True
            self._site.submitting[login.owner.id] += 1
        return server.submits

    def _denied(self, senders: Iterable[str], login: Login) -> str | None:
        """The first of these addresses that the client may not send as."""
        if not self._site.world.checks_from:
            return None
        return next((each for each in senders if not login.may_send_as(each)), None)

    def _completed(self, content: bytes, sender: str, login: Login) -> bytes:
        """The mail with CRLF alone, and with the headers that every mail must have (RFC 6409 section 8)."""
        if content.count(b"\n") != content.count(b"\r\n"):
            content = BARE_LF.sub(b"\r\n", content)
        headers = mime.headers_of(content)
        author = login.owner.upn if sender == NOBODY else sender
        date, ident = formatdate(self._site.clock()), new_message_id(self._site.world, login.caller.tenant)
        return mime.completed(content, headers, f"From: <{author}>", f"Date: {date}", f"Message-ID: {ident}")


def _is_good(address: str, envelope: Envelope) -> bool:
    """Whether that is an address, in ASCII unless the client said SMTPUTF8 (RFC 6531 section 3.4)."""
    try:
        address.encode("utf-8" if envelope.smtp_utf8 else "ascii")
    except UnicodeEncodeError:
        return False
    return ADDRESS.fullmatch(address) is not None
