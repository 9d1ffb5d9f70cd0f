"""Where a link for a person leads, on the HTTP listener of the service: they choose a password.

    /setup/{token}    the form (GET), and what becomes of it (POST)

What only looks at a link, as mail scanners and previews do, does not use it up.
"""

from typing import Final
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request
from fastapi.responses import Response

from pillarbox.access.audit import Actor, Audit
from pillarbox.access.first_admin import FirstAdmin
from pillarbox.access.household import Household
from pillarbox.access.person_rules import check_name
from pillarbox.core.errors import InvalidInput, NotFound, Unavailable
from pillarbox.core.log import Logger
from pillarbox.core.vault import Secret
from pillarbox.endpoints import setup_pages as pages
from pillarbox.endpoints.api.request_ids import id_of

_LONGEST_FORM: Final = 32 * 1024
"""Bytes: a name, and twice a password of 1024 characters, each of up to 12 bytes in a form."""
_FIELDS: Final = ("name", "password", "again")


def add(app: FastAPI, household: Household, audit: Audit, log: Logger) -> None:
    """Add the page to the application of the pages of a sign-in."""
    invitations, first_admin = household.invitations, household.first_admin

    @app.get("/setup/{token}", response_class=Response)
    async def look(token: str) -> Response:
        try:
            invited = await invitations.look(token)
        except (NotFound, Unavailable) as error:
            return _page(pages.failed(error), error.entry.http)
        return _page(pages.form(invited.name))

    @app.post("/setup/{token}", response_class=Response)
    async def choose(token: str, request: Request) -> Response:
        fields = await _fields(request)
        try:
            invited = await invitations.look(token)
            peer = request.client.host if request.client else ""
            actor = Actor("person", invited.person_id or "", invited.name or "", "http", peer, id_of(request.scope))
            try:
                async with audit.acting(actor, "choose_password", invited.name or _first(fields.get("name", ""))):
                    name = await _choose(first_admin, token, fields)
            except InvalidInput as error:
                html = pages.form(invited.name, typed=fields.get("name", ""), wrong=error)
                return _page(html, error.entry.http)
        except (NotFound, Unavailable) as error:
            return _page(pages.failed(error), error.entry.http)
        log.info("account.changed", what="person", name=name, change="password chosen by a link")
        return _page(pages.kept(name))


def _first(typed: str) -> str:
    """Whose password it is, where nobody had a name yet: for the audit log, which is written before there is one."""
    try:
        return f"the first administrator: {check_name(typed)}"
    except InvalidInput:
        return "the first administrator"


async def _choose(first_admin: FirstAdmin, token: str, fields: dict[str, str]) -> str:
    if fields.get("password") != fields.get("again"):
        raise InvalidInput("person.passwords_differ")
    return await first_admin.accept(token, fields.get("name", ""), Secret(fields.get("password", "")))


async def _fields(request: Request) -> dict[str, str]:
    """What the form says; nothing where no form of ours can have said it."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST_FORM:
            return {}
    try:
        found = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        return {}
    return {name: value for name, value in found if name in _FIELDS}


def _page(html: str, status: int = 200) -> Response:
    return Response(html, status, headers=pages.FORM_HEADERS)
