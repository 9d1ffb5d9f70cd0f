"""All paths of the authority host and who answers them; each file of handlers lists its own."""

from pillarbox.emulator.entra import (
    admin_consent,
    authorize,
    device_code,
    device_page,
    discovery,
    logout,
    managed_identity,
    sign_in,
    token_endpoint,
    user_realm,
)
from pillarbox.emulator.entra.call import Route

ROUTES: tuple[Route, ...] = (
    *discovery.ROUTES,
    *token_endpoint.ROUTES,
    *device_code.ROUTES,
    *user_realm.ROUTES,
    *managed_identity.ROUTES,
    *admin_consent.ROUTES,
    *authorize.ROUTES,
    *device_page.ROUTES,
    *logout.ROUTES,
    *sign_in.ROUTES,
)
