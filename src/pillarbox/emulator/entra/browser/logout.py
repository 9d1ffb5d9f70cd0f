"""The end of a session in the browser (OpenID Connect RP-Initiated Logout 1.0)."""

from urllib.parse import urlencode

from pillarbox.emulator.entra.browser import pages
from pillarbox.emulator.entra.browser.authorize_request import parameters
from pillarbox.emulator.entra.browser.visit import COOKIE, COOKIE_FLAGS, Visit, visited
from pillarbox.emulator.entra.call import Route
from pillarbox.emulator.entra.redirects import location, platform_of
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world import World

TEMPLATES = ("/{tenant}/oauth2/v2.0/logout", "/{tenant}/oauth2/logout")


def log_out(visit: Visit) -> Answer:
    """Forget who is signed in, and go to the address after it if an app has registered that, else say so."""
    fields = parameters(visit.call)
    visit.browsers.end(visit.session)
    address = fields.get("post_logout_redirect_uri", "")
    answer = pages.message("You signed out of your account", "It\u2019s a good idea to close all browser windows.")
    if address and _registered(visit.world, address):
        state = {"state": fields["state"]} if "state" in fields else {}
        answer = Answer(302, headers={"Location": _with(location(address), state)})
    answer.headers["Set-Cookie"] = f"{COOKIE}=; {COOKIE_FLAGS}; Max-Age=0"
    return answer


def _registered(world: World, address: str) -> bool:
    return any(platform_of(app, address) for tenant in world.tenants.values() for app in tenant.apps.values())


def _with(address: str, fields: dict[str, str]) -> str:
    if not fields:
        return address
    return f"{address}{'&' if '?' in address else '?'}{urlencode(fields)}"


ROUTES: tuple[Route, ...] = tuple(
    (method, template, visited(log_out)) for template in TEMPLATES for method in ("GET", "POST")
)
