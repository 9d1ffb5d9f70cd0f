"""API keys: by which programs come in at the HTTP API, and what each may do there."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from pillarbox.core.caller import Scope
from pillarbox.endpoints.console import coming_in
from pillarbox.endpoints.console.calls import Problem, segment
from pillarbox.endpoints.console.languages import N_
from pillarbox.endpoints.console.typed import different, lines, scaled, written

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Form, Page

_API: Final = "/api/v1/api-keys"
_ALL, _SOME = "all", "some"
_NEW: Final[Mapping[str, Any]] = {
    "name": "",
    "scopes": ["send", "outbox.read", "events.read"],
    "knows": _ALL,
    "mailboxes": [],
    "networks": "",
    "recipients": "",
    "on_other_recipients": "refuse",
    "rate": "",
    "last_day": "",
}
"""What a form says in which nothing was typed."""


def add(console: "Console") -> None:
    """Add the pages."""

    @console.get("/keys")
    async def keys(page: "Page") -> Response:
        shown = await page.calls.get(_API, cursor=page.query.get("cursor"))
        return page.show("keys.html", keys=shown["data"], next=shown["next"], now=_now())

    @console.get("/keys/:new", scope=Scope.ADMIN)
    async def new_key(page: "Page") -> Response:
        return await _form(page, _NEW)

    @console.post("/keys")
    async def add_key(page: "Page") -> Response:
        typed = _typed(await page.form())
        try:
            made = await page.calls.post(_API, {"name": typed["name"], **_wish(typed)})
        except Problem as problem:
            return await _form(page, typed, problem)
        return _made(page, made)

    @console.get("/keys/{name}")
    async def key(page: "Page") -> Response:
        return page.show("key.html", key=await page.calls.get(_api(page)), now=_now())

    @console.get("/keys/{name}/change")
    async def look_at_change(page: "Page") -> Response:
        return await _form(page, _as_typed(await page.calls.get(_api(page))), name=page.part("name"))

    @console.post("/keys/{name}")
    async def change_key(page: "Page") -> Response:
        typed, name = _typed(await page.form()), page.part("name")
        before = _as_typed(await page.calls.get(_api(page)))
        try:
            await page.calls.patch(_api(page), different(_wish(before), _wish(typed)))
        except Problem as problem:
            return await _form(page, typed, problem, name=name)
        page.tell(N_("Changed %(name)s. It counts from its next request on."), name=name)
        return page.go(_path(name))

    @console.post("/keys/{name}/rotate")
    async def rotate_key(page: "Page") -> Response:
        await page.form()
        return _made(page, await page.calls.post(f"{_api(page)}:rotate"))

    @console.post("/keys/{name}/enabled")
    async def let_in_or_keep_out(page: "Page") -> Response:
        return await coming_in.let_in_or_keep_out(page, _API, "/keys")

    @console.post("/keys/{name}/remove")
    async def remove_key(page: "Page") -> Response:
        return await coming_in.remove(page, _API, "/keys")


def _api(page: "Page") -> str:
    return f"{_API}/{segment(page.part('name'))}"


def _path(name: str) -> str:
    return f"/keys/{segment(name)}"


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _made(page: "Page", made: Mapping[str, Any]) -> Response:
    """To its page, which tells the key itself once."""
    page.tell_once(_path(made["name"]), key=made["key"])
    return page.go(_path(made["name"]))


async def _form(page: "Page", typed: Mapping[str, Any], problem: Problem | None = None, name: str = "") -> Response:
    """The form of a new one, or to change the one of this name."""
    mailboxes, has_more = await coming_in.mailboxes(page, typed["mailboxes"])
    return page.show(
        "key_form.html",
        name=name,
        typed=typed,
        mailboxes=mailboxes,
        has_more=has_more,
        problem=problem,
    )


# ---- what stands in the form, and what it means


def _typed(form: "Form") -> dict[str, Any]:
    """What a form says."""
    lists = {"scopes": form.many("scopes"), "mailboxes": coming_in.chosen_mailboxes(form)}
    return {name: form.get(name, "") for name in _NEW} | lists


def _as_typed(key: Mapping[str, Any]) -> dict[str, Any]:
    """What the form says of a key as it is."""
    return {
        "name": key["name"],
        "scopes": key["scopes"],
        "knows": _ALL if key["mailboxes"] is None else _SOME,
        "mailboxes": key["mailboxes"] or [],
        "networks": written(key["networks"]),
        "recipients": written(key["recipients"]),
        "on_other_recipients": key["on_other_recipients"],
        "rate": key["rate"] or "",
        "last_day": last_day(key["expires_at"]),
    }


def _wish(typed: Mapping[str, Any]) -> dict[str, Any]:
    """What a form asks the API for."""
    return {
        "scopes": sorted(typed["scopes"]),
        "mailboxes": None if typed["knows"] == _ALL else sorted(typed["mailboxes"]),
        "networks": lines(typed["networks"]),
        "recipients": lines(typed["recipients"]),
        "on_other_recipients": typed["on_other_recipients"],
        "rate": scaled(typed["rate"], 1),
        "expires_at": end_of(typed["last_day"]),
    }


def last_day(expires_at: float | None) -> str:
    """The last day (UTC) on which a key is good, as a field for dates shows it. Pure."""
    if expires_at is None:
        return ""
    return datetime.fromtimestamp(expires_at - 1, UTC).date().isoformat()


def end_of(day: str) -> float | str | None:
    """When a day is over, in seconds since 1970; None for no day. Pure.

    What is none stays as it is, for the API to refuse.
    """
    if not day:
        return None
    try:
        return (datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1)).timestamp()
    except (ValueError, OverflowError):
        return day
