"""The values that people copy out of Microsoft's portal, checked for the mistakes that they make. Pure.

What comes out is clean; what cannot be right is refused in words. A value that might be a secret is never shown.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote
from uuid import UUID

from pillarbox.core.accounts import AppRegistration
from pillarbox.core.errors import InvalidInput, PillarboxError
from pillarbox.core.flaws import Flaws, at
from pillarbox.core.vault import Secret

_GUID: Final = re.compile(r"(?<![0-9A-Za-z-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9A-Za-z-])")
_BARE_GUID: Final = re.compile(r"(?<![0-9A-Za-z-])[0-9a-fA-F]{32}(?![0-9A-Za-z-])")
_DOMAIN: Final = re.compile(r"(?=.{1,253}$)(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}")
_INVISIBLE: Final = dict.fromkeys(
    [0xAD, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF]
)
"""Soft hyphen, zero widths, marks of direction, byte order mark: copied along, and seen by nobody."""
_DASHES: Final = dict.fromkeys([*range(0x2010, 0x2016), 0x2212], "-")
"""What word processors make of a hyphen."""
_PASTE_MARK: Final = re.compile(r"\x1b\[20[01]~")
"""What a terminal writes around a paste (xterm: bracketed paste mode)."""
_QUOTES: Final = "\"'`´‘’‚‛“”„«»‹›「」"
_LABEL: Final = re.compile(
    r"(?:(?:application|directory|primary|pillarbox|azure|\(?client\)?|\(?tenant\)?|app|secret)[ _-]?){0,3}"
    r"(?:id|value|secret|password|domain)\s*[:=：]\s*"
    r"|[^:=：]{0,40}[^\W\x00-\x7f][^:=：]{0,40}[:=：]\s*",
    re.IGNORECASE,
)
"""The name of the field before the value, as the portal writes it in any language, a note or a .env file."""
_OBJECT: Final = re.compile(r"object[ _-]?id", re.IGNORECASE)
_HOST: Final = re.compile(r"(?:https?://)?((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})(?::\d+)?(?:/+|$)", re.IGNORECASE)
_SECRET_LIKE: Final = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9~._+/=-]{30,64}")
_SECRET: Final = re.compile(r"[A-Za-z0-9~._-]{3}[0-9]Q~[A-Za-z0-9~._-]{20,}")
"""The form that Entra ID has given client secrets for years."""
_AROUND: Final = re.compile(r"[\s\"'`´‘’‚‛“”„«»‹›「」(){}\[\]<>,;:]+")
_SHORTEST: Final = 30
_LONGEST: Final = 64
_FOR_ALL: Final = frozenset({"common", "organizations", "consumers"})
_PERSONAL: Final = frozenset({"9188040d-6c67-4c5b-b112-36a304b66dad", "outlook.com", "hotmail.com", "live.com"})
"""Personal accounts: their tenant (https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference, tid),
and the domains of their addresses."""
_HOSTS: Final = re.compile(
    r".+\.(?:microsoftonline(?:-p)?\.(?:com|us|cn|de)|windows\.net|microsoft\.(?:com|us)|azure\.(?:com|us|cn)"
    r"|chinacloudapi\.cn|live\.com|office\.com|office365\.(?:com|us))",
    re.IGNORECASE,
)
"""Microsoft's own hosts: sign-in pages and portals."""
CLIENT_ID: Final = "client ID"
TENANT_ID: Final = "tenant ID"
SECRET: Final = "client secret"
CLIENT: Final = "/client_id"
TENANT: Final = "/tenant_id"
"""Where both stand in what the API is given."""


def ids(tenant_id: str, client_id: str, known: Iterable[AppRegistration] = ()) -> tuple[str, str]:
    """Tenant and client ID, clean. `known` are the registrations that are there. Raises InvalidInput."""
    flaws = Flaws()
    # First of all: whatever else is wrong, a secret that was shown must be known to be lost.
    with at(CLIENT):
        _refuse_secret(client_id, CLIENT_ID)
    with at(TENANT):
        _refuse_secret(tenant_id, TENANT_ID)
    with flaws.collected(CLIENT):
        client = check_client_id(client_id)
    with flaws.collected(TENANT):
        tenant = check_tenant_id(tenant_id)
    flaws.tell()
    if client.lower() == tenant.lower():
        raise InvalidInput("app.same_ids", pointer=CLIENT)
    for other in known:
        for value, its, field in ((client, other.tenant_id, TENANT_ID), (tenant, other.client_id, CLIENT_ID)):
            if value.lower() == its.lower():
                raise InvalidInput("app.ids_swapped", value=value, is_field=field, other=other.name)
    return tenant, client


def check_client_id(given: str) -> str:
    """A client ID, clean. Raises InvalidInput."""
    _refuse_secret(given, CLIENT_ID)
    plain = _plain_id(given)
    if found := _guid(plain, CLIENT_ID, r"(?:app(?:lication)?id|client_id)[/=]"):
        return found
    raise InvalidInput("app.bad_client_id", value=shown(clean(plain, CLIENT_ID)))


