"""Mailboxes: how they are, how sure mail leaves, what is used of Microsoft's limits, and what holds them."""

from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from pillarbox.core.caller import Scope
from pillarbox.endpoints.console.calls import Problem, segment
from pillarbox.endpoints.console.languages import N_
from pillarbox.endpoints.console.typed import MEGABYTE, number, scaled
from pillarbox.endpoints.console.words import BY_HAND, Said, of_code, of_pause

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_API: Final = "/api/v1/mailboxes"
_FILTERS: Final = ("contains", "app", "state")


def add(console: "Console") -> None:
    """Add the pages."""

    @console.get("/mailboxes")
    async def mailboxes(page: "Page") -> Response:
        asked = {name: page.query[name] for name in _FILTERS if page.query.get(name)}
        shown = await page.calls.get(_API, cursor=page.query.get("cursor"), **asked)
        return page.show("mailboxes.html", mailboxes=shown["data"], next=shown["next"], asked=asked)

    @console.get("/mailboxes/:new", scope=Scope.ADMIN)
    async def new_mailbox(page: "Page") -> Response:
        return await _form(page, {"app": page.query.get("app", ""), "address": page.query.get("address", "")})

    @console.post("/mailboxes")
    async def add_mailbox(page: "Page") -> Response:
        form = await page.form()
        typed = {"app": form.get("app", ""), "address": form.get("address", ""), "by": form.get("by", "app")}
        if typed["by"] == "person":
            return page.go("/links/:new", app=typed["app"], address=typed["address"])
        try:
            added = await page.calls.post(_API, {"address": typed["address"], "app": typed["app"]})
        except Problem as problem:
            return await _form(page, typed, problem)
        page.tell(N_("Added %(address)s. Test it, so that it is known what it can."), address=added["address"])
        return page.go(_path(added["address"]))

    @console.get("/mailboxes/{address}")
    async def mailbox(page: "Page") -> Response:
        return await _one(page)

    @console.post("/mailboxes/{address}")
    async def change_mailbox(page: "Page") -> Response:
        form = await page.form()
        typed = {name: form.get(name, "") for name in ("assurance", "on_uncertain", "transport", "send_limit")}
        try:
            await page.calls.patch(_api(page), typed | {"send_limit": scaled(typed["send_limit"], MEGABYTE)})
        except Problem as problem:
            return await _one(page, problem, typed)
        page.tell(N_("Changed. It counts from the next message on."))
        return page.go(_path(page.part("address")))

    @console.post("/mailboxes/{address}/app")
    async def give_to_app(page: "Page") -> Response:
        form = await page.form()
        try:
            changed = await page.calls.put(_api(page), {"app": form.get("app", "")})
        except Problem as problem:
            return await _one(page, problem)
        page.tell(N_("%(app)s acts for %(address)s now. Test it."), app=changed["app"], address=changed["address"])
        return page.go(_path(changed["address"]))

    @console.post("/mailboxes/{address}/pause")
    async def pause(page: "Page") -> Response:
        form = await page.form()
        await page.calls.post(f"{_api(page)}:pause", {"reason": form.get("reason", "")})
        page.tell(N_("%(address)s is paused: what comes in waits."), address=page.part("address"))
        return page.go(_path(page.part("address")))

    @console.post("/mailboxes/{address}/resume")
    async def resume(page: "Page") -> Response:
        await page.form()
        came = await page.calls.post(f"{_api(page)}:resume")
        if came["still"]:
            page.tell(N_("Your pause of %(address)s is over; something else still holds it."), address=came["mailbox"])
        else:
            page.tell(N_("%(address)s sends again."), address=came["mailbox"])
        return page.go(_path(page.part("address")))

    @console.post("/mailboxes/{address}/remove")
    async def remove(page: "Page") -> Response:
        await page.form()
        try:
            await page.calls.delete(_api(page))
        except Problem as problem:
            return await _one(page, problem)
        page.tell(N_("Removed %(address)s. At Microsoft nothing was changed."), address=page.part("address"))
        return page.go("/mailboxes")


def _api(page: "Page") -> str:
    return f"{_API}/{segment(page.part('address'))}"


def _path(address: str) -> str:
    return f"/mailboxes/{segment(address)}"


async def _apps(page: "Page") -> list[tuple[str, str]]:
    """The app registrations to choose from; none for whoever may not know them."""
    return [(one["name"], one["name"]) for one in await page.calls.all("/api/v1/apps")] if page.may("admin") else []


async def _one(page: "Page", problem: Problem | None = None, typed: dict[str, str] | None = None) -> Response:
    shown = await page.calls.get(_api(page))
    chosen = {
        "assurance": shown["chosen_assurance"],
        "on_uncertain": shown["on_uncertain"],
        "transport": shown["transport"],
        "send_limit": number(shown["send_limit"] / MEGABYTE),
    }
    params = {"mailbox": shown["address"], "address": shown["address"]}
    return page.show(
        "mailbox.html",
        mailbox=shown,
        why=of_code(shown["state_code"], params, Said(shown["state_text"], shown["state_cure"]), page.language),
        pauses=[(pause, of_pause(pause, page.language)) for pause in shown["paused"]],
        by_smtp=[(pause, of_pause(pause, page.language)) for pause in shown["paused_by_smtp"]],
        by_hand=any(pause["cause"] == BY_HAND and pause["what"] == "mailbox" for pause in shown["paused"]),
        apps=await _apps(page),
        typed=typed or chosen,
        problem=problem,
    )


async def _form(page: "Page", typed: dict[str, str], problem: Problem | None = None) -> Response:
    return page.show(
        "mailbox_form.html",
        apps=await _apps(page),
        typed={"by": "app", **typed},
        problem=problem,
    )
