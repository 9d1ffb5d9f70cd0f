"""The admin consent endpoints, v2.0 and v1: an administrator allows an app for the whole organization (facts 5.5)."""

from dataclasses import dataclass, field

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.browser import consent, pages, sign_in
from pillarbox.emulator.entra.browser.authorize_request import parameters, read_app
from pillarbox.emulator.entra.browser.browsers import Account, Flow
from pillarbox.emulator.entra.browser.goal import Prompt
from pillarbox.emulator.entra.browser.visit import Visit, visited
from pillarbox.emulator.entra.browser.way_back import WayBack
from pillarbox.emulator.entra.call import EntraCall, Route
from pillarbox.emulator.entra.scopes import parse
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world import App, Permission

V2 = "/{tenant}/v2.0/adminconsent"
V1 = "/{tenant}/adminconsent"
STILL_THERE = {"admin_consent": "True"}
"""Stands in refusals too, so that apps must look at `error` first."""


@dataclass
class AdminConsentGoal:
    """What an administrator is asked to allow."""

    app: App
    tenant_name: str
    asked: set[Permission]
    back: WayBack
    v1: bool
    prompt: Prompt = field(default="select_account", init=False)
    login_hint: str = field(default="", init=False)

    def signed_in(self, visit: Visit, flow: Flow, account: Account) -> Answer:
        """Show the list to an administrator, and anybody else the way out."""
        flow.stage = "consent"
        form, wishes = visit.form(sign_in.CONSENT, flow), consent.wishes(self.asked)
        app, user = self.app, account.user
        if user.administrator:
            publisher = consent.publisher(visit.world, app)
            return pages.admin_consent(form, app.name, publisher, user.upn, account.tenant.name, wishes)
        error = EntraError(90094)
        again = visit.form(sign_in.LOGIN, flow)
        answer = pages.need_admin(form, again, app.name, user.upn, visit.explain(error), wishes)
        answer.code = f"AADSTS{error.number}"
        return answer

    def decided(self, visit: Visit, flow: Flow, account: Account, accepted: bool) -> Answer:
        """Grant all of it, or nothing."""
        visit.browsers.finish(flow)
        if not account.user.administrator:
            return self.back.refuse(visit, EntraError(90094), "permission_denied", STILL_THERE)
        if not accepted:
            return self.back.refuse(visit, EntraError(65004), "consent_required", STILL_THERE)
        consent.record(visit.world, account.tenant, self.app, self.asked, None)
        scope = {} if self.v1 else {"scope": " ".join(_full_name(each) for each in consent.ordered(self.asked))}
        return self.back.answer(STILL_THERE | {"tenant": account.tenant.id} | scope)


def ask(visit: Visit) -> Answer:
    """Begin an admin consent."""
    call, fields = visit.call, parameters(visit.call)
    app, redirect_uri = read_app(call, fields)
    back = WayBack(redirect_uri, state=fields.get("state"))
    try:
        asked = set(app.requested_permissions) if call.v1 else _asked(call, app, fields.get("scope", ""))
    except EntraError as error:
        return back.refuse(visit, error, more=STILL_THERE)
    return sign_in.begin(visit, AdminConsentGoal(app, call.tenant_name, asked, back, call.v1))


def _asked(call: EntraCall, app: App, text: str) -> set[Permission]:
    """The delegated permissions named; `.default` is all that the registration has, of both kinds and on any resource.

    A resource of which the registration has nothing is 650056.
    """
    if not text.strip():
        raise EntraError(900144, "The request body must contain the following parameter: 'scope'.")
    scopes = parse(text, call.base)
    found = consent.named(scopes)
    for resource in scopes.defaults:
        if all(each.resource is not resource for each in app.requested_permissions):
            raise EntraError(650056, f"Resource: '{resource.name}'. App: '{app.client_id}'.")
        found |= set(app.requested_permissions)
    return found


def _full_name(permission: Permission) -> str:
    return f"{permission.resource.identifiers[0]}/{permission.name}"


ROUTES: tuple[Route, ...] = tuple(("GET", template, visited(ask)) for template in (V2, V1))
