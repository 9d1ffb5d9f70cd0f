"""Every way to a token: how each connects a mailbox by the real commands, and what it must be good for then."""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from pillarbox.emulator import App
from pillarbox.emulator.world import FederatedCredential, KeyCredential
from pillarbox.emulator.world.rbac import ExchangeAssignment, Scope
from pillarbox.entra import certificates
from tests.journeys.stage import ALICE, KEPT_PASSWORD, Ran, Stage
from tests.unit.emulator.entra.app_key import AppKey
from tests.unit.entra.test_certificates import pfx

ROLES: Final = ("Mail.Send", "Mail.ReadWrite", "exchange:SMTP.SendAsApp", "exchange:IMAP.AccessAsApp")
BOTH: Final = ("--permissions", "mail", "--permissions", "exchange")
IDENTITY: Final = {"openid", "profile", "email"}
ISSUER: Final = "https://oidc.cluster.example"
COLUMNS: Final = ("flow", "Graph token", "Exchange token", "mailbox test (mode)", "SMTP login", "IMAP login")


@dataclass(frozen=True)
class Found:
    """What a connected mailbox is good for: the rights in its two tokens, and what its test found."""

    graph: str
    exchange: str
    mode: str
    smtp: str
    imap: str

    @property
    def cells(self) -> tuple[str, ...]:
        """As a row of the table."""
        return self.graph, self.exchange, self.mode, self.smtp, self.imap


APP: Final = Found(
    "roles Mail.ReadWrite Mail.Send; reads messages",
    "roles IMAP.AccessAsApp SMTP.SendAsApp",
    "sends (draft)",
    "ok",
    "ok",
)
SENDER: Final = Found("roles Mail.Send; 403 on reading", "no roles", "sends (send-only)", "skip", "skip")
SCOPED: Final = Found("no roles; 403 on reading", "no roles", "sends (send-only)", "skip", "skip")
PERSON: Final = Found(
    "scp Mail.ReadWrite Mail.Send User.Read; reads /me",
    "scp IMAP.AccessAsUser.All SMTP.Send",
    "sends (draft)",
    "ok",
    "ok",
)
SHARED: Final = Found(
    "scp Mail.ReadWrite Mail.ReadWrite.Shared Mail.Send Mail.Send.Shared User.Read; reads messages",
    "scp IMAP.AccessAsUser.All SMTP.Send",
    "sends (draft)",
    "ok",
    "ok",
)

Connect = Callable[[Stage, str], Awaitable[None]]
"""Connects the mailbox `name@contoso.example`."""


@dataclass(frozen=True)
class Flow:
    """A way to a token. `path` is a call of Graph that it is tried with, `{}` in it the mailbox's address."""

    name: str
    connect: Connect
    good_for: Found
    path: str = "/me"


def address(name: str) -> str:
    """The mailbox of this name."""
    return f"{name}@contoso.example"


# ---- the app itself


def _registered(stage: Stage, name: str, *roles: str) -> App:
    """An app registration with rights on a mailbox of its own."""
    stage.office.person(name)
    app = stage.office.app(name, *(roles or ROLES))
    if not roles:
        assert app.principal
        stage.office.let_into_exchange(app.principal, address(name))
    return app


async def secret(stage: Stage, name: str) -> None:
    """A client secret."""
    (await stage.add_app(name, _registered(stage, name))).good()
    await stage.add_mailbox(address(name), name)


async def sender(stage: Stage, name: str) -> None:
    """A client secret of an app that may send and nothing else."""
    (await stage.add_app(name, _registered(stage, name, "Mail.Send"))).good()
    await stage.add_mailbox(address(name), name)


async def scoped(stage: Stage, name: str) -> None:
    """Rights by Exchange's RBAC for Applications alone: Entra ID knows of none."""
    stage.office.person(name)
    app = stage.office.app(name, "Mail.Send", consent=False)
    limit_to(stage, app, address(name))
    (await stage.add_app(name, app)).good()
    await stage.add_mailbox(address(name), name)


def limit_to(stage: Stage, app: App, mailbox: str) -> None:
    """Let Exchange's RBAC give an app Mail.Send on one mailbox."""
    assert app.principal
    roles, ident = stage.office.seed.tenant.exchange_roles, app.principal.id
    roles.scopes[ident] = Scope(ident, ident, f"PrimarySmtpAddress -eq '{mailbox}'")
    roles.assignments[ident] = ExchangeAssignment(ident, ident, "Application Mail.Send", ident, None)


async def made_here(stage: Stage, name: str) -> None:
    """A certificate that Pillarbox makes; its public part is uploaded."""
    app = _registered(stage, name)
    added = await stage.run("app", "add", name, *_ids(stage, app), "--new-certificate", "--json")
    _upload(app, (stage.folder / "cwd" / added.good().json["file"]).read_text())
    await stage.add_mailbox(address(name), name)


