"""What all ways of a sign-in have in common: the mailbox, what is kept meanwhile, and whose account it must be.

Nothing is in memory between the steps: what a step leaves for the next lies sealed in the store, under a hash of what
comes back, for minutes, and is used once.
"""

import hashlib
import json
import math
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from pillarbox.admin import apps, mailboxes
from pillarbox.admin.clients import Clients
from pillarbox.admin.sign_in_plan import Options, Plan, settled
from pillarbox.admin.sign_in_words import Connected, Note
from pillarbox.core import scopes
from pillarbox.core.accounts import Account, Mailbox
from pillarbox.core.bearer import Challenge
from pillarbox.core.errors import Conflict, NotFound, PillarboxError, Unavailable
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.entra.authority import TokenRefused, TokenUnavailable
from pillarbox.entra.identity import IdTokens
from pillarbox.entra.matching import mismatch, proves
from pillarbox.entra.sign_in import Granted
from pillarbox.graph.client import AnswerLost, Unreachable
from pillarbox.store.accounts import Accounts
from pillarbox.store.connect_links import ConnectLink, ConnectLinks
from pillarbox.store.database import ExpectationFailed
from pillarbox.store.sign_ins import SignIns

HANDLE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
NEEDS_SECRET: Final = 7000218
"""AADSTS of a request without a credential, for an app that is no public client."""
_PAUSE: Final = 60
"""Seconds to wait with the next try, where Microsoft does not say how long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connecting:
    """The parts that every way needs. `public_url` gives the address of the running HTTP listener, empty where none
    runs; `changed` is told that a mailbox has another sign-in, `wake` that mail of it is due; `password_grant` is the
    setting `sign_in.password_grant`."""

    accounts: Accounts
    sign_ins: SignIns
    links: ConnectLinks
    clients: Clients
    id_tokens: IdTokens
    clock: Clock
    random: Callable[[int], bytes]
    log: Logger
    changed: Callable[[Mailbox], Awaitable[None]]
    wake: Callable[[int], None]
    public_url: Callable[[], str]
    password_grant: bool = False

    async def mailbox(self, address: str, app: str | None, options: Options = Options()) -> Mailbox:  # noqa: B008 - frozen
        """The mailbox of this address; with `app`, one that is not there yet is added, to wait for its sign-in.

        One for which nobody has signed in yet goes over to `app`: nothing of the other app registration is in use.
        Raises NotFound, InvalidInput, and Conflict for a mailbox that another app registration serves.
        """
        found = await self.accounts.mailbox(address)
        if found is None and app is not None:
            # What cannot be begun adds nothing.
            settled(options, Mailbox(0, address, await apps.get(self.accounts, app)))
            found = await mailboxes.add(self.accounts, address, app, "sign_in.not_finished")
            self.log.info("account.changed", what="mailbox", name=found.address, change="added")
        if found is None:
            raise NotFound("mailbox.not_found", address=address)
        if app is None or found.app.id == (wanted := await apps.get(self.accounts, app)).id:
            return found
        settled(options, replace(found, app=wanted))
        if not await self.accounts.move_invited(found, wanted):
            raise Conflict("sign_in.other_app", address=found.address, app=found.app.name)
        self.log.info("account.changed", what="mailbox", name=found.address, change="other app registration")
        moved = await self.accounts.mailbox_by_id(found.id)
        await self.changed(moved)
        return moved

    def asked(self, plan: Plan) -> list[str]:
        """The scopes of the first token: of one resource; on Graph it may also say who it is."""
        cloud, resource = self.clients.cloud, plan.resource
        wanted = scopes.token_scopes(cloud, plan.permissions, resource, shared=plan.shared)
        return [*wanted, *scopes.profile_scopes(cloud, resource)]

    # ---- whose account it is

    async def connect(
        self,
        mailbox: Mailbox,
        plan: Plan,
        granted: Granted,
        issuer: str,
        nonce: str | None,
        password_source: str = "",
        notes: tuple[Note, ...] = (),
        link: ConnectLink | None = None,
    ) -> Connected:
        """Keep what was granted, if the account is the one that was meant; else nothing changes.

        `notes` come first in those of the result. Raises IdentityRefused, WrongAccount, Conflict, Unavailable; NotFound
        for a `link` that is over meanwhile.
        """
        account = await self.id_tokens.verify(granted.id_token, mailbox.app, issuer, nonce)
        async with self.clients.tokens.replacing(mailbox):
            # Since this one began it may have been connected in another way, or given to another app registration: a
            # link for a person is over then.
            app, mailbox = mailbox.app, await self.accounts.mailbox_by_id(mailbox.id)
            if mailbox.app.id != app.id and link is None:
                raise Conflict("sign_in.other_app", address=mailbox.address, app=mailbox.app.name)
            account, unproven = await self._meant(mailbox, plan, account, granted.access_token)
            also = self.links.completing(link, account.upn) if link else ()
            try:
                released = await self.accounts.signed_in(
                    mailbox, plan.sign_in(account, password_source), granted.cache, also
                )
            except ExpectationFailed:
                raise NotFound("connect_link.over") from None
        await self.changed(mailbox)
        self.log.info("mailbox.signed_in", mailbox=mailbox.address, account=account.upn, object_id=account.object_id)
        if unproven:
            notes += (Note.of("sign_in.unproven", address=mailbox.address, account=account.upn),)
        if released:
            notes += (Note.of("sign_in.released", count=len(released)),)
            self._release(mailbox, released)
        lacking = scopes.lacking(self.asked(plan), granted.scopes)
        if lacking:
            notes += (Note.of("sign_in.not_granted", lacking=", ".join(lacking)),)
        return Connected(mailbox.address, account, plan.permissions, granted.scopes, notes, lacking)

    async def _meant(self, mailbox: Mailbox, plan: Plan, account: Account, access_token: str) -> tuple[Account, bool]:
        """The account if it is the one that was meant, and whether that is an administrator's word alone.

        Raises WrongAccount, Conflict, Unavailable.
        """
        plan.check_former(mailbox)
        meant, provable = plan.meant(mailbox), plan.resource is scopes.Resource.GRAPH
        if meant.proof and provable and mismatch(account, meant):
            account = await self._with_proven_address(account, meant.proof, access_token)
        if refused := mismatch(account, meant, provable=provable):
            raise refused
        return account, mismatch(account, meant) is not None

    def _release(self, mailbox: Mailbox, released: list[str]) -> None:
        for queue_id in released:
            self.log.info("mail.retried", id=queue_id, former="held")
        self.wake(mailbox.id)

    async def _with_proven_address(self, account: Account, address: str, access_token: str) -> Account:
        """The account with the address as its own, if Graph says so: a user name often is another than the address."""

        async def token(_challenge: Challenge | None) -> str:
            return access_token

        path = "/me?$select=id,mail,userPrincipalName,proxyAddresses"
        answer = await self.clients.graph.request("GET", path, token)
        if answer.status == 429 or answer.status >= 500:
            # Not a word about whose the address is.
            raise TokenUnavailable("microsoft.answer", status=answer.status)
        try:
            me = json.loads(answer.body) if answer.status == 200 else {}
        except (ValueError, RecursionError):
            me = {}
        return replace(account, mail=address) if isinstance(me, dict) and proves(me, account, address) else account

    # ---- what is kept for the next step

    async def keep(self, kind: str, key: str, mailbox: Mailbox, content: object, expires_at: float) -> None:
        """Keep something until `key` comes back."""
        await self.sign_ins.keep(kept_as(kind, key), mailbox.id, json.dumps(content, default=str).encode(), expires_at)

    async def take(self, kind: str, key: str) -> dict[str, Any] | None:
        """What was kept under `key`, once."""
        return _read(await self.sign_ins.take(kept_as(kind, key)) if HANDLE.fullmatch(key) else None)

    async def peek(self, kind: str, key: str) -> dict[str, Any] | None:
        """What was kept under `key`, which stays."""
        return _read(await self.sign_ins.peek(kept_as(kind, key)) if HANDLE.fullmatch(key) else None)


def _read(found: bytes | None) -> dict[str, Any] | None:
    kept: dict[str, Any] | None = json.loads(found) if found else None
    return kept


def kept_as(kind: str, key: str) -> str:
    """The name under which something is kept: who reads the store learns no key; one kind never passes as another."""
    return hashlib.sha256(f"{kind} {key}".encode("utf-8", "replace")).hexdigest()


@contextmanager
def passing(code: str) -> Iterator[None]:
    """A fault of Microsoft's that passes is told as `code`: nothing tries a sign-in again by itself.

    Raises Unavailable `code`.
    """
    try:
        yield
    except (TokenUnavailable, Unreachable, AnswerLost) as error:
        wait = error.retry_after if isinstance(error, TokenUnavailable) else None
        raise Unavailable(code, reason=error.sentence, seconds=math.ceil(wait or _PAUSE)) from error


@contextmanager
def refusals(log: Logger, mailbox: Mailbox) -> Iterator[None]:
    """Tells the log of a sign-in that connected nothing; a passing fault ends it too, in words that say so."""
    try:
        with passing("sign_in.interrupted"):
            yield
    except PillarboxError as error:
        log.warning("sign_in.refused", mailbox=mailbox.address, code=error.code)
        raise


@contextmanager
def as_public_client() -> Iterator[None]:
    """A way without the app's credential: where Microsoft wants one, the cure is not to give one."""
    try:
        yield
    except TokenRefused as error:
        if error.number != NEEDS_SECRET:
            raise
        raise TokenRefused("sign_in.not_public", number=error.number, text=error.params.get("text", "")) from error
