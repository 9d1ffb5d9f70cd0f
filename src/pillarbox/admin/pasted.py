"""The values that people copy out of Microsoft's portal, checked for the mistakes that they make. Pure.

What comes out is clean; what cannot be right is refused in words. A value that might be a secret is never shown.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote

from pillarbox.core.accounts import AppRegistration
from pillarbox.core.errors import InvalidInput, PillarboxError
from pillarbox.core.vault import Secret

GUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DOMAIN: Final = re.compile(r"(?=.{1,253}$)(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}")
_INVISIBLE: Final = dict.fromkeys(
    [0xAD, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xFEFF]
)
"""Soft hyphen, zero widths, marks of direction, byte order mark: copied along, and seen by nobody."""
_QUOTES: Final = "\"'`´‘’‚‛“”„«»‹›「」"
_LABEL: Final = re.compile(
    r"(?:(?:application|directory|pillarbox|azure|\(?client\)?|\(?tenant\)?|app|secret)[ _-]?){0,3}"
    r"(?:id|value|secret|password)\s*[:=]\s*",
    re.IGNORECASE,
)
"""The name of the field, as the portal, a note or a .env file writes it before the value."""
_OBJECT: Final = re.compile(r"object[ _-]?id", re.IGNORECASE)
_SECRET_LIKE: Final = re.compile(r"(?![0-9a-fA-F-]*$)[A-Za-z0-9~._+/=-]{30,64}")
_COMMON: Final = re.compile(r"(?:https://login\.[a-z.]+/)?(common|organizations|consumers)(?:/.*)?", re.IGNORECASE)
_SHORTEST: Final = 30
_FARTHEST: Final = 2 * 366 * 86400.0
CLIENT_ID: Final = "client ID"
TENANT_ID: Final = "tenant ID"
SECRET: Final = "client secret"


def ids(tenant_id: str, client_id: str, known: Iterable[AppRegistration] = ()) -> tuple[str, str]:
    """Tenant and client ID, clean. `known` are the registrations that are there. Raises InvalidInput."""
    client, tenant = _client_id(client_id), _tenant_id(tenant_id)
    if client.lower() == tenant.lower():
        raise InvalidInput("app.same_ids")
    for other in known:
        for value, its, field in ((client, other.tenant_id, TENANT_ID), (tenant, other.client_id, CLIENT_ID)):
            if value.lower() == its.lower():
                raise InvalidInput("app.ids_swapped", value=value, is_field=field, other=other.name)
    return tenant, client


def secret(given: Secret, name: str) -> tuple[Secret, list[PillarboxError]]:
    """A client secret, clean, and what looks odd about it. Raises InvalidInput."""
    text = _clean(given.reveal(), SECRET)
    if not text:
        raise InvalidInput("app.no_secret")
    if GUID.fullmatch(text):
        # The mistake behind most AADSTS7000215: the column Secret ID stands beside the column Value.
        raise InvalidInput("app.secret_is_id")
    if "***" in text or "•••" in text:
        raise InvalidInput("app.secret_masked")
    short = [InvalidInput("app.secret_short", length=len(text), name=name)] if len(text) < _SHORTEST else []
    return Secret(text), [*short]


def end_date(ends_at: float | None, now: float) -> list[PillarboxError]:
    """What looks odd about the end date of a secret. Raises InvalidInput for one in the past."""
    if ends_at is None:
        return []
    if ends_at <= now:
        raise InvalidInput("app.end_past", date=day(ends_at))
    return [InvalidInput("app.end_far", date=day(ends_at))] if ends_at > now + _FARTHEST else []


def date(text: str) -> float | None:
    """The seconds since 1970 of an ISO date (its begin, in UTC) or time; None for nothing. Raises InvalidInput."""
    plain = _clean(text, "date")
    if not plain:
        return None
    try:
        found = datetime.fromisoformat(plain)
        seconds = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except ValueError:
        seconds = -1.0
    if seconds < 0:
        raise InvalidInput("app.bad_date", value=_shown(plain))
    return seconds


def day(seconds: float) -> str:
    """The day of a time, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _client_id(given: str) -> str:
    _refuse_object(given)
    text = _clean(given, CLIENT_ID)
    if "://" in text:
        text = _from_url(text, CLIENT_ID, r"(?:app(?:lication)?id|client_id)[/=]")
    if GUID.fullmatch(text):
        return text
    _refuse_secret(text, CLIENT_ID)
    raise InvalidInput("app.bad_client_id", value=_shown(text))


def _tenant_id(given: str) -> str:
    _refuse_object(given)
    text = _clean(given, TENANT_ID)
    if for_all := _COMMON.fullmatch(text):
        raise InvalidInput("app.no_tenant", value=for_all[1].lower())
    if "://" in text:
        text = _from_url(text, TENANT_ID, r"(?:tenant(?:id)?[/=]|://login\.[a-z.]+/|://sts\.windows\.net/)")
    if GUID.fullmatch(text) or _DOMAIN.fullmatch(text):
        return text
    _refuse_secret(text, TENANT_ID)
    raise InvalidInput("app.bad_tenant_id", value=_shown(text))


def _clean(text: str, field: str) -> str:
    """Without what is copied along: blanks and quotes around it, signs that nobody sees, the name of its field."""
    plain = text.translate(_INVISIBLE).strip()
    if re.search(r"[\r\n\t]", plain):
        raise InvalidInput("app.several_values", field=field)
    label = _LABEL.match(plain)
    return plain[label.end() if label else 0 :].strip().strip(_QUOTES).strip()


def _from_url(url: str, field: str, before: str) -> str:
    """The number in an address of the portal that is meant: the one that is named so, or the only one."""
    plain = unquote(url)
    named = {found.lower() for found in re.findall(rf"(?i){before}({GUID.pattern})", plain)}
    every = {found.lower() for found in GUID.findall(plain)}
    meant = named or every
    if len(meant) != 1:
        raise InvalidInput("app.unclear_url", field=field)
    found: str = meant.pop()
    if not named and re.search(rf"(?i)object_?id[/=]{found}", plain):
        raise InvalidInput("app.object_id")
    return found


def _refuse_object(text: str) -> None:
    if _OBJECT.match(text.translate(_INVISIBLE).strip()):
        raise InvalidInput("app.object_id")


def _refuse_secret(text: str, field: str) -> None:
    if _SECRET_LIKE.fullmatch(text):
        raise InvalidInput("app.secret_as_id", field=field)


def _shown(text: str) -> str:
    """A value that was refused, cut to its beginning: it may be a secret with something around it."""
    return text if len(text) <= 16 else f"{text[:3]}..."
