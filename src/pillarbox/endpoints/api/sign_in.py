"""Signing in for mailboxes: on the local socket, for commands."""

from typing import TYPE_CHECKING, Literal

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StrictBool

from pillarbox.admin.sign_in_plan import Options, check_loopback
from pillarbox.admin.sign_in_words import Connected, Device, Link, Return, Started
from pillarbox.core.caller import Scope
from pillarbox.core.vault import Secret
from pillarbox.endpoints.api.access import needs

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services

Permission = Literal["send", "mail", "exchange"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SignInPlan(_Model):
    """How a mailbox is to be connected. With `app`, a mailbox that is not there yet is added.

    `permissions` and `shared` are as last time where they are left out; for a new mailbox `send`, and not shared.
    `user` is the user name that must sign in, where it is not the mailbox's address; `new_account` lets another account
    come than last time.
    """

    app: str | None = None
    permissions: list[Permission] | None = Field(default=None, min_length=1)
    shared: StrictBool | None = None
    user: str = ""
    new_account: StrictBool = False

    def options(self) -> Options:
        """As our word."""
        permissions = None if self.permissions is None else tuple(self.permissions)
        return Options(permissions, self.shared, self.user, self.new_account)


class NewSignIn(SignInPlan):
    """A sign-in in a browser: with a redirect URI on this machine, or else by a link to the service's listener."""

    redirect_uri: str | None = None


class SignInStarted(_Model):
    """Where the browser goes. `browser` is the secret that it must bring back, for a redirect URI on this machine."""

    url: str
    redirect_uri: str
    expires_at: float
    browser: str | None = None

    @classmethod
    def of(cls, made: Link | Started, redirect_uri: str) -> "SignInStarted":
        """From our word."""
        browser = made.browser if isinstance(made, Started) else None
        return cls(url=made.url, redirect_uri=redirect_uri, expires_at=made.expires_at, browser=browser)


class SignInReturn(_Model):
    """What the browser brought back to this machine, and the secret of its cookie."""

    state: str = ""
    code: SecretStr = SecretStr("")
    error: str = ""
    error_description: str = ""
    iss: str = ""
    browser: SecretStr = SecretStr("")


class ConnectedOut(_Model):
    """A mailbox is connected; `notes` are sentences for whoever connected it."""

    address: str
    account: str
    tenant_id: str
    object_id: str
    permissions: list[str]
    granted: list[str]
    notes: list[str]

    @classmethod
    def of(cls, made: Connected) -> "ConnectedOut":
        """From our word."""
        return cls(
            address=made.address,
            account=made.account.upn,
            tenant_id=made.account.tenant_id,
            object_id=made.account.object_id,
            permissions=list(made.permissions),
            granted=list(made.granted),
            notes=[note.sentence for note in made.notes],
        )


class DeviceOut(_Model):
    """A code to type in at `verification_uri`, and the handle to ask with whether that was done."""

    handle: str
    user_code: str
    verification_uri: str
    interval: int
    expires_at: float

    @classmethod
    def of(cls, made: Device) -> "DeviceOut":
        """From our word."""
        return cls(
            handle=made.handle,
            user_code=made.user_code,
            verification_uri=made.verification_uri,
            interval=made.interval,
            expires_at=made.expires_at,
        )


class DevicePoll(_Model):
    """The handle of a device code."""

    handle: SecretStr


class Polled(_Model):
    """Ask again after `interval` seconds, or `connected`."""

    interval: int | None = None
    connected: ConnectedOut | None = None


class PasswordSignIn(SignInPlan):
    """A password, or the place where it is read from each time (`env:NAME`, `file:PATH`, `keyvault:URL`)."""

    password: SecretStr | None = None
    password_from: str = ""
    v1: StrictBool = False


def add(app: FastAPI, services: "Services") -> None:
    """Add the routes."""
    # Made and imported when it is first wanted: what talks to Microsoft takes long to import.
    connect = services.connect

    @app.post("/api/v1/mailboxes/{address}:sign-in", status_code=201, dependencies=[needs(Scope.ADMIN)])
    async def begin_sign_in(address: str, new: NewSignIn) -> SignInStarted:
        """Begin a sign-in for a mailbox in a browser; with `app`, a mailbox that is not there yet is added."""
        if new.redirect_uri is None:
            connect().listener()
        else:
            check_loopback(new.redirect_uri)
        mailbox = await connect().mailbox(address, new.app, new.options())
        if new.redirect_uri is None:
            link = await connect().begin(mailbox, new.options())
            return SignInStarted.of(link, link.redirect_uri)
        started = await connect().start_here(mailbox, new.options(), new.redirect_uri)
        return SignInStarted.of(started, new.redirect_uri)

    @app.post("/api/v1/mailboxes/{address}:sign-in-finish", dependencies=[needs(Scope.ADMIN)])
    async def finish_sign_in(address: str, back: SignInReturn) -> ConnectedOut:
        """Finish a sign-in whose browser came back to the machine of whoever began it."""
        mailbox = await connect().mailbox(address, None)
        told = Return(back.state, back.code.get_secret_value(), back.error, back.error_description, back.iss)
        return ConnectedOut.of(await connect().finish(mailbox, told, back.browser.get_secret_value()))

    @app.post("/api/v1/mailboxes/{address}:device-code", status_code=201, dependencies=[needs(Scope.ADMIN)])
    async def begin_device_code(address: str, new: SignInPlan) -> DeviceOut:
        """Begin a sign-in by a code that is typed in on another device."""
        from pillarbox.admin import connect_device

        mailbox = await connect().mailbox(address, new.app, new.options())
        return DeviceOut.of(await connect_device.begin(connect(), mailbox, new.options()))

    @app.post("/api/v1/mailboxes/{address}:device-code-poll", dependencies=[needs(Scope.ADMIN)])
    async def poll_device_code(address: str, asked: DevicePoll) -> Polled:
        """Ask whether the code was typed in; the mailbox is connected once it was."""
        from pillarbox.admin import connect_device

        mailbox = await connect().mailbox(address, None)
        found = await connect_device.poll(connect(), mailbox, asked.handle.get_secret_value())
        if isinstance(found, Connected):
            return Polled(connected=ConnectedOut.of(found))
        return Polled(interval=found.interval)

    @app.post("/api/v1/mailboxes/{address}:password", dependencies=[needs(Scope.ADMIN)])
    async def sign_in_by_password(address: str, new: PasswordSignIn) -> ConnectedOut:
        """Connect a mailbox by a password, which works only without a second factor."""
        from pillarbox.admin import connect_password

        # Before the mailbox: while it is off, nothing is added either.
        connect_password.check_allowed(connect())
        mailbox = await connect().mailbox(address, new.app, new.options())
        given = Secret(new.password.get_secret_value()) if new.password is not None else None
        work = connect_password.connect(connect(), mailbox, new.options(), given, new.password_from, v1=new.v1)
        return ConnectedOut.of(await work)
