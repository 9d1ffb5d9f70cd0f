"""What of a message an answer shows: by $select and $expand, by the client's preferences, and by the permission."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from pillarbox.emulator.graph import odata
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.mail.attachment import show_attachment
from pillarbox.emulator.graph.mail.message import DEFAULT, ON_DEMAND, PROPERTIES, WITH_BODY, View, show
from pillarbox.emulator.graph.mail.schema import MESSAGE
from pillarbox.emulator.graph.request import READ, Request
from pillarbox.emulator.mail.body_types import converted
from pillarbox.emulator.world.mailbox import Message

DEFAULT_BODY = "html"
"""In which form bodies come if the client prefers none (Microsoft: Get message, request headers)."""
NOT_BASIC = frozenset((*WITH_BODY, "uniqueBody"))
"""What Mail.ReadBasic neither shows nor looks into, besides attachments (Microsoft Graph permissions reference)."""

SEARCH_WITH = {"$filter": "SearchWithFilter", "$orderby": "SearchWithOrderBy"}


@dataclass(frozen=True)
class Selection:
    """The properties to show, in their proper spelling, and how."""

    request: Request
    names: tuple[str, ...]
    attachments: bool
    preferences: odata.Preferences

    @classmethod
    def of(cls, request: Request, query: odata.Query) -> "Selection":
        """What the query selects and expands; a GraphError for what is not there, or not for this caller."""
        check_basic(request, query)
        attachments = _expands_attachments(request, query)
        preferences = odata.Preferences.of(request.call, request.gaps, odata.OUTLOOK.max_page)
        return cls(request, _names(request, query), attachments, preferences)

    def show(self, message: Message) -> dict[str, Any]:
        """The message for JSON. What a mailbox sent lacks the header: Exchange writes it only when mail comes in.

        Reports: microsoftgraph/microsoft-graph-docs issues 2716 and 18761, msgraph-sdk-dotnet issue 3025.
        """
        hidden = () if self.request.world.shows_sent_headers or message.folder.name != "sentitems" else ON_DEMAND
        shown = show(message, [name for name in self.names if name not in hidden])
        if self.preferences.immutable_ids:
            shown["id"] = message.immutable_id
        if "body" in shown:
            shown["body"] = converted(shown["body"], self.preferences.body or DEFAULT_BODY)
        return shown | self._attachments(message) if self.attachments else shown

    def _attachments(self, message: Message) -> dict[str, Any]:
        user = odata.key("users", self.request.names["user"])
        path = f"{user}/{odata.key('messages', message.id)}/attachments"
        found = [show_attachment(message, each) for each in message.content.attachments]
        return {"attachments@odata.context": odata.context(self.request, path, odata.Query()), "attachments": found}


def check_basic(request: Request, query: odata.Query) -> None:
    """Refuse who may not see bodies and attachments when the query would look into them."""
    looks = query.expand or not NOT_BASIC.isdisjoint(query.named)
    if looks and not request.may(*READ):
        raise GraphError("ErrorAccessDenied")


def check_search(request: Request) -> None:
    """Refuse $search where Microsoft does: for who may not see bodies, and together with $filter or $orderby."""
    options = odata.query_options(request.call)
    if "$search" not in options:
        return
    if not request.may(*READ):
        raise GraphError("ErrorAccessDenied")
    for other, code in SEARCH_WITH.items():
        if other in options:
            raise GraphError(code, f"The query parameter '{other}' is not supported with '$search'.")


def reader(message: Message) -> Callable[[str], Any]:
    """Gives the properties of a message for filters and sorting; the mail is read when the first is asked for."""

    @cache
    def view() -> View:
        return View(message)

    return lambda name: PROPERTIES[name](view())


def _names(request: Request, query: odata.Query) -> tuple[str, ...]:
    names = ("id", *(name for name in query.select if name != "id")) if query.select else tuple(DEFAULT)
    for name in names:
        if name not in PROPERTIES:
            request.miss(f"$select={name}")
            raise GraphError("BadRequest", f"The property '{name}' is not supported.")
    hidden = frozenset[str]() if request.may(*READ) else NOT_BASIC
    return tuple(name for name in names if name not in hidden)


def _expands_attachments(request: Request, query: odata.Query) -> bool:
    for name in query.expand:
        if name.lower() != "attachments":
            request.miss(f"$expand={name[:100]}")
            raise odata.no_property(name, MESSAGE)
    return bool(query.expand)
