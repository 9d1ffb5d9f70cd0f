"""AUTH of SMTP: XOAUTH2 in both forms, and LOGIN, which is offered and refused (facts 4.1)."""

from functools import partial
from typing import TYPE_CHECKING

from pillarbox.emulator.exchange import replies
from pillarbox.emulator.exchange.login import LoginRefused, Reason, app_of, check_smtp_is_on, smtp_login
from pillarbox.emulator.exchange.sasl import decode, parse_xoauth2

if TYPE_CHECKING:
    from pillarbox.emulator.exchange.smtp import Connection

USER_NAME, PASSWORD = "VXNlcm5hbWU6", "UGFzc3dvcmQ6"
REFUSALS = {
    Reason.CREDENTIALS: replies.BAD_CREDENTIALS,
    Reason.OFF_FOR_TENANT: replies.OFF_FOR_TENANT,
    Reason.OFF_FOR_MAILBOX: replies.OFF_FOR_MAILBOX,
}


class Cancelled(Exception):
    """The client gave up a login that it had begun."""


class Authentication:
    """One AUTH command."""

    def __init__(self, connection: "Connection") -> None:
        self._connection, self._site = connection, connection.site

    async def run(self, arg: str | None) -> None:
        """Log in, or say why not; fault rules are asked once it is known for whom."""
        mechanism, _, initial = (arg or "").partition(" ")
        refusal = self._refusal(mechanism.upper())
        if refusal:
            await self._say(refusal)
            return
        try:
            if mechanism.upper() == "XOAUTH2":
                await self._by_token(await self._message(initial.strip(), ""))
            else:
                user = await self._message(initial.strip(), USER_NAME)
                await self._message("", PASSWORD)
                await self._by_password(user.decode("utf-8", "replace"))
        except Cancelled:
            await self._say(replies.CANCELLED)
        except ValueError:
            await self._say(replies.BAD_ARGUMENTS)

    def _refusal(self, mechanism: str) -> str | None:
        """What is wrong before anything secret is said."""
        if not self._connection.greeted:
            return replies.HELLO_FIRST
        if not mechanism:
            return replies.BAD_ARGUMENTS
        if not self._connection.encrypted or mechanism not in ("XOAUTH2", "LOGIN"):
            return replies.UNKNOWN_MECHANISM
        return replies.ALREADY_AUTHENTICATED if self._connection.login else None

    async def _message(self, initial: str, challenge: str) -> bytes:
        """What the client says, at once or when it is asked; Cancelled for `*`, a ValueError for no base64."""
        line = initial.encode("utf-8", "surrogateescape") or await self._connection.ask(challenge)
        if line == b"*":
            raise Cancelled
        return decode(line)

    async def _by_token(self, message: bytes) -> None:
        try:
            credentials = parse_xoauth2(message)
        except ValueError:
            await self._say(replies.BAD_CREDENTIALS)
            return
        site, now = self._site, self._site.clock()

        async def decide() -> None:
            try:
                login = smtp_login(site.world, site.tokens, credentials, now)
            except LoginRefused as refusal:
                await self._connection.push(REFUSALS[refusal.reason])
                return
            self._connection.login = login
            await self._connection.push(replies.AUTHENTICATED)

        app = app_of(site.tokens, credentials.token, now)
        await self._connection.run_struck("AUTH", decide, credentials.user, app)

    async def _by_password(self, user: str) -> None:
        """Refuse whatever password it is: nobody looks at it."""
        found = self._site.world.user(user)
        reply = replies.BASIC_IS_OFF
        try:
            if found:
                check_smtp_is_on(found[0], found[1].mailbox)
        except LoginRefused as refusal:
            reply = REFUSALS[refusal.reason]
        await self._say(reply, user)

    async def _say(self, reply: str, user: str | None = None) -> None:
        await self._connection.run_struck("AUTH", partial(self._connection.push, reply), user)
