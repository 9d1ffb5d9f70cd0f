"""The clients of Microsoft that journeys use, made once by the composition root."""

from dataclasses import dataclass

from pillarbox.core.clouds import Cloud
from pillarbox.core.tls import Outbound
from pillarbox.entra.acquire import Acquire, Read
from pillarbox.entra.authority import Authority
from pillarbox.entra.tokens import Tokens
from pillarbox.graph.client import GraphClient


@dataclass(frozen=True, slots=True)
class Clients:
    """Everything that talks to Microsoft."""

    cloud: Cloud
    outbound: Outbound
    authority: Authority
    acquire: Acquire
    tokens: Tokens
    graph: GraphClient
    read: Read
    """Reads a credential from its source. Blocks."""

    async def close(self) -> None:
        """Close the connections."""
        await self.graph.close()
        self.authority.close()
