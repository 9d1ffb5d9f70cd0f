"""Links by which people connect their mailboxes, at the API. The address of one goes out once, when it is made."""

from typing import TYPE_CHECKING, Annotated, cast

from fastapi import FastAPI
from pydantic import Field, StrictBool, StrictInt

from pillarbox.admin import mailboxes
from pillarbox.admin.sign_in_plan import Options
from pillarbox.core.caller import Caller, Scope
from pillarbox.core.errors import NotFound
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.models import Model
from pillarbox.endpoints.api.paging import Paging
from pillarbox.endpoints.api.sign_in import Permission
from pillarbox.store.connect_links import ConnectLink, LinkState

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services

_PATH = "/api/v1/connect-links"
_DAY = 86_400
_Connects = Annotated[Caller, needs(Scope.MAILBOXES_CONNECT)]


class NewConnectLink(Model):
    """Whose mailbox is to be connected, by which app registration. `address` is who must sign in, and the mailbox; for
    a shared mailbox that is `mailbox`.

    Without `permissions` it asks for what it asked last time, and for a new mailbox for `send`. `new_account` lets
    another account come than last time. It is good for `expires_in` seconds. Afterwards the person may go on to
    `return_url`, of an origin of the setting `http.return_urls`. `note` is for whoever makes it.
    """

    app: str
    address: str
    mailbox: str | None = None
    permissions: list[Permission] | None = Field(None, min_length=1)
    new_account: StrictBool = False
    expires_in: StrictInt = Field(_DAY, ge=60, le=30 * _DAY)
    return_url: str = Field("", max_length=2000)
    note: str = Field("", max_length=500)

    def options(self) -> Options:
        """As our word."""
        permissions = None if self.permissions is None else tuple(self.permissions)
        user = self.address if self.mailbox is not None else ""
        return Options(permissions, self.mailbox is not None, user, self.new_account)


class ConnectLinkOut(Model):
    """A link. `url` is told once, when it is made.

    `state` is pending, completed (by `account`), failed (too many sign-ins were refused), expired or canceled. While it
    is pending, `code` and `reason` tell of the last of `tries` that were refused, and `opened_at` when somebody last
    went on to Microsoft by it: what fails there is shown to them alone. `mailbox` is empty where that is there no more.
    """

    id: str
    state: LinkState
    url: str | None = None
    app: str
    mailbox: str
    user: str
    shared: bool
    permissions: list[Permission]
    created_at: float
    expires_at: float
    ended_at: float | None
    opened_at: float | None
    account: str
    tries: int
    code: str
    reason: str
    return_url: str
    note: str

    @classmethod
    def of(cls, link: ConnectLink, url: str | None = None) -> "ConnectLinkOut":
        """From our word."""
        plan = link.plan
        return cls(
            id=link.id,
            state=link.state,
            url=url,
            app=link.app,
            mailbox=link.mailbox,
            user=plan["user"] or link.mailbox,
            shared=plan["shared"],
            permissions=cast(list[Permission], plan["permissions"]),
            created_at=link.created_at,
            expires_at=link.expires_at,
            ended_at=link.ended_at,
            opened_at=link.opened_at,
            account=link.account,
            tries=link.tries,
            code=link.code,
            reason=link.reason,
            return_url=link.return_url,
            note=link.note,
        )


class ConnectLinkPage(Model):
    """Links, the newest first, and the cursor of the next page."""

    data: list[ConnectLinkOut]
    next: str | None


def add(app: FastAPI, services: "Services") -> None:
    """Add the routes."""
    links = services.connect_links

    @app.post(_PATH, status_code=201)
    async def add_connect_link(new: NewConnectLink, caller: _Connects) -> ConnectLinkOut:
        """Make a link by which a person connects a mailbox. One that is not there yet is added, to wait for them."""
        # Imported when it is wanted: what talks to Microsoft takes long to import.
        from pillarbox.admin import connect_links

        address = new.mailbox or new.address
        if caller.mailboxes is not None:
            # It makes no mailboxes: they would not be among those that it knows of.
            await mailboxes.get(services.accounts, address, caller)
            await _check_app(services, new.app, caller)
        if new.return_url:
            connect_links.check_return_url(new.return_url, services.return_urls)
        connect = services.connect()
        connect.listener()
        mailbox = await connect.mailbox(address, new.app, new.options())
        terms = connect_links.Terms(new.expires_in, new.return_url, new.note)
        return ConnectLinkOut.of(*await connect_links.make(connect, mailbox, new.options(), terms))

    @app.get(_PATH)
    async def list_connect_links(caller: _Connects, paging: Paging, state: LinkState | None = None) -> ConnectLinkPage:
        """The links, the newest first."""
        found = await links.list(paging.limit + 1, paging.after, state, caller.mailboxes)
        page = found[: paging.limit]
        following = paging.next(page[-1].id if len(found) > len(page) else None)
        return ConnectLinkPage(data=[ConnectLinkOut.of(link) for link in page], next=following)

    @app.get(_PATH + "/{link_id}")
    async def show_connect_link(link_id: str, caller: _Connects) -> ConnectLinkOut:
        """One link: whether it was used, and by whom."""
        return ConnectLinkOut.of(await _get(services, link_id, caller))

    @app.delete(_PATH + "/{link_id}")
    async def revoke_connect_link(link_id: str, caller: _Connects) -> ConnectLinkOut:
        """Take a link back, also from whoever is at Microsoft with it just now. One that is over stays as it is."""
        await links.cancel((await _get(services, link_id, caller)).id)
        return ConnectLinkOut.of(await _get(services, link_id, caller))


async def _check_app(services: "Services", name: str, caller: Caller) -> None:
    """Raises NotFound, the same for an app registration that acts for no mailbox that the caller knows of."""
    if not any(one.app.name == name and caller.knows(one.id) for one in await services.accounts.mailboxes()):
        raise NotFound("app.not_found", name=name)


async def _get(services: "Services", link_id: str, caller: Caller) -> ConnectLink:
    from pillarbox.admin import connect_links

    return await connect_links.get(services.connect_links, link_id, caller)
