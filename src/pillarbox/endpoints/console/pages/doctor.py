"""The doctor: everything that can be wrong with the installation, looked at when somebody asks."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from pillarbox.admin import support_archive
from pillarbox.endpoints.console.calls import Problem
from pillarbox.endpoints.console.downloads import download
from pillarbox.endpoints.console.words import of_finding

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_API: Final = "/api/v1/doctor"
_AT_ONCE: Final = 0.5
"""Seconds in which it shows whether the doctor comes at all."""
_AGAIN: Final = "2"
"""Seconds until a browser looks again how far the doctor is."""
_GROUPS: Final = ("problem", "warning", "skipped", "ok")


def add(console: "Console") -> None:
    """Add the pages."""
    at_work: set[asyncio.Task[Any]] = set()

    @console.get("/doctor")
    async def doctor(page: "Page") -> Response:
        return _show(page, await page.calls.get(_API))

    @console.post("/doctor")
    async def run(page: "Page") -> Response:
        await page.form()
        # It goes on while the browser looks at how far it is. Its end is told by the API.
        task = asyncio.create_task(page.calls.post(_API))
        at_work.add(task)
        task.add_done_callback(_ended)
        task.add_done_callback(at_work.discard)
        await asyncio.wait({task}, timeout=_AT_ONCE)
        if task.done() and isinstance(problem := task.exception(), Problem):
            return _show(page, await page.calls.get(_API), problem)
        return page.go("/doctor")

    @console.get("/doctor/archive")
    async def archive(page: "Page") -> Response:
        last = await page.calls.get(_API)
        if last["diagnosis"] is None:
            return page.go("/doctor")
        facts = await page.calls.get(f"{_API}/facts")
        packed = support_archive.pack(last["diagnosis"], facts, with_addresses="addresses" in page.query)
        return download("pillarbox-support.tar.gz", "application/gzip", packed)


def _ended(task: asyncio.Task[Any]) -> None:
    """What it came to is shown by the API; a refusal was seen at once, or is of no use to anybody any more."""
    if not task.cancelled():
        task.exception()


def _show(page: "Page", last: dict[str, Any], problem: Problem | None = None) -> Response:
    findings = (last["diagnosis"] or {}).get("findings", ())
    told = [(each, of_finding(each, page.language, last["at"])) for each in findings]
    groups = {name: [one for one in told if one[0]["severity"] == name] for name in _GROUPS}
    response = page.show(
        "doctor.html",
        last=last,
        groups=groups,
        problem=problem,
    )
    if last["running"]:
        response.headers["Refresh"] = _AGAIN
    return response
