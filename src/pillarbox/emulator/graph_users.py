"""Graph's user resource."""

from typing import Any

from pillarbox.emulator import odata
from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.http import Call
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
