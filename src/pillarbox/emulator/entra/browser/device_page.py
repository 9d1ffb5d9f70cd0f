"""The page on which a person enters the code that a device shows (facts 2.5, RFC 8628 section 3.3)."""

from dataclasses import dataclass, field

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.browser import consent, pages, sign_in
from pillarbox.emulator.entra.browser.browsers import Account, Flow
from pillarbox.emulator.entra.browser.consent_page import ask_consent, check_principal, record_consent
from pillarbox.emulator.entra.browser.goal import Prompt
from pillarbox.emulator.entra.browser.visit import Visit, visited
from pillarbox.emulator.entra.call import Route
from pillarbox.emulator.entra.pending import DeviceCode
from pillarbox.emulator.entra.tenants import find_app
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world import App, Permission

TEMPLATES = ("/devicelogin", "/{tenant}/oauth2/deviceauth")
ENTER = "/common/oauth2/deviceauth"


@dataclass
class DeviceGoal:
    """A device that waits."""

    app: App
    device: DeviceCode
    prompt: Prompt = field(default="select_account", init=False)
    login_hint: str = field(default="", init=False)

    @property
    def tenant_name(self) -> str:
        """The tenant that the device named."""
        return self.device.tenant

    def signed_in(self, visit: Visit, flow: Flow, account: Account) -> Answer:
        """Ask whether the person knows what the code was for."""
        check_principal(self.app, account)
        flow.stage = "verify"
        return pages.verify_device(visit.form(sign_in.VERIFY, flow), self.app.name, account.user.upn)

    def decided(self, visit: Visit, flow: Flow, account: Account, accepted: bool) -> Answer:
        """After the question comes consent where it is missing; then the device gets its tokens, or is refused."""
        _check_waiting(self.device, visit.now)
        if accepted and flow.stage == "verify":
            asked = self._asked(account)
            if asked:
                return ask_consent(visit, flow, account, asked)
        if accepted and consent.must_be_admin(account.tenant, account.user, flow.asked):
            raise EntraError(90094)
        visit.browsers.finish(flow)
        if not accepted:
            self.device.state = "declined"
            return pages.message("You cancelled the sign-in", f"{self.app.name} was not given access to your account.")
        record_consent(visit, flow, account)
        self.device.state = "approved"
        self.device.tenant_id, self.device.user_id = account.tenant.id, account.user.id
        text = f"You have signed in to {self.app.name} on your device. You may now close this window."
        return pages.message(self.app.name, text)

    def _asked(self, account: Account) -> set[Permission]:
        granted = consent.granted_to(account.tenant, self.app, account.user)
        return consent.wanted(self.app, self.device.scopes, granted) - granted


def show(visit: Visit) -> Answer:
    """The empty form, or with the code that a link brought along."""
    return pages.device_code(visit.form(ENTER), visit.call.http.query.get("otc", ""))


def enter(visit: Visit) -> Answer:
    """The form with a code."""
    visit.check_canary()
    code = visit.call.form.get("otc", "").strip()
    try:
        device = _find(visit, code)
    except EntraError as error:
        answer = pages.device_code(visit.form(ENTER), code, sign_in.text_of(visit, error))
        answer.code = f"AADSTS{error.number}"
        return answer
    app = find_app(visit.world, device.tenant, device.client_id)
    return sign_in.begin(visit, DeviceGoal(app, device))


def _find(visit: Visit, code: str) -> DeviceCode:
    """The device that shows that code: 90119 without one, 70018 for an unknown one."""
    if not code:
        raise EntraError(90119)
    device = visit.call.authority.pending.device_by_user_code(code)
    if device is None:
        raise EntraError(70018)
    _check_waiting(device, visit.now)
    return device


def _check_waiting(device: DeviceCode, now: float) -> None:
    """Refuse a code that is too old (70019), or that somebody has answered already (90120)."""
    if now >= device.expires:
        raise EntraError(70019)
    if device.state != "pending":
        raise EntraError(90120)


ROUTES: tuple[Route, ...] = (
    *(("GET", template, visited(show)) for template in TEMPLATES),
    *(("POST", template, visited(enter)) for template in TEMPLATES),
)
