"""A person signs in for a mailbox in a browser: begun here, done at Microsoft, finished here if it is the account that
was meant. What it has in common with the other ways stands in connecting.py."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from pillarbox.admin.connecting import HANDLE, Connecting, kept_as, passing, refusals
from pillarbox.admin.sign_in_plan import Options, Plan, check_loopback, settled
from pillarbox.admin.sign_in_words import STATE_LIFE, Connected, Invitation, Link, Note, Result, Return, Started
from pillarbox.core import scopes
from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import Conflict, Forbidden, InvalidInput, NotFound, PillarboxError, Unavailable
from pillarbox.entra import sign_in as entra
from pillarbox.entra.acquire import Memory
from pillarbox.entra.identity import issued_by
from pillarbox.store.connect_links import ConnectLink, LinkState

_TICKET_LIFE: Final = 3600
"""Seconds in which a link must be opened."""
_RESULT: Final = "sign-in result"
"""What a result is kept as; other words than in an earlier version, which kept other fields."""
_RESULT_LIFE: Final = 600
_CODE: Final = re.compile(r"[!-~]{1,16384}")
_OVER: Final = {
    LinkState.COMPLETED: "connect_link.completed",
    LinkState.EXPIRED: "connect_link.expired",
    LinkState.FAILED: "connect_link.failed",
    LinkState.CANCELED: "connect_link.canceled",
}
"""What is told to whoever opens a link that is not good any more."""
CALLBACK: Final = "/signin/callback"
START: Final = "/signin/start/"


class Connect(Connecting):
    """The journey in a browser: by a link to the service's listener, or by one that a command opens here."""

    __slots__ = ()

    def listener(self) -> str:
        """The address of the running service's listener. Raises Conflict where there is none."""
        base = self.public_url().rstrip("/")
        if not base:
            raise Conflict("sign_in.no_listener")
        return base

    # ---- begin

    async def begin(self, mailbox: Mailbox, options: Options) -> Link:
        """A link to the listener of the running service. Raises InvalidInput, Conflict where none runs."""
        base = self.listener()
        plan = settled(options, mailbox)
        ticket, expires_at = entra.handle(self.random), self.clock() + _TICKET_LIFE
        kept = {"mailbox": mailbox.id, "plan": plan.kept(), "redirect_uri": base + CALLBACK}
        await self.keep("ticket", ticket, mailbox, kept, expires_at)
        return Link(f"{base}{START}{ticket}", base + CALLBACK, expires_at)

    async def invited(self, ticket: str) -> Invitation:
        """What a link is for: looking at it uses nothing up, as robots do. Raises NotFound."""
        kept = await self._ticket(ticket)
        mailbox, plan = await self._mailbox(kept), Plan.read(kept["plan"])
        former = plan.meant(mailbox).former if plan.shared else None
        user = plan.user or (former.upn if former else mailbox.address)
        return Invitation(mailbox.address, user, plan.permissions, "link" in kept)

    async def start(self, ticket: str) -> Started:
        """Somebody goes on from the link: from now on it is the sign-in of this browser.

        Raises NotFound for a used one; Unavailable while Microsoft cannot be asked, and then the link stays good.
        """
        kept = await self._ticket(ticket)
        mailbox = await self._mailbox(kept)
        with passing("sign_in.not_begun"):
            issuer = await self.id_tokens.issuer(mailbox.app)
        # A link for a person outlives what is begun with it: they may take the wrong account first.
        if "link" not in kept and await self.take("ticket", ticket) is None:
            raise NotFound("sign_in.unknown_ticket")
        plan, link = Plan.read(kept["plan"]), kept.get("link", "")
        if link:
            await self.links.opened(link)
        return await self._start(mailbox, plan, kept["redirect_uri"], issuer, link)

    async def _ticket(self, ticket: str) -> dict[str, Any]:
        return await self.peek("ticket", ticket) or await self._of_link(ticket)

    async def _of_link(self, ticket: str) -> dict[str, Any]:
        """What a link for a person says, as of a ticket. Raises NotFound for none, and for one that is over."""
        link = await self.links.of_ticket(kept_as("ticket", ticket)) if HANDLE.fullmatch(ticket) else None
        if link is None:
            raise NotFound("sign_in.unknown_ticket")
        if link.state is not LinkState.PENDING:
            raise NotFound(_OVER[link.state])
        redirect_uri = self.listener() + CALLBACK
        return {"mailbox": link.mailbox_id, "plan": link.plan, "redirect_uri": redirect_uri, "link": link.id}

    async def start_here(self, mailbox: Mailbox, options: Options, redirect_uri: str) -> Started:
        """Begin a sign-in that comes back to a loopback address: as a public client.

        Raises InvalidInput, Conflict, Unavailable.
        """
        check_loopback(redirect_uri)
        plan = settled(options, mailbox, public=True)
        with passing("sign_in.not_begun"):
            issuer = await self.id_tokens.issuer(mailbox.app)
        return await self._start(mailbox, plan, redirect_uri, issuer)

    async def _start(self, mailbox: Mailbox, plan: Plan, redirect_uri: str, issuer: str, link: str = "") -> Started:
        proof, state, browser = entra.Proof.make(self.random), entra.handle(self.random), entra.handle(self.random)
        meant, expires_at = plan.meant(mailbox), self.clock() + STATE_LIFE
        kept = {
            "mailbox": mailbox.id,
            "plan": plan.kept(),
            "redirect_uri": redirect_uri,
            "nonce": proof.nonce,
            "verifier": proof.verifier,
            "issuer": issuer,
            "browser": kept_as("browser", browser),
            "link": link,
        }
        await self.keep("state", state, mailbox, kept, expires_at)
        url = entra.authorize_url(
            self.clients.cloud,
            mailbox.app,
            proof,
            redirect_uri=redirect_uri,
            scopes=scopes.authorize_scopes(self.clients.cloud, plan.permissions, shared=plan.shared),
            state=state,
            login_hint=meant.user_name,
        )
        return Started(url, browser, expires_at)

    # ---- finish

    async def finish(self, mailbox: Mailbox, back: Return, browser: str) -> Connected:
        """The browser of a loopback address came back. Raises Forbidden for an answer that this sign-in does not wait
        for, and what Microsoft refuses."""
        return await self._finish(await self._claim(back, browser, mailbox), back)

    async def callback(self, back: Return, browser: str) -> Result | None:
        """A browser came back to the service's listener: how that went, which `result` tells it again.

        An answer that no sign-in of this browser waits for changes nothing, and no request goes out: None.
        """
        try:
            kept = await self._claim(back, browser)
        except Forbidden as error:
            self.log.warning("sign_in.refused", mailbox="", code=error.code)
            return None
        mailbox, link = await self._mailbox(kept), await self._link(kept)
        try:
            connected = await self._finish(kept, back, link)
            consent = bool(connected.lacking)
            result = Result(connected.address, connected.account.upn, notes=connected.notes)
        except PillarboxError as error:
            if link and not isinstance(error, Unavailable):
                await self.links.refused(link, error.code, error.sentence)
            link = await self._link(kept)
            again, consent = link is not None and link.state is LinkState.PENDING, entra.wants_consent(error)
            result = replace(Result.of(error), address=mailbox.address, again=again)
        return_url = link.return_url if link else ""
        result = replace(result, return_url=return_url, consent_url=self._consent_url(mailbox, kept) if consent else "")
        await self.keep(_RESULT, browser, mailbox, asdict(result), self.clock() + _RESULT_LIFE)
        return result

    async def result(self, browser: str) -> Result | None:
        """How the last sign-in of this browser ended; None where it has none."""
        kept = await self.peek(_RESULT, browser)
        return Result(**{**kept, "notes": tuple(Note(**note) for note in kept["notes"])}) if kept else None

    def _consent_url(self, mailbox: Mailbox, kept: Mapping[str, Any]) -> str:
        """Where an administrator agrees to what this sign-in asks for."""
        plan, cloud = Plan.read(kept["plan"]), self.clients.cloud
        asked = scopes.authorize_scopes(cloud, plan.permissions, shared=plan.shared)
        return entra.consent_url(cloud, mailbox.app, kept["redirect_uri"], asked)

    async def _claim(self, back: Return, browser: str, mailbox: Mailbox | None = None) -> dict[str, Any]:
        """The sign-in that this answer belongs to, which is then over. Raises Forbidden."""
        kept = await self.take("state", back.state)
        if kept is None or (mailbox is not None and kept["mailbox"] != mailbox.id):
            raise Forbidden("sign_in.unknown")
        if not hmac.compare_digest(kept["browser"], kept_as("browser", browser)):
            raise Forbidden("sign_in.other_browser")
        return kept

    async def _finish(self, kept: dict[str, Any], back: Return, link: ConnectLink | None = None) -> Connected:
        mailbox, plan = await self._mailbox(kept), Plan.read(kept["plan"])
        with refusals(self.log, mailbox):
            if back.iss and not issued_by(kept["issuer"], back.iss):
                raise Forbidden("sign_in.other_issuer")
            if back.error:
                raise entra.told(back.error, back.error_description)
            if not _CODE.fullmatch(back.code):
                raise InvalidInput("sign_in.bad_answer")
            proof, asked = entra.Proof(kept["nonce"], kept["verifier"]), self.asked(plan)
            memory = Memory()
            result = await self.clients.acquire.by_person(
                mailbox.app,
                plan.public,
                memory,
                lambda client: entra.redeem(client, back.code, proof, kept["redirect_uri"], asked),
                delegated=False,
            )
            granted = entra.granted(result, memory)
            return await self.connect(mailbox, plan, granted, kept["issuer"], proof.sent_nonce, link=link)

    async def _link(self, kept: dict[str, Any]) -> ConnectLink | None:
        return await self.links.get(kept["link"]) if kept.get("link") else None

    async def _mailbox(self, kept: dict[str, Any]) -> Mailbox:
        return await self.accounts.mailbox_by_id(kept["mailbox"])
