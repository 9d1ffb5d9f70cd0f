"""What an app asks of the authorize endpoints, and whether it may (facts 2.3; OpenID Connect Core 3.1.2.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import parse_qsl

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.browser.goal import Prompt
from pillarbox.emulator.entra.browser.way_back import Mode, WayBack
from pillarbox.emulator.entra.call import EntraCall
from pillarbox.emulator.entra.pkce import check_challenge
from pillarbox.emulator.entra.redirects import platform_of
from pillarbox.emulator.entra.scopes import OPENID, Scopes, of_resource, parse, refuse_resource
from pillarbox.emulator.entra.tenants import find_app
from pillarbox.emulator.world import App

MODES: Final = ("query", "fragment", "form_post")
PROMPTS: Final = ("", "login", "none", "consent", "select_account")
NOT_EMULATED: Final = (
    "claims",
    "domain_hint",
    "id_token_hint",
    "instance_aware",
    "max_age",
    "mkt",
    "request",
    "request_uri",
    "sid",
    "ui_locales",
)
"""Parameters that change what Entra does, and nothing here."""


@dataclass(frozen=True)
class AuthorizeRequest:
    """A request in which nothing was found wrong; `response_types` are `code`, `id_token` or both."""

    app: App
    tenant_name: str
    response_types: frozenset[str]
    scopes: Scopes
    nonce: str | None
    challenge: str | None
    method: str | None
    prompt: Prompt
    login_hint: str
    client_info: bool
    v1: bool


def parameters(call: EntraCall) -> dict[str, str]:
    """The parameters of the query string or the form; one that comes twice is 9002313 (RFC 6749 section 3.1)."""
    if call.http.method == "POST":
        return call.form
    pairs = parse_qsl(call.http.query_string, keep_blank_values=True)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise EntraError(9002313, "A parameter is given more than once.")
    return fields


def read_app(call: EntraCall, fields: Mapping[str, str]) -> tuple[App, str]:
    """The app, and its redirect URI as it was asked for, which is on the registration: 900971 or 50011 if not."""
    app = find_app(call.world, call.tenant_name, _required(fields, "client_id"))
    redirect_uri = fields.get("redirect_uri")
    if not redirect_uri:
        raise EntraError(900971)
    if platform_of(app, redirect_uri) is None:
        raise EntraError(
            50011,
            f"The redirect URI '{redirect_uri}' specified in the request does not match the redirect URIs configured"
            f" for the application '{app.client_id}'.",
        )
    return app, redirect_uri


def read_way_back(fields: Mapping[str, str], redirect_uri: str) -> WayBack:
    """How the answer is to be sent; a mode that does not fit is told by the usual one of the response type."""
    usual: Mode = "fragment" if "id_token" in fields.get("response_type", "").split() else "query"
    asked = fields.get("response_mode")
    mode = cast(Mode, asked) if _fits(asked, usual) else usual
    return WayBack(redirect_uri, mode, fields.get("state"))


def read_request(call: EntraCall, fields: Mapping[str, str], app: App, way_back: WayBack) -> AuthorizeRequest:
    """What is asked for; each thing that is wrong with it is an EntraError that goes back to the app."""
    types = _response_types(app, fields)
    if fields.get("response_mode") not in (None, way_back.mode):
        raise EntraError(70007, f"'{fields['response_mode']}' is not a supported value of 'response_mode'.")
    challenge, method = fields.get("code_challenge"), fields.get("code_challenge_method")
    check_challenge(challenge, method)
    if challenge is None and platform_of(app, way_back.redirect_uri) == "spa":
        raise EntraError(9002325)
    scopes = _scopes_v1(call, fields) if call.v1 else _scopes(call, fields)
    if "id_token" in types:
        _check_id_token(fields, scopes)
    for name in NOT_EMULATED:
        if fields.get(name):
            call.gap(name)
    return AuthorizeRequest(
        app=app,
        tenant_name=call.tenant_name,
        response_types=types,
        scopes=scopes,
        nonce=fields.get("nonce"),
        challenge=challenge,
        method=method,
        prompt=_prompt(call, fields),
        login_hint=fields.get("login_hint", ""),
        client_info=fields.get("client_info") == "1",
        v1=call.v1,
    )


def _response_types(app: App, fields: Mapping[str, str]) -> frozenset[str]:
    asked = _required(fields, "response_type")
    types = frozenset(asked.split())
    if not types or not types <= {"code", "id_token", "token"}:
        raise EntraError(70005, f"Response type: '{asked}'.")
    if "token" in types:
        raise EntraError(700051)
    if "id_token" in types and not app.issues_id_tokens:
        raise EntraError(700054)
    return types


def _scopes(call: EntraCall, fields: Mapping[str, str]) -> Scopes:
    refuse_resource(fields)
    text = _required(fields, "scope")
    if not text.strip():
        raise EntraError(70011, "Scope: ''.")
    return parse(text, call.base)


def _scopes_v1(call: EntraCall, fields: Mapping[str, str]) -> Scopes:
    """In version 1 a resource stands for all permissions on it; it may also be named when the code is redeemed."""
    openid = " ".join(word for word in fields.get("scope", "").split() if word.lower() in OPENID)
    if fields.get("resource"):
        return of_resource(fields["resource"], openid, call.base)
    return parse(openid, call.base)


def _check_id_token(fields: Mapping[str, str], scopes: Scopes) -> None:
    if "openid" not in scopes.openid:
        raise EntraError(70005, "The response type 'id_token' requires the scope 'openid'.")
    _required(fields, "nonce")


def _prompt(call: EntraCall, fields: Mapping[str, str]) -> Prompt:
    """One word alone; Microsoft takes no lists of them."""
    asked = fields.get("prompt", "")
    if asked in PROMPTS:
        return cast(Prompt, asked)
    if asked in ("create", "admin_consent"):
        call.gap(f"prompt={asked}")
    raise EntraError(90023, "Unsupported 'prompt' value.")


def _fits(mode: str | None, usual: Mode) -> bool:
    return mode in MODES and not (mode == "query" and usual == "fragment")


def _required(fields: Mapping[str, str], name: str) -> str:
    value = fields.get(name)
    if not value:
        raise EntraError(900144, f"The request body must contain the following parameter: '{name}'.")
    return value
