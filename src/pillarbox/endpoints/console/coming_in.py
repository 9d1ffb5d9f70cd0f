"""What API keys, submitters and people have alike: each comes in by its name, is kept out, let in again, and removed.

`api` is where all of them stand in the API, `path` where their pages do.
"""

from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from pillarbox.endpoints.console.calls import segment
from pillarbox.endpoints.console.languages import N_
from pillarbox.endpoints.console.typed import lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pillarbox.endpoints.console.page import Form, Page

_MOST_BOXES: Final = 100
"""Mailboxes to tick; where there are more, the others are typed."""


async def mailboxes(page: "Page", chosen: "Sequence[str]" = ()) -> tuple[list[str], bool]:
    """Those that can be ticked, first those that are chosen, in their order; and whether there are more."""
    found = await page.calls.get("/api/v1/mailboxes", limit=_MOST_BOXES)
    others = [one["address"] for one in found["data"] if one["address"] not in chosen]
    return [*chosen, *others], found["next"] is not None


def chosen_mailboxes(form: "Form") -> list[str]:
    """Those that were ticked, and those that were typed."""
    return [address for value in form.many("mailboxes") for address in lines(value)]


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
