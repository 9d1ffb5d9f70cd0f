"""A person signs in for a mailbox: begun here, done at Microsoft, finished here if it is the account that was meant.

Nothing is in memory between the steps: what a step leaves for the next lies sealed in the store, under a hash of what
comes back, for minutes, and is used once.
"""

import functools
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from pillarbox.admin import apps, mailboxes
from pillarbox.admin.clients import Clients
from pillarbox.admin.sign_in_plan import Plan, check_loopback, checked
from pillarbox.admin.sign_in_words import STATE_LIFE, Connected, Device, Link, Result, Return, Started, Waiting
from pillarbox.core import scopes
from pillarbox.core.accounts import Account, Mailbox
from pillarbox.core.bearer import Challenge
from pillarbox.core.errors import Conflict, Forbidden, InvalidInput, NotFound, PillarboxError
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.core.vault import Secret
from pillarbox.entra import sign_in as entra
from pillarbox.entra.acquire import Memory
from pillarbox.entra.authority import TokenRefused
from pillarbox.entra.identity import IdTokens, issued_by
from pillarbox.entra.matching import mismatch, proves
from pillarbox.entra.password import by_password
from pillarbox.store.accounts import Accounts
from pillarbox.store.sign_ins import SignIns

_TICKET_LIFE: Final = 3600
"""Seconds in which a link must be opened."""
_RESULT_LIFE: Final = 600
_NEEDS_SECRET: Final = 7000218
"""AADSTS of a request without a credential, for an app that is no public client."""
_HANDLE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_CODE: Final = re.compile(r"[!-~]{1,16384}")
CALLBACK: Final = "/signin/callback"
START: Final = "/signin/start/"


