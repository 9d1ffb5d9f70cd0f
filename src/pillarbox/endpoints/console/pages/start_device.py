"""The wizard's way for devices and programs, behind the app registration: mailbox, device, first mail."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from pillarbox.endpoints.console.calls import Problem, segment
from pillarbox.endpoints.console.pages.outbox import why
from pillarbox.endpoints.console.pages.testing import room
from pillarbox.endpoints.console.words import of_refusals

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_MAILBOXES: Final = "/api/v1/mailboxes"
_TAKEN: Final = "mailbox.exists"
_SHOWN: Final = 3
"""Refusals that are told while one waits."""
_LATELY: Final = 900.0
"""Seconds in which a stranger may have been this device: what one was refused before was somebody else."""
_OFFERED: Final = 20
"""Mailboxes that are named; any other is typed."""


def add(console: "Console") -> None:
    """Add the pages."""

    @console.get("/start/devices/{app}/mailbox")
    async def mailbox(page: "Page") -> Response:
        return await _mailbox_form(page)

    @console.post("/start/devices/{app}/mailbox")
    async def add_mailbox(page: "Page") -> Response:
        form, app = await page.form(), page.part("app")
        address = form.get("address", "")
        known = await page.calls.all(_MAILBOXES, app=await _app(page), contains=address)
        if address.lower() not in [one["address"].lower() for one in known]:
            try:
                added = await page.calls.post(_MAILBOXES, {"address": address, "app": app})
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
        return _tell_password(page, added)

    @console.get("/start/device/{name}")
    async def wait(page: "Page") -> Response:
        return await _settings(page, page.query.get("since", ""))

    @console.post("/start/device/{name}")
    async def new_password(page: "Page") -> Response:
        await page.form()
        changed = await page.calls.patch(_api(page), {"new_password": True})
        return _tell_password(page, changed)


def _api(page: "Page") -> str:
    return f"/api/v1/submitters/{segment(page.part('name'))}"


def _tell_password(page: "Page", submitter: Mapping[str, Any]) -> Response:
    """To the page that tells a new password once, and waits for mail.

    What came before does not show that it was typed in: it came by the old password, or from somebody else.
    """
    path = f"/start/device/{segment(submitter['name'])}"
    page.tell_once(path, password=submitter["password"])
    return page.go(path, since=f"{time.time():.3f}")


async def _app(page: "Page") -> str:
    """The name of the app registration, if there is one."""
    return str((await page.calls.get(f"/api/v1/apps/{segment(page.part('app'))}"))["name"])


async def _mailbox_form(page: "Page", address: str = "", problem: Problem | None = None) -> Response:
    known = (await page.calls.get(_MAILBOXES, app=await _app(page), limit=_OFFERED))["data"]
    return page.show(
        "wizard_mailbox.html",
        problem.status if problem else 200,
        app=page.part("app"),
        address=address,
        taken=await _mailbox(page, address) if problem and problem.code == _TAKEN else None,
        known=known,
        problem=problem,
        said=page.words(problem) if problem else None,
    )


async def _mailbox(page: "Page", address: str) -> Any:
    return await page.calls.get(f"{_MAILBOXES}/{segment(address)}")


async def _device_form(page: "Page", typed: dict[str, Any], problem: Problem | None = None) -> Response:
    mailbox = await _mailbox(page, page.part("address"))
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


async def _settings(page: "Page", since: str) -> Response:
    """What is typed into the device, and whether a mail has come from it, or has `since` a time (seconds since 1970).

    The newest refusal that names the submitter tells why none comes.
    """
    submitter = await page.calls.get(_api(page))
    name = submitter["name"]
    sender = next(iter(submitter["senders"].values()), "")
    mailbox = await _mailbox(page, sender) if sender else None
    listeners = await page.calls.all("/api/v1/listeners")
    newest = (await page.calls.get("/api/v1/sends", submitter=name, since=since, limit=1))["data"]
    return page.show(
        "wizard_settings.html",
        submitter=submitter,
        sender=sender,
        mailbox=mailbox,
        room=room(mailbox, listeners),
        listeners=listeners,
        since=since,
        message=newest[0] if newest else None,
        why=why(page, newest[0]) if newest else None,
        refusals=[] if newest else await _refusals(page, name, float(since or 0)),
    )


async def _refusals(page: "Page", name: str, since: float) -> list[dict[str, Any]]:
    """The last refusals of this submitter, and of strangers: it may be one of them, with its name mistyped."""
    found = await page.calls.all("/api/v1/refusals")
    lately = max(since, page.at - _LATELY)
    own = [one for one in found if one["submitter"] == name and one["last_at"] >= since]
    near = [one for one in found if one["submitter"] is None and one["last_at"] >= lately]
    return of_refusals(own + near, page.language)[:_SHOWN]
