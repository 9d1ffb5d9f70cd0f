"""Submitters, to people "devices and programs": who hands in mail, how each comes in, what it may do."""

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from pillarbox.core.headers import address_key
from pillarbox.endpoints.console import coming_in
from pillarbox.endpoints.console.calls import Problem, segment
from pillarbox.endpoints.console.languages import N_
from pillarbox.endpoints.console.typed import MEGABYTE, different, lines, number, scaled, written
from pillarbox.endpoints.console.words import of_refusals

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Form, Page

_API: Final = "/api/v1/submitters"
_HOUR: Final = 3600
_MOST_STRANGERS: Final = 20
_NO_LOGIN: Final = "smtp.auth_required"
"""What is refused to a stranger whom its address alone lets in."""
_NEW: Final[Mapping[str, Any]] = {
    "name": "",
    "mailboxes": [],
    "senders": "",
    "app": "",
    "password": "yes",
    "networks": "",
    "users": "",
    "groups": "",
    "recipients": "",
    "from": "force",
    "rate": "",
    "max_size": "",
    "priority": "normal",
    "max_age": "",
    "on_broken": "accept",
}
"""What a form says in which nothing was typed."""


def add(console: "Console") -> None:
    """Add the pages."""

    @console.get("/submitters")
    async def submitters(page: "Page") -> Response:
        shown = await page.calls.get(_API, cursor=page.query.get("cursor"))
        refused = await page.calls.all("/api/v1/refusals")
        counts: dict[str, int] = defaultdict(int)
        kept_out: dict[str, Mapping[str, Any]] = {}
        for one in refused:
            counts[one["submitter"] or ""] += 0 if one["works_since"] else one["count"]
            if one["kept_out_until"]:
                kept_out[one["submitter"] or ""] = one
        strangers = of_refusals([one for one in refused if not one["submitter"]], page.language)[:_MOST_STRANGERS]
        return page.show(
            "submitters.html",
            submitters=shown["data"],
            next=shown["next"],
            counts=counts,
            kept_out=kept_out,
            strangers=strangers,
            no_login=_NO_LOGIN,
        )

    @console.get("/submitters/:new")
    async def new_submitter(page: "Page") -> Response:
        mailboxes, _ = await coming_in.mailboxes(page)
        chosen = mailboxes if len(mailboxes) == 1 else page.request.query_params.getlist("mailbox")
        return await _form(page, {**_NEW, "mailboxes": chosen, "networks": page.query.get("network", "")})

    @console.post("/submitters")
    async def add_submitter(page: "Page") -> Response:
        typed = _typed(await page.form())
        try:
            made = await page.calls.post(_API, {"name": typed["name"], **_wish(typed), **_no_password(typed)})
        except Problem as problem:
            return await _form(page, typed, problem)
        if made["password"] is None:
            page.tell(N_("Added %(name)s."), name=made["name"])
            return page.go(_path(made["name"]))
        page.tell_once(_path(made["name"]), password=made["password"])
        return page.go(_path(made["name"]))

    @console.post("/submitters/:let-in")
    async def let_in_address(page: "Page") -> Response:
        address = (await page.form()).get("address", "")
        await page.calls.post(f"{_API}:let-in", {"address": address})
        page.tell(N_("%(name)s comes in again."), name=address)
        return page.go("/submitters")

    @console.get("/submitters/{name}")
    async def submitter(page: "Page") -> Response:
        return await _one(page)

    @console.get("/submitters/{name}/change")
    async def look_at_change(page: "Page") -> Response:
        return await _form(page, _as_typed(await page.calls.get(_api(page))), name=page.part("name"))

    @console.post("/submitters/{name}")
    async def change_submitter(page: "Page") -> Response:
        typed, name = _typed(await page.form()), page.part("name")
        before = _as_typed(await page.calls.get(_api(page)))
        try:
            await page.calls.patch(_api(page), _changes(_wish(before), _wish(typed)))
        except Problem as problem:
            return await _form(page, typed, problem, name=name)
        page.tell(N_("Changed %(name)s. It counts from its next message on."), name=name)
        return page.go(_path(name))

    @console.post("/submitters/{name}/password")
    async def change_password(page: "Page") -> Response:
        form, name = await page.form(), page.part("name")
        if "none" in form:
            await page.calls.patch(_api(page), {"no_password": True})
            page.tell(N_("%(name)s has no password any more."), name=name)
            return page.go(_path(name))
        changed = await page.calls.patch(_api(page), {"new_password": True})
        page.tell_once(_path(name), password=changed["password"])
        return page.go(_path(name))

    @console.post("/submitters/{name}/tokens")
    async def add_token(page: "Page") -> Response:
        form, name = await page.form(), page.part("name")
        try:
            made = await page.calls.post(f"{_api(page)}/tokens", {"id": form.get("id", "")})
        except Problem as problem:
            return await _one(page, problem, form.get("id", ""))
        page.tell_once(_path(name), token=made["token"])
        return page.go(_path(name))

    @console.post("/submitters/{name}/tokens/{id}/remove")
    async def remove_token(page: "Page") -> Response:
        await page.form()
        await page.calls.delete(f"{_api(page)}/tokens/{segment(page.part('id'))}")
        page.tell(N_("Removed the token %(id)s."), id=page.part("id"))
        return page.go(_path(page.part("name")))

    @console.post("/submitters/{name}/enabled")
    async def let_in_or_keep_out(page: "Page") -> Response:
        return await coming_in.let_in_or_keep_out(page, _API, "/submitters")

    @console.post("/submitters/{name}/remove")
    async def remove_submitter(page: "Page") -> Response:
        return await coming_in.remove(page, _API, "/submitters")


