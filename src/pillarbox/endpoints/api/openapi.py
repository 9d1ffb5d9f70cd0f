"""The OpenAPI document, completed: what FastAPI cannot know of a route, as it follows from what all of them share."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from pillarbox.endpoints.api.access import LOCAL_CALLER, PERSON_CALLER, Needs
from pillarbox.endpoints.api.audited import calls_of
from pillarbox.endpoints.api.models import Problem
from pillarbox.endpoints.api.problems import MEDIA_TYPE

PREFIX: Final = "/api/v1/"
_WRITES: Final = frozenset({"post", "put", "patch", "delete"})
_ASKING_MICROSOFT: Final = frozenset({"apps", "connect-links", "doctor", "graph", "mailboxes", "tokens", "vault"})
LOCAL: Final = "local"
PERSON: Final = "person"
_KINDS: Final = {LOCAL_CALLER.dependency: LOCAL, PERSON_CALLER.dependency: PERSON}
"""What stands in the place of a scope where the kind of the caller counts."""
_MEANINGS: Final[Mapping[str, str]] = {
    "address": "Address of a mailbox.",
    "name": "Its name.",
    "credential_id": "Id of a credential, as the list has it.",
    "token_id": "Id of a token, as the list has it.",
    "queue_id": "Id of a message in the outbox.",
    "upload_id": "Id of an upload.",
    "link_id": "Id of a connect link.",
    "state": "Only those in this state.",
    "mailbox": "Only those of the mailbox with this address.",
    "submitter": "Only those of the submitter with this name.",
    "code": "Only those with this error code.",
    "cause": "Only those whose last attempt came to this.",
    "since": "Only those from this moment on, in seconds since 1970.",
    "until": "Only those before this moment, in seconds since 1970.",
    "before": "Only those older than the message with this id.",
    "header": "The header of the message alone.",
    "sender": "Sender of the envelope; without it, who stands in Sender or From.",
    "recipient": "Recipients of the envelope; without them, who stands in To, Cc and Bcc.",
    "send_at": "When to send it, in seconds since 1970; without it, at once.",
    "max_age": "How many seconds to try; without it, as the settings say.",
    "priority": "Its priority among the messages of its mailbox.",
    "transport": "The way that it must take; without it, as its mailbox says.",
    "prefer": "`wait=N`: answer once it is sent or has failed, after N seconds at the latest (RFC 7240).",
    "content-range": "Which bytes these are, such as `bytes 0-1048575/4194304`.",
    "hold": "Whether a person must let it go first.",
    "idempotency-key": "The client's own name of this message: asked again with it, it is sent once.",
}
"""What parameters mean that say nothing themselves, by name."""


def complete(document: dict[str, Any], routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The document with a tag, its scopes, the problems and the meaning of every parameter at each operation."""
    schemas = document["components"]["schemas"]
    schemas |= _problem()
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    scopes = {route.name: list(_scopes(route)) for route in routes if isinstance(route, APIRoute)}
    has_etag = {path for path, call in _calls(document) if _parameter(call, "if-match")}
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            call["tags"] = [_tag(path), *call.get("tags", ())]
            for one in call.get("parameters", ()):
                one.setdefault("description", _MEANINGS.get(one["name"].lower(), ""))
                one["schema"] = _without_null(one["schema"])
            for one in call.get("security", ()):
                one.update(dict.fromkeys(one, scopes[call["operationId"]]))
            call["responses"] = _responses(path, method, call, has_etag)
    return document


def _calls(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        yield from ((path, call) for call in methods.values())


def _tag(path: str) -> str:
    """The resource that a path belongs to."""
    name = path.removeprefix(PREFIX).partition("/")[0].partition(":")[0]
    return "reference" if name == "openapi.json" else name


def _scopes(route: APIRoute) -> Iterator[str]:
    """What a route takes of its caller: OpenAPI 3.1 has a place for it at keys, too (Security Requirement Object)."""
    for call in calls_of(route.dependant):
        if isinstance(call, Needs):
            yield call.scope.value
        elif call in _KINDS:
            yield _KINDS[call]


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a parameter: it is left out, or there, and never null."""
    shapes: list[dict[str, Any]] = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(shapes) != 1:
        return dict(schema)
    return {name: value for name, value in schema.items() if name != "anyOf"} | shapes[0]


def _parameter(call: Mapping[str, Any], name: str) -> bool:
    return any(one["name"].lower() == name for one in call.get("parameters", ()))


def _responses(path: str, method: str, call: Mapping[str, Any], has_etag: set[str]) -> dict[str, Any]:
    """What is said of a call's answers, and the problems that such a call can have."""
    told = {status: answer for status, answer in call["responses"].items() if status != "422"}
    statuses = {*_statuses(path, method, call), *(status for status in told if status >= "4")}
    if method == "get" and path in has_etag:
        told["304"] = {"description": "It is as If-None-Match says"}
    for status, answer in told.items():
        if answer.get("description") == "Successful Response":
            told[status] = {**answer, "description": _PHRASES[status]}
    for status in statuses:
        told[status] = {"description": _PHRASES[status], "content": _PROBLEM}
    return dict(sorted(told.items()))


def _statuses(path: str, method: str, call: Mapping[str, Any]) -> Iterator[str]:
    yield from ("400", "401", "403", "422", "429", "500", "503")
    if call.get("security") or "{" in path:
        yield "404"
    if "requestBody" in call:
        yield from ("413", "415")
    if method in _WRITES:
        yield from ("409", "507")
        if _tag(path) in _ASKING_MICROSOFT:
            yield "502"
    if _parameter(call, "if-match"):
        yield "412"


_PHRASES: Final[Mapping[str, str]] = {
    "200": "Here it is",
    "201": "It was made",
    "202": "It was accepted",
    "204": "It was done",
    "400": "It cannot be read",
    "401": "Who asks is not known",
    "403": "Who asks may not do this",
    "404": "There is no such thing",
    "409": "It is not in a state in which this can be done",
    "410": "It is over",
    "412": "It was changed since it was read",
    "413": "It is too large",
    "415": "The body is of another kind than this call takes",
    "422": "What was given cannot be right",
    "429": "Too much at once",
    "500": "A mistake in Pillarbox",
    "502": "Microsoft refused, or could not be reached",
    "503": "Not now",
    "507": "There is no room",
}
_PROBLEM: Final = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def _problem() -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    parts: dict[str, Any] = schema.pop("$defs")
    return {"Problem": schema, **parts}
