"""What a browser brings and gets around a sign-in: the cookie that binds it, and Microsoft's answer in the query.

Used by the service's listener and by the one that a command opens on this machine.
"""

from typing import Final
from urllib.parse import parse_qsl

from pillarbox.admin.sign_in_words import STATE_LIFE, Return

_LONGEST_QUERY: Final = 32768
_FIELDS: Final = ("state", "code", "error", "error_description", "iss")
CONSENTED: Final = ("given", "refused")
"""How an administrator comes back who was asked to agree for everybody."""


def cookie_name(*, secure: bool) -> str:
    """The cookie's name; `__Host-` makes browsers refuse one that another host or plain HTTP has planted."""
    return "__Host-pillarbox-signin" if secure else "pillarbox-signin"


def cookie_header(browser: str, *, secure: bool) -> str:
    """The Set-Cookie header that binds a browser. Lax: it comes along when Microsoft sends the browser back."""
    flags = f"Path=/; Max-Age={STATE_LIFE}; HttpOnly; SameSite=Lax"
    return f"{cookie_name(secure=secure)}={browser}; {flags}{'; Secure' if secure else ''}"


def returned(query: str) -> Return:
    """What the query of a callback says; nothing where Microsoft cannot have sent it: too long, or a field twice."""
    if len(query) > _LONGEST_QUERY:
        return Return()
    try:
        found = parse_qsl(query, keep_blank_values=True, errors="replace", max_num_fields=50)
    except ValueError:
        return Return()
    known = [(name, value) for name, value in found if name in _FIELDS]
    return Return(**dict(known)) if len(known) == len(dict(known)) else Return()


def consented(query: str) -> str:
    """One of CONSENTED where the query of a callback is of an administrator's consent; empty where it is none.

    Microsoft says `admin_consent=True` in refusals too, so `error` is what counts.
    """
    fields = {one.partition("=")[0] for one in query[:_LONGEST_QUERY].split("&")}
    if "admin_consent" not in fields:
        return ""
    return CONSENTED["error" in fields]