def _api(page: "Page") -> str:
    return f"{_API}/{segment(page.part('name'))}"


def _path(name: str) -> str:
    return f"/submitters/{segment(name)}"


async def _one(page: "Page", problem: Problem | None = None, token_id: str = "") -> Response:
    refused = await page.calls.get("/api/v1/refusals", submitter=page.part("name"), limit=100)
    return page.show(
        "submitter.html",
        submitter=await page.calls.get(_api(page)),
        listeners=await page.calls.all("/api/v1/listeners"),
        refusals=of_refusals(refused["data"], page.language),
        since=refused["since"],
        token_id=token_id,
        problem=problem,
    )


async def _form(page: "Page", typed: Mapping[str, Any], problem: Problem | None = None, name: str = "") -> Response:
    """The form of a new one, or to change the one of this name."""
    mailboxes, has_more = await coming_in.mailboxes(page, typed["mailboxes"])
    return page.show(
        "submitter_form.html",
        name=name,
        typed=typed,
        mailboxes=mailboxes,
        has_more=has_more,
        apps=[(one["name"], one["name"]) for one in await page.calls.all("/api/v1/apps")],
        problem=problem,
    )


# ---- what stands in the form, and what it means


def _typed(form: "Form") -> dict[str, Any]:
    """What a form says."""
    return {name: form.get(name, "") for name in _NEW} | {"mailboxes": coming_in.chosen_mailboxes(form)}


def _as_typed(submitter: Mapping[str, Any]) -> dict[str, Any]:
    """What the form says of a submitter as it is."""
    own = {sender: box for sender, box in submitter["senders"].items() if sender == address_key(box)}
    aliases = [f"{sender}={box}" for sender, box in submitter["senders"].items() if sender not in own]
    ways = submitter["domains"].items()
    domains = [f"*@{domain}={way['mailbox']}" if way["mailbox"] else f"*@{domain}" for domain, way in ways]
    return {
        **_NEW,
        **{name: written(submitter[name]) for name in ("networks", "users", "groups", "recipients")},
        "name": submitter["name"],
        "mailboxes": list(own.values()),
        "senders": written([*aliases, *domains]),
        "app": next((way["app"] for _, way in ways if way["app"]), ""),
        "from": "force" if submitter["force_from"] else "fix" if submitter["fix_from"] else "keep",
        "rate": submitter["rate"] or "",
        "max_size": number(submitter["max_size"] / MEGABYTE),
        "priority": submitter["priority"],
        "max_age": number(submitter["max_age"] / _HOUR),
        "on_broken": submitter["on_broken"],
    }


def _wish(typed: Mapping[str, Any]) -> dict[str, Any]:
    """What a form asks the API for."""
    return {
        **{name: lines(typed[name]) for name in ("senders", "networks", "users", "groups", "recipients")},
        "mailboxes": typed["mailboxes"],
        **({"app": typed["app"]} if typed["app"] else {}),
        "force_from": typed["from"] == "force",
        "fix_from": typed["from"] == "fix",
        "rate": scaled(typed["rate"], 1),
        "max_size": scaled(typed["max_size"], MEGABYTE),
        "priority": typed["priority"],
        "max_age": scaled(typed["max_age"], _HOUR),
        "on_broken": typed["on_broken"],
    }


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be changed; the app registration is part of what the further senders say."""
    changes = different(before, after)
    if changes.keys() & {"senders", "app"}:
        changes |= {name: after[name] for name in ("senders", "app") if name in after}
    return changes


def _no_password(typed: Mapping[str, Any]) -> dict[str, bool]:
    return {} if typed["password"] else {"no_password": True}
