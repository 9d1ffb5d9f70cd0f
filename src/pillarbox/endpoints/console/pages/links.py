"""Links by which people connect their mailboxes. The address of one is shown once, when it is made."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from pillarbox.endpoints.console.calls import Problem, segment
from pillarbox.endpoints.console.languages import N_
from pillarbox.endpoints.console.typed import scaled
from pillarbox.endpoints.console.words import Said, of_code

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_API: Final = "/api/v1/connect-links"
_HOUR: Final = 3600
_LIVES: Final = (1, 24, 3 * 24, 7 * 24, 30 * 24)
"""Hours that a link can be good for."""
_USUAL: Final = "24"


def add(console: "Console") -> None:
    """Add the pages."""

    @console.get("/links")
    async def links(page: "Page") -> Response:
        state = page.query.get("state", "")
        shown = await page.calls.get(_API, cursor=page.query.get("cursor"), state=state)
        told = [(one, why(page, one)) for one in shown["data"]]
        return page.show("links.html", links=told, next=shown["next"], state=state)

    @console.get("/links/:new")
    async def new_link(page: "Page") -> Response:
        given = {name: page.query.get(name, "") for name in ("app", "address", "mailbox")}
        permissions = page.request.query_params.getlist("permissions") or ["send"]
        return await _form(page, given | {"permissions": permissions})

    @console.post("/links")
    async def make(page: "Page") -> Response:
        form = await page.form()
        names = ("app", "address", "mailbox", "hours", "return_url", "note")
        typed: dict[str, Any] = {name: form.get(name, "") for name in names}
        typed |= {"permissions": form.many("permissions"), "new_account": "new_account" in form}
        try:
            made = await page.calls.post(_API, _wish(typed))
        except Problem as problem:
            return await _form(page, typed, problem)
        path = f"/links/{segment(made['id'])}"
        page.tell_once(path, url=made["url"])
        return page.go(path)

    @console.get("/links/{id}")
    async def link(page: "Page") -> Response:
        shown = await page.calls.get(f"{_API}/{segment(page.part('id'))}")
        return page.show("link.html", link=shown, why=why(page, shown))

    @console.post("/links/{id}/revoke")
    async def revoke(page: "Page") -> Response:
        await page.form()
        now = await page.calls.delete(f"{_API}/{segment(page.part('id'))}")
        if now["state"] == "canceled":
            page.tell(N_("The link for %(user)s is taken back."), user=now["user"])
        else:
            page.tell(N_("The link for %(user)s was over already."), user=now["user"])
        return page.go("/links")


def why(page: "Page", link: Mapping[str, Any]) -> Said:
    """Why a link is as it is."""
    return of_code(link["code"], {}, Said(link["reason"], ""), page.language)


def _wish(typed: dict[str, Any]) -> dict[str, Any]:
    """What the API takes for it; what was left empty is left to it."""
    wish = {name: typed[name] for name in ("app", "address", "new_account", "return_url", "note")}
    wish |= {"expires_in": scaled(typed["hours"] or _USUAL, _HOUR), "permissions": typed["permissions"] or None}
    if typed["mailbox"] and typed["mailbox"].lower() != typed["address"].lower():
        wish["mailbox"] = typed["mailbox"]
    return wish


async def _form(page: "Page", typed: dict[str, Any], problem: Problem | None = None) -> Response:
    empty = {"hours": _USUAL, "return_url": "", "note": "", "new_account": False}
    return page.show(
        "link_form.html",
        apps=[(one["name"], one["name"]) for one in await page.calls.all("/api/v1/apps")],
        lives=[(str(hours), page.language.lasts(hours * _HOUR)) for hours in _LIVES],
        typed=empty | typed,
        problem=problem,
    )
