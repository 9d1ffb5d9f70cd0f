"""The names of the tenant, its apps and its people, looked up before anything is written down.

Each source is one that the apps of docs/how-to/certify.md may read: their tokens name them, the realm of the domain
names the tenant, and Exchange puts people's names beside their addresses in a draft.
"""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp

from tests.contract.microsoft.entra import Cache, Entra, bearer, claims
from tests.contract.microsoft.graph import Graph
from tests.contract.microsoft.mailbox import MARK
from tests.contract.microsoft.target import App, Person, Target
from tests.contract.microsoft.web import Bearer, Reply, Web, session

_COMMON = """
access account address admin administrator api app application authority bare client closed cloud code common contacts
date directory domain draft enterprise entra exchange graph guid helpdesk host imap inbox keeper mail mailbox message
microsoft name nobody none office office365 online opaque organization outlook password person public quoted reader
recipient resource run scope secret send sender server service smtp string support tenant test token user users writer
"""
COMMON = frozenset(_COMMON.split())
"""Microsoft's sentences have these words whatever the names are, and nobody can be told by them."""
SHORT = 3
"""Signs: shorter names are words too."""
CLAIMS = ("name", "given_name", "family_name", "app_displayname")
PROPERTIES = ("displayName", "givenName", "surname")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Names:
    """What was found, and whose name nobody told."""

    names: tuple[str, ...]
    nameless: tuple[str, ...]


async def look_up(target: Target, tokens: Cache) -> Names:
    """Ask for all names. A source that refuses is no failure: it may be the very thing that a case looks at."""
    async with session(target) as opened:
        web = Web(opened)
        entra = Entra(web, target, tokens)
        found = await _Sources(target, entra, Graph(web, target, entra)).all()
    private = {name for each in found.values() for name in each if is_private(name)} | {*target.names}
    return Names(tuple(sorted(private)), tuple(who for who, each in found.items() if not each))


def is_private(name: str) -> bool:
    """Whether somebody can be told by it; addresses are known without."""
    return len(name) >= SHORT and name.casefold() not in COMMON and "@" not in name


@dataclass(frozen=True)
class _Sources:
    target: Target
    entra: Entra
    graph: Graph

    async def all(self) -> dict[str, set[str]]:
        """The names of each; an empty set where nobody told one."""
        found = {"tenant": await self._tenant()}
        for name, app in self.target.apps.items():
            found[f"app {name}"] = await self._app(name, app)
        drafted = await self._drafted()
        for name, address in self.target.addresses.items():
            found[f"address {name}"] = drafted.get(address.casefold(), set())
            found[f"address {name}"] |= await self._in_directory(f"/users/{address}")
        if self.target.public and self.target.person:
            said = _claimed(await _tried(self._signed_in(self.target.public, self.target.person)))
            found["address person"] |= said
            found["app public"] |= said
        if self.target.admin_token:
            found["administrator"] = await self._in_directory("/me") | _claimed(Bearer(self.target.admin_token))
        return found

    async def _tenant(self) -> set[str]:
        path = f"/common/userrealm/{self.target.sender_address}?api-version=2.1"
        realm = _object(await _tried(self.entra.get(path)))
        listed = _object(await self._administered("/organization")).get("value") or [{}]
        return _named(realm, "FederationBrandName") | _named(listed[0], "displayName")

    async def _app(self, name: str, app: App) -> set[str]:
        scope = self.entra.exchange_scope if name == "exchange" else self.entra.graph_scope
        token = await _tried(self.entra.token(app, scope)) if app.secret else None
        return _claimed(token) | await self._in_directory(f"/servicePrincipals(appId='{app.client_id}')")

    async def _signed_in(self, app: App, person: Person) -> Bearer:
        form: dict[str, str | None] = {
            "grant_type": "password",
            "client_id": app.client_id,
            "username": person.address,
            "password": person.password,
            "scope": f"{self.target.cloud.graph}/Mail.Send",
        }
        return bearer(await self.entra.post(form))

    async def _in_directory(self, path: str) -> set[str]:
        return _named(_object(await self._administered(path)), *PROPERTIES)

    async def _administered(self, path: str) -> Reply | None:
        return await _tried(self.graph.administer("GET", path)) if self.target.admin_token else None

    async def _drafted(self) -> dict[str, set[str]]:
        """What Exchange calls the owners of the addresses in a draft to them, which the clean-up deletes."""
        to = [{"emailAddress": {"address": address}} for address in self.target.addresses.values()]
        draft = {"subject": f"[{MARK}] who is who", "toRecipients": to}
        asked = self.graph.ask("POST", f"/users/{self.target.sender_address}/messages", json=draft)
        people = [each["emailAddress"] for each in _object(await _tried(asked)).get("toRecipients", [])]
        return {each["address"].casefold(): _named(each, "name") - {each["address"]} for each in people}


async def _tried(asked: Awaitable[Found]) -> Found | None:
    try:
        return await asked
    except (AssertionError, ValueError, aiohttp.ClientError, TimeoutError):
        return None


def _object(reply: Reply | None) -> dict[str, Any]:
    """The JSON object of an answer, an empty one for a refusal."""
    if reply is None or reply.status not in (200, 201):
        return {}
    return dict(reply.json)


def _named(shown: Mapping[str, Any], *keys: str) -> set[str]:
    return {str(shown[key]).strip() for key in keys if shown.get(key)}


def _claimed(token: Bearer | None) -> set[str]:
    """What the token says; one that cannot be read says nothing."""
    try:
        return _named(claims(token), *CLAIMS) if token else set()
    except (ValueError, IndexError):
        return set()
