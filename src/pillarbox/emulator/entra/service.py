"""Microsoft Entra ID: finds who answers a path, wraps refusals, and adds the headers that all answers have."""

from pillarbox.emulator.entra import aadsts, token_endpoint
from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.call import Authority, EntraCall, Handler
from pillarbox.emulator.entra.clients.authentication import presented_client
from pillarbox.emulator.entra.routes import ROUTES
from pillarbox.emulator.faults import Fault, Traits
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.router import Match, Router

NO_STORE = {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"}


class Entra:
    """Answers all paths of the authority host."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self._router: Router[Handler] = Router(ROUTES)

    def answer(self, call: Call) -> Answer:
        """The answer to any request; refusals carry AADSTS codes."""
        try:
            answer = self._route(call)
        except EntraError as error:
            answer = self._refuse(call, error)
        return self._dress(call, answer)

    def strike(self, call: Call, fault: Fault) -> Answer:
        """The refusal that a rule wants; without an AADSTS number it has no body, as from a proxy in front of Entra."""
        number = (fault.code or "").removeprefix("AADSTS")
        answer = self._refuse(call, EntraError(int(number), fault.message or "")) if number.isdecimal() else Answer(0)
        answer.status = fault.status or answer.status
        if self.template(call) in token_endpoint.TEMPLATES:
            self.authority.ledger.tokens[f"fault {answer.code or answer.status}"] += 1
        return self._dress(call, answer)

    def template(self, call: Call) -> str | None:
        """The path with its variable parts named, None if it is not emulated."""
        match = self._router.find(call.segments)
        return match.template if match else None

    def traits(self, call: Call) -> Traits:
        """What fault rules can look at."""
        try:
            app = presented_client(self._recognised(call, Match("", {}, {}))).client_id
        except EntraError:
            app = None
        return Traits(call.method, call.base.removeprefix("https://"), call.path, app=app)

    def _route(self, call: Call) -> Answer:
        match = self._router.find(call.segments)
        if match is None:
            self.authority.gaps.add(call.method, call.path, "path")
            return Answer(404)
        if call.too_large:
            return Answer(413)
        handler = match.handlers.get(call.method)
        if handler is None:
            raise EntraError(900561, f"Received a {call.method} request.")
        return handler(self._recognised(call, match))

    def _recognised(self, call: Call, match: Match[Handler]) -> EntraCall:
        return EntraCall(call, match.template, match.names, self.authority)

    def _refuse(self, call: Call, error: EntraError) -> Answer:
        code = aadsts.look_up(error.number)
        now, entropy, correlation = call.now, self.authority.world.entropy, call.client_request_id
        return aadsts.refusal(code, error.detail, base=call.base, correlation=correlation, now=now, entropy=entropy)

    def _dress(self, call: Call, answer: Answer) -> Answer:
        """Add the headers that every answer of Entra has."""
        answer.headers |= NO_STORE | {"x-ms-request-id": call.request_id}
        # From the query string it may hold anything, line breaks too.
        if call.client_request_id and call.client_request_id.isascii() and call.client_request_id.isprintable():
            answer.headers["client-request-id"] = call.client_request_id
        return answer
