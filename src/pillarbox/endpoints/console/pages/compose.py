"""A mail that a person writes here, to try what they have set up, or because it is at hand."""

import json
import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from pillarbox.core.caller import Scope
from pillarbox.core.errors import PillarboxError
from pillarbox.endpoints.console.calls import Problem, segment
from pillarbox.endpoints.console.door import TOKEN
from pillarbox.endpoints.console.languages import N_
from pillarbox.endpoints.console.moments import moment
from pillarbox.endpoints.console.multipart import MOST, FormWithFiles
from pillarbox.endpoints.console.page import Form
from pillarbox.endpoints.console.words import of_flaw

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_MOST_MAILBOXES: Final = 200
"""That are offered; where there are more, an address is typed."""
_ONE: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*+"|\\["\\]|[^",;\r\n]|")+')
"""What is escaped stays so outside of quotes too: else a text would be looked through anew from each quote in it."""
_FIELDS: Final = ("from", "to", "cc", "bcc", "subject", "text", "attachments", "send_at")
"""Beside which it is shown what the API says of them."""


def add(console: "Console") -> None:
    """Add the pages."""

    @console.get("/compose", scope=Scope.SEND)
    async def compose(page: "Page") -> Response:
        given = {name: page.query.get(name, "") for name in ("from", "to")}
        return await _form(page, {**given, "key": secrets.token_hex(16)})

    @console.post("/compose", scope=Scope.SEND)
    async def send(page: "Page") -> Response:
        upload = FormWithFiles(page.request)
        form = await upload.fields()
        page.door.check_form(page.request, page.visitor, form.get(TOKEN, ""))
        try:
            message = json.dumps(_message(form)).encode()
            fields = {"content-type": upload.content_type(), "idempotency-key": segment(form.get("key", ""))}
            sent = await page.calls.send("/api/v1/sends", upload.with_message(message), fields)
        except (Problem, PillarboxError) as error:
            await upload.drain()
            return await _form(page, {**form, "text": form.raw("text")}, Problem.of(error, page.request))
        page.tell(N_("The message is in the outbox."))
        return page.go(f"/outbox/{segment(sent['id'])}")


async def _form(page: "Page", given: Mapping[str, str], problem: Problem | None = None) -> Response:
    mailboxes = await page.calls.all("/api/v1/mailboxes", most=_MOST_MAILBOXES + 1)
    return page.show(
        "compose.html",
        given=given,
        mailboxes=mailboxes if len(mailboxes) <= _MOST_MAILBOXES else None,
        most=MOST,
        problem=problem,
        wrong={name: _flaw(page, problem, name) for name in _FIELDS},
    )


def _message(form: Form) -> dict[str, Any]:
    """What was typed, as the API takes it. Raises InvalidInput `compose.bad_time`."""
    return {
        "from": form.get("from", ""),
        **{name: people(form.raw(name)) for name in ("to", "cc", "bcc")},
        "subject": form.get("subject", ""),
        "text": form.raw("text"),
        "priority": form.get("priority", "normal"),
        "send_at": moment(form.get("send_at", ""), form.get("offset", "")),
        "hold": "hold" in form,
    }


def people(text: str) -> list[str]:
    """Addresses as people type them: commas, semicolons or lines' ends between them, but not those in quotes. Pure."""
    return [one.strip() for one in _ONE.findall(text) if one.strip()]


def _flaw(page: "Page", problem: Problem | None, name: str) -> str:
    """What the API says of a field."""
    flaws = problem.flaws if problem else ()
    said = (of_flaw(flaw, page.language) for flaw in flaws if _names(flaw.get("pointer") or "", name))
    return next((words.sentence for words in said), "")


def _names(pointer: str, name: str) -> bool:
    return pointer == f"/{name}" or pointer.startswith(f"/{name}/")
