"""To come in and to leave; and the language.

Name and password come first, the code of an authenticator on a page behind it: between the two a cookie says that the
password was right in this browser (access/half_signed_in.py).
"""

import re
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from pillarbox.endpoints.console.calls import Problem
from pillarbox.endpoints.console.languages import NAMES, keeping
from pillarbox.endpoints.console.page import Form

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_OURS: Final = re.compile(r"/(?![/\\])[\w\-~/@.%?=&+:]*", re.ASCII)
"""A path of ours, and nothing that a browser reads as an address elsewhere."""
_CODE_NEEDED: Final = "person.code_needed"
_CODE_LATE: Final = "person.code_late"


def add(console: "Console") -> None:
    """Add the pages."""

    @console.get("/sign-in", open=True)
    async def look(page: "Page") -> Response:
        if page.visitor.caller is not None:
            return page.go(ours(page.query.get("next", "")))
        return await _form(page, page.query.get("next", ""), undone="undone" in page.query)

    @console.post("/sign-in", open=True)
    async def sign_in(page: "Page") -> Response:
        form = await page.form(has_token=False)
        wanted = ours(form.get("next", ""))
        try:
            await page.calls.post("/api/v1/sessions", {"name": form.get("name", ""), "password": form.raw("password")})
        except Problem as problem:
            if problem.code == _CODE_NEEDED:
                return page.go("/sign-in/code", next=wanted if wanted != "/" else None)
            return await _form(page, wanted, form, problem)
        return page.go(wanted)

    @console.get("/sign-in/code", open=True)
    async def look_at_code(page: "Page") -> Response:
        return _code(page, page.query.get("next", ""))

    @console.post("/sign-in/code", open=True)
    async def give_code(page: "Page") -> Response:
        form = await page.form(has_token=False)
        wanted = ours(form.get("next", ""))
        try:
            await page.calls.post("/api/v1/sessions:finish", {"code": form.get("code", "")})
        except Problem as problem:
            if problem.code == _CODE_LATE:
                return await _form(page, wanted, problem=problem)
            return _code(page, wanted, problem)
        return page.go(wanted)

    @console.get("/sign-in/link/{token}", open=True)
    async def look_at_link(page: "Page") -> Response:
        # What only looks, as previews of links do, does not use it up.
        return page.show("sign_in_link.html", token=page.part("token"))

    @console.post("/sign-in/link/{token}", open=True)
    async def follow_link(page: "Page") -> Response:
        await page.form(has_token=False)
        try:
            await page.calls.post("/api/v1/sessions:by-link", {"token": page.part("token")})
        except Problem as problem:
            return page.show("sign_in_link.html", token=page.part("token"), problem=problem)
        return page.go("/")

    @console.post("/sign-out", open=True)
    async def sign_out(page: "Page") -> Response:
        await page.form()
        if page.visitor.caller is not None:
            await page.calls.delete("/api/v1/sessions/current")
        return page.go("/sign-in")

    @console.post("/language", open=True)
    async def choose_language(page: "Page") -> Response:
        form = await page.form()
        response = page.go(ours(form.get("next", "")))
        if (tag := form.get("language", "")) in NAMES:
            response.headers.append("Set-Cookie", keeping(tag))
        return response


def ours(path: str) -> str:
    """The path where somebody wanted to go, if it is one of ours; else the first page. Pure."""
    return path if _OURS.fullmatch(path) else "/"


async def _form(
    page: "Page", wanted: str, form: Form | None = None, problem: Problem | None = None, *, undone: bool = False
) -> Response:
    """`undone`: somebody sent a form of ours after their session was over."""
    return page.show(
        "sign_in.html",
        ways=await page.calls.get("/api/v1/sessions/ways"),
        next=ours(wanted),
        name=form.get("name", "") if form else "",
        undone=undone,
        problem=problem,
    )


def _code(page: "Page", wanted: str, problem: Problem | None = None) -> Response:
    return page.show(
        "sign_in_code.html",
        next=ours(wanted),
        problem=problem,
    )
