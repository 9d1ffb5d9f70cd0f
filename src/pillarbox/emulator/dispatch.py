"""Which service answers a request, and what stands between service and client: limits, fault rules, early returns."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Protocol

from pillarbox.emulator.callers import Callers
from pillarbox.emulator.certificates import GRAPH_NAME, LOGIN_NAMES
from pillarbox.emulator.control import PREFIX, Control
from pillarbox.emulator.effects import spoil, with_headers
from pillarbox.emulator.entra.tokens import Tokens
from pillarbox.emulator.faults import Fault, Faults, Traits
from pillarbox.emulator.graph.service import OUTLOOK, VERSION, VERSIONS
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.keyvault.service import HOST as VAULT_HOST
from pillarbox.emulator.ledger import Ledger
from pillarbox.emulator.switches import switched
from pillarbox.emulator.world import World

CUT = 0
"""The status under which the ledger counts connections that were cut."""
UPLOADING = ("POST", "PATCH", "PUT")
"""The methods whose bodies count against the limit of uploads (facts 3.9)."""


class Service(Protocol):
    """Entra, Graph or Key Vault."""

    def answer(self, call: Call) -> Answer:
        """The true answer; refusals are answers too."""
        ...

    def strike(self, call: Call, fault: Fault) -> Answer:
        """The refusal that a rule wants, in the service's own envelope."""
        ...

    def template(self, call: Call) -> str | None:
        """The path with its variable parts named, None if it is not emulated."""
        ...

    def traits(self, call: Call) -> Traits:
        """What fault rules can look at."""
        ...


Witness = Callable[[Call, Answer, str | None], None]
"""Told the true answer of a service, and the template of the path."""


class Dispatcher:
    """Finds the service, keeps the world's limits, lets the fault rules strike, and counts."""

    def __init__(
        self,
        graph: Service,
        entra: Service,
        key_vaults: Service,
        control: Control,
        world: World,
        faults: Faults,
        ledger: Ledger,
        tokens: Tokens,
        callers: Callers,
        witness: Witness | None = None,
    ) -> None:
        self._graph, self._entra, self._key_vaults, self._control = graph, entra, key_vaults, control
        self._world, self._faults, self._ledger = world, faults, ledger
        self._tokens, self._callers, self._witness = tokens, callers, witness
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End all delays now."""
        self._stopping.set()

    async def answer(self, call: Call) -> Answer | None:
        """The answer to any request, None for a connection that is to be cut."""
        first = call.segments[0].lower() if call.segments else ""
        if first == PREFIX:
            return self._control.answer(call)
        service = self._service(call, first)
        traits = service.traits(call)
        self._callers.seen(traits, call.now)
        answer = await self._within_limits(call, service, traits)
        self._ledger.requests[f"{call.method} {service.template(call) or 'unknown'}"] += 1
        self._ledger.answers[answer.status if answer else CUT] += 1
        return answer

    def _service(self, call: Call, first: str) -> Service:
        """By the host if it is one of Microsoft's, else, all being on one host, by the beginning of the path."""
        if VAULT_HOST.fullmatch(call.base):
            return self._key_vaults
        host = call.base.removeprefix("https://").lower()
        if host in LOGIN_NAMES:
            return self._entra
        graphs = first in (*VERSIONS, OUTLOOK) or VERSION.fullmatch(first) or host == GRAPH_NAME
        return self._graph if graphs else self._entra

    async def _within_limits(self, call: Call, service: Service, traits: Traits) -> Answer | None:
        limits = self._world.limits
        if not (traits.mailbox and traits.app and limits.of_requests):
            return await self._answer(call, service, traits)
        size = len(call.body) if call.method in UPLOADING else 0
        overrun = limits.enter(traits.app, traits.mailbox, size, call.now)
        if overrun:
            wait = overrun.retry_after
            refusal = Fault(status=429, code="ApplicationThrottled", message=overrun.text, retry_after=wait)
            answer = self._strike(call, service, refusal)
            self._callers.told(traits, answer.headers, call.now, call.now)
            return self._seen(call, service, answer)
        try:
            return await self._answer(call, service, traits)
        finally:
            limits.leave(traits.app, traits.mailbox)

    async def _answer(self, call: Call, service: Service, traits: Traits) -> Answer | None:
        fault = self._faults.hit(traits) if self._faults else None
        if fault is None:
            return self._seen(call, service, service.answer(call))
        if not fault.clock_skew:
            return await self._faulted(call, service, traits, fault, call.now)
        skewed = replace(call, now=call.now + fault.clock_skew)
        answer = await self._faulted(skewed, service, traits, fault, call.now)
        if answer:
            answer.headers["Date"] = formatdate(skewed.now, usegmt=True)
        return answer

    async def _faulted(self, call: Call, service: Service, traits: Traits, fault: Fault, now: float) -> Answer | None:
        """`now` is the true time, that of the call may be skewed."""
        answer = None
        if fault.when == "after":
            answer = self._serve(call, service, fault)
            if answer.status >= 400:
                return answer
        await self._prepare(fault, traits, now)
        if fault.cut:
            return None
        if fault.refuses:
            answer = self._strike(call, service, fault)
        elif answer is None:
            answer = self._serve(call, service, fault)
        answer = spoil(answer, fault, call.now)
        self._callers.told(traits, answer.headers, call.now, now + fault.delay)
        return answer

    async def _prepare(self, fault: Fault, traits: Traits, now: float) -> None:
        if fault.delay:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(fault.delay):
                    await self._stopping.wait()
        if fault.revoke_tokens:
            self._tokens.revoke_all()
        app = self._world.app(traits.app) if fault.rotate_secret and traits.app else None
        for secret in app.secrets if app else ():
            secret.ends_at = now if secret.ends_at is None else min(secret.ends_at, now)

    def _serve(self, call: Call, service: Service, fault: Fault) -> Answer:
        """The true answer, by an Exchange that behaves as the rule says; tokens in it live as long as it says."""
        lifetime = self._tokens.lifetime
        self._tokens.lifetime = fault.token_lifetime or lifetime
        try:
            with switched(self._world, fault.switches):
                return self._seen(call, service, service.answer(call))
        finally:
            self._tokens.lifetime = lifetime

    def _strike(self, call: Call, service: Service, fault: Fault) -> Answer:
        answer = service.strike(call, fault)
        answer.headers = with_headers(answer.headers, fault.answer_headers(call.now))
        return answer

    def _seen(self, call: Call, service: Service, answer: Answer) -> Answer:
        if self._witness:
            self._witness(call, answer, service.template(call))
        return answer
