"""Where a link for a person leads, on the HTTP listener of the service: they choose a password, and are signed in.

    /setup/{token}    the form (GET), and what becomes of it (POST)

What only looks at a link, as mail scanners and previews do, does not use it up. The first administrator goes on to the
wizard, everybody else to the first page of the console; whoever has a second factor still shows it at the sign-in.
"""

from typing import Final
from urllib.parse import parse_qsl, urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import Response

from pillarbox.access.audit import Actor, Audit
from pillarbox.access.first_admin import FirstAdmin
from pillarbox.access.household import Household
from pillarbox.access.person_rules import check_name
from pillarbox.core.errors import AuthenticationFailed, Forbidden, InvalidInput, NotFound, PillarboxError, Unavailable
from pillarbox.core.log import Logger
from pillarbox.core.vault import Secret
from pillarbox.endpoints import setup_pages as pages
from pillarbox.endpoints.api.request_ids import id_of
from pillarbox.endpoints.api.session_cookie import SessionCookie
from pillarbox.endpoints.console.by_link import Reader, asked_for
from pillarbox.endpoints.console.languages import keeping

_LONGEST_FORM: Final = 32 * 1024
"""Bytes: a name, and twice a password of 1024 characters, each of up to 12 bytes in a form."""
_FIELDS: Final = ("name", "password", "again")
_WIZARD: Final = "/start"
_HOME: Final = "/"
_SIGN_IN: Final = "/sign-in"


def add(app: FastAPI, household: Household, audit: Audit, log: Logger) -> None:
    """Add the page to the application of the pages of a sign-in."""
    invitations, first_admin = household.invitations, household.first_admin
    cookie = SessionCookie(household.sessions, household.public_url)

    def prefix() -> str:
        return urlsplit(household.public_url()).path.rstrip("/")

    def reader(request: Request) -> Reader:
        return Reader.of(request.query_params, request.cookies, request.headers.get("accept-language", ""), prefix())

    def shown(request: Request, html: str, status: int = 200) -> Response:
        chosen = asked_for(request.query_params)
        return Response(html, status, headers=pages.HEADERS | ({"Set-Cookie": keeping(chosen)} if chosen else {}))

    def refused(request: Request, error: PillarboxError) -> Response:
        return shown(request, pages.failed(reader(request), error), error.entry.http)

    @app.get("/setup/{token}", response_class=Response)
    async def look(token: str, request: Request) -> Response:
        try:
            invited = await invitations.look(token)
        except (NotFound, Unavailable) as error:
            return refused(request, error)
        return shown(request, pages.form(reader(request), invited.name))

    @app.post("/setup/{token}", response_class=Response)
    async def choose(token: str, request: Request) -> Response:
        fields = await _fields(request)
        try:
            # No other site may sign a browser in, as somebody whom its user is not.
            cookie.check_sign_in(request)
            invited = await invitations.look(token)
            actor = _actor(request, invited.person_id or "", invited.name or "")
            try:
                async with audit.acting(actor, "choose_password", invited.name or _first(fields.get("name", ""))):
                    name = await _choose(first_admin, token, fields)
            except InvalidInput as error:
                html = pages.form(reader(request), invited.name, typed=fields.get("name", ""), wrong=error)
                return shown(request, html, error.entry.http)
        except (Forbidden, NotFound, Unavailable) as error:
            return refused(request, error)
        log.info("account.changed", what="person", name=name, change="password chosen by a link")
        return await enter(request, name, _HOME if invited.person_id else _WIZARD)

    async def enter(request: Request, name: str, wanted: str) -> Response:
        """Sign in whoever has just chosen their password, in this browser; on to where they are wanted."""
        response = Response(status_code=303, headers=pages.HEADERS)
        try:
            person = await household.people.get(name)
            if person.has_second_factor:
                raise AuthenticationFailed("person.code_needed")
            agent = request.headers.get("user-agent", "")
            id = await household.sessions.begin(person, _peer(request), agent, cookie.id_in(request))
        except (AuthenticationFailed, NotFound):
            response.headers["Location"] = prefix() + _SIGN_IN
            return response
        await audit.record(_actor(request, person.id, person.name), "sign_in")
        log.info("access.signed_in", name=person.name, address=_peer(request))
        cookie.give(request, response, id)
        response.headers["Location"] = prefix() + wanted
        return response


def _peer(request: Request) -> str:
    return request.client.host if request.client else ""


def _actor(request: Request, person_id: str, name: str) -> Actor:
    return Actor("person", person_id, name, "http", _peer(request), id_of(request.scope))


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
