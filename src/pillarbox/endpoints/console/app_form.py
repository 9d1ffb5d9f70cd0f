"""An app registration as a form asks for it: what the API is given, and what is said beside a field. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any, Final

from pillarbox.endpoints.console.calls import Problem
from pillarbox.endpoints.console.words import Said

if TYPE_CHECKING:
    from pillarbox.endpoints.console.page import Form

_IDS: Final = ("tenant_id", "client_id")
_FIELDS: Final[Mapping[str, str]] = {
    "app.bad_name": "name",
    "app.exists": "name",
    "app.bad_tenant_id": "tenant_id",
    "app.no_tenant": "tenant_id",
    "app.personal_tenant": "tenant_id",
    "app.host_as_tenant": "tenant_id",
    "app.bad_client_id": "client_id",
    "app.object_id": "client_id",
    "app.same_ids": "client_id",
    "app.secret_is_id": "secret",
    "app.secret_characters": "secret",
    "app.no_secret": "secret",
    "app.secret_masked": "secret",
    "app.end_past": "ends_on",
    "certificate.no_key": "certificate",
    "certificate.missing": "certificate",
    "certificate.unreadable": "certificate",
    "certificate.bad_key": "certificate",
    "certificate.key_encrypted": "certificate",
    "certificate.not_rsa": "certificate",
    "certificate.short_key": "certificate",
    "certificate.other_key": "certificate",
}
"""Refusals that are about one field, beside which they are told."""
_SECRET_SHOWN: Final = "app.secret_as_id"
KINDS: Final = ("secret", "made", "certificate", "place", "federated", "identity", "public")
"""Ways in which an app registration proves who it is, in the order of the form."""


def ids(form: "Form") -> dict[str, str]:
    """Both IDs."""
    return {name: form.get(name, "") for name in _IDS}


def credential(form: "Form") -> dict[str, Any]:
    """What the API takes for the chosen kind."""
    match form.get("by", "secret"):
        case "made":
            return {"new_certificate": True}
        case "certificate":
            return {"certificate": form.raw("certificate")}
        case "place":
            return {"client_secret_from": form.get("place", ""), **_ends(form)}
        case "federated":
            return {"federated": form.get("federated", "")}
        case "identity":
            return {"managed_identity": form.get("identity", "system")}
        case "public":
            return {"public": True}
    return {"client_secret": form.raw("secret"), **_ends(form)}


def typed(form: Mapping[str, str], problem: Problem | None) -> dict[str, str]:
    """What stands in the fields again: never a secret, and no ID in whose place one was pasted."""
    again = {name: form.get(name, "") for name in ("name", *_IDS, "by", "ends_on", "place", "federated", "identity")}
    return again | dict.fromkeys(_IDS, "") if problem is not None and problem.code == _SECRET_SHOWN else again


def beside(problem: Problem | None, said: Said | None) -> dict[str, str]:
    """What is said beside the field that is wrong; nothing for what concerns the whole form."""
    field = _FIELDS.get(problem.code, "") if problem else ""
    return {field: f"{said.sentence} {said.cure}"} if said and field else {}


def _ends(form: "Form") -> dict[str, float]:
    """The end of a day that a browser's own field for dates gave, in UTC; nothing for what it never gives."""
    try:
        return {"ends_at": datetime.combine(datetime.fromisoformat(form["ends_on"]), time(23, 59, 59), UTC).timestamp()}
    except (KeyError, ValueError):
        return {}
