"""What a `scope` parameter asks for: permissions of resources, and the scopes of OpenID Connect (facts 2.3)."""

from collections.abc import Collection, Container
from dataclasses import dataclass, field

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.world.permissions import GRAPH, KEY_VAULT, Permission, Resource, of, resource

OPENID = ("openid", "profile", "email", "offline_access")
DEFAULT = ".default"


@dataclass
class Scopes:
    """A parsed scope list. `permissions` are delegated ones by name, `defaults` the resources asked for as a whole.

    `texts` are the asked words as they came; `identifiers` is how each resource was named, by its client id.
    """

    openid: set[str] = field(default_factory=set)
    permissions: list[Permission] = field(default_factory=list)
    defaults: list[Resource] = field(default_factory=list)
    identifiers: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)

    @property
    def resources(self) -> list[Resource]:
        """The resources that are asked for, each once, in the order asked."""
        found = [*self.defaults, *(each.resource for each in self.permissions)]
        return list(dict.fromkeys(found))

    def names(self, wanted: Resource) -> set[str]:
        """The names of the permissions asked for on that resource."""
        return {each.name for each in self.permissions if each.resource is wanted}

    def identifier(self, wanted: Resource) -> str:
        """How that resource was named; its usual address if it was not."""
        return self.identifiers.get(wanted.client_id) or wanted.identifiers[0]


def parse(text: str, base: str) -> Scopes:
    """The permissions in a scope list; a bare name is Graph's. `base` is the emulator's address: it stands for Graph.

    Unknown permissions are 65005 for Graph's own names and 70011 otherwise, unknown resources 500011.
    """
    scopes = Scopes(texts=text.split())
    for word in scopes.texts:
        if word.lower() in OPENID:
            scopes.openid.add(word.lower())
        else:
            _add(scopes, word, base)
    return scopes


def of_resource(identifier: str, openid: str, base: str) -> Scopes:
    """The v1 endpoints' `resource`, which asks for all of it, with the words of their `scope` (openid, mostly)."""
    scopes = Scopes(texts=[f"{identifier}/{DEFAULT}"])
    _add(scopes, f"{identifier}/{DEFAULT}", base)
    # The v1 endpoints give a refresh token unasked (V1 pages of the Microsoft identity platform).
    scopes.openid = {word for word in openid.lower().split() if word in OPENID} | {"offline_access"}
    return scopes


def refuse_resource(fields: Container[str]) -> None:
    """Refuse `resource` at a v2.0 endpoint, which has scopes in its place: 901002."""
    if "resource" in fields:
        raise EntraError(901002)


def refuse_several(resources: Collection[Resource | str], text: str) -> None:
    """Refuse a token request for several resources: 700022, as a token has one audience."""
    if len(resources) > 1:
        raise EntraError(700022, f"Scope: '{text}'.")


def find_resource(identifier: str, base: str) -> Resource | None:
    """The resource with that address or client id. The emulator's own address stands for Graph, and below `vault.` for
    Key Vault; `graph.invalid` for a Graph that no DNS knows (RFC 6761 section 6.4)."""
    address, host = identifier.lower().rstrip("/"), base.lower().removeprefix("https://")
    if address in (f"https://{host}", "https://graph.invalid"):
        return GRAPH
    if address == f"https://vault.{host}":
        return KEY_VAULT
    return resource(identifier)


def audience(identifier: str, found: Resource) -> str:
    """The `aud` of a token for a resource: it follows how the resource was named, a slash at the end too."""
    name = identifier.lower()
    return name if name in found.audiences else found.identifiers[0]


def _add(scopes: Scopes, word: str, base: str) -> None:
    # `https://graph.microsoft.com//.default` names the resource with its slash.
    identifier, slash, name = word.rpartition("/")
    found = find_resource(identifier, base) if slash else GRAPH
    if found is None:
        raise EntraError(500011, f"Resource: '{identifier}'.")
    scopes.identifiers.setdefault(found.client_id, identifier or GRAPH.identifiers[0])
    if name.lower() == DEFAULT:
        scopes.defaults.append(found)
        return
    permission = of(found, name, "delegated")
    if permission is None:
        raise EntraError(70011, f"Scope: '{word}'.") if slash else EntraError(65005, f"Scope: '{word}'.")
    scopes.permissions.append(permission)
