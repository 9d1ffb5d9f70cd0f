"""The consent page, for apps that ask by the authorize endpoint and for devices."""

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.browser import consent, pages, sign_in
from pillarbox.emulator.entra.browser.browsers import Account, Flow
from pillarbox.emulator.entra.browser.visit import Visit
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world import App, Permission


def check_principal(app: App, account: Account) -> None:
    """Refuse an app that is switched off in the tenant of who signs in (7000112)."""
    principal = account.tenant.principal(app.client_id)
    if principal and not principal.enabled:
        raise EntraError(7000112, f"App: '{app.client_id}' ({app.name}).")


def ask_consent(visit: Visit, flow: Flow, account: Account, asked: set[Permission]) -> Answer:
    """The page on which a person allows that, or the one that says who may."""
    flow.stage, flow.asked = "consent", asked
    app, tenant, user = flow.goal.app, account.tenant, account.user
    form, wishes = visit.form(sign_in.CONSENT, flow), consent.wishes(asked)
    if consent.must_be_admin(tenant, user, asked):
        error = EntraError(90094)
        again = visit.form(sign_in.LOGIN, flow)
        answer = pages.need_admin(form, again, app.name, user.upn, visit.explain(error), wishes)
        answer.code = f"AADSTS{error.number}"
        return answer
    for_all = tenant.name if user.administrator else ""
    return pages.consent(form, app.name, consent.publisher(visit.world, app), user.upn, wishes, for_all=for_all)


def record_consent(visit: Visit, flow: Flow, account: Account) -> None:
    """Note what the person saw and accepted; an administrator may have ticked the box for the whole organization."""
    for_all = account.user.administrator and visit.call.form.get("for_all") == "true"
    consent.record(visit.world, account.tenant, flow.goal.app, flow.asked, None if for_all else account.user)
