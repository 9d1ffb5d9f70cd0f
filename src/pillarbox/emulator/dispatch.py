"""Which service answers a request, and the fault rules that stand between service and client."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from pillarbox.emulator.control import PREFIX, Control
from pillarbox.emulator.entra.tokens import Tokens
from pillarbox.emulator.faults import Fault, Faults, Traits
from pillarbox.emulator.graph.service import VERSIONS
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.ledger import Ledger

CUT = 0
"""The status under which the ledger counts connections that were cut."""


class Service(Protocol):
    """Entra or Graph."""

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
    """Finds the service, lets the fault rules strike, and counts."""

    def __init__(
        self,
        graph: Service,
        entra: Service,
        control: Control,
        faults: Faults,
        ledger: Ledger,
        tokens: Tokens,
        witness: Witness | None = None,
    ) -> None:
        self._graph, self._entra, self._control = graph, entra, control
        self._faults, self._ledger, self._tokens = faults, ledger, tokens
        self._witness = witness
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End all delays now."""
        self._stopping.set()

    async def answer(self, call: Call) -> Answer | None:
        """The answer to any request, None for a connection that is to be cut."""
        first = call.segments[0].lower() if call.segments else ""
        if first == PREFIX:
            return self._control.answer(call)
        service = self._graph if first in VERSIONS else self._entra
        answer = await self._answer(call, service)
        self._ledger.requests[f"{call.method} {service.template(call) or 'unknown'}"] += 1
        self._ledger.answers[answer.status if answer else CUT] += 1
        return answer

    async def _answer(self, call: Call, service: Service) -> Answer | None:
        fault = self._faults.hit(service.traits(call)) if self._faults else None
        if fault is None:
            return self._serve(call, service)
        if fault.when == "before":
            await self._prepare(fault)
            return _struck(call, service, fault) if fault.answers else self._serve(call, service)
        answer = self._serve(call, service)
        if answer.status >= 400:
            return answer
        await self._prepare(fault)
        if fault.status and fault.status < 400:
            return Answer(fault.status, answer.body, answer.headers | fault.answer_headers(call.now))
        return _struck(call, service, fault) if fault.answers else answer

    def _serve(self, call: Call, service: Service) -> Answer:
        answer = service.answer(call)
        if self._witness:
            self._witness(call, answer, service.template(call))
        return answer

    async def _prepare(self, fault: Fault) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(fault.delay):
                await self._stopping.wait()
        if fault.revoke_tokens:
            self._tokens.revoke_all()


def _struck(call: Call, service: Service, fault: Fault) -> Answer | None:
    if fault.cut:
        return None
    answer = service.strike(call, fault)
    answer.headers |= fault.answer_headers(call.now)
    return answer
