"""What runs here."""

from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page


def add(console: "Console") -> None:
    """Add the page."""

    @console.get("/about")
    async def about(page: "Page") -> Response:
        return page.show("about.html", service=await page.calls.get("/api/v1/status"))
