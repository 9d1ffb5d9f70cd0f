"""Sign-ins without pages, and the token requests that follow."""

import json
from dataclasses import dataclass
from typing import Any

import jwt

from pillarbox.emulator import App, Emulator
from pillarbox.emulator.entra.pending import AuthorizationCode, DeviceCode
from pillarbox.emulator.entra.scopes import parse
from pillarbox.emulator.ids import encode
from pillarbox.emulator.seed import CALLBACK, Seed
from pillarbox.emulator.world import User
from tests.unit.emulator.conftest import Client, Clock, Reply

MAIL = "https://graph.microsoft.com/Mail.Send"
EXCHANGE_MAIL = "https://outlook.office.com/SMTP.Send"
OFFLINE = f"openid offline_access {MAIL}"


def unverified(token: str) -> dict[str, Any]:
    """The claims of a token whose signature is not what the test is about."""
    return dict(jwt.decode(token, options={"verify_signature": False}))


def odd_kid(token: str, kid: Any = "\u00e9") -> str:
    """A token whose header names another key; nobody has to be able to sign for that."""
    header = encode(json.dumps({"alg": "RS256", "typ": "JWT", "kid": kid}).encode())
    return f"{header}.{token.partition('.')[2]}"


@dataclass
class SignIns:
    """What the pages do, done directly; fields replace those of the usual request, None takes one away."""

    client: Client
    emulator: Emulator
    seed: Seed
    clock: Clock

    def code(
        self,
        app: App | None = None,
        user: User | None = None,
        scope: str = OFFLINE,
        *,
        redirect_uri: str = CALLBACK,
        challenge: str | None = None,
        method: str | None = None,
    ) -> AuthorizationCode:
        """The code that an app gets back after a person has signed in and agreed."""
        user = user or self.seed.user("alice")
        home = next(each for each in self.emulator.world.tenants.values() if user.id in each.users)
        return self.emulator.authority.pending.add_code(
            client_id=(app or self.seed.web).client_id,
            tenant_id=home.id,
            user_id=user.id,
            redirect_uri=redirect_uri,
            scopes=parse(scope, self.emulator.url),
            challenge=challenge,
            method=method,
            nonce="number once",
            now=self.clock.now,
        )

    async def redeem(self, code: AuthorizationCode, app: App | None = None, /, **fields: Any) -> Reply:
        """Ask for the tokens of a code."""
        form = {"grant_type": "authorization_code", "code": code.value, "redirect_uri": code.redirect_uri}
        return await self.client.ask_token(app or self.seed.web, **(form | {"scope": None} | fields))

    async def refresh_token(self, scope: str = OFFLINE) -> str:
        """The refresh token of a new sign-in."""
        return str((await self.redeem(self.code(scope=scope))).json["refresh_token"])

    async def refresh(self, token: str, app: App | None = None, /, **fields: Any) -> Reply:
        """Ask for the tokens of a refresh token."""
        form = {"grant_type": "refresh_token", "refresh_token": token, "scope": None}
        return await self.client.ask_token(app or self.seed.web, **(form | fields))

    async def device(self, app: App | None = None, scope: str = OFFLINE) -> DeviceCode:
        """A device that waits."""
        form = {"client_id": (app or self.seed.desktop).client_id, "scope": scope}
        path = f"/{self.seed.tenant.id}/oauth2/v2.0/devicecode"
        answer = await self.client.request("POST", path, data=form)
        device = self.emulator.authority.pending.device(answer.json["device_code"])
        assert device
        return device

    def approve(self, device: DeviceCode, name: str = "alice") -> None:
        """Let a person enter the code and agree."""
        device.tenant_id, device.user_id = self.seed.tenant.id, self.seed.user(name).id
        device.state = "approved"

    async def poll(self, device: DeviceCode, app: App | None = None, /, **fields: Any) -> Reply:
        """Ask whether the person is done."""
        grant = "urn:ietf:params:oauth:grant-type:device_code"
        form = {"grant_type": grant, "device_code": device.value, "scope": None}
        return await self.client.ask_token(app or self.seed.desktop, **(form | fields))

    async def password(self, name: str = "alice", app: App | None = None, /, **fields: Any) -> Reply:
        """Ask for tokens with name and password."""
        upn = name if "@" in name else f"{name}@contoso.example"
        form = {"grant_type": "password", "username": upn, "password": self.seed.passwords.get(upn, "x")}
        return await self.client.ask_token(app or self.seed.desktop, **(form | {"scope": OFFLINE} | fields))
