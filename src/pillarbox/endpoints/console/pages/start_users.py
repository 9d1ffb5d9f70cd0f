"""The wizard's way for people who connect their own mailboxes, behind the app registration: a link to send."""

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from pillarbox.endpoints.console.calls import Problem, segment
from pillarbox.endpoints.console.pages.links import why

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_PATH: Final = "/api/v1/connect-links"
_SHOWN: Final = 10


def add(console: "Console") -> None:
    """Add the pages."""

    @console.get("/start/users/{app}/link")
    async def link(page: "Page") -> Response:
        return await _show(page, {"address": "", "permissions": ["send"]})

    @console.post("/start/users/{app}/link")
    async def make_link(page: "Page") -> Response:
        form = await page.form()
        typed = {"address": form.get("address", ""), "permissions": form.many("permissions")}
        wish = {"app": page.part("app"), "address": typed["address"], "permissions": typed["permissions"] or ["send"]}
        try:
            made = await page.calls.post(_PATH, wish)
        except Problem as problem:
            return await _show(page, typed, problem)
        path = f"/start/users/{segment(page.part('app'))}/link"
        page.tell_once(path, user=made["user"], url=made["url"], permissions=made["permissions"])
        return page.go(path)


async def _show(page: "Page", typed: dict[str, Any], problem: Problem | None = None) -> Response:
    """The form, and the links that are there."""
    app = await page.calls.get(f"/api/v1/apps/{segment(page.part('app'))}")
    links = [one for one in await page.calls.all(_PATH, most=100) if one["app"] == app["name"]]
    return page.show(
        "wizard_link.html",
        problem.status if problem else 200,
        app=app,
        typed=typed,
        links=[(one, why(page, one)) for one in links[:_SHOWN]],
        problem=problem,
        said=page.words(problem) if problem else None,
    )
