"""An app registration as a form asks for it: what the API is given, and what is said beside a field. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any, Final

from pillarbox.admin.pasted import has_secret
from pillarbox.endpoints.console.calls import Problem
from pillarbox.endpoints.console.words import Said, of_code, of_flaw

if TYPE_CHECKING:
    from pillarbox.endpoints.console.languages import Language
    from pillarbox.endpoints.console.page import Form

_IDS: Final = ("tenant_id", "client_id")
_FIELDS: Final[Mapping[str, str]] = {"/client_secret": "secret", "/ends_at": "ends_on"}
"""Fields that have another name here than in the API."""
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
    """What stands in the fields again: never a secret, and nothing in whose place one was pasted."""
    fields = ("name", *_IDS, "by", "ends_on", "place", "federated", "identity")
    again = {name: "" if has_secret(form.get(name, "")) else form.get(name, "") for name in fields}
    return again | dict.fromkeys(_IDS, "") if problem is not None and problem.code == _SECRET_SHOWN else again


def beside(problem: Problem | None, language: "Language") -> dict[str, str]:
    """What is said beside each field that is wrong; nothing where something concerns the whole form."""
    flaws = problem.flaws if problem else ()
    if not all(flaw["pointer"] and flaw["code"] for flaw in flaws):
        return {}
    said = [(flaw["pointer"], of_flaw(flaw, language)) for flaw in flaws]
    return {_FIELDS.get(at, at.removeprefix("/")): f"{words.sentence} {words.cure}" for at, words in said}


def oddities(added: Mapping[str, Any], language: "Language") -> list[str]:
    """What looks odd about a credential that was kept all the same."""
    said = [of_code(one["code"], {}, Said(one["title"], one["hint"]), language) for one in added["warnings"]]
    return [f"{words.sentence} {words.cure}" for words in said]


def _ends(form: "Form") -> dict[str, float]:
    """The end of a day that a browser's own field for dates gave, in UTC; nothing for what it never gives."""
    try:
        return {"ends_at": datetime.combine(datetime.fromisoformat(form["ends_on"]), time(23, 59, 59), UTC).timestamp()}
    except (KeyError, ValueError):
        return {}
