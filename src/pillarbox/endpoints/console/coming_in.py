"""What API keys, submitters and people have alike: each comes in by its name, is kept out, let in again, and removed.

`api` is where all of them stand in the API, `path` where their pages do.
"""

from typing import TYPE_CHECKING

from starlette.responses import Response

from pillarbox.endpoints.console.calls import segment
from pillarbox.endpoints.console.languages import N_

if TYPE_CHECKING:
    from pillarbox.endpoints.console.page import Page


async def let_in_or_keep_out(page: "Page", api: str, path: str) -> Response:
    """As the form says, and back to its page."""
    form, name = await page.form(), page.part("name")
    enabled = form.get("enabled") == "yes"
    await page.calls.patch(f"{api}/{segment(name)}", {"enabled": enabled})
    page.tell(N_("%(name)s comes in again.") if enabled else N_("%(name)s is kept out."), name=name)
    return page.go(f"{path}/{segment(name)}")


async def remove(page: "Page", api: str, path: str) -> Response:
    """Then on to those that are left."""
    await page.form()
    await page.calls.delete(f"{api}/{segment(page.part('name'))}")
    page.tell(N_("Removed %(name)s."), name=page.part("name"))
    return page.go(path)
