"""Microsoft Graph: who calls, may they, and which service answers."""

import base64
import json
import re
from enum import StrEnum
from typing import Any

from pillarbox.emulator.faults import Fault, Traits
from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.graph_error import BY_STATUS, GraphError, refusal
from pillarbox.emulator.graph_mail import Reader
from pillarbox.emulator.graph_send import Sender
from pillarbox.emulator.graph_users import show_user
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.ledger import Ledger
from pillarbox.emulator.mailbox import Mailbox
from pillarbox.emulator.tokens import TokenRefused, TokenRevoked, Tokens
from pillarbox.emulator.world import Tenant, User, World

KEYED = re.compile(r"(\w+)\('([^']+)'\)")
READ = ("Mail.Read", "Mail.ReadWrite")
READ_BASIC = ("Mail.ReadBasic.All", "Mail.ReadBasic")
DIRECTORY = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
DIAGNOSTIC = json.dumps(
    {
        "ServerInfo": {
            "DataCenter": "West Europe",
            "Slice": "E",
            "Ring": "5",
            "ScaleUnit": "001",
            "RoleInstance": "EMULATOR00000001",
        }
    },
    separators=(",", ":"),
)


class Graph:
    """Answers all paths under `/v1.0`; what is not there is refused as Graph would, and noted as a gap."""

    def __init__(self, world: World, tokens: Tokens, ledger: Ledger, gaps: Gaps) -> None:
        self._world = world
        self._tokens = tokens
        self._gaps = gaps
        self._sender = Sender(world, ledger)
        self._reader = Reader(gaps)

    def answer(self, call: Call) -> Answer:
        """The answer to any request; refusals are Graph's error envelope."""
        try:
            answer = self._route(call)
        except GraphError as error:
            answer = refusal(call, error)
        return self._dress(call, answer)

    def strike(self, call: Call, fault: Fault) -> Answer:
        """The refusal that a rule wants; without a code the usual one of its status."""
        status = fault.status or 500
        code = fault.code or BY_STATUS.get(status, "UnknownError")
        return self._dress(call, refusal(call, GraphError(code, fault.message, status)))

    def template(self, call: Call) -> str | None:
        """The path with its variable parts named, None if it is not emulated."""
        return template(call)

    def traits(self, call: Call) -> Traits:
        """What fault rules can look at: mailbox and app are known by all their names."""
        host = call.base.removeprefix("https://")
        try:
            app = str(self._claims(call)["appid"])
        except GraphError:
            app = None
        match segments(call):
            case ["users", key, *_]:
                return Traits(call.method, host, call.path, self._names(key), app)
        return Traits(call.method, host, call.path, app=app)

    def _names(self, key: str) -> frozenset[str]:
        users = [tenant.user(key) or tenant.user_by_address(key) for tenant in self._world.tenants.values()]
        known = [name.casefold() for user in users if user for name in (user.id, *user.addresses)]
        return frozenset([key.casefold(), *known])

    def _dress(self, call: Call, answer: Answer) -> Answer:
        """Add the headers that every answer of Graph has (facts 3.1)."""
        answer.headers["request-id"] = call.request_id
        answer.headers["client-request-id"] = call.client_request_id or call.request_id
        answer.headers["x-ms-ags-diagnostic"] = DIAGNOSTIC
        return answer

    def _route(self, call: Call) -> Answer:
        claims = self._claims(call)
        if call.too_large:
            raise GraphError("RequestEntityTooLarge")
        tenant = self._world.tenants.get(claims["tid"])
        if tenant is None:
            raise GraphError("InvalidAuthenticationToken", "Access token validation failure. Invalid issuer.")
        match call.method, template(call):
            case _, Template.ME:
                raise GraphError("BadRequest", "/me request is only valid with delegated authentication flow.")
            case "GET", Template.USER:
                return self._user(call, claims, tenant)
            case "POST", Template.SEND:
                _need(claims, "ErrorAccessDenied", "Mail.Send")
                user, _ = _mailbox(call, tenant)
                return self._sender.send(call, tenant, user, claims["appid"])
            case "GET", Template.MIME:
                _need(claims, "ErrorAccessDenied", *READ)
                return self._read(call, claims, tenant)
            case "GET", Template.MESSAGES | Template.MESSAGE | Template.FOLDER:
                _need(claims, "ErrorAccessDenied", *READ, *READ_BASIC)
                return self._read(call, claims, tenant)
        self._gaps.add(call.method, call.path, "path")
        raise GraphError("BadRequest", f"Resource not found for the segment '{(call.segments[1:] or [''])[-1]}'.")

    def _claims(self, call: Call) -> dict[str, Any]:
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        try:
            return self._tokens.verify(token.strip() if scheme.lower() == "bearer" else "", call.now)
        except TokenRevoked as error:
            raise GraphError("InvalidAuthenticationToken", str(error), headers=_claims_challenge(call.now)) from None
        except TokenRefused as error:
            challenge = {"WWW-Authenticate": 'Bearer realm="", authorization_uri="https://login.microsoftonline.com"'}
            raise GraphError("InvalidAuthenticationToken", str(error), headers=challenge) from None

    def _user(self, call: Call, claims: dict[str, Any], tenant: Tenant) -> Answer:
        _need(claims, "Authorization_RequestDenied", *DIRECTORY)
        key = segments(call)[1]
        user = tenant.user(key)
        if user is None:
            text = f"Resource '{key}' does not exist or one of its queried reference-property objects are not present."
            raise GraphError("Request_ResourceNotFound", text, 404)
        return Answer.json(show_user(call, user, self._gaps))

    def _read(self, call: Call, claims: dict[str, Any], tenant: Tenant) -> Answer:
        bodies = any(role in claims["roles"] for role in READ)
        _, mailbox = _mailbox(call, tenant)
        return self._reader.answer(call, mailbox, segments(call)[2:], bodies=bodies)


