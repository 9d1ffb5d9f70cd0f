"""Microsoft Graph: who calls, may they, and which operation answers."""

import base64
import json
import re
from typing import Any, TypeVar

from pillarbox.emulator.entra.tokens import TokenRefused, TokenRevoked, Tokens
from pillarbox.emulator.faults import Fault, Traits
from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.graph.caller import Caller
from pillarbox.emulator.graph.error import BY_STATUS, GraphError, refusal
from pillarbox.emulator.graph.mail.uploads import SESSIONS, Handler
from pillarbox.emulator.graph.operations import OPERATIONS
from pillarbox.emulator.graph.request import Operation, Request
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.ledger import Ledger
from pillarbox.emulator.router import Key, Match, Router, Word
from pillarbox.emulator.world import GRAPH, World

VERSIONS = ("v1.0", "beta")
OUTLOOK = "api"
"""The first segment of the addresses of upload sessions, which are Outlook's and know no caller."""
Served = TypeVar("Served")
VERSION = re.compile(r"v\d+(\.\d+)?", re.IGNORECASE | re.ASCII)
"""What looks like a version of Graph."""
KEYED = re.compile(r"([\w.]+)\((?:(\w+)=)?'((?:[^']|'')*)'\)")
FUNCTIONS = frozenset(("delta", "getdetailsbyrecipient"))
"""OData functions, in lower case: they alone may have `()`."""
RESERVED = FUNCTIONS | {"getavailableextensionproperties", "getbyids", "validateproperties"}
"""What Graph binds to whole collections, so that it can stand where an identifier can."""
ACTIONS = frozenset(
    (
        *("addkey", "addpassword", "copy", "createforward", "createreply", "createreplyall", "createuploadsession"),
        *("forward", "getmailtips", "move", "removekey", "removepassword", "reply", "replyall", "send", "sendmail"),
    )
)
"""OData actions: they and functions may have a namespace."""
PREFIX = "microsoft.graph."
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
    """Answers all paths under `/v1.0` and `/beta`; what is not there is refused as Graph would, and noted as a gap."""

    def __init__(self, world: World, tokens: Tokens, ledger: Ledger, gaps: Gaps) -> None:
        self._world = world
        self._tokens = tokens
        self._ledger = ledger
        self._gaps = gaps
        self._router: Router[Operation] = Router(
            ((each.method, f"/{version}{each.path}", each) for each in OPERATIONS for version in each.versions),
            RESERVED,
        )
        self._sessions: Router[Handler] = Router(SESSIONS)

    def answer(self, call: Call) -> Answer:
        """The answer to any request; refusals are Graph's error envelope."""
        try:
            answer = self._route(call)
        except GraphError as error:
            if error.gap:
                self._gaps.add(call.method, call.path, error.gap)
            answer = refusal(call, error)
        return self._dress(call, answer)

    def strike(self, call: Call, fault: Fault) -> Answer:
        """The refusal that a rule wants; without a code the usual one of its status."""
        status = fault.status or 500
        code = fault.code or BY_STATUS.get(status, "UnknownError")
        return self._dress(call, refusal(call, GraphError(code, fault.message, status)))

    def template(self, call: Call) -> str | None:
        """The path with its variable parts named, None if it is not emulated; `/me` is told from `/users/{user}`."""
        parts = segments(call)
        match = self._router.find(_as_user(parts, "me"))
        if match is None:
            upload = self._sessions.find(parts)
            return upload.template if upload else None
        return match.template.replace("/users/{user}", "/me", 1) if _is_me(parts) else match.template

    def traits(self, call: Call) -> Traits:
        """What fault rules can look at: mailbox and app are known by all their names."""
        host = call.base.removeprefix("https://")
        try:
            claims = self._claims(call)
        except GraphError:
            claims = {}
        app = str(claims["appid"]) if "appid" in claims else None
        match _as_user(segments(call), str(claims.get("oid", ""))):
            case [_, "users", key, *_]:
                return Traits(call.method, host, call.path, self._names(key), app)
            case [_, _, "users", key, _, _, "AttachmentSessions", _]:
                return Traits(call.method, host, call.path, self._names(key.partition("@")[0]), app)
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
        if call.segments and call.segments[0].lower() == OUTLOOK:
            return self._upload(call)
        caller = self._caller(call)
        if call.too_large:
            raise GraphError("RequestEntityTooLarge")
        if not call.segments or call.segments[0].lower() not in VERSIONS:
            raise GraphError("BadRequest", "Invalid version.")
        parts = segments(call)
        if _is_me(parts) and caller.user is None:
            raise GraphError("BadRequest", "/me request is only valid with delegated authentication flow.")
        parts = _as_user(parts, caller.user.id if caller.user else "")
        operation, match = self._find(call, self._router, parts)
        request = Request(call, caller, match.names, self._world, self._ledger, self._gaps, match.template)
        _check(operation, request)
        return operation.handler(request)

    def _upload(self, call: Call) -> Answer:
        handler, match = self._find(call, self._sessions, segments(call))
        return handler(self._world, call, match.names)

    def _find(self, call: Call, router: Router[Served], parts: list[str]) -> tuple[Served, Match[Served]]:
        """Who serves the path; what is not there is a GraphError and a gap."""
        match = router.find(parts)
        operation = match.handlers.get(call.method) if match else None
        if match and operation is not None:
            return operation, match
        self._gaps.add(call.method, call.path, "method" if match else "path")
        if match:
            raise GraphError("BadRequest", "Specified HTTP method is not allowed for the request target.", 405)
        unknown = router.unknown(parts) if len(parts) > 1 else ""
        raise GraphError("BadRequest", f"Resource not found for the segment '{unknown}'.")

    def _caller(self, call: Call) -> Caller:
        claims = self._claims(call)
        tenant = self._world.tenants.get(claims["tid"])
        caller = Caller.from_claims(claims, tenant) if tenant else None
        if caller is None:
            raise GraphError("InvalidAuthenticationToken", "Access token validation failure. Invalid issuer.")
        return caller

    def _claims(self, call: Call) -> dict[str, Any]:
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        try:
            return self._tokens.verify(token.strip() if scheme.lower() == "bearer" else "", GRAPH, call.now)
        except TokenRevoked as error:
            raise GraphError("InvalidAuthenticationToken", str(error), headers=_claims_challenge(call.now)) from None
        except TokenRefused as error:
            challenge = {"WWW-Authenticate": 'Bearer realm="", authorization_uri="https://login.microsoftonline.com"'}
            raise GraphError("InvalidAuthenticationToken", str(error), headers=challenge) from None


