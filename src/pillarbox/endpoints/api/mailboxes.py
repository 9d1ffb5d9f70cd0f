"""Mailboxes at the API: which there are, how they are, and how they send."""

from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Query, Response

from pillarbox.admin import mailboxes
from pillarbox.core.accounts import Mailbox, MailboxState
from pillarbox.core.caller import Caller, Scope
from pillarbox.core.headers import address_key
from pillarbox.endpoints.api import models
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.etags import IfMatch, Versions
from pillarbox.endpoints.api.paging import Paging

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services

_PATH = "/api/v1/mailboxes"
_Reader = Annotated[Caller, needs(Scope.MAILBOXES_READ)]
_STATE = ("state", "state_code", "state_text", "state_cure")
_FOUND = frozenset(
    (*_STATE, "assurance", "test_failed", "mode", "ways", "largest", "warning", "paused", "paused_by_smtp", "used")
)
"""What nobody sets: it was found, or follows."""


def add(app: FastAPI, services: "Services") -> None:
    """Add the routes."""
    accounts, log = services.accounts, services.log
    versions = Versions(volatile=_FOUND)

    def shown(mailbox: Mailbox) -> models.MailboxOut:
        pauses, by_smtp = services.governors.waits(mailbox), services.governors.paused_elsewhere(mailbox)
        ways, limit = services.ways(mailbox), services.submission.route_limit(mailbox)
        return models.MailboxOut.of(mailbox, pauses, by_smtp, ways, limit, services.governors.used(mailbox))

    async def shown_now(address: str) -> models.MailboxOut:
        return shown(await mailboxes.get(accounts, address))

    @app.get(_PATH)
    async def list_mailboxes(
        caller: _Reader,
        paging: Paging,
        app: Annotated[str, Query(max_length=64, description="Those of this app registration.")] = "",
        state: Annotated[MailboxState | None, Query(description="Those that are so.")] = None,
        contains: Annotated[str, Query(max_length=256, description="Those with this in their address.")] = "",
    ) -> models.Mailboxes:
        """List the mailboxes, each with how it is."""

        def is_wanted(one: Mailbox) -> bool:
            named = (not app or one.app.name == app) and contains.lower() in one.address.lower()
            return caller.knows(one.id) and named and state in (None, one.state)

        known = list(filter(is_wanted, await accounts.mailboxes()))
        page, following = paging.cut(known, key=lambda one: address_key(one.address))
        return models.Mailboxes(data=[shown(one) for one in page], next=following)

    @app.get(_PATH + "/{address}")
    async def show_mailbox(address: str, caller: _Reader, response: Response) -> models.MailboxOut:
        """Show a mailbox, and how it is."""
        return versions.tell(response, shown(await mailboxes.get(accounts, address, caller)))

    @app.post(_PATH, status_code=201, dependencies=[needs(Scope.ADMIN)])
    async def add_mailbox(new: models.NewMailbox, response: Response) -> models.MailboxOut:
        """Add a mailbox that an app registration acts for by its own rights."""
        added = await mailboxes.add(accounts, new.address, new.app)
        log.info("account.changed", what="mailbox", name=added.address, change="added")
        return versions.tell(response, shown(added))

    @app.put(_PATH + "/{address}", dependencies=[needs(Scope.ADMIN)])
    async def change_mailbox(
        address: str, new: models.MailboxChange, response: Response, if_match: IfMatch = None
    ) -> models.MailboxOut:
        """Let another app registration act for a mailbox; a sign-in is forgotten."""
        async with versions.changing(if_match, lambda: shown_now(address)):
            changed = await mailboxes.change(accounts, address, new.app)
        await services.submitters.refresh()
        services.changed(changed)
        log.info("account.changed", what="mailbox", name=changed.address, change="other app registration")
        return versions.tell(response, shown(changed))

    @app.patch(_PATH + "/{address}", dependencies=[needs(Scope.ADMIN)])
    async def choose_for_mailbox(
        address: str, wish: models.MailboxWish, response: Response, if_match: IfMatch = None
    ) -> models.MailboxOut:
        """Choose how a mailbox sends; what is left out stays as it is."""
        if wish.transport == "smtp":
            mailboxes.need_smtp_host(services.smtp_host(), address)
        async with versions.changing(if_match, lambda: shown_now(address)):
            changed = await mailboxes.choose(accounts, address, wish.choice())
        await services.submitters.refresh()
        services.changed(changed)
        log.info("account.changed", what="mailbox", name=changed.address, change="way of sending")
        return versions.tell(response, shown(changed))

    @app.delete(_PATH + "/{address}", status_code=204, dependencies=[needs(Scope.ADMIN)])
    async def remove_mailbox(address: str, if_match: IfMatch = None) -> None:
        """Forget a mailbox that was never used."""
        async with versions.changing(if_match, lambda: shown_now(address)):
            removed = await mailboxes.remove(accounts, address)
        services.changed(removed)
        log.info("account.changed", what="mailbox", name=removed.address, change="removed")
