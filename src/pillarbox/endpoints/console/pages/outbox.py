"""The outbox: where messages are, what was tried, and what a person does with them."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode

from starlette.responses import Response

from pillarbox.core.cause import Cause
from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import State
from pillarbox.endpoints.api.request_ids import id_of
from pillarbox.endpoints.console.calls import Problem, query_of, segment
from pillarbox.endpoints.console.languages import N_
from pillarbox.endpoints.console.moments import moment
from pillarbox.endpoints.console.words import Said, of_cause, of_code, of_pause

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_SENDS: Final = "/api/v1/sends"
_FILTERS: Final = ("recipient", "state", "mailbox", "submitter", "code", "cause")
_TIMES: Final = ("since", "until")
_FIELDS: Final = (*_FILTERS, *_TIMES, "offset", "q")
_PLACE: Final = "cursor"
"""Where in the list somebody is."""
_QUEUE_ID: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{16}")
_DONE: Final = {
    "retry": (N_("Queued again."), N_("Queued again. Messages: %(count)s.")),
    "cancel": (N_("Canceled."), N_("Canceled. Messages: %(count)s.")),
    "resolve": (N_("Marked as sent."), N_("Marked as sent. Messages: %(count)s.")),
    "approve": (N_("Approved: it goes now."), N_("Approved. Messages: %(count)s.")),
    "reject": (N_("Rejected."), N_("Rejected. Messages: %(count)s.")),
}
"""What was done with one message, and with several, by the act of the API."""


def add(console: "Console") -> None:
    """Add the pages."""

    @console.get("/outbox")
    async def outbox(page: "Page") -> Response:
        sought = page.query.get("q", "").strip()
        if _QUEUE_ID.fullmatch(sought.upper()):
            return page.go(f"/outbox/{sought.upper()}")
        return await _list(page)

    @console.post("/outbox/decide")
    async def decide_several(page: "Page") -> Response:
        form = await page.form()
        back = query_of({name: value for name, value in parse_qsl(form.get("back", "")) if name in (*_FIELDS, _PLACE)})
        ids, act = form.many("id"), form.get("act", "")
        if not ids:
            page.warn(page.say(N_("Nothing was chosen. Mark the messages first.")))
            return page.away(f"{page.prefix}/outbox{back}")
        wish = {"act": act, "ids": ids, "reason": form.get("reason", "")}
        came = (await page.calls.post("/api/v1/outbox:decide", wish))["data"]
        refused = [(one["id"], Problem(409, one["problem"])) for one in came if one["problem"]]
        if not refused:
            page.tell(_DONE[act][1], count=page.language.number(len(came)))
            return page.away(f"{page.prefix}/outbox{back}")
        done = [one["send"] for one in came if one["send"]]
        request_id = id_of(page.request.scope)
        return page.show("outbox_decided.html", 409, refused=refused, done=done, back=back, request_id=request_id)

    @console.post("/outbox/pause")
    async def pause(page: "Page") -> Response:
        form = await page.form()
        await page.calls.post("/api/v1/outbox:pause", {"reason": form.get("reason", "")})
        page.tell(N_("Sending is paused. What comes in is kept."))
        return page.go("/outbox")

    @console.post("/outbox/resume")
    async def resume(page: "Page") -> Response:
        await page.form()
        await page.calls.post("/api/v1/outbox:resume", {})
        page.tell(N_("Sending goes on."))
        return page.go("/outbox")

    @console.get("/outbox/{queue_id}")
    async def message(page: "Page") -> Response:
        return await _message(page)

    @console.post("/outbox/{queue_id}/decide")
    async def decide(page: "Page") -> Response:
        form = await page.form()
        act = form.get("act", "")
        if act not in _DONE:
            return await _message(page)
        reason = {"reason": form.get("reason", "")} if act == "reject" else None
        try:
            await page.calls.post(f"{_path(page)}:{act}", reason)
        except Problem as problem:
            return await _message(page, problem)
        page.tell(_DONE[act][0])
        return page.go(f"/outbox/{segment(page.part('queue_id'))}")


def _path(page: "Page") -> str:
    return f"{_SENDS}/{segment(page.part('queue_id'))}"


async def _list(page: "Page") -> Response:
    asked = {name: page.query.get(name, "").strip() for name in _FIELDS}
    problem: Problem | None = None
    found: Mapping[str, Any] = {"data": [], "next": None}
    try:
        found = await page.calls.get(_SENDS, cursor=page.query.get(_PLACE), **_filters(asked))
    except (Problem, PillarboxError) as error:
        problem = Problem.of(error, page.request)
    kept = {name: value for name, value in asked.items() if value}
    given = {name: value for name, value in kept.items() if name != "offset"}
    whole = await page.calls.get("/api/v1/outbox")
    return page.show(
        "outbox.html",
        asked=asked,
        given=given,
        kept=kept,
        back=urlencode(kept | {_PLACE: page.query[_PLACE]} if _PLACE in page.query else kept),
        sends=found["data"],
        next=found["next"],
        is_first=_PLACE not in page.query,
        paused=whole["paused"],
        states=[state.value for state in State],
        causes={cause.value: of_cause(cause.value, page.language).sentence for cause in Cause},
        problem=problem,
        why=lambda send: why(page, send),
    )


def _filters(asked: dict[str, str]) -> dict[str, object]:
    """As the API takes them. Raises InvalidInput `compose.bad_time`."""
    given: dict[str, object] = {name: asked[name] for name in _FILTERS}
    given |= {name: moment(asked[name], asked["offset"]) for name in _TIMES}
    if sought := asked["q"]:
        given["message_id"] = sought if sought.startswith("<") else f"<{sought}>"
    return given


async def _message(page: "Page", problem: Problem | None = None) -> Response:
    trace = await page.calls.get(_path(page))
    return page.show(
        "message.html",
        trace=trace,
        send=trace["message"],
        why=why(page, trace["message"]),
        why_so=lambda attempt: of_code(attempt["code"], {}, Said(attempt["reason"], ""), page.language).sentence,
        why_waits=lambda pause: of_pause(pause, page.language).sentence,
        problem=problem,
    )


def why(page: "Page", send: Mapping[str, Any]) -> Said:
    """Why a message is as it is, and what helps."""
    return of_code(send["code"], {}, Said(send["reason"], send["cure"]), page.language)
