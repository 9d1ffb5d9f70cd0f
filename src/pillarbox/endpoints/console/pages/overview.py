"""The first page: is all well, and what went on of late."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from starlette.responses import Response

from pillarbox.endpoints.console.calls import segment
from pillarbox.endpoints.console.charts import chart
from pillarbox.endpoints.console.languages import N_
from pillarbox.endpoints.console.words import Said, of_cause, of_finding, of_pause, of_refusals

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_DAY: Final = 86_400.0
_MOST: Final = 10
"""Refusals that are shown."""


class _Place(NamedTuple):
    """The page on which a worry is looked into, and who may see it."""

    path: str
    name: str
    scope: str


_PLACES: Final[Mapping[str, _Place]] = {
    "queue": _Place("/outbox", N_("Open the outbox"), "outbox.read"),
    "pauses": _Place("/mailboxes", N_("Open the mailboxes"), "mailboxes.read"),
    "mailboxes": _Place("/mailboxes", N_("Open the mailboxes"), "mailboxes.read"),
    "credentials": _Place("/apps", N_("Open the app registrations"), "admin"),
    "certificates": _Place("/doctor", N_("Ask the doctor"), "doctor.run"),
    "submitters": _Place("/submitters", N_("Open devices and programs"), "admin"),
}


_LIMITS: Final[Mapping[str, str]] = {
    "messages": N_("messages a minute"),
    "recipients": N_("recipients a day"),
    "bytes": N_("mail in 5 minutes"),
    "requests": N_("requests in 10 minutes"),
}
"""What Microsoft limits, as the API names it."""
_KINDS: Final[Mapping[str, str]] = {
    "secret": N_("Client secret of"),
    "certificate": N_("Certificate of"),
    "federated": N_("Federated credential of"),
    "managed-identity": N_("Managed identity of"),
    "listener": N_("Certificate of the listeners"),
    "console": N_("Certificate of the sign-in by Microsoft"),
}
"""What ends, as the API names it."""


class _Worry(NamedTuple):
    """What is wrong, and where to go on; `link` is empty where whoever asks may not go there."""

    severity: str
    said: Said
    link: str
    link_name: str


def add(console: "Console") -> None:
    """Add the page."""

    @console.get("/")
    async def overview(page: "Page") -> Response:
        seen = await page.calls.get("/api/v1/overview")
        if not seen["mailboxes"] and page.may("admin"):
            return page.go("/start")
        return page.show(
            "overview.html",
            seen=seen,
            worries=[_worry(page, each, seen["at"]) for each in seen["worries"]],
            by_minute=chart(seen["sent_by_minute"], seen["at"], _MINUTE),
            by_hour=chart(seen["sent_by_hour"], seen["at"], _HOUR),
            causes={one["cause"]: of_cause(one["cause"], page.language).sentence for one in seen["unsent"]},
            pauses={
                one["cause"]: of_pause(one, page.language).sentence for box in seen["strained"] for one in box["paused"]
            },
            limits={name: page.say(text) for name, text in _LIMITS.items()},
            kinds={name: page.say(text) for name, text in _KINDS.items()},
            refused=of_refusals(await _refused(page, seen["at"]), page.language)[:_MOST],
        )


def _worry(page: "Page", told: Mapping[str, Any], now: float) -> _Worry:
    place = _PLACES[told["name"]]
    link = place.path if page.may(place.scope) else ""
    if link and told["name"] == "queue" and (state := told["params"].get("state")):
        link += f"?state={state}"
    if link and told["name"] == "submitters" and len(names := told["evidence"].get("submitters", ())) == 1:
        link += f"/{segment(names[0])}"
    return _Worry(told["severity"], of_finding(told, page.language, now), link, page.say(place.name))


async def _refused(page: "Page", now: float) -> list[dict[str, Any]]:
    """What devices and programs were refused in the last day; for those who may see it."""
    if not page.may("doctor.run"):
        return []
    known = await page.calls.all("/api/v1/refusals")
    return [one for one in known if one["submitter"] and one["last_at"] > now - _DAY]