def check_tenant_id(given: str) -> str:
    """A tenant ID or a tenant's domain, clean. Raises InvalidInput."""
    _refuse_secret(given, TENANT_ID)
    plain = _plain_id(given)
    before = r"(?:tenant(?:id)?[/=]|(?:^|/)login\.[a-z.]+/|(?:^|/)sts\.windows\.net/)"
    found = _guid(plain, TENANT_ID, before) or _tenant_word(clean(plain, TENANT_ID))
    if found.lower() in _PERSONAL:
        raise InvalidInput("app.personal_tenant", value=found)
    return found


def secret(given: Secret, name: str) -> tuple[Secret, list[PillarboxError]]:
    """A client secret, clean, and what looks odd about it. Raises InvalidInput."""
    text = clean(given.reveal(), SECRET)
    if _is_id(text):
        # The mistake behind most AADSTS7000215: the column Secret ID stands beside the column Value.
        raise InvalidInput("app.secret_is_id")
    if not text:
        raise InvalidInput("app.no_secret")
    if any(mask in text for mask in ("***", "•••", "●●●")):
        raise InvalidInput("app.secret_masked")
    if wrong := next((_wrong_character(each) for each in text if not "!" <= each <= "~"), ""):
        raise InvalidInput("app.secret_characters", what=wrong)
    odd: list[PillarboxError] = []
    if len(text) < _SHORTEST:
        odd.append(InvalidInput("app.secret_short", length=len(text), name=name))
    if len(text) > _LONGEST:
        odd.append(InvalidInput("app.secret_long", length=len(text), name=name))
    return Secret(text), odd


def visible(text: str) -> str:
    """Without signs that nobody sees, marks of a paste, and blanks around it."""
    return _PASTE_MARK.sub("", text).translate(_INVISIBLE).strip()


def clean(text: str, field: str) -> str:
    """Without what is copied along: also quotes around it and the name of its field. Raises InvalidInput."""
    plain = visible(text)
    if re.search(r"[\r\n\t]", plain):
        raise InvalidInput("app.several_values", field=field)
    label = _LABEL.match(plain)
    value = plain[label.end() if label else 0 :].strip()
    if value[:1] in _QUOTES:
        value = value.rstrip(",;")
    return value.strip(_QUOTES).strip()


def has_secret(text: str) -> bool:
    """Whether a client secret of Entra ID stands in it: then it is neither shown again nor written down."""
    return _SECRET.search(text) is not None


def shown(text: str) -> str:
    """A value that was refused, cut to its beginning: it may be a secret with something around it."""
    return text if len(text) <= 16 else f"{text[:3]}..."


def _tenant_word(text: str) -> str:
    """The tenant's domain, perhaps in the address of a sign-in page. Raises InvalidInput for every other word."""
    host = _HOST.match(text)
    of_microsoft = host is not None and _HOSTS.fullmatch(host[1])
    word = re.split(r"[/?#]", text[host.end() if host and of_microsoft else 0 :])[0]
    if word.lower() in _FOR_ALL:
        raise InvalidInput("app.no_tenant", value=word.lower())
    if host and of_microsoft and not _DOMAIN.fullmatch(word):
        raise InvalidInput("app.host_as_tenant", value=host[1].lower())
    if not _DOMAIN.fullmatch(word):
        raise InvalidInput("app.bad_tenant_id", value=shown(text))
    return word


def _plain_id(given: str) -> str:
    """An ID as it would be typed: full-width letters and long dashes are others'. Raises InvalidInput."""
    plain = unicodedata.normalize("NFKC", visible(given)).translate(_DASHES)
    if _OBJECT.match(plain):
        raise InvalidInput("app.object_id")
    return plain


def _guid(text: str, field: str, before: str) -> str:
    """The number in a text that is meant: the one that is named so, or the only one; empty where there is none."""
    plain = unquote(text)
    named = {found.lower() for found in re.findall(rf"(?i){before}({_GUID.pattern})", plain)}
    meant = named or _guids(plain)
    if len(meant) > 1 or ("://" in plain and not meant and field == CLIENT_ID):
        raise InvalidInput("app.unclear_url" if "://" in plain else "app.several_values", field=field)
    found: str = next(iter(meant), "")
    if found and not named and re.search(rf"(?i)object_?id[/=]{found}", plain):
        raise InvalidInput("app.object_id")
    return found


def _guids(text: str) -> set[str]:
    """All that a text holds; those without hyphens only where there is no other."""
    whole = {found.lower() for found in _GUID.findall(text)}
    return whole or {str(UUID(found)) for found in _BARE_GUID.findall(text)}


def _is_id(text: str) -> bool:
    """Whether a GUID, and nothing that might be a secret, was given as secret: its label is in any language."""
    return bool(_guids(text)) and not re.search(r"[!-~]{16}", _BARE_GUID.sub("", _GUID.sub("", text)))


def _wrong_character(character: str) -> str:
    if character.isspace():
        return "a blank"
    return "a character that is not ASCII" if character.isprintable() else "a control character"


def _refuse_secret(given: str, field: str) -> None:
    """Refuse what looks like a client secret, alone or with something around it."""
    text = _GUID.sub("", visible(given))
    # The path and the parameters of an address are long words too.
    words = [] if _HOST.match(text) else [clean(each, field) for each in _AROUND.split(text)]
    if has_secret(text) or any(map(_SECRET_LIKE.fullmatch, words)):
        raise InvalidInput("app.secret_as_id", field=field)
