"""People who sign in: invited, changed and kept out by administrators."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from pillarbox.core.caller import Scope
from pillarbox.endpoints.console import coming_in
from pillarbox.endpoints.console.calls import Problem, segment
from pillarbox.endpoints.console.languages import N_

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_API: Final = "/api/v1/people"


def add(console: "Console") -> None:
    """Add the pages."""

    @console.get("/people")
    async def people(page: "Page") -> Response:
        shown = await page.calls.get(_API, cursor=page.query.get("cursor"))
        return page.show("people.html", people=shown["data"], next=shown["next"])

    @console.get("/people/:new", scope=Scope.ADMIN)
    async def new_person(page: "Page") -> Response:
        return await _form(page)

    @console.post("/people")
    async def invite(page: "Page") -> Response:
        form = await page.form()
        name, roles = form.get("name", ""), form.many("roles")
        try:
            made = await page.calls.post(_API, {"name": name, "roles": roles})
        except Problem as problem:
            return await _form(page, name, roles, problem)
        return _invited(page, made["name"], made["invitation"])

    @console.get("/people/{name}")
    async def person(page: "Page") -> Response:
        return await _shown(page)

    @console.post("/people/{name}/roles")
    async def change_roles(page: "Page") -> Response:
        form = await page.form()
        return await _changed(page, {"roles": form.many("roles")}, N_("%(name)s has other roles, and signs in anew."))

    @console.post("/people/{name}/enabled")
    async def let_in_or_keep_out(page: "Page") -> Response:
        form = await page.form()
        enabled = form.get("enabled") == "yes"
        told = N_("%(name)s comes in again.") if enabled else N_("%(name)s is kept out, and signed out everywhere.")
        return await _changed(page, {"enabled": enabled}, told)

    @console.post("/people/{name}/invite")
    async def invite_anew(page: "Page") -> Response:
        form = await page.form()
        wish = {"drop_second_factor": "drop_second_factor" in form}
        invitation = await page.calls.post(f"{_api(page)}:invite", wish)
        return _invited(page, page.part("name"), invitation)

    @console.post("/people/{name}/sign-out")
    async def sign_out(page: "Page") -> Response:
        await page.form()
        await page.calls.post(f"{_api(page)}:sign-out")
        page.tell(N_("%(name)s is signed out everywhere."), name=page.part("name"))
        return page.go(_path(page.part("name")))

    @console.post("/people/{name}/remove")
    async def remove(page: "Page") -> Response:
        try:
            return await coming_in.remove(page, _API, "/people")
        except Problem as problem:
            return await _refused(page, problem)


async def _changed(page: "Page", change: Mapping[str, Any], told: str) -> Response:
    try:
        await page.calls.patch(_api(page), change)
    except Problem as problem:
        return await _refused(page, problem)
    page.tell(told, name=page.part("name"))
    return page.go(_path(page.part("name")))


async def _refused(page: "Page", problem: Problem) -> Response:
    """Beside the buttons of somebody what of them cannot be done, such as to remove the last administrator."""
    if problem.status == 404:
        raise problem
    return await _shown(page, problem)


def _api(page: "Page") -> str:
    return f"{_API}/{segment(page.part('name'))}"


def _path(name: str) -> str:
    return f"/people/{segment(name)}"


async def _shown(page: "Page", problem: Problem | None = None) -> Response:
    person = await page.calls.get(_api(page))
    return page.show("person.html", person=person, public_url=await _public_url(page), problem=problem)


async def _public_url(page: "Page") -> str:
    """Where the links lead that are made here."""
    return str((await page.calls.get("/api/v1/microsoft"))["public_url"])


def _invited(page: "Page", name: str, invitation: Mapping[str, Any]) -> Response:
    """To the page of somebody, which tells the link for them once."""
    page.tell_once(_path(name), invitation=invitation)
    return page.go(_path(name))


async def _form(page: "Page", name: str = "", roles: Collection[str] = (), problem: Problem | None = None) -> Response:
    return page.show(
        "person_form.html",
        name=name,
        roles=roles,
        public_url=await _public_url(page),
        problem=problem,
    )
