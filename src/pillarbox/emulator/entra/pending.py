"""Sign-ins that wait to be finished: authorization codes (RFC 6749 section 4.1) and device codes (RFC 8628)."""

from dataclasses import dataclass, field
from typing import Literal

from pillarbox.emulator.entra.scopes import Scopes
from pillarbox.emulator.ids import Entropy, encode

CODE_LIFE = 600.0
"""Seconds in which an authorization code can be redeemed (facts 2.3)."""
DEVICE_LIFE = 900.0
INTERVAL = 5
USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ23456789"


@dataclass(eq=False)
class AuthorizationCode:
    """What a person allowed an app; times in seconds since 1970. `method` is S256, plain or None without PKCE."""

    value: str = field(repr=False)
    client_id: str
    tenant_id: str
    user_id: str
    redirect_uri: str
    scopes: Scopes
    challenge: str | None
    method: str | None
    nonce: str | None
    expires: float
    redeemed: bool = False


@dataclass(eq=False)
class DeviceCode:
    """A device that waits for a person to enter `user_code`; times in seconds since 1970."""

    value: str = field(repr=False)
    user_code: str
    client_id: str
    tenant: str
    """As it stands in the path of the request: an id, a domain, `common` or `organizations`."""
    scopes: Scopes
    expires: float
    state: Literal["pending", "approved", "declined"] = "pending"
    tenant_id: str | None = None
    user_id: str | None = None
    redeemed: bool = False


class Pending:
    """All codes that were given out and not forgotten; ended ones are kept, to say why they are refused."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._codes: dict[str, AuthorizationCode] = {}
        self._devices: dict[str, DeviceCode] = {}

    def add_code(
        self,
        *,
        client_id: str,
        tenant_id: str,
        user_id: str,
        redirect_uri: str,
        scopes: Scopes,
        challenge: str | None,
        method: str | None,
        nonce: str | None,
        now: float,
    ) -> AuthorizationCode:
        """Give out an authorization code for what a person has just allowed."""
        code = AuthorizationCode(
            value=f"1.{encode(self._entropy(150))}",
            client_id=client_id,
            tenant_id=tenant_id,
            user_id=user_id,
            redirect_uri=redirect_uri,
            scopes=scopes,
            challenge=challenge,
            method=method,
            nonce=nonce,
            expires=now + CODE_LIFE,
        )
        self._codes[code.value] = code
        return code

    def code(self, value: str) -> AuthorizationCode | None:
        """The authorization code with that value, redeemed and expired ones too."""
        return self._codes.get(value)

    def add_device(self, *, client_id: str, tenant: str, scopes: Scopes, now: float) -> DeviceCode:
        """Let a device wait for a person."""
        user_code = "".join(USER_CODE_LETTERS[byte % len(USER_CODE_LETTERS)] for byte in self._entropy(9))
        device = DeviceCode(encode(self._entropy(150)), user_code, client_id, tenant, scopes, now + DEVICE_LIFE)
        self._devices[device.value] = device
        return device

    def device(self, value: str) -> DeviceCode | None:
        """The device code with that value, ended ones too."""
        return self._devices.get(value)

    def device_by_user_code(self, user_code: str) -> DeviceCode | None:
        """The device that shows that code; people may type it in any case, with blanks and dashes."""
        wanted = user_code.upper().replace(" ", "").replace("-", "")
        return next((each for each in self._devices.values() if each.user_code == wanted), None)