async def pfx_file(stage: Stage, name: str) -> None:
    """A certificate in a PFX file with a password."""
    app, password = _registered(stage, name), f"PFX Pässwörd+/&=% {name}"
    pair = certificates.make(name, time.time())
    file = stage.folder / "given" / f"{name}.pfx"
    file.write_bytes(pfx(pair, password))
    (stage.folder / "given" / f"{name}.pem").write_text(pair.pem.reveal())
    given = {"PILLARBOX_PFX_PASSWORD_FILE": stage.given(password)}
    (await stage.run("app", "add", name, *_ids(stage, app), "--pfx-file", str(file), "--json", **given)).good()
    _upload(app, pair.public.pem)
    await stage.add_mailbox(address(name), name)


async def federated(stage: Stage, name: str) -> None:
    """A token of another issuer in a file, as Kubernetes puts it there."""
    app, key = _registered(stage, name), AppKey()
    stage.office.emulator.world.issuers[ISSUER] = key.key_set()
    audience = "api://AzureADTokenExchange"
    app.federated.append(FederatedCredential("1", "pod", ISSUER, "pod", [audience]))
    told = {"iss": ISSUER, "sub": "pod", "aud": [audience], "exp": int(time.time()) + 3600}
    file = stage.given(key.sign(told, "RS256", kid="1") + "\n")
    (await stage.run("app", "add", name, *_ids(stage, app), "--token-file", file, "--json")).good()
    await stage.add_mailbox(address(name), name)


async def user_identity(stage: Stage, name: str) -> None:
    """A managed identity that the machine shares with others."""
    stage.office.person(name)
    identity = stage.office.emulator.world.add_managed_identity(name, ROLES, user_assigned=True)
    stage.office.let_into_exchange(identity.principal, address(name))
    await _identity(stage, name, "user", identity.principal.client_id)


async def system_identity(stage: Stage, name: str) -> None:
    """The machine's own managed identity."""
    stage.office.person(name)
    await _identity(stage, name, "system", stage.office.seed.identity.principal.client_id)


async def _identity(stage: Stage, name: str, which: str, client_id: str) -> None:
    ids = ("--tenant-id", stage.office.seed.tenant.id, "--client-id", client_id)
    (await stage.run("app", "add", name, *ids, "--managed-identity", which, "--json")).good()
    await stage.add_mailbox(address(name), name)


def _ids(stage: Stage, app: App) -> tuple[str, ...]:
    return "--tenant-id", stage.office.seed.tenant.id, "--client-id", app.client_id


def _upload(app: App, public_pem: str) -> None:
    """As an administrator does in the portal, who then deletes the secret."""
    der = x509.load_pem_x509_certificate(public_pem.encode()).public_bytes(serialization.Encoding.DER)
    app.secrets.clear()
    app.certificates.append(KeyCredential("1", der, 0.0, 1e12))


# ---- a person


async def loopback(stage: Stage, name: str) -> None:
    """A browser on this machine."""
    user = stage.office.person(name).upn
    app = await stage.have_app("desktop")
    words = ("mailbox", "sign-in", user, "--app", app, *BOTH, "--no-browser", "--json")
    terminal = await stage.begin(*words)
    async with stage.browser() as person:
        page = await person.sign_in(await terminal.says(r"(http://localhost:\S+)"), user)
    _signed_in(await terminal.ends(), user)
    assert f"{user} is connected" in page.text


async def link(stage: Stage, name: str) -> None:
    """A link that somebody opens, and the service's callback."""
    user = stage.office.person(name).upn
    await stage.have_app("web")
    async with stage.browser() as person:
        page = await person.sign_in(await stage.link(user, "web", *BOTH), user)
    assert f"{user} is connected" in page.text


async def device_code(stage: Stage, name: str) -> None:
    """A code that is typed in on another device."""
    user = stage.office.person(name).upn
    app = await stage.have_app("desktop")
    terminal = await stage.begin("mailbox", "sign-in", user, "--app", app, *BOTH, "--device-code", "--json")
    user_code = await terminal.says(r"code (\S+)")
    found = re.search(r"(https://\S+)", terminal.ran.errors)
    assert found
    async with stage.browser() as person:
        page = await person.visitor.submit(await person.visitor.open(found[1]), otc=user_code)
        await person.visitor.go_on(page, user, stage.office.seed.passwords[user])
    _signed_in(await terminal.ends(), user)


def by_password(*options: str) -> Connect:
    """A password that is exchanged and forgotten."""

    async def connect(stage: Stage, name: str) -> None:
        user = stage.office.person(name).upn
        _signed_in(await sign_in_by_password(stage, user, *BOTH, *options), user)
        endpoint = "/oauth2/token" if "--v1" in options else "/oauth2/v2.0/token"
        sent = [each.call for each in stage.office.ear.heard if each.call.form.get("username") == user]
        assert {call.path.endswith(endpoint) for call in sent} == {True}

    return connect


