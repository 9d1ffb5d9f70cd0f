"""AUTH at Exchange Online: the ways in, and each refusal (facts 4.1)."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from pillarbox.emulator import App, Emulator
from pillarbox.emulator.world import EXCHANGE, GRAPH
from pillarbox.emulator.world.rbac import ExchangeAssignment, Scope
from tests.unit.emulator.conftest import Client, Clock
from tests.unit.emulator.entra.sign_ins import odd_kid
from tests.unit.emulator.exchange.conftest import ALICE, BOB, Open, b64, xoauth2

TRACE = r" \[XX0PR01CA0001\.outlook\.office365\.com 2026-11-20T12:00:00\.000Z [0-9A-F]{16}\]"
GOOD = "235 2.7.0 Authentication successful"
BAD = r"535 5\.7\.3 Authentication unsuccessful" + TRACE
OFF = (
    r"535 5\.7\.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the PLACE\. "
    r"Visit https://aka\.ms/smtp_auth_disabled for more information\." + TRACE
)

AppToken = Callable[[App], str]


async def log_in(smtp: Open, user: str, token: str) -> str:
    return await (await smtp()).say(f"AUTH XOAUTH2 {xoauth2(user, token)}")


async def test_token_with_an_odd_key_id_is_refused(smtp: Open, smtp_token: str) -> None:
    assert re.fullmatch(BAD, await log_in(smtp, ALICE, odd_kid(smtp_token)))


# ---- the dialogue


@pytest.mark.parametrize("command", ["AUTH XOAUTH2", "auth xoauth2"])
async def test_xoauth2_in_two_steps(smtp: Open, smtp_token: str, command: str) -> None:
    line = await smtp()
    assert await line.say(command) == "334 "
    assert await line.say(xoauth2(ALICE, smtp_token)) == GOOD
    assert await line.say("AUTH XOAUTH2") == "503 5.5.2 Already authenticated"


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ("*", r"501 5\.7\.0 Authentication cancelled"),
        ("no base64!", r"501 5\.5\.4 Invalid arguments"),
        ("YQ===", r"501 5\.5\.4 Invalid arguments"),
        ("é", r"501 5\.5\.4 Invalid arguments"),
        ("A" * 70_000, r"501 5\.5\.4 Invalid arguments"),
        ("", BAD),
        ("=", BAD),
        (b64("user=alice"), BAD),
        (b64("user=a\x01auth=Bearer \x01\x01"), BAD),
        (xoauth2(ALICE, "no token"), BAD),
    ],
)
async def test_answers_that_are_refused(smtp: Open, answer: str, reply: str) -> None:
    line = await smtp()
    assert await line.say("AUTH XOAUTH2") == "334 "
    assert re.fullmatch(reply, await line.say(answer))
    if answer and answer != "*":
        assert re.match(r"50[01]|535", await line.say(f"AUTH XOAUTH2 {answer}"))


@pytest.mark.parametrize("mechanism", ["PLAIN", "NTLM", "OAUTHBEARER"])
async def test_other_mechanisms(smtp: Open, mechanism: str) -> None:
    line = await smtp()
    assert re.fullmatch(r"504 5\.7\.4 Unrecognized authentication type" + TRACE, await line.say(f"AUTH {mechanism}"))
    assert await line.say("AUTH") == "501 5.5.4 Invalid arguments"


@pytest.mark.parametrize("command", ["AUTH XOAUTH2", "AUTH LOGIN"])
async def test_no_login_without_tls(plain: Open, command: str) -> None:
    line = await plain()
    await line.reply()
    await line.say("EHLO client.example")
    assert (await line.say(command)).startswith("504 5.7.4 Unrecognized authentication type [")


@pytest.mark.parametrize("user", [ALICE, "stranger@fabrikam.example"])
async def test_passwords_are_refused_whatever_they_are(smtp: Open, client: Client, user: str) -> None:
    refusal = r"535 5\.7\.139 Authentication unsuccessful, basic authentication is disabled\." + TRACE
    line = await smtp()
    assert await line.say("AUTH LOGIN") == "334 VXNlcm5hbWU6"
    assert await line.say(b64(user)) == "334 UGFzc3dvcmQ6"
    assert re.fullmatch(refusal, await line.say(b64(client.planted.passwords.get(user, "x"))))
    assert await line.say(f"AUTH LOGIN {b64(user)}") == "334 UGFzc3dvcmQ6"
    assert await line.say("*") == "501 5.7.0 Authentication cancelled"
    assert await line.say("AUTH LOGIN") == "334 VXNlcm5hbWU6"
    assert await line.say("*") == "501 5.7.0 Authentication cancelled"


# ---- SMTP AUTH switched off


@pytest.mark.parametrize(
    ("tenant", "mailbox", "place"),
    [(True, False, "Mailbox"), (False, None, "Tenant"), (False, False, "Mailbox"), (False, True, None)],
)
async def test_smtp_auth_that_is_off_hits_oauth_and_passwords(
    smtp: Open, client: Client, smtp_token: str, tenant: bool, mailbox: bool | None, place: str | None
) -> None:
    client.planted.tenant.smtp_auth = tenant
    client.emulator.world.mailbox(ALICE).smtp_auth = mailbox
    reply = await log_in(smtp, ALICE, smtp_token)
    line = await smtp()
    await line.say(f"AUTH LOGIN {b64(ALICE)}")
    password_reply = await line.say(b64("x"))
    if place:
        assert re.fullmatch(OFF.replace("PLACE", place), reply)
        assert re.fullmatch(OFF.replace("PLACE", place), password_reply)
    else:
        assert reply == GOOD
        assert "basic authentication is disabled" in password_reply


# ---- delegated


async def test_names_are_taken_in_any_case(smtp: Open, smtp_token: str) -> None:
    assert await log_in(smtp, ALICE.upper(), smtp_token) == GOOD


@pytest.mark.parametrize("user", [BOB, "nobody@contoso.example", "nomailbox@contoso.example", "alias@contoso.example"])
async def test_the_name_is_that_of_the_signed_in_user(smtp: Open, client: Client, smtp_token: str, user: str) -> None:
    alice = client.planted.user("alice")
    client.emulator.world.mailbox(BOB).full_access.add(alice.id)
    alice.aliases.append("alias@contoso.example")
    assert re.fullmatch(BAD, await log_in(smtp, user, smtp_token))


async def test_a_shared_mailbox_on_which_there_is_send_as(smtp: Open, client: Client, smtp_token: str) -> None:
    client.emulator.world.mailbox(BOB).send_as.add(client.planted.user("alice").id)
    assert await log_in(smtp, BOB, smtp_token) == GOOD


async def test_a_token_for_another_purpose(smtp: Open, client: Client) -> None:
    for_imap = client.user_token("alice", "IMAP.AccessAsUser.All", resource=EXCHANGE)
    for_graph = client.user_token("alice", "SMTP.Send", resource=GRAPH)
    for token in (for_imap, for_graph):
        assert re.fullmatch(BAD, await log_in(smtp, ALICE, token))


async def test_expired_and_revoked_tokens(smtp: Open, emulator: Emulator, smtp_token: str, clock: Clock) -> None:
    clock.now += 3600
    assert (await log_in(smtp, ALICE, smtp_token)).startswith("535 5.7.3")
    clock.now -= 3600
    emulator.revoke_tokens()
    assert re.fullmatch(BAD, await log_in(smtp, ALICE, smtp_token))


async def test_an_unlicensed_mailbox(smtp: Open, client: Client) -> None:
    token = client.user_token("unlicensed", "SMTP.Send", resource=EXCHANGE)
    assert re.fullmatch(BAD, await log_in(smtp, "unlicensed@contoso.example", token))


async def test_an_app_that_is_switched_off(smtp: Open, client: Client, smtp_token: str) -> None:
    assert client.planted.web.principal
    client.planted.web.principal.enabled = False
    assert re.fullmatch(BAD, await log_in(smtp, ALICE, smtp_token))


# ---- app-only


async def test_an_app_enters_every_mailbox_that_it_has_access_to(
    smtp: Open, client: Client, app_token: AppToken
) -> None:
    token = app_token(client.planted.exchange)
    for user in (ALICE, BOB):
        assert await log_in(smtp, user, token) == GOOD


async def test_an_app_without_a_right_on_the_mailbox(smtp: Open, client: Client, app_token: AppToken) -> None:
    mailbox = client.emulator.world.mailbox(ALICE)
    mailbox.full_access.clear()
    token = app_token(client.planted.exchange)
    assert re.fullmatch(BAD, await log_in(smtp, ALICE, token))
    assert client.planted.exchange.principal
    mailbox.send_as.add(client.planted.exchange.principal.id)
    assert await log_in(smtp, ALICE, token) == GOOD


async def test_the_object_id_of_the_registration_is_the_classic_mistake(
    smtp: Open, client: Client, app_token: AppToken
) -> None:
    app = client.planted.exchange
    client.planted.tenant.exchange_principals[app.client_id] = app.object_id
    assert re.fullmatch(BAD, await log_in(smtp, ALICE, app_token(app)))
    client.planted.tenant.exchange_principals.clear()
    assert re.fullmatch(BAD, await log_in(smtp, ALICE, app_token(app)))


async def test_an_app_whose_permission_is_one_of_graph(smtp: Open, client: Client, app_token: AppToken) -> None:
    assert re.fullmatch(BAD, await log_in(smtp, ALICE, app_token(client.planted.gateway)))
    assert re.fullmatch(BAD, await log_in(smtp, ALICE, client.app_token(client.planted.exchange)))


async def test_an_exchange_role_needs_no_permission_and_ends_at_its_scope(
    smtp: Open, client: Client, app_token: AppToken
) -> None:
    app, roles = client.planted.unconsented, client.planted.tenant.exchange_roles
    assert app.principal
    assert re.fullmatch(BAD, await log_in(smtp, ALICE, app_token(app)))
    roles.scopes["s"] = Scope("s", "Senders", f"UserPrincipalName -eq '{ALICE}'")
    assignment = ExchangeAssignment("a", app.principal.id, "Application SMTP.SendAsApp", "s")
    roles.assignments["a"] = replace(assignment, role="Application Mail.Send")
    assert re.fullmatch(BAD, await log_in(smtp, ALICE, app_token(app)))
    roles.assignments["a"] = assignment
    assert await log_in(smtp, ALICE, app_token(app)) == GOOD
    assert re.fullmatch(BAD, await log_in(smtp, BOB, app_token(app)))
