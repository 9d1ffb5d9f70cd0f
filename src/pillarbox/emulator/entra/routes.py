"""All paths of the authority host and who answers them; each file of handlers lists its own."""

from pillarbox.emulator.entra import discovery, managed_identity, token_endpoint, user_realm
from pillarbox.emulator.entra.browser import admin_consent, authorize, device_page, error_page, logout, sign_in
from pillarbox.emulator.entra.call import Route
from pillarbox.emulator.entra.grants import device_code

ROUTES: tuple[Route, ...] = (
    *discovery.ROUTES,
    *token_endpoint.ROUTES,
    *device_code.ROUTES,
    *user_realm.ROUTES,
    *managed_identity.ROUTES,
    *admin_consent.ROUTES,
    *authorize.ROUTES,
    *device_page.ROUTES,
    *error_page.ROUTES,
    *logout.ROUTES,
    *sign_in.ROUTES,
)
