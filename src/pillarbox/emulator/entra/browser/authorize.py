"""The authorize endpoints, v2.0 and v1: from an app's request to the code that it is given (facts 2.3)."""

from dataclasses import dataclass

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.browser import consent, pages, sign_in
from pillarbox.emulator.entra.browser.authorize_request import (
    AuthorizeRequest,
    parameters,
    read_app,
    read_request,
    read_way_back,
)
from pillarbox.emulator.entra.browser.browsers import Account, Flow
from pillarbox.emulator.entra.browser.consent_page import ask_consent, check_principal, record_consent
from pillarbox.emulator.entra.browser.goal import Prompt
from pillarbox.emulator.entra.browser.visit import Visit, visited
from pillarbox.emulator.entra.browser.way_back import WayBack
from pillarbox.emulator.entra.call import Route
from pillarbox.emulator.entra.claims import MOST_GROUPS_IN_ADDRESS, client_info
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world import App, Permission

V2 = "/{tenant}/oauth2/v2.0/authorize"
V1 = "/{tenant}/oauth2/authorize"


@dataclass
class AuthorizeGoal:
    """A request that was found good."""

    request: AuthorizeRequest
    back: WayBack

    @property
    def app(self) -> App:
        """The app that is signed in to."""
        return self.request.app

    @property
    def tenant_name(self) -> str:
        """The tenant of the path."""
        return self.request.tenant_name

    @property
    def prompt(self) -> Prompt:
        """Which pages the app wants to be shown."""
        return self.request.prompt

    @property
    def login_hint(self) -> str:
        """Whom the app expects."""
        return self.request.login_hint

    def signed_in(self, visit: Visit, flow: Flow, account: Account) -> Answer:
        """Ask for consent where it is missing, else give the code."""
        check_principal(self.app, account)
        try:
            asked = self._asked(account)
        except EntraError as error:
            visit.browsers.finish(flow)
            return self.back.refuse(visit, error)
        if not asked:
            return self._finish(visit, flow, account)
        return ask_consent(visit, flow, account, asked)

    def decided(self, visit: Visit, flow: Flow, account: Account, accepted: bool) -> Answer:
        """Note the consent and give the code, or tell the app that there is none."""
        barred = consent.must_be_admin(account.tenant, account.user, flow.asked)
        if not accepted or barred:
            visit.browsers.finish(flow)
            return self.back.cancel(visit, EntraError(90094 if barred else 65004))
        record_consent(visit, flow, account)
        return self._finish(visit, flow, account)

    def silent(self, visit: Visit) -> Answer:
        """The answer to `prompt=none`: a code without any page, or why that cannot be."""
        found = sign_in.candidates(visit.world, visit.session, self)
        if self.login_hint:
            found = [each for each in found if each.user.owns(self.login_hint)]
        if len(found) != 1:
            return self.back.refuse(visit, EntraError(16000 if found else 50058))
        account = found[0]
        check_principal(self.app, account)
        try:
            sign_in.check_complete(account)
        except EntraError as error:
            return self.back.refuse(visit, error, "interaction_required")
        try:
            asked = self._asked(account)
        except EntraError as error:
            return self.back.refuse(visit, error)
        if asked:
            return self.back.refuse(visit, EntraError(65001), "consent_required")
        return self._finish(visit, None, account)

    def _asked(self, account: Account) -> set[Permission]:
        again = self.prompt == "consent"
        granted = consent.granted_to(account.tenant, self.app, account.user)
        wanted = consent.wanted(self.app, self.request.scopes, granted, again=again, v1=self.request.v1)
        return wanted if again else wanted - granted

    def _finish(self, visit: Visit, flow: Flow | None, account: Account) -> Answer:
        if flow:
            visit.browsers.finish(flow)
        fields: dict[str, str] = {}
        if "code" in self.request.response_types:
            fields["code"] = self._code(visit, account)
        if "id_token" in self.request.response_types:
            fields["id_token"] = self._id_token(visit, account, fields.get("code"))
        if self.request.client_info:
            fields["client_info"] = client_info(account.tenant, account.user)
        return self.back.answer(fields | {"session_state": visit.session.state})

    def _code(self, visit: Visit, account: Account) -> str:
        request = self.request
        code = visit.call.authority.pending.add_code(
            client_id=self.app.client_id,
            tenant_id=account.tenant.id,
            user_id=account.user.id,
            redirect_uri=self.back.redirect_uri,
            scopes=request.scopes,
            challenge=request.challenge,
            method=request.method,
            nonce=request.nonce,
            now=visit.now,
        )
        return code.value

    def _id_token(self, visit: Visit, account: Account, code: str | None) -> str:
        call, request = visit.call, self.request
        return call.authority.tokens.id_token(
            call.base,
            account.tenant,
            self.app,
            account.user,
            request.scopes.openid,
            request.nonce,
            call.token_time,
            v1=request.v1,
            code=code,
            most_groups=MOST_GROUPS_IN_ADDRESS,
        )


def authorize(visit: Visit) -> Answer:
    """Begin a sign-in; what is wrong before the redirect URI is known to be good is shown, the rest goes back."""
    fields = parameters(visit.call)
    app, redirect_uri = read_app(visit.call, fields)
    back = read_way_back(fields, redirect_uri)
    try:
        goal = AuthorizeGoal(read_request(visit.call, fields, app, back), back)
    except EntraError as error:
        return back.refuse(visit, error)
    return goal.silent(visit) if goal.prompt == "none" else sign_in.begin(visit, goal)


def native_client(_: Visit) -> Answer:
    """The blank page that desktop apps register as redirect URI, to read the code from its address."""
    return pages.message("Signed in", "You may close this window.")


ROUTES: tuple[Route, ...] = (
    *((method, template, visited(authorize)) for template in (V2, V1) for method in ("GET", "POST")),
    ("GET", "/{tenant}/oauth2/nativeclient", visited(native_client)),
)
