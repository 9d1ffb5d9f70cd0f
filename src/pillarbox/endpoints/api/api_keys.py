"""API keys at the API. The text of one goes out once, when it is made, and never again."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import FastAPI, Response
from pydantic import Field, StrictBool, StrictFloat, StrictInt

from pillarbox.access.key_rules import Wanted
from pillarbox.core.accounts import MOST_RATE
from pillarbox.core.caller import ApiKey, Caller, OtherRecipients, Scope
from pillarbox.core.vault import Secret
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.etags import IfMatch, Versions
from pillarbox.endpoints.api.models import Model
from pillarbox.endpoints.api.paging import Paging

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services

_PATH = "/api/v1/api-keys"
_Moment = Annotated[StrictFloat | None, Field(ge=0, le=1e11, allow_inf_nan=False)]
_Admin = Annotated[Caller, needs(Scope.ADMIN)]


class KeyWish(Model):
    """What an API key may do; what is left out stays as it is. A list replaces the old one.

    `mailboxes` are addresses of those that it knows of, to send from and to look at; null: all of them. It comes in
    from `networks` (CIDR) alone; none: from anywhere. `recipients` (addresses, `*@DOMAIN`) are all that it may send to;
    none: everybody. What it sends to others is refused, or waits for an approval (`on_other_recipients`). `rate` is
    requests a minute; 0: as the setting `http.rate` says. It is over at `expires_at`, seconds since 1970; null: never.
    """

    scopes: list[Scope] | None = None
    mailboxes: list[str] | None = None
    networks: list[str] | None = None
    recipients: list[str] | None = None
    on_other_recipients: OtherRecipients | None = None
    rate: StrictInt | None = Field(None, ge=0, le=MOST_RATE)
    enabled: StrictBool | None = None
    expires_at: _Moment = None

    def wish(self) -> Wanted:
        """As our word: of two, null says something of its own."""
        given = self.model_dump(include=set(KeyWish.model_fields), exclude_none=True)
        meant = {name: None for name in ("mailboxes", "expires_at") if name in self.model_fields_set}
        return cast(Wanted, meant | given)


class NewKey(KeyWish):
    """A new API key. Where no scope is given it may send, see messages of the outbox, and read events."""

    name: str


class KeyOut(Model):
    """An API key. `key` is shown once, when it is made; by `id`, which stands in it, one knows it again later."""

    id: str
    name: str
    scopes: list[Scope]
    mailboxes: list[str] | None
    networks: list[str]
    recipients: list[str]
    on_other_recipients: OtherRecipients
    rate: int
    enabled: bool
    expires_at: float | None
    created_at: float
    last_used_at: float | None
    key: str | None = None

    @classmethod
    def of(cls, key: ApiKey, secret: Secret | None = None) -> "KeyOut":
        """From our word."""
        return cls(
            id=key.id,
            name=key.name,
            scopes=sorted(key.scopes),
            mailboxes=None if key.mailboxes is None else list(key.mailboxes.values()),
            networks=list(key.networks),
            recipients=list(key.recipients),
            on_other_recipients=key.on_other_recipients,
            rate=key.rate,
            enabled=key.enabled,
            expires_at=key.expires_at,
            created_at=key.created_at,
            last_used_at=key.last_used_at,
            key=secret.reveal() if secret else None,
        )


class ApiKeys(Model):
    """A page of the API keys, by name; `next` is the cursor of the one behind it, or null."""

    data: list[KeyOut]
    next: str | None


def add(app: FastAPI, services: "Services") -> None:
    """Add the routes of API keys."""
    keys = services.keys
    versions = Versions(volatile=frozenset({"last_used_at"}), once=frozenset({"key"}))

    async def shown(name: str) -> KeyOut:
        return KeyOut.of(keys.get(name))

    def changed(name: str, change: str) -> None:
        services.log.info("account.changed", what="API key", name=name, change=change)

    @app.get(_PATH, dependencies=[needs(Scope.ADMIN)])
    async def list_api_keys(paging: Paging) -> ApiKeys:
        """List the API keys, by name."""
        page, following = paging.cut(keys.list(), lambda key: key.name)
        return ApiKeys(data=[KeyOut.of(one) for one in page], next=following)

    @app.get(_PATH + "/{name}", dependencies=[needs(Scope.ADMIN)])
    async def show_api_key(name: str, response: Response) -> KeyOut:
        """Show what an API key may do."""
        return versions.tell(response, await shown(name))

    @app.post(_PATH, status_code=201)
    async def add_api_key(new: NewKey, caller: _Admin, response: Response) -> KeyOut:
        """Make an API key; its text is in this answer alone."""
        _need_all(caller, new.scopes or ())
        added, secret = await keys.add(new.name, new.wish())
        changed(added.name, "added")
        return versions.tell(response, KeyOut.of(added, secret))

    @app.patch(_PATH + "/{name}")
    async def change_api_key(
        name: str, change: KeyWish, caller: _Admin, response: Response, if_match: IfMatch = None
    ) -> KeyOut:
        """Change what an API key may do; it counts from its next request on."""
        more = change.scopes or (keys.get(name).scopes if "mailboxes" in change.model_fields_set else ())
        _need_all(caller, more)
        async with versions.changing(if_match, lambda: shown(name)):
            after = await keys.change(name, change.wish())
        changed(name, ", ".join(sorted(change.model_fields_set)) or "nothing")
        return versions.tell(response, KeyOut.of(after))

    @app.post(_PATH + "/{name}:rotate")
    async def rotate_api_key(name: str, caller: _Admin) -> KeyOut:
        """Give an API key a new text, which is in this answer alone; the old one is over at once."""
        _need_all(caller, keys.get(name).scopes)
        after, secret = await keys.rotate(name)
        changed(name, "new text")
        return KeyOut.of(after, secret)

    @app.delete(_PATH + "/{name}", status_code=204, dependencies=[needs(Scope.ADMIN)])
    async def remove_api_key(name: str, if_match: IfMatch = None) -> None:
        """Forget an API key; nobody comes in by it any more. What it sent stays."""
        async with versions.changing(if_match, lambda: shown(name)):
            await keys.remove(name)
        changed(name, "removed")


def _need_all(caller: Caller, scopes: Collection[Scope]) -> None:
    """Nobody hands out more than they have: else an administrator would read all mail by a key of their own making."""
    for scope in sorted(scopes):
        caller.need(scope)
