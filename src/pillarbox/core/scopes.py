"""Which scopes to ask for: a token is for one resource, Graph or Exchange Online, and never for both.

Application permissions are asked for together, as `/.default`. Delegated ones are asked for by name; /authorize takes
those of several resources at once, the token endpoint those of one.
https://learn.microsoft.com/entra/identity-platform/scopes-oidc
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from pillarbox.core.clouds import Cloud


class Resource(StrEnum):
    """An API of Microsoft's with tokens of its own."""

    GRAPH = "graph"
    EXCHANGE = "exchange"


SETS: Final = {
    "send": (Resource.GRAPH, ("Mail.Send",)),
    "mail": (Resource.GRAPH, ("Mail.Send", "Mail.ReadWrite")),
    "exchange": (Resource.EXCHANGE, ("IMAP.AccessAsUser.All", "SMTP.Send")),
}
"""The permission sets that a mailbox can be connected with, and what each asks for."""

# Who signed in (`oid`) stands in the id token only with `profile`.
_IDENTITY: Final = ("openid", "profile", "email", "offline_access")
_PROFILE: Final = "User.Read"


def app_scope(cloud: Cloud, resource: Resource) -> str:
    """The scope of the application permissions granted on a resource."""
    return f"{cloud.graph_url if resource is Resource.GRAPH else cloud.exchange_url}/.default"


def authorize_scopes(cloud: Cloud, permissions: Iterable[str], *, shared: bool) -> list[str]:
    """What a sign-in in the browser asks for: the sets, User.Read and the identity; resources may be mixed here."""
    asked = [scope for resource in Resource for scope in _of(cloud, permissions, resource, shared)]
    return [*dict.fromkeys([*asked, *profile_scopes(cloud, Resource.GRAPH)]), *_IDENTITY]


def token_scopes(cloud: Cloud, permissions: Iterable[str], resource: Resource, *, shared: bool) -> list[str]:
    """What a token request asks for: the permissions on one resource, without the identity scopes.

    Empty where the sets hold nothing on this resource.
    """
    return list(dict.fromkeys(_of(cloud, permissions, resource, shared)))


def profile_scopes(cloud: Cloud, resource: Resource) -> list[str]:
    """What a sign-in gives on Graph beside the sets: to read who it is."""
    return [f"{cloud.graph_url}/{_PROFILE}"] if resource is Resource.GRAPH else []


def lacking(asked: Iterable[str], granted: Iterable[str]) -> tuple[str, ...]:
    """Names of the permissions that were asked for and do not stand in what Microsoft says that it granted.

    Nothing where it says nothing: then it granted what was asked for (RFC 6749 section 5.1).
    """
    there = {_name(scope) for scope in granted}
    wanted = (scope.rpartition("/")[2] for scope in asked if scope not in _IDENTITY)
    return tuple(name for name in wanted if there and name.lower() not in there)


def _name(scope: str) -> str:
    return scope.rpartition("/")[2].lower()


def with_identity(scopes: Iterable[str]) -> list[str]:
    """The scopes of a sign-in without a browser (device code, password): of one resource, and the identity."""
    return [*scopes, *_IDENTITY]


def first_resource(permissions: Iterable[str]) -> Resource:
    """The resource that the first token of a sign-in is for."""
    found = {SETS[name][0] for name in permissions}
    return Resource.GRAPH if Resource.GRAPH in found else Resource.EXCHANGE


def _of(cloud: Cloud, permissions: Iterable[str], resource: Resource, shared: bool) -> list[str]:
    prefix = cloud.graph_url if resource is Resource.GRAPH else cloud.outlook_url
    names = [name for key in permissions for name in (SETS[key][1] if SETS[key][0] is resource else ())]
    if shared and resource is Resource.GRAPH:
        # On another's mailbox Graph wants the .Shared permission; the plain one is for one's own.
        names = [f"{name}.Shared" for name in names]
    return [f"{prefix}/{name}" for name in names]