def segments(call: Call) -> list[str]:
    """The path in its plain form: `users('id')` is `users/id`, `applications(appId='x')` is `applications/appId=x`,
    `delta()` is `delta`, `microsoft.graph.sendMail` is `sendMail` (OData URL conventions 4.01, sections 4.3 and 4.5).

    Parentheses and namespace that stand where OData has none are left in place, so that nothing fits them.
    """
    parts: list[str] = []
    for part in call.segments:
        keyed = KEYED.fullmatch(part)
        if keyed:
            word, key, value = keyed.groups()
            value = value.replace("''", "'")
            parts += [_plain(word), Key(f"{key}={value}" if key else value)]
        else:
            parts.append(_plain(part))
    return parts


def _plain(part: str) -> str:
    """A function or action without namespace and parentheses; anything else as it is."""
    bare = part[len(PREFIX) :] if part.lower().startswith(PREFIX) else part
    called = bare.removesuffix("()")
    if called.lower() in FUNCTIONS or bare.lower() in ACTIONS:
        return Word(called) if called != part else part
    return part if called == part else Word(part)


def _is_me(parts: list[str]) -> bool:
    return len(parts) > 1 and parts[1].lower() == "me"


def _as_user(parts: list[str], user: str) -> list[str]:
    return [parts[0], "users", user, *parts[2:]] if _is_me(parts) else parts


def _check(operation: Operation, request: Request) -> None:
    """Refuse who may not; a mailbox that is not there is told only to who may use all of them."""
    caller, needs = request.caller, operation.needs
    allowed = request.may(*needs) if operation.mailbox else caller.holds(*needs)
    if allowed or not needs:
        return
    if operation.mailbox and caller.user and caller.has_shared(*needs):
        text = "The specified object was not found in the store., Default folder Root not found."
        raise GraphError("ErrorItemNotFound", text)
    raise GraphError(operation.denied)


def _claims_challenge(now: float) -> dict[str, str]:
    """The challenge of continuous access evaluation: the client must fetch a token issued from now on."""
    wanted = json.dumps({"access_token": {"nbf": {"essential": True, "value": str(int(now))}}})
    claims = base64.b64encode(wanted.encode()).decode()
    text = f'Bearer realm="", error="insufficient_claims", claims="{claims}"'
    return {"WWW-Authenticate": text}
