"""Every failure of a token or a sign-in, brought about once in the way that a person meets it, and what they read."""

import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

from pillarbox.emulator import App
from pillarbox.emulator.http import Answer, Call
from tests.journeys.flows import limit_to, sign_in_by_password
from tests.journeys.stage import Stage, Told, failed_step, on_page, refused
from tests.unit.admin.check.interceptor import SIGNER, Interceptor, context
from tests.unit.emulator.entra.app_key import encode
from tests.unit.emulator.entra.sign_ins import unverified

MINUTE: Final = 60
BOB: Final = "bob@contoso.example"
Meet = Callable[[Stage], Awaitable[Told]]


@dataclass(frozen=True)
class Failure:
    """A failure; words of its first line that name the cause, and words of the cure."""

    name: str
    meet: Meet
    first: str
    cure: str


FAILURES: Final[list[Failure]] = []


def failure(name: str, first: str, cure: str) -> Callable[[Meet], Meet]:
    """Put a way to meet a failure into the list."""

    def added(meet: Meet) -> Meet:
        FAILURES.append(Failure(name, meet, first, cure))
        return meet

    return added


# ---- the app registration


async def _test_app(stage: Stage, name: str, app: App, **given: str) -> Told:
    (await stage.add_app(name, app, **given)).good()
    return failed_step(await stage.run("app", "test", name, "--json"), "token")


@failure("wrong secret", "AADSTS7000215", "pillarbox app secret wrong-secret")
async def _wrong_secret(stage: Stage) -> Told:
    return await _test_app(stage, "wrong-secret", stage.office.seed.gateway, secret="8Q~not-the-right-value-at-all")


@failure("Secret ID pasted", "the ID of a client secret, not its value", "Value")
async def _secret_id(stage: Stage) -> Told:
    app = stage.office.seed.gateway
    return refused(await stage.add_app("secret-id", app, secret=app.secrets[0].id))


@failure("expired secret", "AADSTS7000222", "make a new one")
async def _expired_secret(stage: Stage) -> Told:
    app = stage.office.app("expired")
    return await _test_app(stage, "expired", app, secret=stage.office.emulator.world.add_secret(app, time.time() - 1))


@failure("unknown app", "AADSTS700016", "Application (client) ID")
async def _unknown_app(stage: Stage) -> Told:
    stranger = App(str(uuid4()), str(uuid4()), "Stranger")
    return await _test_app(stage, "unknown", stranger, secret="8Q~some-secret-of-a-stranger")


@failure("wrong tenant", "AADSTS90002", "Directory (tenant) ID")
async def _wrong_tenant(stage: Stage) -> Told:
    return await _test_app(stage, "wrong-tenant", stage.office.app("elsewhere"), tenant=str(uuid4()))


# ---- the right to send


async def _test_mailbox(stage: Stage, app: App, mailbox: str, step: str) -> Told:
    (await stage.add_app(app.name, app)).good()
    await stage.add_mailbox(mailbox, app.name)
    more = ("--exchange",) if step in ("smtp", "imap") else ()
    return failed_step(await stage.run("mailbox", "test", mailbox, *more, "--json"), step)


@failure("no consent", "has no right to send as", "Grant admin consent")
async def _no_consent(stage: Stage) -> Told:
    user = stage.office.person("f-no-consent")
    return await _test_mailbox(stage, stage.office.app("f-no-consent", "Mail.Send", consent=False), user.upn, "send")


@failure("consent but no licence", "no mailbox in Exchange Online", "Give the account a licence")
async def _no_licence(stage: Stage) -> Told:
    user = stage.office.person("f-no-licence", licensed=False)
    return await _test_mailbox(stage, stage.office.app("f-no-licence", "Mail.Send"), user.upn, "mailbox")


@failure("RBAC-scoped, mailbox out of scope", "has no right to send as", "add this one to its scope")
async def _out_of_scope(stage: Stage) -> Told:
    user, app = stage.office.person("f-out-of-scope"), stage.office.app("f-scoped", "Mail.Send", consent=False)
    limit_to(stage, app, BOB)
    return await _test_mailbox(stage, app, user.upn, "send")


# ---- whom Microsoft does not let in


@failure("MFA, by password", "AADSTS50076", "browser")
async def _second_factor(stage: Stage) -> Told:
    user = stage.office.person("f-mfa", second_factor="enrolled")
    return refused(await sign_in_by_password(stage, user.upn))


@failure("Conditional Access, in a browser", "AADSTS53003", "exclude the application")
async def _conditional_access(stage: Stage) -> Told:
    user = stage.office.person("f-conditional-access", refusal=53003)
    async with stage.browser() as person:
        first = await person.begin(await stage.link(user.upn))
        # Microsoft keeps the person on its page; an administrator reads there what the number means.
        page = await person.visitor.sign_in(first.location, user.upn, stage.office.seed.passwords[user.upn])
        if page.location:
            return on_page(await person.come_back(page.location))
        return await _explained(stage, page.text)


