"""To come in and to leave; and the language."""

import re
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from pillarbox.endpoints.console.calls import Problem
from pillarbox.endpoints.console.languages import COOKIE, NAMES
from pillarbox.endpoints.console.page import Form

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_YEAR: Final = 365 * 24 * 3600
_OURS: Final = re.compile(r"/(?![/\\])[\w\-/@.%?=&+:]*")
"""A path of ours, and nothing that a browser reads as an address elsewhere."""
_CODE_NEEDED: Final = "person.code_needed"


def add(console: "Console") -> None:
    """Add the pages."""

    @console.get("/sign-in", open=True)
    async def look(page: "Page") -> Response:
        if page.visitor.caller is not None:
            return page.go(ours(page.query.get("next", "")))
        return _form(page, page.query.get("next", ""))

    @console.post("/sign-in", open=True)
    async def sign_in(page: "Page") -> Response:
        form = await page.form()
        given = {"name": form.get("name", ""), "password": form.raw("password"), "code": form.get("code", "")}
        try:
            await page.calls.post("/api/v1/sessions", given)
        except Problem as problem:
            return _form(page, form.get("next", ""), form, problem)
        return page.go(ours(form.get("next", "")))

    @console.post("/sign-out")
    async def sign_out(page: "Page") -> Response:
        await page.form()
        await page.calls.delete("/api/v1/sessions/current")
        return page.go("/sign-in")

    @console.post("/language", open=True)
    async def choose_language(page: "Page") -> Response:
        form = await page.form()
        response = page.go(ours(form.get("next", "")))
        if (tag := form.get("language", "")) in NAMES:
            response.headers.append("Set-Cookie", f"{COOKIE}={tag}; Path=/; Max-Age={_YEAR}; HttpOnly; SameSite=Lax")
        return response


def ours(path: str) -> str:
    """The path where somebody wanted to go, if it is one of ours; else the first page. Pure."""
    return path if _OURS.fullmatch(path) else "/"


def _form(page: "Page", wanted: str, form: Form | None = None, problem: Problem | None = None) -> Response:
    form = form or Form([])
    # That there is a second factor is no mistake of whoever has not been asked for it yet.
    asks_now = problem is not None and problem.code == _CODE_NEEDED and "code" not in form
    return page.show(
        "sign_in.html",
        problem.status if problem else 200,
        next=ours(wanted),
        name=form.get("name", ""),
        wants_code=asks_now or "code" in form,
        problem=None if asks_now else problem,
        said=page.words(problem) if problem else None,
    )
