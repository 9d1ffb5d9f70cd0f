"""The Test buttons: a page that grows by a step as soon as it is found. Here that of a mailbox."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from pillarbox.core.caller import Scope
from pillarbox.core.errors import ATTACHED
from pillarbox.endpoints.console.calls import Problem, segment
from pillarbox.endpoints.console.languages import N_
from pillarbox.endpoints.console.words import Said, of_finding

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_NAMES: Final = {
    "sign-in": N_("Sign-in of the person"),
    "addresses": N_("The way to Microsoft"),
    "tls": N_("Encryption"),
    "clock": N_("Clock"),
    "credentials": N_("Credentials"),
    "token": N_("Sign-in at Microsoft"),
    "rights": N_("Permissions"),
    "mailbox": N_("Mailbox"),
    "send": N_("Sending"),
    "sent-items": N_("Sent Items"),
    "drafts": N_("Drafts"),
    "message-id": N_("Message-ID"),
}
"""The steps as people call them; SMTP and IMAP are called so."""
_NOT_ASKED: Final = ("check.smtp_unused", "check.imap_unused")
"""What was left out as nobody asked for it."""
_OPTIONAL: Final = (
    "check.sent_items_closed",
    "check.drafts_closed",
    "check.message_id_unsent",
    "check.message_id_closed",
)
"""What was left out and is not missed: other modes than the simplest one use it."""
_TO_SEND: Final = ("check.may_send", "check.may_send_untold")
"""Of what a test that sends tells more."""
_BELOW: Final = N_("To see a mail arrive, type an address below and test again.")
"""How that is done here."""
_ALONE: Final = "test.html"
_WIZARD: Final = "wizard_test.html"


def add(console: "Console") -> None:
    """Add the pages: by itself, and as a step of the wizard."""

    @console.get("/mailboxes/{address}/test", scope=Scope.OUTBOX_DECIDE)
    async def look(page: "Page") -> Response:
        return await _form(page, _ALONE)

    @console.post("/mailboxes/{address}/test")
    async def test(page: "Page") -> Response:
        return await _test(page, _ALONE)

    @console.get("/start/mailbox/{address}", scope=Scope.OUTBOX_DECIDE)
    async def look_in_wizard(page: "Page") -> Response:
        return await _form(page, _WIZARD)

    @console.post("/start/mailbox/{address}")
    async def test_in_wizard(page: "Page") -> Response:
        return await _test(page, _WIZARD)


async def _form(page: "Page", template: str, to: str = "", problem: Problem | None = None) -> Response:
    mailbox = await page.calls.get(f"/api/v1/mailboxes/{segment(page.part('address'))}")
    return page.show(
        template,
        mailbox=mailbox,
        to=to,
        running=False,
        here="",
        problem=problem,
    )


async def _test(page: "Page", template: str) -> Response:
    form = await page.form()
    to, path = form.get("to", ""), f"/api/v1/mailboxes/{segment(page.part('address'))}"
    asked = {"to": to or None, "exchange": "exchange" in form}
    try:
        told = await page.calls.lines(f"{path}:test", asked)
    except Problem as problem:
        return await _form(page, template, to, problem)
    mailbox = await page.calls.get(path)
    return page.stream(
        template,
        steps(page, told, partial(_verdict, page, in_wizard=template == _WIZARD)),
        mailbox=mailbox,
        to=to,
        running=True,
    )


async def steps(
    page: "Page", told: AsyncGenerator[Any, None], verdict: Callable[[dict[str, Any]], Awaitable[str]]
) -> AsyncGenerator[str, None]:
    """Each step of a test as a part of a page, and what it comes to, which `verdict` makes of the whole report."""
    is_over = False
    try:
        async for line in told:
            if is_over := "steps" in line:
                yield await verdict(line)
            elif line["code"] not in _NOT_ASKED:
                yield _step(page, line)
    except Exception:
        is_over = False  # The API has told the log why.
    if not is_over:
        yield page.piece("test_broken.html")


async def _verdict(page: "Page", report: dict[str, Any], *, in_wizard: bool) -> str:
    """What it comes to, and what can be done next."""
    verdict = report["steps"][-1]
    mailbox = await page.calls.get(f"/api/v1/mailboxes/{segment(page.part('address'))}")
    return page.piece(
        "test_verdict.html",
        said=found(page, verdict),
        kind="bad" if verdict["status"] == "fail" else "ok" if report["ok"] and verdict["status"] == "ok" else "warn",
        mailbox=mailbox,
        room=room(mailbox),
        in_wizard=in_wizard,
    )


def room(mailbox: Mapping[str, Any] | None, listeners: Sequence[Mapping[str, Any]] = ()) -> float:
    """Bytes of attachments that a mail can have; 0: as many as it likes."""
    limits = [one["max_size"] for one in listeners] + ([mailbox["largest"]] if mailbox else [])
    return min(filter(None, limits), default=0) * ATTACHED


def _step(page: "Page", line: dict[str, Any]) -> str:
    said = found(page, line)
    return page.piece(
        "test_step.html",
        step=line,
        name=called(page, line["name"]),
        said=replace(said, cure=page.say(_BELOW)) if line["code"] in _TO_SEND else said,
        is_optional=line["code"] in _OPTIONAL,
    )


def called(page: "Page", step: str) -> str:
    """What people call a step."""
    return page.say(_NAMES[step]) if step in _NAMES else step.upper()


def found(page: "Page", step: dict[str, Any]) -> Said:
    """What was found; where it names another step, that one is called as people call it."""
    params, sentence = dict(step["params"]), step["title"]
    if other := params.get("step"):
        params["step"] = called(page, other)
        sentence = sentence.replace(f"'{other}'", f"'{params['step']}'")
    return of_finding({**step, "params": params, "title": sentence}, page.language, time.time())
