"""Whether an emulator stands where the settings say that Microsoft is: then somebody may try everything with it."""

import json
from dataclasses import dataclass
from typing import Any, Final

from pillarbox.core.errors import PillarboxError
from pillarbox.entra.authority import Authority

_CONTROL: Final = "/_emulator/world"
"""What only an emulator has."""
_LONGEST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Registered:
    """An app registration of the emulator."""

    name: str
    client_id: str


@dataclass(frozen=True, slots=True)
class StandIn:
    """An emulator that runs: its first tenant."""

    tenant_id: str
    domain: str
    apps: tuple[Registered, ...]


async def find(authority: Authority) -> StandIn | None:
    """The emulator that answers in Microsoft's place; None where there is none."""
    url = authority.cloud.authority_url + _CONTROL
    try:
        answer = await authority.run(lambda: authority.session.get(url))
    except PillarboxError:
        return None
    return read(answer.text) if answer.status_code == 200 else None


def read(text: str) -> StandIn | None:
    """What an emulator says of its world; None where that is something else. Pure."""
    try:
        world: Any = json.loads(text[:_LONGEST])
        tenant = world[0]
        apps = tuple(Registered(str(one["name"]), str(one["client_id"])) for one in tenant["apps"])
        return StandIn(str(tenant["id"]), str(tenant["domains"][0]), apps)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
