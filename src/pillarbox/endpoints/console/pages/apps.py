"""App registrations: their credentials, until when those are good, the Test button, and a new one in time."""

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from pillarbox.core.caller import Scope
from pillarbox.core.errors import NotFound
from pillarbox.endpoints.console import app_form, downloads
from pillarbox.endpoints.console.calls import Problem, segment
from pillarbox.endpoints.console.languages import N_
from pillarbox.endpoints.console.pages import testing

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Form, Page

_API: Final = "/api/v1/apps"
_USERS: Final = 20
"""Mailboxes that are named on the page of their app registration."""


def add(console: "Console") -> None:
    """Add the pages."""

    @console.get("/apps")
    async def apps(page: "Page") -> Response:
        shown = await page.calls.get(_API, cursor=page.query.get("cursor"))
        return page.show("apps.html", apps=shown["data"], next=shown["next"], now=time.time())

    @console.get("/apps/:new", scope=Scope.ADMIN)
    async def new_app(page: "Page") -> Response:
        return _form(page, {"by": "secret"})

    @console.post("/apps")
    async def add_app(page: "Page") -> Response:
        form = await page.form()
        try:
            wish = {"name": form.get("name", ""), **app_form.ids(form), **app_form.credential(form)}
            added = await page.calls.post(_API, wish)
        except Problem as problem:
            return _form(page, form, problem)
        page.tell(N_("The app registration '%(name)s' is saved."), name=added["name"])
        return _added(page, added)

    @console.get("/apps/{name}")
    async def app(page: "Page") -> Response:
        return await _one(page)

    @console.get("/apps/{name}/change")
    async def look_at_change(page: "Page") -> Response:
        return _change(page, await page.calls.get(_api(page)))

    @console.post("/apps/{name}")
    async def change_app(page: "Page") -> Response:
        form = await page.form()
        try:
            await page.calls.put(_api(page), app_form.ids(form))
        except Problem as problem:
            return _change(page, form, problem)
        page.tell(N_("%(name)s has these IDs now. Test it."), name=page.part("name"))
        return page.go(_path(page.part("name")))

    @console.post("/apps/{name}/remove")
    async def remove_app(page: "Page") -> Response:
        await page.form()
        try:
            await page.calls.delete(_api(page))
        except Problem as problem:
            return await _one(page, problem)
        page.tell(N_("Removed %(name)s. At Microsoft it stays."), name=page.part("name"))
        return page.go("/apps")

    @console.post("/apps/{name}/test")
    async def test_app(page: "Page") -> Response:
        await page.form()
        shown = await page.calls.get(_api(page))
        told = await page.calls.lines(f"{_api(page)}:test")
        return page.stream("app_test.html", testing.steps(page, told, partial(_verdict, page)), app=shown)

    @console.get("/apps/{name}/credentials/:new")
    async def new_credential(page: "Page") -> Response:
        return _form(page, {"by": "secret"}, app=await page.calls.get(_api(page)))

    @console.post("/apps/{name}/credentials")
    async def add_credential(page: "Page") -> Response:
        form = await page.form()
        try:
            added = await page.calls.post(f"{_api(page)}/credentials", app_form.credential(form))
        except Problem as problem:
            return _form(page, form, problem, app=await page.calls.get(_api(page)))
        page.tell(N_("The new credential is tried first from now on. Test it, then remove the old one."))
        return _added(page, added)

    @console.post("/apps/{name}/credentials/{id}/remove")
    async def remove_credential(page: "Page") -> Response:
        await page.form()
        try:
            await page.calls.delete(f"{_api(page)}/credentials/{segment(page.part('id'))}")
        except Problem as problem:
            return await _one(page, problem)
        page.tell(N_("The credential is removed. Remove it in the portal too; one that was mistyped is not there."))
        return page.go(_path(page.part("name")))

    @console.get("/apps/{name}/credentials/{id}/certificate")
    async def certificate(page: "Page") -> Response:
        found = [one for one in await _credentials(page) if one["id"] == page.part("id") and one["public_pem"]]
        if not found:
            raise NotFound("app.no_such_credential", name=page.part("name"), id=page.part("id"))
        return downloads.certificate(page.part("name"), found[0]["public_pem"])


def _api(page: "Page") -> str:
    return f"{_API}/{segment(page.part('name'))}"


def _path(name: str) -> str:
    return f"/apps/{segment(name)}"


async def _credentials(page: "Page") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await page.calls.get(f"{_api(page)}/credentials"))["data"]
    return found


async def _one(page: "Page", problem: Problem | None = None) -> Response:
    shown = await page.calls.get(_api(page))
    mailboxes = await page.calls.get("/api/v1/mailboxes", app=shown["name"], limit=_USERS)
    return page.show(
        "app.html",
        app=shown,
        credentials=await _credentials(page),
        mailboxes=mailboxes["data"],
        more=mailboxes["next"] is not None,
        now=time.time(),
        problem=problem,
    )


def _form(page: "Page", form: "Form | dict[str, str]", problem: Problem | None = None, app: Any = None) -> Response:
    """The form of a new app registration; with `app`, of a further credential of that one."""
    return page.show(
        "app_form.html",
        app=app,
        form=app_form.typed(form, problem),
        kinds=app_form.KINDS if app is None else app_form.KINDS[:-1],
        wrong=app_form.beside(problem, page.language),
        problem=problem,
    )


def _change(page: "Page", form: "Form | dict[str, str]", problem: Problem | None = None) -> Response:
    return page.show(
        "app_change.html",
        name=page.part("name"),
        form=app_form.typed(form, problem),
        wrong=app_form.beside(problem, page.language),
        problem=problem,
    )


def _added(page: "Page", added: dict[str, Any]) -> Response:
    """To its page, with what looks odd about what was given."""
    for oddity in app_form.oddities(added, page.language):
        page.warn(oddity)
    return page.go(_path(added["name"]))


async def _verdict(page: "Page", report: dict[str, Any]) -> str:
    """What it comes to."""
    verdict = report["steps"][-1]
    return page.piece("app_verdict.html", step=verdict, said=testing.found(page, verdict))
