"""The wizard's way for devices and programs, behind the app registration: mailbox, device, first mail."""

import time
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from pillarbox.endpoints.console.calls import Problem, segment
from pillarbox.endpoints.console.pages.outbox import why
from pillarbox.endpoints.console.words import Said, of_code

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_SHOWN: Final = 3
"""Refusals that are told while one waits."""


def add(console: "Console") -> None:
    """Add the pages."""

    @console.get("/start/devices/{app}/mailbox")
    async def mailbox(page: "Page") -> Response:
        return await _mailbox_form(page)

    @console.post("/start/devices/{app}/mailbox")
    async def add_mailbox(page: "Page") -> Response:
        form, app = await page.form(), page.part("app")
        address = form.get("address", "")
        known = await _mailboxes(page)
        if address.lower() not in [one["address"].lower() for one in known]:
            try:
                added = await page.calls.post("/api/v1/mailboxes", {"address": address, "app": app})
            except Problem as problem:
                return await _mailbox_form(page, address, problem)
            address = added["address"]
        return page.go(f"/start/mailbox/{segment(address)}")

    @console.get("/start/mailbox/{address}/device")
    async def device(page: "Page") -> Response:
        return await _device_form(page, {"name": "", "force_from": True})

    @console.post("/start/mailbox/{address}/device")
    async def add_device(page: "Page") -> Response:
        form = await page.form()
        typed = {"name": form.get("name", ""), "force_from": "force_from" in form}
        wish = {**typed, "mailboxes": [page.part("address")], "fix_from": not typed["force_from"]}
        try:
            added = await page.calls.post("/api/v1/submitters", wish)
        except Problem as problem:
            return await _device_form(page, typed, problem)
        return await _settings(page, added)

    @console.get("/start/device/{name}")
    async def wait(page: "Page") -> Response:
        submitter = await page.calls.get(f"/api/v1/submitters/{segment(page.part('name'))}")
        return await _settings(page, submitter, page.query.get("since", ""))

    @console.post("/start/device/{name}")
    async def new_password(page: "Page") -> Response:
        await page.form()
        path = f"/api/v1/submitters/{segment(page.part('name'))}"
        # What came by the old password does not show that the new one was typed in.
        return await _settings(page, await page.calls.patch(path, {"new_password": True}), f"{time.time():.3f}")


async def _mailboxes(page: "Page") -> list[dict[str, Any]]:
    app = await page.calls.get(f"/api/v1/apps/{segment(page.part('app'))}")
    return await page.calls.all("/api/v1/mailboxes", app=app["name"])


async def _mailbox_form(page: "Page", address: str = "", problem: Problem | None = None) -> Response:
    known = await _mailboxes(page)
    return page.show(
        "wizard_mailbox.html",
        problem.status if problem else 200,
        app=page.part("app"),
        address=address,
        known=known,
        problem=problem,
        said=page.words(problem) if problem else None,
    )


async def _device_form(page: "Page", typed: dict[str, Any], problem: Problem | None = None) -> Response:
    mailbox = await page.calls.get(f"/api/v1/mailboxes/{segment(page.part('address'))}")
    submitters = await page.calls.all("/api/v1/submitters")
    return page.show(
        "wizard_device.html",
        problem.status if problem else 200,
        mailbox=mailbox,
        typed=typed,
        there=[one for one in submitters if mailbox["address"] in one["senders"].values()],
        problem=problem,
        said=page.words(problem) if problem else None,
    )


async def _settings(page: "Page", submitter: dict[str, Any], since: str = "") -> Response:
    """What is typed into the device, and whether a mail has come from it, or has `since` a time (seconds since 1970).

    A password that was just made is shown once.

    The newest refusal that names the submitter tells why none comes.
    """
    name = submitter["name"]
    newest = (await page.calls.get("/api/v1/sends", submitter=name, since=since, limit=1))["data"]
    return page.show(
        "wizard_settings.html",
        submitter=submitter,
        sender=next(iter(submitter["senders"].values()), ""),
        listeners=await page.calls.all("/api/v1/listeners"),
        since=since,
        message=newest[0] if newest else None,
        why=why(page, newest[0]) if newest else None,
        refusals=[] if newest else await _refusals(page, name),
    )


async def _refusals(page: "Page", name: str) -> list[dict[str, Any]]:
    """The last refusals of this submitter, and of strangers: it may be one of them, with its name mistyped."""
    found = await page.calls.all("/api/v1/refusals")
    near = sorted((one for one in found if one["submitter"] in (name, None)), key=lambda one: -one["last_at"])
    return [
        {**one, "said": of_code(one["code"], one["params"], Said(one["title"], one["hint"]), page.language)}
        for one in near[:_SHOWN]
    ]