async def sign_in_by_password(stage: Stage, user: str, *options: str, app: str = "web", password: str = "") -> Ran:
    """`pillarbox mailbox sign-in --password`."""
    words = ("mailbox", "sign-in", user, "--app", await stage.have_app(app), "--password", "--json", *options)
    file = stage.given(password or stage.office.seed.passwords[user])
    return await stage.run(*words, PILLARBOX_MAILBOX_PASSWORD_FILE=file)


async def kept_password(stage: Stage, name: str) -> None:
    """A password that stays in the environment of the service."""
    user = stage.office.person(name, password=KEPT_PASSWORD).upn
    words = ("mailbox", "sign-in", user, "--app", await stage.have_app("web"), *BOTH, "--json")
    _signed_in(await stage.run(*words, "--password-from", "env:KEPT_PASSWORD"), user)


async def shared(stage: Stage, name: str) -> None:
    """A mailbox that Alice has rights on."""
    stage.office.person(name, password=None)
    alice, box = stage.office.seed.user("alice"), stage.office.emulator.world.mailbox(address(name))
    box.full_access.add(alice.id)
    box.send_as.add(alice.id)
    web, scopes = stage.office.seed.web, ("Mail.Send.Shared", "Mail.ReadWrite.Shared")
    stage.office.emulator.world.consent(web, user=alice, scopes=scopes)
    await stage.have_app("web")
    async with stage.browser() as person:
        page = await person.sign_in(await stage.link(address(name), "web", *BOTH, "--shared", "--as", ALICE), ALICE)
    assert f"{address(name)} is connected" in page.text


def _signed_in(ran: Ran, user: str) -> None:
    done = ran.good().json
    assert (done["address"], done["account"], done["permissions"]) == (user, user, ["mail", "exchange"])


APPS: Final = {
    "secret": Flow("client secret", secret, APP, "/users/{}/messages?$top=1"),
    "sender": Flow("client secret, Mail.Send alone", sender, SENDER, "/users/{}/messages?$top=1"),
    "scoped": Flow("client secret, RBAC for Applications alone", scoped, SCOPED, "/users/{}/messages?$top=1"),
    "made-here": Flow("certificate made here", made_here, APP, "/users/{}/messages?$top=1"),
    "pfx": Flow("certificate in a PFX file", pfx_file, APP, "/users/{}/messages?$top=1"),
    "federated": Flow("federated token file", federated, APP, "/users/{}/messages?$top=1"),
    "user-identity": Flow("managed identity, user-assigned", user_identity, APP, "/users/{}/messages?$top=1"),
    "system-identity": Flow("managed identity, system (Mail.Send)", system_identity, SENDER, "/users/{}/messages"),
}
IN_A_BROWSER: Final = {
    "loopback": Flow("browser on this machine (loopback)", loopback, PERSON),
    "link": Flow("link and the service's callback", link, PERSON),
    "shared": Flow("shared mailbox, by a link", shared, SHARED, "/users/{}/messages?$top=1"),
}
WITHOUT_A_BROWSER: Final = {
    "device-code": Flow("device code", device_code, PERSON),
    "password-v2": Flow("password, v2 endpoint", by_password(), PERSON),
    "password-v1": Flow("password, v1 endpoint", by_password("--v1"), PERSON),
    "kept-password": Flow("password kept in the environment", kept_password, PERSON),
}


# ---- what a connected mailbox is good for


async def look(stage: Stage, flow: Flow, name: str) -> Found:
    """Try it by the real commands: both tokens, a call of Graph, and the Test button with a real mail."""
    mailbox = address(name)
    graph = await _rights(stage, mailbox, "graph")
    called = await stage.run("graph", "get", flow.path.format(mailbox), "--mailbox", mailbox, "--json")
    if called.code:
        assert "403" in called.errors, called.errors
        read = "403 on reading"
    else:
        read = "reads /me" if flow.path == "/me" else "reads messages"
        assert called.json.get("userPrincipalName", mailbox) == mailbox
    exchange = await _rights(stage, mailbox, "exchange")
    # An app tries SMTP and IMAP only when it is asked to; a person's sign-in says by itself what it is for.
    by_app = ("--exchange",) if exchange.startswith("roles") else ()
    tested = (await stage.run("mailbox", "test", mailbox, "--to", ALICE, *by_app, "--json")).json
    steps: dict[str, Any] = {step["name"]: step for step in tested["steps"]}
    mode = f"{'sends' if steps['send']['status'] == 'ok' and tested['ok'] else 'no'} ({tested['assurance']})"
    return Found(f"{graph}; {read}", exchange, mode, steps["smtp"]["status"], steps["imap"]["status"])


async def _rights(stage: Stage, mailbox: str, resource: str) -> str:
    """What the token of a resource names: `roles` or `scp`."""
    claims = (await stage.run("token", "get", "--mailbox", mailbox, "--resource", resource, "--json")).good().json
    if "scp" in claims:
        return f"scp {' '.join(sorted(set(claims['scp'].split()) - IDENTITY))}"
    return f"roles {' '.join(sorted(claims['roles']))}" if claims.get("roles") else "no roles"
