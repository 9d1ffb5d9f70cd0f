"""The wizard: from nothing to the first mail. What was done is read from the API, so it can be left and taken up again.

    /start                 three doors, and what was begun
    /start/{door}          an app registration: what is to be done in Microsoft's portal, beside the form for its values
    /start/{door}/{app}    the same once it is there, to mend it; behind the form its certificate
    /start/try             without a tenant

What follows the app registration is in start_device.py and start_users.py, the test of a mailbox in testing.py.
"""

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from pillarbox.core.errors import NotFound
from pillarbox.endpoints.console import app_form, downloads, portal
from pillarbox.endpoints.console.calls import Problem, segment
from pillarbox.endpoints.console.languages import N_
from pillarbox.endpoints.console.page import Form

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_GUIDES: Final = {"devices": portal.SEND_ONLY, "users": portal.USERS_CONNECT}
"""The doors behind which an app registration is made, and how."""
_NEXT: Final = {"devices": "mailbox", "users": "link"}
"""What follows it."""
_SHOWN: Final = 5
"""Of each kind of what was begun."""
_WAITS: Final = "needs_sign_in"
"""The state of a mailbox whose person has not signed in."""


def add(console: "Console") -> None:
    """Add the pages."""

    @console.get("/start")
    async def start(page: "Page") -> Response:
        apps = await page.calls.all("/api/v1/apps")
        mailboxes = await page.calls.all("/api/v1/mailboxes")
        submitters = await page.calls.all("/api/v1/submitters")
        senders = [one for one in submitters if one["senders"]]
        # One that waits for its person is no end of the way: the link to them may have been lost.
        used = {mailbox["app"] for mailbox in mailboxes if mailbox["state"] != _WAITS}
        sending = {address for one in submitters for address in one["senders"].values()}
        sending |= {way["mailbox"] for one in submitters for way in one["domains"].values()}
        able = [mailbox for mailbox in mailboxes if mailbox["state"] == "ok"]
        tested = [mailbox for mailbox in able if mailbox["assurance"] and not mailbox["signed_in"]]
        return page.show(
            "wizard.html",
            idle=[app for app in apps if app["name"] not in used],
            untried=[mailbox for mailbox in able if not mailbox["assurance"]][:_SHOWN],
            unused=[mailbox for mailbox in tested if mailbox["address"] not in sending][:_SHOWN],
            silent=[one for one in senders if one["enabled"] and not one["last_used_at"]][:_SHOWN],
        )

    @console.get("/start/try")
    async def try_it(page: "Page") -> Response:
        return page.show("wizard_try.html", emulator=await page.calls.get("/api/v1/microsoft/emulator"))

    @console.get("/start/{door}")
    async def new(page: "Page") -> Response:
        given = ("name", "tenant_id", "client_id")
        return await _form(page, Form([(field, page.query[field]) for field in given if field in page.query]))

    @console.post("/start/{door}")
    async def make(page: "Page") -> Response:
        form = await page.form()
        wish = {"name": form.get("name", ""), **app_form.ids(form), **app_form.credential(form)}
        try:
            added = await page.calls.post("/api/v1/apps", wish)
        except Problem as problem:
            return await _form(page, form, problem=problem)
        return _go_on(page, added)

    @console.get("/start/{door}/{app}")
    async def look(page: "Page") -> Response:
        return await _form(page, Form([]), await _app(page))

    @console.post("/start/{door}/{app}")
    async def mend(page: "Page") -> Response:
        form, app = await page.form(), await _app(page)
        path = f"/api/v1/apps/{segment(app['name'])}"
        try:
            ids = app_form.ids(form)
            if any(app[name] != value for name, value in ids.items()):
                await page.calls.put(path, ids)
            credential = app_form.credential(form)
            # A date without its secret goes too, and is refused: nothing that was typed is lost in silence.
            if form.raw("secret") or form.get("ends_on") or "new_certificate" in credential:
                return _go_on(page, await _replace(page, path, app["name"], credential))
        except Problem as problem:
            return await _form(page, form, app, problem)
        return page.go(f"/start/{_door(page)}/{segment(app['name'])}/{_NEXT[_door(page)]}")

    @console.get("/start/{door}/{app}/certificate")
    async def certificate(page: "Page") -> Response:
        made = _certificate(await _credentials(page, page.part("app")))
        if made is None:
            raise NotFound("request.not_found", path=page.request.url.path)
        return downloads.certificate(page.part("app"), made["public_pem"])


async def _form(page: "Page", form: Form, app: Any = None, problem: Problem | None = None) -> Response:
    door = _door(page)
    microsoft = await page.calls.get("/api/v1/microsoft")
    sections = portal.sections(_GUIDES[door], page.language.tag, microsoft["public_url"])
    certificate = _certificate(await _credentials(page, app["name"])) if app else None
    if certificate and _GUIDES[door] == portal.SEND_ONLY:
        # The last one is a client secret's, in whose place the certificate is.
        sections = sections[:-1]
    return page.show(
        "wizard_app.html",
        door=door,
        sections=sections,
        listeners=await page.calls.all("/api/v1/listeners") if door == "devices" else [],
        microsoft=microsoft,
        app=app,
        certificate=certificate,
        apps=[] if app else await _there(page, door),
        next=_NEXT[door],
        form=app_form.typed({"by": "kept" if certificate else "", **(app or {}), **dict(form)}, problem),
        wrong=app_form.beside(problem, page.language),
        problem=problem,
    )


async def _there(page: "Page", door: str) -> list[dict[str, Any]]:
    """App registrations with which somebody can go on; one without a credential does nothing by itself."""
    apps = await page.calls.all("/api/v1/apps")
    return [app for app in apps if app["credentials"] or door == "users"]


def _door(page: "Page") -> str:
    """Behind which door the page is. Raises NotFound."""
    door = page.part("door")
    if door not in _GUIDES:
        raise NotFound("request.not_found", path=page.request.url.path)
    return door


async def _app(page: "Page") -> Any:
    return await page.calls.get(f"/api/v1/apps/{segment(page.part('app'))}")


async def _credentials(page: "Page", app: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await page.calls.get(f"/api/v1/apps/{segment(app)}/credentials"))["data"]
    return found


def _certificate(credentials: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The certificate that was made for an app registration, if that is what it has."""
    return next((one for one in credentials if one["public_pem"]), None)


async def _replace(page: "Page", path: str, name: str, credential: dict[str, Any]) -> dict[str, Any]:
    """Give an app registration another credential, in the place of those that never worked."""
    before = await _credentials(page, name)
    works = any(one["assurance"] for one in await page.calls.all("/api/v1/mailboxes", app=name))
    added: dict[str, Any] = await page.calls.post(f"{path}/credentials", credential)
    # What mail leaves by is taken away by a person who sees both.
    for one in [] if works else before:
        await page.calls.delete(f"{path}/credentials/{segment(one['id'])}")
    return added


def _go_on(page: "Page", added: dict[str, Any]) -> Response:
    """To what follows: to the certificate that must be uploaded, else to the next step."""
    for oddity in app_form.oddities(added, page.language):
        page.warn(oddity)
    page.tell(N_("The app registration '%(name)s' is saved."), name=added["name"])
    path = f"/start/{_door(page)}/{segment(added['name'])}"
    has_certificate = bool(added["credential"] and added["credential"]["public_pem"])
    return page.go(path if has_certificate else f"{path}/{_NEXT[_door(page)]}")
