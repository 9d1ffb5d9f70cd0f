"""Where Microsoft is, and where it sends browsers back to: what is typed into its portal."""

from typing import TYPE_CHECKING

from fastapi import FastAPI

from pillarbox.core.caller import Scope
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.models import Model

if TYPE_CHECKING:
    from pillarbox.admin.stand_in import StandIn
    from pillarbox.endpoints.api.app import Services

_PATH = "/api/v1/microsoft"


class MicrosoftOut(Model):
    """The cloud and its addresses, as the settings say. `public_url` is where browsers reach this service, and
    `redirect_uri` what is registered for people who sign in to their mailboxes; both are empty without a listener.
    """

    cloud: str
    authority_url: str
    graph_url: str
    public_url: str
    redirect_uri: str


class EmulatedApp(Model):
    """An app registration of the emulator."""

    name: str
    client_id: str


class EmulatorOut(Model):
    """Whether an emulator `answers` where the settings say that Microsoft is; its first tenant, else empty."""

    answers: bool
    tenant_id: str
    domain: str
    apps: list[EmulatedApp]

    @classmethod
    def of(cls, found: "StandIn | None") -> "EmulatorOut":
        """From our word."""
        if found is None:
            return cls(answers=False, tenant_id="", domain="", apps=[])
        apps = [EmulatedApp(name=one.name, client_id=one.client_id) for one in found.apps]
        return cls(answers=True, tenant_id=found.tenant_id, domain=found.domain, apps=apps)


def add(app: FastAPI, services: "Services") -> None:
    """Add the routes."""

    @app.get(_PATH, dependencies=[needs(Scope.ADMIN)])
    async def show_microsoft() -> MicrosoftOut:
        """Show where Microsoft is, and the redirect URI that is registered there."""
        from pillarbox.admin.connect import CALLBACK

        cloud, public_url = services.clients().cloud, services.household.public_url().rstrip("/")
        return MicrosoftOut(
            cloud=services.settings.microsoft.cloud,
            authority_url=cloud.authority_url,
            graph_url=cloud.graph_url,
            public_url=public_url,
            redirect_uri=public_url + CALLBACK if public_url else "",
        )

    @app.get(_PATH + "/emulator", dependencies=[needs(Scope.ADMIN)])
    async def show_emulator() -> EmulatorOut:
        """Show the emulator that answers in Microsoft's place; only where the settings name a cloud of one's own."""
        if services.settings.microsoft.cloud != "custom":
            return EmulatorOut.of(None)
        from pillarbox.admin import stand_in

        return EmulatorOut.of(await stand_in.find(services.clients().authority))
