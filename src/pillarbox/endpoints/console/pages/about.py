"""What runs here, and what is shipped with it."""

from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page


def add(console: "Console") -> None:
    """Add the page."""

    @console.get("/about")
    async def about(page: "Page") -> Response:
        packages = (await page.calls.get("/api/v1/packages"))["data"]
        listeners = await page.calls.all("/api/v1/listeners") if page.may("admin") else []
        return page.show("about.html", packages=packages, listeners=listeners)