class Template(StrEnum):
    """The paths that are emulated, variable parts named."""

    ME = "/v1.0/me"
    USER = "/v1.0/users/{id}"
    SEND = "/v1.0/users/{id}/sendMail"
    MESSAGES = "/v1.0/users/{id}/messages"
    MESSAGE = "/v1.0/users/{id}/messages/{id}"
    MIME = "/v1.0/users/{id}/messages/{id}/$value"
    FOLDER = "/v1.0/users/{id}/mailFolders/{id}/messages"


SHAPES = {tuple(each.lower().split("/")[2:]): each for each in Template}


def template(call: Call) -> Template | None:
    """Which of the emulated paths that is; None for any other."""
    match call.segments, segments(call):
        case ["v1.0", "me", *_], _:
            return Template.ME
        case ["v1.0", *_], parts:
            # Names and ids take turns in all paths of Graph mail.
            names = (part.lower().removeprefix("microsoft.graph.") for part in parts)
            return SHAPES.get(tuple(name if place % 2 == 0 else "{id}" for place, name in enumerate(names)))
    return None


def segments(call: Call) -> list[str]:
    """The path after the version, `users('id')` written as `users/id` (OData URL conventions 4.01, section 4.3)."""
    parts: list[str] = []
    for part in call.segments[1:]:
        keyed = KEYED.fullmatch(part)
        parts += keyed.groups() if keyed else [part]
    return [parts[0].lower(), *parts[1:]] if parts else []


def _need(claims: dict[str, Any], code: str, *roles: str) -> None:
    if not any(role in claims.get("roles", ()) for role in roles):
        raise GraphError(code)


def _mailbox(call: Call, tenant: Tenant) -> tuple[User, Mailbox]:
    key = segments(call)[1]
    user = tenant.user(key) or tenant.user_by_address(key)
    if user is None:
        raise GraphError("ErrorInvalidUser", f"The requested user '{key}' is invalid.", 404)
    if user.open_mailbox is None:
        raise GraphError("MailboxNotEnabledForRESTAPI")
    return user, user.open_mailbox


def _claims_challenge(now: float) -> dict[str, str]:
    """The challenge of continuous access evaluation: the client must fetch a token issued from now on."""
    wanted = json.dumps({"access_token": {"nbf": {"essential": True, "value": str(int(now))}}})
    claims = base64.b64encode(wanted.encode()).decode()
    text = f'Bearer realm="", error="insufficient_claims", claims="{claims}"'
    return {"WWW-Authenticate": text}
