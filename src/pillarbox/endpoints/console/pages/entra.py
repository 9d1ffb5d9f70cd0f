"""To come in by Microsoft Entra ID: to Microsoft, and back.

Microsoft's answer stands in the address. So the browser goes on from there in any case: to where it wanted, or to a
page that says what went wrong, which is shown once.
"""

import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from pillarbox.endpoints.console.calls import Problem
from pillarbox.endpoints.console.pages.signing_in import ours
from pillarbox.endpoints.signin_browser import returned

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_API: Final = "/api/v1/sessions"
_PATH: Final = "/sign-in/microsoft"
_MOST_FAILURES: Final = 1000


def add(console: "Console") -> None:
    """Add the pages."""
    failures = OrderedDict[str, Problem]()

    @console.get(_PATH, open=True)
    async def begin(page: "Page") -> Response:
        begun = await page.calls.post(f"{_API}:begin-microsoft", {"next": ours(page.query.get("next", ""))})
        return page.away(begun["url"])

    @console.get(f"{_PATH}/callback", open=True)
    async def callback(page: "Page") -> Response:
        back = returned(page.request.url.query)
        told = {
            "state": back.state,
            "code": back.code,
            "error": back.error,
            "error_description": back.error_description,
            "iss": back.iss,
        }
        try:
            signed_in = await page.calls.post(f"{_API}:finish-microsoft", told)
        except Problem as problem:
            id = secrets.token_urlsafe()
            # Without where it was raised, which holds the request and all that came with it.
            failures[id] = problem.with_traceback(None)
            if len(failures) > _MOST_FAILURES:
                failures.popitem(last=False)
            return page.go(f"{_PATH}/failed/{id}")
        return page.go(ours(signed_in["next"]))

    @console.get(f"{_PATH}/failed/{{id}}", open=True)
    async def failed(page: "Page") -> Response:
        problem = failures.pop(page.part("id"), None)
        if problem is None:
            return page.go("/sign-in")
        return page.show("sign_in_failed.html", problem=problem, next=ours(problem.params.get("next", "")))