async def _explained(stage: Stage, text: str) -> Told:
    """What `pillarbox explain` makes of a page of Microsoft's that a person copies."""
    found = (await stage.run("explain", "--json", text)).good().json
    first = (found if isinstance(found, list) else found["findings"])[0]
    said = re.search(rf"AADSTS{first['code'].removeprefix('AADSTS')}[^.]*\.", text)
    assert said, text
    return Told(f"{said[0]} (Microsoft's page; by `pillarbox explain`:) {first['meaning']}", first["cure"])


@failure("federated user, by password", "AADSTS50126", "browser")
async def _federated(stage: Stage) -> Told:
    return refused(await sign_in_by_password(stage, stage.office.person("f-federated", federated=True).upn))


@failure("disabled account", "AADSTS50057", "Enable it")
async def _disabled(stage: Stage) -> Told:
    return refused(await sign_in_by_password(stage, stage.office.person("f-disabled", enabled=False).upn))


@failure("locked account", "AADSTS50053", "Wait some minutes")
async def _locked(stage: Stage) -> Told:
    user = stage.office.person("f-locked")
    for _ in range(10):
        stage.office.emulator.authority.lockout.count(user.id, time.time())
    return refused(await sign_in_by_password(stage, user.upn))


@failure("public client flag missing", "AADSTS7000218", "Allow public client flows")
async def _no_public_client(stage: Stage) -> Told:
    user, app = stage.office.person("f-public-client"), await stage.have_app("web")
    return refused(await stage.run("mailbox", "sign-in", user.upn, "--app", app, "--device-code", "--json"))


@failure("wrong redirect URI", "AADSTS50011", "edirect URI")
async def _wrong_redirect_uri(stage: Stage) -> Told:
    user = stage.office.person("f-redirect-uri")
    link = await stage.link(user.upn)
    kept = list(stage.office.seed.web.redirect_uris)
    stage.office.seed.web.redirect_uris.clear()
    async with stage.browser() as person:
        page = await person.visitor.open((await person.begin(link)).location)
    stage.office.seed.web.redirect_uris.extend(kept)
    return await _explained(stage, page.text)


@failure("sign-in begun and not finished", "Nobody has signed in for f-unfinished", "pillarbox mailbox sign-in")
async def _unfinished(stage: Stage) -> Told:
    user, app = stage.office.person("f-unfinished").upn, stage.office.app("f-unfinished", "Mail.Send")
    (await stage.add_app(app.name, app)).good()
    await stage.link(user, app.name)
    # The app's own rights must not stand in for those of the person who was asked.
    told = refused(await stage.run("token", "get", "--mailbox", user, "--json"))
    assert told == failed_step(await stage.run("mailbox", "test", user, "--json"), "sign-in")
    return told


# ---- answers that are not of this sign-in


@failure("wrong account", "f-meant@contoso.example", "right account")
async def _wrong_account(stage: Stage) -> Told:
    meant = stage.office.person("f-meant")
    async with stage.browser() as person:
        told = on_page(await person.sign_in(await stage.link(meant.upn), BOB))
    assert BOB in told.first
    return told


@failure("replayed state", "no sign-in waits for an answer", "Ask for a new one")
async def _replayed_state(stage: Stage) -> Told:
    user = stage.office.person("f-replayed").upn
    async with stage.browser() as person, stage.browser() as thief:
        page = await person.at_microsoft(await stage.link(user), user)
        assert "is connected" in (await person.come_back(page.location)).text
        asked = stage.office.emulator.ledger.token_requests
        # In the same browser it changes nothing, and shows how the sign-in ended.
        assert "is connected" in (await person.come_back(page.location)).text
        told = on_page(await thief.come_back(page.location))
    assert stage.office.emulator.ledger.token_requests == asked
    return told


async def _answered(stage: Stage, name: str, change: Callable[[dict[str, str]], dict[str, str]]) -> Told:
    """A browser comes back with another answer than Microsoft's; no token may be asked for."""
    user = stage.office.person(name).upn
    async with stage.browser() as person:
        page = await person.at_microsoft(await stage.link(user), user)
        base, _, query = page.location.partition("?")
        fields = change({key: values[0] for key, values in parse_qs(query).items()})
        asked = stage.office.emulator.ledger.token_requests
        told = on_page(await person.come_back(f"{base}?{urlencode(fields)}"))
    assert stage.office.emulator.ledger.token_requests == asked
    return told


@failure("missing state", "no sign-in waits for an answer", "Ask for a new one")
async def _missing_state(stage: Stage) -> Told:
    return await _answered(stage, "f-missing", lambda fields: {"code": fields["code"]})


@failure("state swapped between two browsers", "no sign-in waits for an answer", "Ask for a new one")
async def _swapped_state(stage: Stage) -> Told:
    user = stage.office.person("f-swapped").upn
    async with stage.browser() as person:
        page = await person.at_microsoft(await stage.link(user), user)
    foreign = parse_qs(urlsplit(page.location).query)["state"][0]
    return await _answered(stage, "f-swapped-too", lambda fields: fields | {"state": foreign})


