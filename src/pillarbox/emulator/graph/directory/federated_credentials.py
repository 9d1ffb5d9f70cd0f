"""Federated credentials of an app: tokens of other issuers that are taken in place of a secret (facts 5.8)."""

import re
from typing import Any

from pillarbox.emulator.graph import odata
from pillarbox.emulator.graph.directory.answers import collection, entity, kind, single
from pillarbox.emulator.graph.directory.body import Body
from pillarbox.emulator.graph.directory.lookup import (
    READ_APPS,
    WRITE_APPS,
    bad_request,
    find_app,
    find_own_app,
    not_found,
    operation,
    taken,
)
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.request import Request
from pillarbox.emulator.http import Answer
from pillarbox.emulator.ids import guid
from pillarbox.emulator.world import App, FederatedCredential

TYPE = kind(
    "microsoft.graph.federatedIdentityCredential",
    {"id": odata.STRING, "name": odata.STRING, "issuer": odata.STRING, "subject": odata.STRING},
    "description",
    "audiences",
)
RESOURCE = "FederatedIdentityCredential"
MOST = 20
"""Credentials that an app may have."""
LONGEST = 600
"""Characters of issuer, subject and audience."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,119}")
"""3 to 120 signs that can stand in a URL."""
PATH = "/applications/{app}/federatedIdentityCredentials"


def create(request: Request) -> Answer:
    """POST: the name is unique in the app, and so is issuer with subject."""
    app = find_own_app(request)
    body = Body.entity(request, RESOURCE)
    name = body.required("name")
    if not NAME.fullmatch(name):
        raise body.invalid("name")
    issuer, subject = _issuer(body), body.required("subject", LONGEST)
    made = FederatedCredential(
        guid(request.world.entropy), name, issuer, subject, _audiences(body), body.text("description", LONGEST)
    )
    body.done()
    if any(each.name == name for each in app.federated):
        raise taken(f"FederatedIdentityCredential with name {name} already exists.")
    _check_unique(app, made)
    if len(app.federated) >= MOST:
        raise bad_request(f"The number of FederatedIdentityCredential objects exceeds the limit of {MOST}.")
    app.federated.append(made)
    return entity(request, f"{_context(app)}/$entity", show(made), status=201)


def list_all(request: Request) -> Answer:
    """GET all of an app."""
    app = find_app(request)
    return collection(request, _context(app), TYPE, [show(each) for each in app.federated])


def get(request: Request) -> Answer:
    """GET one, by id or name."""
    app = find_app(request)
    return single(request, _context(app), TYPE, show(_find(request, app)))


def update(request: Request) -> Answer:
    """PATCH one; its name stays."""
    app = find_own_app(request)
    found = _find(request, app)
    body = Body.entity(request, RESOURCE)
    changed = FederatedCredential(
        found.id,
        found.name,
        _issuer(body) if "issuer" in body else found.issuer,
        body.required("subject", LONGEST) if "subject" in body else found.subject,
        _audiences(body) if "audiences" in body else found.audiences,
        body.text("description", LONGEST) if "description" in body else found.description,
    )
    if body.text("name") not in (None, found.name):
        raise bad_request("Property name is read-only and cannot be set.")
    body.done()
    _check_unique(app, changed)
    app.federated[app.federated.index(found)] = changed
    return Answer(204)


def delete(request: Request) -> Answer:
    """DELETE one."""
    app = find_own_app(request)
    app.federated.remove(_find(request, app))
    return Answer(204)


def show(credential: FederatedCredential) -> dict[str, Any]:
    """The credential for JSON."""
    return {
        "id": credential.id,
        "name": credential.name,
        "issuer": credential.issuer,
        "subject": credential.subject,
        "description": credential.description,
        "audiences": credential.audiences,
    }


def _find(request: Request, app: App) -> FederatedCredential:
    key = request.names["credential"]
    found = next((each for each in app.federated if key.lower() == each.id or key == each.name), None)
    if found is None:
        raise not_found(key)
    return found


def _issuer(body: Body) -> str:
    issuer = body.required("issuer", LONGEST)
    if not issuer.lower().startswith("https://"):
        raise body.invalid("issuer")
    return issuer


def _audiences(body: Body) -> list[str]:
    audiences = body.texts("audiences")
    if not audiences or len(audiences) != 1 or not 0 < len(audiences[0]) <= LONGEST:
        raise body.invalid("audiences")
    return audiences


def _check_unique(app: App, made: FederatedCredential) -> None:
    """Refuse issuer and subject of another credential; Entra compares both letter by letter when it takes tokens."""
    for each in app.federated:
        if (each.issuer, each.subject) == (made.issuer, made.subject) and each.id != made.id:
            text = (
                "The combination of issuer and subject must be unique for the application. Issuer "
                f"{made.issuer} and Subject: {made.subject} already exist."
            )
            raise GraphError("InvalidFederatedIdentityCredentialValue", text)


def _context(app: App) -> str:
    return f"applications('{app.object_id}')/federatedIdentityCredentials"


OPERATIONS = (
    operation("GET", PATH, list_all, *READ_APPS),
    operation("POST", PATH, create, *WRITE_APPS),
    operation("GET", f"{PATH}/{{credential}}", get, *READ_APPS),
    operation("PATCH", f"{PATH}/{{credential}}", update, *WRITE_APPS),
    operation("DELETE", f"{PATH}/{{credential}}", delete, *WRITE_APPS),
)
