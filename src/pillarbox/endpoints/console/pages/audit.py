"""The audit log: who did what, by which door, and how it ended."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from pillarbox.access import audit_sheet
from pillarbox.core.errors import InvalidInput
from pillarbox.endpoints.console.audit_words import acts, of_act
from pillarbox.endpoints.console.calls import Problem
from pillarbox.endpoints.console.downloads import download

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_API: Final = "/api/v1/audit-events"
_FILTERS: Final = ("actor", "action", "since", "until")
_BYTE_ORDER: Final = "\ufeff"
"""By which spreadsheets know that it is UTF-8."""
_AT_ONCE: Final = 500


def add(console: "Console") -> None:
    """Add the pages."""

    @console.get("/audit")
    async def audit(page: "Page") -> Response:
        given = {name: page.query.get(name, "").strip() for name in _FILTERS}
        try:
            found = await page.calls.get(_API, cursor=page.query.get("cursor"), **_asked(given))
        except (Problem, InvalidInput) as error:
            problem = Problem.of(error, page.request)
            nothing: dict[str, Any] = {"data": [], "next": None}
            return _show(page, nothing, given, problem)
        return _show(page, found, given)

    @console.get("/audit/csv")
    async def sheet(page: "Page") -> Response:
        asked = _asked({name: page.query.get(name, "").strip() for name in _FILTERS})
        # Asked for before anything is said: what is refused is told as a page.
        first = await page.calls.get(_API, limit=_AT_ONCE, **asked)
        return download("pillarbox-audit.csv", "text/csv; charset=utf-8", _lines(page, asked, first))


def _show(page: "Page", found: Mapping[str, Any], given: Mapping[str, str], problem: Problem | None = None) -> Response:
    known, asked = acts(page.language), given["action"]
    # Rows of every act lead to their like, also of those that are not offered.
    others = [(asked, asked)] if asked and asked not in dict(known) else []
    return page.show(
        "audit.html",
        problem=problem,
        found=found,
        given=given,
        acts=[*known, *others],
        called=lambda act: of_act(act, page.language),
    )


async def _lines(page: "Page", asked: Mapping[str, object], found: dict[str, Any]) -> AsyncIterator[str]:
    yield _BYTE_ORDER + audit_sheet.HEAD
    while True:
        yield "".join(map(audit_sheet.line_of, found["data"]))
        if found["next"] is None:
            return
        found = await page.calls.get(_API, limit=_AT_ONCE, cursor=found["next"], **asked)


def _asked(given: Mapping[str, str]) -> dict[str, object]:
    """The filters as the API knows them; days are whole, in UTC. Raises InvalidInput."""
    return {
        "actor": given["actor"],
        "action": given["action"],
        "since": _midnight(given["since"], "since"),
        "until": _midnight(given["until"], "until", timedelta(days=1)),
    }


def _midnight(text: str, name: str, later: timedelta = timedelta()) -> float | None:
    if not text:
        return None
    try:
        return (datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC) + later).timestamp()
    except (ValueError, OverflowError) as error:
        raise InvalidInput("request.invalid", reason=f"'{name}' is no day, such as 2027-01-31") from error