@dataclass(frozen=True, slots=True)
class Connect:
    """The journey. `public_url` gives the address of the running HTTP listener, empty where none runs;
    `changed` is told that a mailbox has another sign-in; `password_grant` is the setting `sign_in.password_grant`."""

    accounts: Accounts
    sign_ins: SignIns
    clients: Clients
    id_tokens: IdTokens
    clock: Clock
    random: Callable[[int], bytes]
    log: Logger
    changed: Callable[[Mailbox], None]
    public_url: Callable[[], str]
    password_grant: bool = False

    # ---- the mailbox

    async def mailbox(self, address: str, app: str | None, plan: Plan = Plan()) -> Mailbox:  # noqa: B008 - frozen
        """The mailbox of this address; with `app`, one that is not there yet is added, to wait for its sign-in.

        Raises NotFound, InvalidInput, and Conflict for a mailbox of another app registration.
        """
        found = await self.accounts.mailbox(address)
        if found is None and app is not None:
            # What cannot be begun adds nothing.
            checked(plan, Mailbox(0, address, await apps.get(self.accounts, app)))
            found = await mailboxes.add(self.accounts, address, app)
            await self.accounts.needs_sign_in(found, "sign_in.not_finished")
            found = await self.accounts.mailbox_by_id(found.id)
            self.log.info("account.changed", what="mailbox", name=found.address, change="added")
        if found is None:
            raise NotFound("mailbox.not_found", address=address)
        if app is not None and found.app.id != (await apps.get(self.accounts, app)).id:
            raise Conflict("sign_in.other_app", address=found.address, app=found.app.name)
        return found

    # ---- in a browser

    def listener(self) -> str:
        """The address of the running service's listener. Raises Conflict where there is none."""
        base = self.public_url().rstrip("/")
        if not base:
            raise Conflict("sign_in.no_listener")
        return base

    async def begin(self, mailbox: Mailbox, plan: Plan) -> Link:
        """A link to the listener of the running service. Raises InvalidInput, Conflict where none runs."""
        base = self.listener()
        plan = replace(checked(plan, mailbox), public=False)
        ticket, expires_at = entra.handle(self.random), self.clock() + _TICKET_LIFE
        kept = {"mailbox": mailbox.id, "plan": plan.kept(), "redirect_uri": base + CALLBACK}
        await self._keep("ticket", ticket, mailbox, kept, expires_at)
        return Link(f"{base}{START}{ticket}", base + CALLBACK, expires_at)

    async def start(self, ticket: str) -> Started:
        """Somebody opened the link: from now on it is the sign-in of this browser. Raises NotFound for a used one."""
        kept = await self._take("ticket", ticket)
        if kept is None:
            raise NotFound("sign_in.unknown_ticket")
        mailbox = await self.accounts.mailbox_by_id(kept["mailbox"])
        return await self._start(mailbox, Plan.read(kept["plan"]), kept["redirect_uri"])

    async def start_here(self, mailbox: Mailbox, plan: Plan, redirect_uri: str) -> Started:
        """Begin a sign-in that comes back to a loopback address: as a public client. Raises InvalidInput."""
        check_loopback(redirect_uri)
        return await self._start(mailbox, replace(checked(plan, mailbox), public=True), redirect_uri)

    async def _start(self, mailbox: Mailbox, plan: Plan, redirect_uri: str) -> Started:
        proof, state, browser = entra.Proof.make(self.random), entra.handle(self.random), entra.handle(self.random)
        meant, expires_at = plan.meant(mailbox), self.clock() + STATE_LIFE
        kept = {
            "mailbox": mailbox.id,
            "plan": plan.kept(),
            "redirect_uri": redirect_uri,
            "nonce": proof.nonce,
            "verifier": proof.verifier,
            "issuer": await self.id_tokens.issuer(mailbox.app),
            "browser": _id("browser", browser),
        }
        await self._keep("state", state, mailbox, kept, expires_at)
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

    async def finish(self, mailbox: Mailbox, back: Return, browser: str) -> Connected:
        """The browser of a loopback address came back. Raises Forbidden for an answer that this sign-in does not wait
        for, and what Microsoft refuses."""
        return await self._finish(await self._claim(back, browser, mailbox), back)

    async def callback(self, back: Return, browser: str) -> None:
        """A browser came back to the service's listener; `result` tells it how that went.

        An answer that no sign-in of this browser waits for changes nothing, and no request goes out.
        """
        try:
            kept = await self._claim(back, browser)
        except Forbidden as error:
            self.log.warning("sign_in.refused", mailbox="", code=error.code)
            return
        mailbox = await self.accounts.mailbox_by_id(kept["mailbox"])
        try:
            connected = await self._finish(kept, back)
            result = {"address": connected.address, "account": connected.account.upn}
        except PillarboxError as error:
            result = {"address": mailbox.address, "code": error.code, "sentence": error.sentence, "cure": error.cure}
        await self._keep("result", browser, mailbox, result, self.clock() + _RESULT_LIFE)

    async def result(self, browser: str) -> Result | None:
        """How the last sign-in of this browser ended; None where it has none."""
        if not _HANDLE.fullmatch(browser):
            return None
        kept = await self.sign_ins.peek(_id("result", browser))
        return Result(**json.loads(kept)) if kept else None

    async def _claim(self, back: Return, browser: str, mailbox: Mailbox | None = None) -> dict[str, Any]:
        """The sign-in that this answer belongs to, which is then over. Raises Forbidden."""
        kept = await self._take("state", back.state)
        if kept is None or (mailbox is not None and kept["mailbox"] != mailbox.id):
            raise Forbidden("sign_in.unknown")
        if not hmac.compare_digest(kept["browser"], _id("browser", browser)):
            raise Forbidden("sign_in.other_browser")
        return kept

    async def _finish(self, kept: dict[str, Any], back: Return) -> Connected:
        mailbox, plan = await self.accounts.mailbox_by_id(kept["mailbox"]), Plan.read(kept["plan"])
        with _Refusals(self.log, mailbox):
            if back.iss and not issued_by(kept["issuer"], back.iss):
                raise Forbidden("sign_in.other_issuer")
            if back.error:
                raise entra.told(back.error, back.error_description)
            if not _CODE.fullmatch(back.code):
                raise InvalidInput("sign_in.bad_answer")
            proof, asked = entra.Proof(kept["nonce"], kept["verifier"]), self._asked(plan)
            memory = Memory()
            result = await self.clients.acquire.by_person(
                mailbox.app,
                plan.public,
                memory,
                lambda client: entra.redeem(client, back.code, proof, kept["redirect_uri"], asked),
                delegated=False,
            )
            granted = entra.granted(result, memory)
            return await self._connect(mailbox, plan, granted, kept["issuer"], proof.sent_nonce)

    # ---- on another device

    async def begin_device(self, mailbox: Mailbox, plan: Plan) -> Device:
        """A code that the person types in on another device. Raises InvalidInput, TokenRefused, TokenUnavailable."""
        plan = replace(checked(plan, mailbox), public=True)
        issuer = await self.id_tokens.issuer(mailbox.app)
        asked, authority = self._asked(plan), self.clients.authority

        def begin() -> dict[str, Any]:
            return entra.begin_device(authority.public(mailbox.app, Memory().cache), asked)

        flow = await authority.run(begin)
        device = Device(
            entra.handle(self.random),
            str(flow["user_code"]),
            str(flow["verification_uri"]),
            max(1, int(flow["interval"])),
            self.clock() + int(flow["expires_in"]),
        )
        kept = {"mailbox": mailbox.id, "plan": plan.kept(), "issuer": issuer, "flow": flow, "interval": device.interval}
        await self._keep("device", device.handle, mailbox, kept, device.expires_at)
        return device

    async def poll_device(self, mailbox: Mailbox, handle: str) -> Connected | Waiting:
        """Ask once whether the person is done. Raises Forbidden for a handle that is over, and as `finish`."""
        id = _id("device", handle)
        found = await self.sign_ins.peek(id) if _HANDLE.fullmatch(handle) else None
        kept = json.loads(found) if found else None
        if kept is None or kept["mailbox"] != mailbox.id:
            raise Forbidden("sign_in.unknown")
        plan, memory = Plan.read(kept["plan"]), Memory()
        try:
            result = await self.clients.acquire.by_person(
                mailbox.app, True, memory, lambda client: entra.poll_device(client, kept["flow"]), delegated=False
            )
        except entra.StillWaiting as waiting:
            kept["interval"] += 5 if waiting.slow_down else 0
            await self.sign_ins.replace(id, json.dumps(kept).encode())
            return Waiting(kept["interval"])
        except PillarboxError as error:
            if not error.entry.retry:
                await self.sign_ins.take(id)
                self.log.warning("sign_in.refused", mailbox=mailbox.address, code=error.code)
            raise
        await self.sign_ins.take(id)
        with _Refusals(self.log, mailbox):
            return await self._connect(mailbox, plan, entra.granted(result, memory), kept["issuer"], None)

    # ---- by password

    def check_password_grant(self) -> None:
        """Raises Forbidden while the setting is off."""
        if not self.password_grant:
            raise Forbidden("sign_in.password_off")

    async def password(
        self, mailbox: Mailbox, plan: Plan, password: Secret | None, source: str = "", *, v1: bool = False
    ) -> Connected:
        """Exchange a password for tokens and forget it; with `source` its place is kept, and the password never.

        Raises Forbidden while the setting is off, InvalidInput, TokenRefused, TokenUnavailable.
        """
        self.check_password_grant()
        acquire, app, authority = self.clients.acquire, mailbox.app, self.clients.authority
        with _Refusals(self.log, mailbox):
            if source:
                password = await authority.run(lambda: self.clients.read(source))
            if not password:
                raise InvalidInput("sign_in.no_password")
            # Whether the app is a public client only Entra ID knows.
            plan = replace(checked(plan, mailbox), public=True)
            asked, username = self._asked(plan), plan.meant(mailbox).user_name
            ask = functools.partial(by_password, authority, app, v1=v1)
            try:
                first = await ask(None, username, password, scopes.with_identity(asked))
            except TokenRefused as error:
                secret = await acquire.app_secret(app) if error.number == _NEEDS_SECRET else None
                if secret is None:
                    raise
                plan = replace(plan, public=False)
                first = await ask(secret, username, password, scopes.with_identity(asked))
            if not isinstance(first.get("refresh_token"), str):
                raise TokenRefused("sign_in.no_refresh_token")
            memory = Memory()
            result = await acquire.keep_refresh_token(app, plan.public, first["refresh_token"], asked, memory)
            granted = entra.granted(result, memory)
            return await self._connect(mailbox, plan, granted, await self.id_tokens.issuer(app), None, source)

    # ---- common to all

    def _asked(self, plan: Plan) -> list[str]:
        """The scopes of the first token: of one resource; on Graph it may also say who it is."""
        cloud, resource = self.clients.cloud, plan.resource
        wanted = scopes.token_scopes(cloud, plan.permissions, resource, shared=plan.shared)
        return [*wanted, *scopes.profile_scopes(cloud, resource)]

    async def _connect(
        self,
        mailbox: Mailbox,
        plan: Plan,
        granted: entra.Granted,
        issuer: str,
        nonce: str | None,
        password_source: str = "",
    ) -> Connected:
        """Keep what was granted, if the account is the one that was meant; else nothing changes."""
        account = await self.id_tokens.verify(granted.id_token, mailbox.app, issuer, nonce)
        meant = plan.meant(mailbox)
        if mismatch(account, meant) and plan.resource is scopes.Resource.GRAPH:
            account = await self._with_proven_address(account, meant.user or meant.address, granted.access_token)
        if refused := mismatch(account, meant):
            raise refused
        async with self.clients.tokens.replacing(mailbox):
            await self.accounts.signed_in(mailbox, plan.sign_in(account, password_source), granted.cache)
        self.changed(mailbox)
        self.log.info("mailbox.signed_in", mailbox=mailbox.address, account=account.upn, object_id=account.object_id)
        return Connected(mailbox.address, account, plan.permissions, granted.scopes)

    async def _with_proven_address(self, account: Account, address: str, access_token: str) -> Account:
        """The account with the address as its own, if Graph says so: a user name often is another than the address."""

        async def token(_challenge: Challenge | None) -> str:
            return access_token

        path = "/me?$select=id,mail,userPrincipalName,proxyAddresses"
        answer = await self.clients.graph.request("GET", path, token)
        try:
            me = json.loads(answer.body) if answer.status == 200 else {}
        except (ValueError, RecursionError):
            me = {}
        return replace(account, mail=address) if isinstance(me, dict) and proves(me, account, address) else account

    async def _keep(self, kind: str, key: str, mailbox: Mailbox, content: object, expires_at: float) -> None:
        await self.sign_ins.keep(_id(kind, key), mailbox.id, json.dumps(content).encode(), expires_at)

    async def _take(self, kind: str, key: str) -> dict[str, Any] | None:
        found = await self.sign_ins.take(_id(kind, key)) if _HANDLE.fullmatch(key) else None
        kept: dict[str, Any] | None = json.loads(found) if found else None
        return kept


class _Refusals:
    """Tells the log of a sign-in that connected nothing."""

    def __init__(self, log: Logger, mailbox: Mailbox) -> None:
        self._log = log
        self._mailbox = mailbox

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, PillarboxError):
            self._log.warning("sign_in.refused", mailbox=self._mailbox.address, code=error.code)


def _id(kind: str, key: str) -> str:
    """The name under which something is kept: who reads the store learns no key; one kind never passes as another."""
    return hashlib.sha256(f"{kind} {key}".encode("utf-8", "replace")).hexdigest()
