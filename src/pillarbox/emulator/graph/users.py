"""Graph's user resource."""

from typing import Any

from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.graph import odata
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.request import Operation, Request
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.world import User

DEFAULT = (
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
    "id",
)
"""What Graph gives without $select."""


READ = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")


def get(request: Request) -> Answer:
    """GET /users/{user}: by id or UPN; an alias is not enough."""
    key = request.names["user"]
    user = request.caller.tenant.user(key)
    if user is None:
        text = f"Resource '{key}' does not exist or one of its queried reference-property objects are not present."
        raise GraphError("Request_ResourceNotFound", text, 404)
    return Answer.json(show_user(request.call, user, request.gaps))


def show_user(call: Call, user: User, gaps: Gaps) -> dict[str, Any]:
    """The user as JSON; `$select` picks the properties."""
    odata.allow(call, gaps, "$select")
    chosen = odata.selected(call, "microsoft.graph.user", _properties(user)) or DEFAULT
    context = f"{call.base}/v1.0/$metadata#users/$entity"
    return {"@odata.context": context} | {name: _properties(user)[name] for name in chosen}


def _properties(user: User) -> dict[str, Any]:
    primary = [f"SMTP:{user.upn}"] if user.mailbox else []
    return dict.fromkeys(DEFAULT) | {
        "businessPhones": [],
        "displayName": user.name,
        "mail": user.upn if user.mailbox else None,
        "userPrincipalName": user.upn,
        "id": user.id,
        "accountEnabled": user.enabled,
        "mailNickname": user.upn.split("@")[0],
        "proxyAddresses": primary + [f"smtp:{alias}" for alias in user.aliases],
        "userType": "Member",
    }


OPERATIONS = (Operation("GET", "/users/{user}", get, READ, mailbox=False, denied="Authorization_RequestDenied"),)
