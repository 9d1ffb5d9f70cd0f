"""Whoever is signed in, about themselves: sessions, password, second factor."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from pillarbox.core.errors import InvalidInput
from pillarbox.endpoints.console.calls import Problem
from pillarbox.endpoints.console.languages import N_

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Form, Page

_ME: Final = "/api/v1/people/me"
_PIXELS: Final = 4
"""Of one module of a QR code."""


def add(console: "Console") -> None:
    """Add the pages."""

    @console.get("/account")
    async def account(page: "Page") -> Response:
        me, sessions = await page.calls.get(_ME), await page.calls.all("/api/v1/sessions")
        return page.show("account.html", me=me, sessions=sorted(sessions, key=lambda one: -one["seen_at"]))

    @console.post("/account/sign-out-everywhere")
    async def sign_out_everywhere(page: "Page") -> Response:
        await page.form()
        await page.calls.delete("/api/v1/sessions")
        return page.go("/sign-in")

    @console.get("/account/password")
    async def look_at_password(page: "Page") -> Response:
        return page.show("account_password.html")

    @console.post("/account/password")
    async def change_password(page: "Page") -> Response:
        form = await page.form()
        try:
            if form.raw("new_password") != form.raw("again"):
                raise Problem.of(InvalidInput("person.passwords_differ"), page.request)
            new = {"password": form.raw("password"), "new_password": form.raw("new_password")}
            await page.calls.patch(_ME, new)
        except Problem as problem:
            return page.show("account_password.html", problem=problem)
        page.tell(N_("Your password is changed. All your other browsers are signed out."))
        return page.go("/account")

    @console.get("/account/second-factor")
    async def look_at_second_factor(page: "Page") -> Response:
        return page.show("account_second_factor.html", me=await page.calls.get(_ME))

    @console.post("/account/second-factor")
    async def enrol(page: "Page") -> Response:
        form = await page.form()
        try:
            made = await page.calls.post(f"{_ME}:enrol", _proof(form))
        except Problem as problem:
            return page.show("account_second_factor.html", problem=problem, me=await page.calls.get(_ME))
        page.tell_once("/account/second-factor/confirm", secret=made["secret"], picture=picture(made["uri"]))
        return page.go("/account/second-factor/confirm")

    @console.get("/account/second-factor/confirm")
    async def look_at_confirm(page: "Page") -> Response:
        return page.show("account_enrol.html")

    @console.post("/account/second-factor/confirm")
    async def confirm(page: "Page") -> Response:
        form = await page.form()
        try:
            made = await page.calls.post(f"{_ME}:confirm", {"code": form.get("code", "")})
        except Problem as problem:
            # The secret is told once; it is in the authenticator by now, or one begins again.
            return page.show("account_enrol.html", problem=problem)
        page.tell(N_("The second factor is on."))
        return _codes(page, made["codes"])

    @console.get("/account/second-factor/drop")
    async def look_at_drop(page: "Page") -> Response:
        return page.show("account_drop.html")

    @console.post("/account/second-factor/drop")
    async def drop(page: "Page") -> Response:
        try:
            await page.calls.post(f"{_ME}:drop-second-factor", _proof(await page.form()))
        except Problem as problem:
            return page.show("account_drop.html", problem=problem)
        page.tell(N_("The second factor is off. Name and password are enough."))
        return page.go("/account")

    @console.get("/account/codes")
    async def look_at_codes(page: "Page") -> Response:
        once = page.take_once()
        return page.show("account_codes.html" if once else "account_new_codes.html", once=once)

    @console.post("/account/codes")
    async def make_codes(page: "Page") -> Response:
        try:
            made = await page.calls.post(f"{_ME}:new-recovery-codes", _proof(await page.form()))
        except Problem as problem:
            return page.show("account_new_codes.html", problem=problem)
        return _codes(page, made["codes"])


def _codes(page: "Page", codes: Sequence[str]) -> Response:
    """To the page that tells recovery codes once."""
    page.tell_once("/account/codes", codes=codes)
    return page.go("/account/codes")


def _proof(form: "Form") -> Mapping[str, Any]:
    return {"password": form.raw("password"), "code": form.get("code", "")}


def picture(text: str) -> str:
    """A text as a QR code that stands in the page itself, so that no other site sees it: the address of an SVG."""
    import segno  # only for those who enrol

    # Cameras want dark on light, also where the page is dark.
    return segno.make(text, micro=False).svg_data_uri(scale=_PIXELS, dark="#000", light="#fff", xmldecl=False)
