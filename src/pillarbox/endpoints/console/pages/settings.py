"""The settings as they count. They are changed where the service is started, never here."""

from itertools import groupby
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page


def add(console: "Console") -> None:
    """Add the page."""

    @console.get("/settings")
    async def settings(page: "Page") -> Response:
        sought = page.query.get("q", "").strip()
        found = [one for one in (await page.calls.get("/api/v1/settings"))["data"] if _speaks_of(one, sought)]
        sections = {name: list(those) for name, those in groupby(found, _section)}
        return page.show("settings.html", found=found, sections=sections, sought=sought)


def _speaks_of(setting: dict[str, Any], sought: str) -> bool:
    return sought.casefold() in f"{setting['key']} {setting['value']} {setting['meaning']}".casefold()


def _section(setting: dict[str, Any]) -> str:
    """The table of the file in which it stands; empty for what stands above all tables."""
    return str(setting["key"].rpartition(".")[0])
