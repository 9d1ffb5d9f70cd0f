"""Mailboxes that a person pauses, one by one (for all at once there is outbox:pause)."""

from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI
from pydantic import Field

from pillarbox.admin import mailboxes
from pillarbox.core.caller import Caller, Scope
from pillarbox.endpoints.api import models
from pillarbox.endpoints.api.access import needs
from pillarbox.store.limits import mailbox_scope

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services

_Decides = Annotated[Caller, needs(Scope.OUTBOX_DECIDE)]


class PauseReason(models.Model):
    """Why a mailbox is paused, for whoever looks later."""

    reason: str = Field("", max_length=500)


def add(app: FastAPI, services: "Services") -> None:
    """Add the routes."""

    @app.post("/api/v1/mailboxes/{address}:pause")
    async def pause_mailbox(address: str, caller: _Decides, why: PauseReason | None = None) -> models.Pausing:
        """Send nothing from a mailbox until it is resumed; what comes in waits."""
        mailbox = await mailboxes.get(services.accounts, address, caller)
        reason = why.reason if why else ""
        await services.governors.pause(mailbox_scope(mailbox.id), reason)
        services.log.warning("outbox.paused", mailbox=mailbox.address, reason=reason)
        return models.Pausing(mailbox=mailbox.address, paused=True)

    @app.post("/api/v1/mailboxes/{address}:resume")
    async def resume_mailbox(address: str, caller: _Decides) -> models.Pausing:
        """End a person's pause of a mailbox; `still` are pauses of other causes that hold it."""
        mailbox = await mailboxes.get(services.accounts, address, caller)
        if await services.governors.resume(mailbox_scope(mailbox.id)):
            services.log.info("outbox.resumed", mailbox=mailbox.address)
            services.wake(mailbox.id)
        still = services.governors.paused(mailbox)
        return models.Pausing(mailbox=mailbox.address, paused=False, still=list(map(models.PauseOut.of, still)))
