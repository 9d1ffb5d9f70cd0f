"""The sign-in of a person: account picker, user name and password, second factor (facts 2.9 for the numbers)."""

import hmac

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.browser import pages
from pillarbox.emulator.entra.browser.browsers import Account, Flow, Session
from pillarbox.emulator.entra.browser.goal import Goal
from pillarbox.emulator.entra.browser.visit import Visit, VisitHandler, visited
from pillarbox.emulator.entra.call import Route
from pillarbox.emulator.entra.people import check_allowed, check_audience, check_password, find_user
from pillarbox.emulator.entra.tenants import find_app
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world import World

LOGIN = "/common/login"
SECOND_FACTOR = "/common/SAS/ProcessAuth"
VERIFY = "/common/appverify"
CONSENT = "/common/Consent/Set"
ON_THE_FORM = (50034, 50053, 50055, 50056, 50057, 50126, 50128)
"""Refusals that the form itself shows, since another password or user may help."""


def begin(visit: Visit, goal: Goal) -> Answer:
    """The first page of a sign-in, or none if the browser is signed in already and nothing is to be asked."""
    flow = visit.flow = visit.browsers.begin(visit.session, goal, visit.now)
    accounts = candidates(visit.world, visit.session, goal)
    if not accounts or goal.prompt == "login":
        return _ask_credentials(visit, flow, goal.login_hint)
    if goal.prompt == "select_account":
        return _pick(visit, flow, accounts)
    hinted = accounts if not goal.login_hint else [each for each in accounts if each.user.owns(goal.login_hint)]
    if not hinted:
        return _ask_credentials(visit, flow, goal.login_hint)
    return _arrive(visit, flow, hinted[0]) if len(hinted) == 1 else _pick(visit, flow, hinted)


def candidates(world: World, session: Session, goal: Goal) -> list[Account]:
    """Who is signed in in this browser, and may sign in to that app by that path."""
    return [each for each in session.accounts.values() if each.valid and _admits(world, goal, each)]


def check_complete(account: Account) -> None:
    """Refuse somebody who would have to do more than be signed in: a policy, or a second factor that is missing."""
    check_allowed(account.user)
    if account.user.second_factor != "none" and not account.strong:
        raise EntraError(50076 if account.user.second_factor == "enrolled" else 50079)


def text_of(visit: Visit, error: EntraError | None) -> str:
    """What a page says of an error; empty without one."""
    return visit.explain(error)["error_description"].partition("\r\n")[0] if error else ""


def log_in(visit: Visit) -> Answer:
    """The form with user name and password, or the choice of an account."""
    flow = _resume(visit)
    form = visit.call.form
    flow.stage, flow.account = "sign in", None
    chosen = form.get("account")
    if chosen == "other":
        return _ask_credentials(visit, flow, "")
    if chosen is not None:
        return _choose(visit, flow, chosen)
    name = form.get("login", "").strip()
    try:
        account = _identify(visit, flow.goal, name, form.get("passwd", ""))
    except EntraError as error:
        if error.number not in ON_THE_FORM:
            raise
        return _ask_credentials(visit, flow, name, error)
    return _arrive(visit, flow, account)


def prove_again(visit: Visit) -> Answer:
    """The form with the second factor."""
    flow = _resume(visit)
    account = _at(flow, "second factor")
    if not hmac.compare_digest(visit.call.form.get("otc", "").strip().encode(), pages.CODE.encode()):
        return _ask_second_factor(visit, flow, account, EntraError(500121))
    account.strong = True
    account.user.second_factor = "enrolled"
    return _arrive(visit, flow, account)


def decide(visit: Visit) -> Answer:
    """The form with Accept and Cancel."""
    flow = _resume(visit)
    account = _at(flow, "consent" if visit.call.template.endswith("/Consent/Set") else "verify")
    return flow.goal.decided(visit, flow, account, visit.call.form.get("decision") == "accept")


