"""What all routes have in common, beyond what each does: which bodies they read, and answers that need no repeating."""

import re
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin
from urllib.parse import unquote

from fastapi import Request, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.datastructures import QueryParams
from starlette.routing import Match
from starlette.routing import Route as PlainRoute

from pillarbox.core.errors import InvalidInput
from pillarbox.endpoints.api import etags
from pillarbox.endpoints.api.access import who_asks
from pillarbox.endpoints.api.audited import AuditedRoute, calls_of
from pillarbox.endpoints.api.json_body import JsonRequest

if TYPE_CHECKING:
    from starlette.types import Scope

_ENCODED: Final = re.compile("%2f", re.IGNORECASE)
_SLASH: Final = "\udc2f"
"""Half a character, which no decoded path has."""
_LONGEST: Final = 64
"""Letters of a parameter's name that are told back."""


class NamedRoute(PlainRoute):
    """A route in whose path names stand, such as addresses of mailboxes."""

    def matches(self, scope: "Scope") -> tuple[Match, "Scope"]:
        """See Starlette. A slash that came as `%2F` is part of a name, and parts none (RFC 3986 section 2.2)."""
        raw: bytes = scope.get("raw_path", b"")
        if b"%2" not in raw:
            return super().matches(scope)
        path = unquote(_SLASH.join(_ENCODED.split(raw.decode("latin-1"))))
        match, child = super().matches({**scope, "path": path})
        named = child.get("path_params", {})
        named.update({name: value.replace(_SLASH, "/") for name, value in named.items()})
        return match, child


class Route(AuditedRoute, NamedRoute):
    """A route of the API. Bodies that are encoded are not decoded (one of few bytes could fill the memory)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See FastAPI."""
        handler = super().get_route_handler()
        asks_who = who_asks in calls_of(self.dependant)
        takes_json = self.body_field is not None and not isinstance(self.body_field.field_info, params.Form)
        fields = [one for one in get_flat_params(self.dependant) if isinstance(one.field_info, params.Query)]
        known = {one.alias: _is_list(one.field_info.annotation) for one in fields}
        header = [one for one in get_flat_params(self.dependant) if isinstance(one.field_info, params.Header)]
        in_header = {one.alias.lower().encode() for one in header}

        async def handled(request: Request) -> Response:
            if asks_who:
                # Strangers are told so before anything of their body is read.
                await who_asks(request)
            _check_query(request.query_params, known)
            encoding = request.headers.get("content-encoding", "identity")
            if encoding.lower() != "identity":
                raise InvalidInput("request.encoded", given=encoding)
            kind = JsonRequest if takes_json else Request
            return etags.unless_known(request, await handler(kind(_joined(request.scope, in_header), request.receive)))

        return handled


def _joined(scope: "Scope", names: Collection[bytes]) -> "Scope":
    """The request with each of these fields in one line (RFC 9110 section 5.3).

    So of a list nothing is lost; and what is to stand once reads as nothing that is known.
    """
    lines = [line for line in scope["headers"] if line[0] in names]
    if len(lines) == len(dict(lines)):
        return scope
    joined = [(name, b", ".join(value for each, value in lines if each == name)) for name in dict(lines)]
    return {**scope, "headers": [line for line in scope["headers"] if line[0] not in names] + joined}


def _is_list(annotation: object) -> bool:
    return any(get_origin(one) is list for one in (annotation, *get_args(annotation)))


def _check_query(given: QueryParams, known: Mapping[str, bool]) -> None:
    """Refuse a parameter that the route does not know: what it was to leave out, or hold back, would be done.

    So for one that stands twice and is no list, of which programs take the first or the last. `known` says of each
    whether it is a list.
    """
    for name in given:
        if name not in known:
            raise _flawed(name, "There is no such parameter")
        if not known[name] and len(given.getlist(name)) > 1:
            raise _flawed(name, "It stands there twice")


def _flawed(parameter: str, why: str) -> RequestValidationError:
    return RequestValidationError([{"loc": ("query", parameter[:_LONGEST]), "msg": why}])
