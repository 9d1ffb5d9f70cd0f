"""Where devices and programs hand in mail by SMTP: what is typed into them."""

import socket
from typing import TYPE_CHECKING, Literal

from fastapi import FastAPI

from pillarbox.core.caller import Scope
from pillarbox.core.listening import Listening, parse_address, smtp_listeners
from pillarbox.core.tls import is_loopback
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.models import Model
from pillarbox.endpoints.api.paging import Paging

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services


class ListenerOut(Model):
    """A listener of the SMTP door. `host` and `port` are what a client is told to connect to.

    `tls` is none, starttls, or implicit (from the first byte on); `auth` whether a client may log in: behind TLS only
    (encrypted), also without (clear), or not at all (none). With `local_only` it listens for programs of its own
    machine alone. `networks` are those whose clients may connect; none: all. `max_size` is bytes of a message.
    """

    name: str
    address: str
    host: str
    port: int
    tls: Literal["none", "starttls", "implicit"]
    auth: Literal["encrypted", "clear", "none"]
    local_only: bool
    networks: list[str]
    max_size: int

    @classmethod
    def of(cls, one: Listening, address: str) -> "ListenerOut":
        """From our word; `address` is where it listens now, as port 0 takes a free one."""
        host, port = parse_address(one.key, address, address)
        local_only = is_loopback(host) and not one.door.proxy_networks
        return cls(
            name=one.name,
            address=address,
            host=host if local_only else one.door.hostname or socket.gethostname(),
            port=port,
            tls=one.door.tls,
            auth=one.auth,
            local_only=local_only,
            networks=list(one.door.networks),
            max_size=one.door.max_size,
        )


class Listeners(Model):
    """A page of the listeners, by name; `next` is the cursor of the one behind it, or null."""

    data: list[ListenerOut]
    next: str | None


def add(app: FastAPI, services: "Services") -> None:
    """Add the route."""

    @app.get("/api/v1/listeners", dependencies=[needs(Scope.ADMIN)])
    async def list_listeners(paging: Paging) -> Listeners:
        """List the listeners of the SMTP door: what is typed into a device, so that its mail comes in here."""
        open_now = services.listeners()
        found = [
            ListenerOut.of(one, open_now[one.name]) for one in smtp_listeners(services.settings) if one.name in open_now
        ]
        page, following = paging.cut(found, lambda one: one.name)
        return Listeners(data=page, next=following)
