"""Which methods a path takes, for whoever asked by another one (RFC 9110 section 15.5.6)."""

import re
from typing import TYPE_CHECKING, Final

from starlette.routing import Match, Route

if TYPE_CHECKING:
    from starlette.requests import Request

_PARAMETER: Final = re.compile(r"\{[^}]*\}")


def allowed(request: "Request") -> set[str]:
    """All methods of a path, as its narrowest routes have them: the framework tells those of the first one alone."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    found = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    narrowest = max(map(_fixed, found), default=0)
    return {method for route in found if _fixed(route) == narrowest for method in route.methods or ()}


def _fixed(route: Route) -> int:
    """How much of a route's path stands for itself: `/people/me` is narrower than `/people/{name}`."""
    return len(_PARAMETER.sub("", route.path))