@failure("expired state", "more than 10 minutes", "Ask for a new one")
async def _expired_state(stage: Stage) -> Told:
    user = stage.office.person("f-expired").upn
    async with stage.browser() as person:
        page = await person.at_microsoft(await stage.link(user), user)
        with stage.clock(11 * MINUTE):
            return on_page(await person.come_back(page.location))


# ---- id tokens that prove nothing


async def _forged(stage: Stage, name: str, forge: Callable[[str], str]) -> Told:
    """Somebody in between gives another id token for the code."""
    user = stage.office.person(name).upn

    def tamper(call: Call, answer: Answer) -> None:
        if call.form.get("grant_type") == "authorization_code":
            told: dict[str, Any] = json.loads(answer.body)
            answer.body = json.dumps(told | {"id_token": forge(told["id_token"])}).encode()

    async with stage.browser() as person:
        page = await person.at_microsoft(await stage.link(user), user)
        stage.office.ear.tamper = tamper
        told = on_page(await person.come_back(page.location))
    stage.office.ear.tamper = None
    state = next(one for one in (await stage.run("mailbox", "list", "--json")).json if one["address"] == user)
    assert (state["state"], state["signed_in"]) == ("needs_sign_in", ""), state
    return told


@failure("id token with alg none", "not signed with RS256", "microsoft.authority_url")
async def _alg_none(stage: Stage) -> Told:
    def forge(token: str) -> str:
        return f"{encode(json.dumps({'alg': 'none', 'typ': 'JWT'}).encode())}.{token.split('.')[1]}."

    return await _forged(stage, "f-alg-none", forge)


@failure("id token of a foreign issuer", "issued by another authority", "microsoft.cloud")
async def _foreign_issuer(stage: Stage) -> Told:
    def forge(token: str) -> str:
        # Signed by Microsoft's own key: only the issuer tells.
        issuer = f"https://login.fabrikam.example/{uuid4()}/v2.0"
        return stage.office.emulator.tokens.key.sign(unverified(token) | {"iss": issuer})

    return await _forged(stage, "f-foreign-issuer", forge)


# ---- Exchange's old protocols


def _exchange_app(stage: Stage, name: str, mailbox: str) -> App:
    app = stage.office.app(name, "Mail.Send", "exchange:SMTP.SendAsApp", "exchange:IMAP.AccessAsApp")
    assert app.principal
    stage.office.let_into_exchange(app.principal, mailbox)
    return app


@failure("SMTP AUTH disabled", "SMTP AUTH", "Send through Graph")
async def _smtp_auth_disabled(stage: Stage) -> Told:
    user = stage.office.person("f-smtp-auth").upn
    stage.office.seed.tenant.smtp_auth = False
    told = await _test_mailbox(stage, _exchange_app(stage, "f-smtp-auth", user), user, "smtp")
    stage.office.seed.tenant.smtp_auth = True
    return told


@failure("authenticated but not connected", "authenticated but not connected", "Add-MailboxPermission")
async def _not_connected(stage: Stage) -> Told:
    user = stage.office.person("f-not-connected").upn
    app, mailbox = _exchange_app(stage, "f-not-connected", user), stage.office.emulator.world.mailbox(user)
    assert app.principal
    mailbox.full_access.discard(app.principal.id)
    mailbox.send_as.add(app.principal.id)
    return await _test_mailbox(stage, app, user, "imap")


# ---- the way there


@failure("clock 7 minutes off", "7 minutes fast", "NTP")
async def _clock(stage: Stage) -> Told:
    (await stage.add_app("clock", stage.office.app("clock", "Mail.Send"))).good()
    with stage.clock(7 * MINUTE):
        return failed_step(await stage.run("app", "test", "clock", "--json"), "clock")


@failure("intercepting proxy", SIGNER, "microsoft.ca_file")
async def _intercepting_proxy(stage: Stage) -> Told:
    proxy = Interceptor(context(stage.folder / "given"), proxy=True)
    await proxy.start()
    # Another installation, without a service, behind that proxy.
    environ = stage.without_a_service("behind-proxy")
    ids = ("--tenant-id", stage.office.seed.tenant.id, "--client-id", stage.office.seed.gateway.client_id)
    file = {"PILLARBOX_CLIENT_SECRET_FILE": stage.given("8Q~secret-of-an-app-behind-a-proxy")}
    (await stage.run("app", "add", "proxied", *ids, **environ, **file)).good()
    url = {"PILLARBOX_MICROSOFT__PROXY": f"http://127.0.0.1:{proxy.port}"}
    told = failed_step(await stage.run("app", "test", "proxied", "--json", **environ, **url), "tls")
    await proxy.stop()
    assert proxy.heard == b""
    return told
