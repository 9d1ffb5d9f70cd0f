"""Microsoft Entra ID: the token endpoints (client credentials with a secret) and the way to the discovery documents."""

import base64
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_plus

from pillarbox.emulator.entra import aadsts, discovery
from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.tokens import Tokens
from pillarbox.emulator.faults import Fault, Traits
from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.ids import is_guid
from pillarbox.emulator.ledger import Ledger
from pillarbox.emulator.world import GRAPH, App, ServicePrincipal, Tenant, World

COMMON = ("common", "organizations", "consumers")
DEFAULT = "/.default"
NO_STORE = {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"}
KNOWN_GRANTS = (
    "authorization_code",
    "refresh_token",
    "password",
    "device_code",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
)
"""Grants that Entra has and the emulator has not: refused like unknown ones, and noted as a gap."""


class Entra:
    """Answers all paths of the authority host."""

    def __init__(self, world: World, tokens: Tokens, ledger: Ledger, gaps: Gaps) -> None:
        self._world = world
        self._tokens = tokens
        self._ledger = ledger
        self._gaps = gaps
        self._codes = aadsts.read_codes()

    def answer(self, call: Call) -> Answer:
        """The answer to any request; refusals carry AADSTS codes."""
        try:
            answer = self._route(call)
        except EntraError as error:
            answer = self._refuse(call, error)
        return self._dress(call, answer)

    def strike(self, call: Call, fault: Fault) -> Answer:
        """The refusal that a rule wants; without an AADSTS number it has no body, as from a proxy in front of Entra."""
        number = (fault.code or "").removeprefix("AADSTS")
        answer = self._refuse(call, EntraError(int(number), fault.message or "")) if number.isdecimal() else Answer(0)
        answer.status = fault.status or answer.status
        if template(call) in (Template.TOKEN, Template.TOKEN_V1):
            self._ledger.tokens[f"fault {answer.code or answer.status}"] += 1
        return self._dress(call, answer)

    def template(self, call: Call) -> str | None:
        """The path with its variable parts named, None if it is not emulated."""
        return template(call)

    def traits(self, call: Call) -> Traits:
        """What fault rules can look at."""
        try:
            app = _client(call)[0]
        except EntraError:
            app = None
        return Traits(call.method, call.base.removeprefix("https://"), call.path, app=app)

    def _refuse(self, call: Call, error: EntraError) -> Answer:
        # A rule may name a number that the table lacks: clients must bear unknown ones.
        code = self._codes.get(error.number) or aadsts.Code(error.number, "server_error", 400, "Refused.", False)
        now, entropy, correlation = call.now, self._world.entropy, call.client_request_id
        return aadsts.refusal(code, error.detail, base=call.base, correlation=correlation, now=now, entropy=entropy)

    def _dress(self, call: Call, answer: Answer) -> Answer:
        """Add the headers that every answer of Entra has."""
        answer.headers |= NO_STORE | {"x-ms-request-id": call.request_id}
        if call.client_request_id:
            answer.headers["client-request-id"] = call.client_request_id
        return answer

    def _route(self, call: Call) -> Answer:
        tenant = call.segments[0].lower() if call.segments else ""
        match template(call):
            case Template.INSTANCE:
                return Answer.json(discovery.instances(call))
            case Template.CONFIGURATION:
                return Answer.json(discovery.openid_configuration(call.base, self._tenant_name(tenant)))
            case Template.CONFIGURATION_V1:
                return Answer.json(discovery.openid_configuration_v1(call.base, self._tenant_name(tenant)))
            case Template.KEYS:
                return Answer.json(discovery.keys(self._tokens.key, call.base))
            case Template.TOKEN:
                return self._token(call, tenant, v1=False)
            case Template.TOKEN_V1:
                return self._token(call, tenant, v1=True)
        self._gaps.add(call.method, call.path, "path")
        return Answer(404)

    def _token(self, call: Call, tenant: str, *, v1: bool) -> Answer:
        try:
            answer = self._grant(call, tenant, v1=v1)
        except EntraError as error:
            self._ledger.tokens[f"AADSTS{error.number}"] += 1
            raise
        self._ledger.tokens["issued"] += 1
        return answer

    def _grant(self, call: Call, tenant_name: str, *, v1: bool) -> Answer:
        if call.method != "POST":
            raise EntraError(900561)
        grant = _required(call, "grant_type")
        if grant != "client_credentials":
            if grant in KNOWN_GRANTS:
                self._gaps.add(call.method, call.path, f"grant_type={grant}")
            raise EntraError(70003, f"grant_type: '{grant}'.")
        client_id, secret = _client(call)
        tenant = self._tenant(tenant_name)
        app, principal = _app(tenant, client_id)
        wanted = self._wanted(call, v1=v1)
        self._authenticate(call, app, secret)
        audience = _audience(wanted, call.base, tenant)
        token = self._tokens.app_token(tenant, principal, GRAPH, audience, call.now, "secret")
        return Answer.json(_granted(token, audience, self._tokens.lifetime, call.now, v1=v1))

    def _tenant_name(self, name: str) -> str:
        return name if name in COMMON else self._tenant(name).id

    def _tenant(self, name: str) -> Tenant:
        if name in COMMON:
            raise EntraError(50059)
        if not is_guid(name) and not _is_domain(name):
            raise EntraError(900023, f"Tenant: '{name}'.")
        tenant = self._world.tenant(name)
        if tenant is None:
            raise EntraError(90002, f"Tenant: '{name}'.")
        return tenant

    def _wanted(self, call: Call, *, v1: bool) -> str:
        if v1:
            return _required(call, "resource")
        if "resource" in call.form:
            raise EntraError(901002)
        scopes = _required(call, "scope").split()
        if len(scopes) != 1:
            raise EntraError(70011, f"Scope: '{' '.join(scopes)}'.")
        if not scopes[0].endswith(DEFAULT):
            raise EntraError(1002012, f"Scope: '{scopes[0]}'.")
        return scopes[0].removesuffix(DEFAULT)

    def _authenticate(self, call: Call, app: App, value: str | None) -> None:
        if not value:
            if "client_assertion" in call.form:
                self._gaps.add(call.method, call.path, "client_assertion")
            raise EntraError(7000218)
        secret = app.matching(value)
        if secret is None:
            raise EntraError(7000215, f"App: '{app.client_id}'.")
        if secret.ended(call.now):
            raise EntraError(7000222, f"App: '{app.client_id}'.")


class Template(StrEnum):
    """The paths that are emulated, variable parts named."""

    INSTANCE = "/common/discovery/instance"
    CONFIGURATION = "/{tenant}/v2.0/.well-known/openid-configuration"
    CONFIGURATION_V1 = "/{tenant}/.well-known/openid-configuration"
    KEYS = "/{tenant}/discovery/keys"
    TOKEN = "/{tenant}/oauth2/v2.0/token"
    TOKEN_V1 = "/{tenant}/oauth2/token"


def template(call: Call) -> Template | None:
    """Which of the emulated paths that is; None for any other."""
    match [part.lower() for part in call.segments]:
        case ["common", "discovery", "instance"]:
            return Template.INSTANCE
        case [_, "v2.0", ".well-known", "openid-configuration"]:
            return Template.CONFIGURATION
        case [_, ".well-known", "openid-configuration"]:
            return Template.CONFIGURATION_V1
        case [_, "discovery", "v2.0", "keys"] | [_, "discovery", "keys"] | ["discovery", "keys"]:
            return Template.KEYS
        case [_, "oauth2", "v2.0", "token"]:
            return Template.TOKEN
        case [_, "oauth2", "token"]:
            return Template.TOKEN_V1
    return None


def _required(call: Call, name: str) -> str:
    value = call.form.get(name)
    if not value:
        raise EntraError(900144, f"Parameter: '{name}'.")
    return value


def _client(call: Call) -> tuple[str, str | None]:
    """Client id and secret from HTTP Basic (form-encoded inside, RFC 6749 section 2.3.1) or from the form."""
    scheme, _, credentials = call.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return _required(call, "client_id"), call.form.get("client_secret")
    try:
        name, _, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:
        raise EntraError(9002313) from None
    return unquote_plus(name), unquote_plus(secret)


def _app(tenant: Tenant, client_id: str) -> tuple[App, ServicePrincipal]:
    app = tenant.apps.get(client_id.lower())
    if app is None:
        raise EntraError(700016, f"App: '{client_id}'. Directory: '{tenant.name}'.")
    if app.principal is None:
        raise EntraError(7000229, f"App: '{client_id}'. Directory: '{tenant.name}'.")
    if not app.principal.enabled:
        raise EntraError(7000112, f"App: '{client_id}'.")
    return app, app.principal


def _audience(wanted: str, base: str, tenant: Tenant) -> str:
    """The `aud` for a resource: Graph by its address or app id, or by the emulator's own address."""
    if wanted.lower() == GRAPH.client_id:
        return GRAPH.client_id
    # `https://graph.microsoft.com//.default` asks for the resource with its slash; both are the same here.
    if wanted.rstrip("/").lower() in (GRAPH.identifiers[0], base.lower()):
        return GRAPH.identifiers[0]
    raise EntraError(500011, f"Resource: '{wanted}'. Directory: '{tenant.name}'.")


def _granted(token: str, resource: str, lifetime: int, now: float, *, v1: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime}
    if v1:
        # The v1 endpoint sends numbers as strings (facts 2.7).
        answer |= {"expires_on": int(now) + lifetime, "not_before": int(now)}
        answer = {name: str(value) for name, value in answer.items()} | {"resource": resource}
    return answer | {"access_token": token}


def _is_domain(name: str) -> bool:
    return "." in name and all(part.replace("-", "").isalnum() for part in name.split("."))
