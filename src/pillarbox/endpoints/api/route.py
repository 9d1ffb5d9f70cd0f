"""What all routes have in common, beyond what each does: which bodies they read, and answers that need no repeating."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, params
from fastapi.responses import Response

from pillarbox.core.errors import InvalidInput
from pillarbox.endpoints.api import etags
from pillarbox.endpoints.api.access import who_asks
from pillarbox.endpoints.api.audited import AuditedRoute, calls_of
from pillarbox.endpoints.api.json_body import JsonRequest


class Route(AuditedRoute):
    """A route of the API. Bodies that are encoded are not decoded (one of few bytes could fill the memory)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See FastAPI."""
        handler = super().get_route_handler()
        asks_who = who_asks in calls_of(self.dependant)
        takes_json = self.body_field is not None and not isinstance(self.body_field.field_info, params.Form)

        async def handled(request: Request) -> Response:
            if asks_who:
                # Strangers are told so before anything of their body is read.
                await who_asks(request)
            encoding = request.headers.get("content-encoding", "identity")
            if encoding.lower() != "identity":
                raise InvalidInput("request.encoded", given=encoding)
            asked = JsonRequest(request.scope, request.receive) if takes_json else request
            return etags.unless_known(request, await handler(asked))

        return handled
