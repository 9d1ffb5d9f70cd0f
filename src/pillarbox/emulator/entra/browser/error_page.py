"""The page behind `error_uri`: what an AADSTS code means, and what helps."""

from pillarbox.emulator.entra.aadsts import read_codes
from pillarbox.emulator.entra.browser.layout import page
from pillarbox.emulator.entra.browser.markup import tag
from pillarbox.emulator.entra.call import EntraCall, Route
from pillarbox.emulator.http import Answer

LONGEST = 10
"""So many digits has no code more."""


def show(call: EntraCall) -> Answer:
    """The page of `code`, with or without `AADSTS` before it; 404 for one that the table lacks."""
    asked = call.http.query.get("code", "").upper().removeprefix("AADSTS")
    number = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) <= LONGEST else 0
    code = read_codes().get(number)
    if code is None:
        return page("Error code not found", tag("p", "There is no such code here."), status=404)
    return page(f"AADSTS{code.number}", tag("p", code.meaning), tag("h2", "Remedy"), tag("p", code.remedy))


ROUTES: tuple[Route, ...] = (("GET", "/error", show),)