def only_post(visit: Visit) -> Answer:
    """Somebody went to the address of a form."""
    raise EntraError(900561, f"The endpoint only accepts POST requests. Received a {visit.call.http.method} request.")


def _resume(visit: Visit) -> Flow:
    """The sign-in that the form belongs to; the app may have been removed meanwhile (700016)."""
    flow = visit.resume()
    find_app(visit.world, flow.goal.tenant_name, flow.goal.app.client_id)
    return flow


def _at(flow: Flow, stage: str) -> Account:
    """Who signs in, if the flow is at that page.

    165000: the form comes out of turn. 50133: the account was removed, disabled or signed out everywhere meanwhile.
    """
    if flow.stage != stage or flow.account is None:
        raise EntraError(165000)
    if not flow.account.valid:
        raise EntraError(50133)
    return flow.account


def _arrive(visit: Visit, flow: Flow, account: Account) -> Answer:
    """Go on to the second factor, or to what the person came for."""
    check_allowed(account.user)
    flow.account = account
    if account.user.second_factor != "none" and not account.strong:
        flow.stage = "second factor"
        return _ask_second_factor(visit, flow, account)
    if visit.session.accounts.get(account.user.id) is not account:
        visit.session.accounts[account.user.id] = account
        visit.browsers.renew(visit.session)
    return flow.goal.signed_in(visit, flow, account)


def _choose(visit: Visit, flow: Flow, ident: str) -> Answer:
    found = [each for each in candidates(visit.world, visit.session, flow.goal) if each.user.id == ident]
    return _arrive(visit, flow, found[0]) if found else _ask_credentials(visit, flow, "")


def _identify(visit: Visit, goal: Goal, name: str, password: str) -> Account:
    """Whose name and password that is."""
    tenant, user = find_user(visit.world, goal.tenant_name, name)
    check_audience(goal.app, visit.world.home(goal.app), tenant)
    check_password(visit.call, user, password, in_browser=True)
    check_allowed(user)
    return Account(tenant, user, visit.now)


def _admits(world: World, goal: Goal, account: Account) -> bool:
    """Whether that account may sign in to the app by the tenant that the path names."""
    try:
        tenant, user = find_user(world, goal.tenant_name, account.user.upn)
        check_audience(goal.app, world.home(goal.app), tenant)
    except EntraError:
        return False
    return user is account.user


def _ask_credentials(visit: Visit, flow: Flow, name: str, error: EntraError | None = None) -> Answer:
    answer = pages.credentials(visit.form(LOGIN, flow), flow.goal.app.name, name, text_of(visit, error))
    return _coded(answer, error)


def _ask_second_factor(visit: Visit, flow: Flow, account: Account, error: EntraError | None = None) -> Answer:
    user = account.user
    enrol = user.second_factor == "demanded"
    form = visit.form(SECOND_FACTOR, flow)
    return _coded(pages.second_factor(form, user.upn, enrol=enrol, error=text_of(visit, error)), error)


def _pick(visit: Visit, flow: Flow, accounts: list[Account]) -> Answer:
    tiles = [(each.user.id, each.user.name, each.user.upn) for each in accounts]
    return pages.pick_account(visit.form(LOGIN, flow), flow.goal.app.name, tiles)


def _coded(answer: Answer, error: EntraError | None) -> Answer:
    answer.code = f"AADSTS{error.number}" if error else None
    return answer


FORMS: tuple[tuple[str, VisitHandler], ...] = (
    ("/{tenant}/login", log_in),
    ("/{tenant}/SAS/ProcessAuth", prove_again),
    ("/{tenant}/appverify", decide),
    ("/{tenant}/Consent/Set", decide),
)
ROUTES: tuple[Route, ...] = (
    *(("POST", template, visited(handler)) for template, handler in FORMS),
    *(("GET", template, visited(only_post)) for template, _ in FORMS),
)
