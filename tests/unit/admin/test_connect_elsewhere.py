"""Connecting a mailbox without a browser here: by a code that is typed in on another device, and by password."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pillarbox.admin import connect_device, connect_password
from pillarbox.admin.sign_in_plan import Options, Plan
from pillarbox.admin.sign_in_words import Connected, Device, Waiting
from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import PillarboxError
from pillarbox.core.vault import Secret
from tests.sign_ins import ALICE, BOB, LOOPBACK, Desk, desk
from tests.unit.admin.test_connect import SETS, code_of

__all__ = ["desk"]  # a fixture

EXCHANGE = ("exchange",)


async def typed_in(desk: Desk, device: Device, user: str = ALICE, *, accept: bool = True) -> None:
    """Type the code in on Microsoft's page."""
    page = await desk.visitor.open(device.verification_uri)
    page = await desk.visitor.submit(page, otc=device.user_code)
    await desk.visitor.go_on(page, user, desk.microsoft.seed.passwords[user], accept=accept)


async def begun(desk: Desk, options: Options = Options()) -> tuple[Mailbox, Device]:  # noqa: B008 - it is frozen
    """A mailbox, and a code for it."""
    mailbox = await desk.mailbox(app="desktop")
    return mailbox, await connect_device.begin(desk.connect, mailbox, options)


# ---- device code


@pytest.mark.parametrize("permissions", [*SETS[:3]], ids="+".join)
async def test_a_code_on_another_device_connects_the_mailbox(desk: Desk, permissions: tuple[str, ...]) -> None:
    mailbox, device = await begun(desk, Options(permissions))
    assert await connect_device.poll(desk.connect, mailbox, device.handle) == Waiting(5)
    await typed_in(desk, device)
    done = await connect_device.poll(desk.connect, mailbox, device.handle)
    assert isinstance(done, Connected)
    assert done.account.upn == ALICE
    connected = await desk.accounts.mailbox_by_id(mailbox.id)
    assert connected.sign_in
    assert connected.sign_in.public
    assert await desk.connect.clients.tokens.token(connected, Plan(permissions).resource)


async def test_a_device_asks_for_one_resource_alone(desk: Desk) -> None:
    _, device = await begun(desk, Options(("send", "exchange")))
    flows = desk.microsoft.emulator.authority.pending
    (waiting,) = [one for one in flows._devices.values() if one.user_code == device.user_code]
    assert len(waiting.scopes.resources) == 1


async def test_a_device_code_is_over_once_it_was_answered(desk: Desk) -> None:
    mailbox, device = await begun(desk)
    await typed_in(desk, device)
    await connect_device.poll(desk.connect, mailbox, device.handle)
    before = desk.token_requests
    assert await code_of(connect_device.poll(desk.connect, mailbox, device.handle)) == "sign_in.unknown"
    assert desk.token_requests == before


async def test_a_device_code_of_another_mailbox_is_refused(desk: Desk) -> None:
    _, device = await begun(desk)
    other = await desk.mailbox(BOB, "desktop")
    assert await code_of(connect_device.poll(desk.connect, other, device.handle)) == "sign_in.unknown"
    assert desk.token_requests == 0


async def test_a_device_code_ends(desk: Desk) -> None:
    mailbox, device = await begun(desk)
    desk.clock.ahead = device.expires_at - desk.clock() + 1
    assert await code_of(connect_device.poll(desk.connect, mailbox, device.handle)) == "sign_in.unknown"


async def test_another_account_on_another_device_connects_nothing(desk: Desk) -> None:
    mailbox, device = await begun(desk)
    await typed_in(desk, device, BOB)
    assert await code_of(connect_device.poll(desk.connect, mailbox, device.handle)) == "sign_in.wrong_account"
    assert await desk.unchanged(mailbox)


async def test_a_person_who_declines_is_told(desk: Desk) -> None:
    desk.microsoft.seed.tenant.grants.clear()
    mailbox, device = await begun(desk)
    await typed_in(desk, device, accept=False)
    with pytest.raises(PillarboxError) as refused:
        await connect_device.poll(desk.connect, mailbox, device.handle)
    assert "AADSTS70017" in refused.value.sentence
    assert await code_of(connect_device.poll(desk.connect, mailbox, device.handle)) == "sign_in.unknown"


async def test_a_device_code_needs_public_client_flows(desk: Desk) -> None:
    mailbox = await desk.mailbox(app="web")
    device = await connect_device.begin(desk.connect, mailbox, Options())
    await typed_in(desk, device)
    with pytest.raises(PillarboxError) as refused:
        await connect_device.poll(desk.connect, mailbox, device.handle)
    assert "AADSTS7000218" in refused.value.sentence
    assert "set 'Allow public client flows' to Yes" in refused.value.cure
    assert "app secret" not in refused.value.cure


async def test_while_microsoft_is_down_a_device_code_stays_good(desk: Desk) -> None:
    mailbox, device = await begun(desk)
    await typed_in(desk, device)
    desk.microsoft.emulator.faults.add(path="/token", status=503, times=1)
    assert await code_of(connect_device.poll(desk.connect, mailbox, device.handle)) == "microsoft.token_unavailable"
    assert isinstance(await connect_device.poll(desk.connect, mailbox, device.handle), Connected)


async def test_a_throttled_poll_waits_as_long_as_microsoft_asks_and_goes_on_so(desk: Desk) -> None:
    mailbox, device = await begun(desk)
    desk.microsoft.emulator.faults.add(path="/token", status=429, retry_after=40, times=1)
    assert await connect_device.poll(desk.connect, mailbox, device.handle) == Waiting(40)
    assert await connect_device.poll(desk.connect, mailbox, device.handle) == Waiting(40)
    await typed_in(desk, device)
    assert isinstance(await connect_device.poll(desk.connect, mailbox, device.handle), Connected)


async def test_while_microsoft_cannot_be_asked_a_device_code_is_not_begun(desk: Desk) -> None:
    mailbox = await desk.mailbox(app="desktop")
    desk.microsoft.emulator.faults.add(path="/devicecode", status=429, retry_after=12, times=1)
    with pytest.raises(PillarboxError) as refused:
        await connect_device.begin(desk.connect, mailbox, Options())
    assert refused.value.code == "sign_in.not_begun"
    assert "in 12 seconds" in refused.value.cure


async def test_a_fault_after_the_code_was_taken_says_to_begin_again(desk: Desk) -> None:
    mailbox, device = await begun(desk)
    await typed_in(desk, device)
    desk.microsoft.emulator.faults.add(path="/keys", status=503, times=1)
    with pytest.raises(PillarboxError) as refused:
        await connect_device.poll(desk.connect, mailbox, device.handle)
    assert (refused.value.code, refused.value.entry.retry) == ("sign_in.interrupted", False)


# ---- an app registration without a credential


@pytest.fixture
async def bare(desk: Desk) -> Desk:
    """With the app registration `bare`, which has no credential at all."""
    app, tenant = desk.microsoft.seed.desktop, desk.microsoft.seed.tenant
    assert await desk.accounts.add_app("bare", tenant.id, app.client_id, Secret(""), kind=None)
    return desk


async def test_a_code_on_another_device_needs_no_credential(bare: Desk) -> None:
    mailbox = await bare.mailbox(app="bare")
    device = await connect_device.begin(bare.connect, mailbox, Options())
    await typed_in(bare, device)
    assert isinstance(await connect_device.poll(bare.connect, mailbox, device.handle), Connected)
    await good_for_a_token(bare, mailbox)


async def test_a_browser_on_this_machine_needs_no_credential(bare: Desk) -> None:
    mailbox = await bare.mailbox(app="bare")
    started = await bare.connect.start_here(mailbox, Options(), LOOPBACK)
    await bare.connect.finish(mailbox, await bare.comes_back(started), started.browser)
    await good_for_a_token(bare, mailbox)


@pytest.mark.parametrize("v1", [False, True], ids=["v2", "v1"])
async def test_a_password_needs_no_credential(bare: Desk, v1: bool) -> None:
    mailbox = await bare.mailbox(app="bare")
    await connect_password.connect(bare.connect, mailbox, Options(), password(bare), v1=v1)
    await good_for_a_token(bare, mailbox)


async def good_for_a_token(desk: Desk, mailbox: Mailbox) -> None:
    """A new token is to be had by what the sign-in left."""
    assert await desk.connect.clients.tokens.fresh(await desk.accounts.mailbox_by_id(mailbox.id))


# ---- password


def password(desk: Desk, user: str = ALICE) -> Secret:
    return Secret(desk.microsoft.seed.passwords[user])


@pytest.mark.parametrize("app", ["web", "desktop"])
@pytest.mark.parametrize("v1", [False, True], ids=["v2", "v1"])
@pytest.mark.parametrize("permissions", [*SETS[:3]], ids="+".join)
async def test_a_password_is_exchanged_and_forgotten(
    desk: Desk, permissions: tuple[str, ...], v1: bool, app: str
) -> None:
    mailbox = await desk.mailbox(app=app)
    done = await connect_password.connect(desk.connect, mailbox, Options(permissions), password(desk), v1=v1)
    assert done.account.upn == ALICE
    connected = await desk.accounts.mailbox_by_id(mailbox.id)
    assert connected.sign_in
    assert (connected.sign_in.password_source, connected.sign_in.public) == ("", app == "desktop")
    assert await desk.connect.clients.tokens.token(connected, Plan(permissions).resource)
    cache = await desk.accounts.load_token_cache(connected.cache_owner)
    assert cache
    assert password(desk).reveal().encode() not in cache
    assert password(desk).reveal() not in desk.log.getvalue()


async def test_an_app_with_a_secret_that_allows_public_clients_is_asked_as_one(desk: Desk) -> None:
    """As the page makes it: a secret for the callback, "Allow public client flows" for device codes."""
    desk.microsoft.seed.web.public_client = True
    mailbox = await desk.mailbox(app="web")
    await connect_password.connect(desk.connect, mailbox, Options(), password(desk))
    connected = await desk.accounts.mailbox_by_id(mailbox.id)
    assert connected.sign_in
    assert connected.sign_in.public
    assert await desk.connect.clients.tokens.fresh(connected)


async def test_a_password_may_stay_where_it_is(desk: Desk) -> None:
    desk.places["env:SCANNER"] = password(desk)
    mailbox = await desk.mailbox()
    await connect_password.connect(desk.connect, mailbox, Options(), None, "env:SCANNER")
    connected = await desk.accounts.mailbox_by_id(mailbox.id)
    assert connected.sign_in
    assert connected.sign_in.password_source == "env:SCANNER"
    desk.microsoft.seed.user("alice").sessions_valid_from = desk.clock()
    assert await desk.connect.clients.tokens.fresh(connected)


async def test_a_password_is_off_until_it_is_switched_on(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    off = replace(desk.connect, password_grant=False)
    assert await code_of(connect_password.connect(off, mailbox, Options(), password(desk))) == "sign_in.password_off"
    assert desk.token_requests == 0


async def test_a_user_with_a_password_connects_a_shared_mailbox(desk: Desk) -> None:
    mailbox = await desk.mailbox("helpdesk@contoso.example")
    done = await connect_password.connect(
        desk.connect, mailbox, Options(EXCHANGE, shared=True, user=ALICE), password(desk)
    )
    assert (done.address, done.account.upn) == ("helpdesk@contoso.example", ALICE)


PASSWORD_REFUSALS: dict[str, tuple[Callable[[Any], None], str]] = {
    "wrong password": (lambda user: setattr(user, "password", "another"), "AADSTS50126"),
    "MFA": (lambda user: setattr(user, "second_factor", "enrolled"), "AADSTS50076"),
    "MFA not set up": (lambda user: setattr(user, "second_factor", "demanded"), "AADSTS50079"),
    "Conditional Access": (lambda user: setattr(user, "refusal", 53003), "AADSTS53003"),
    "federated": (lambda user: setattr(user, "federated", True), "AADSTS50126"),
    "disabled": (lambda user: setattr(user, "enabled", False), "AADSTS50057"),
    "locked": (lambda user: setattr(user, "refusal", 50053), "AADSTS50053"),
}


@pytest.mark.parametrize("v1", [False, True], ids=["v2", "v1"])
@pytest.mark.parametrize("who", PASSWORD_REFUSALS)
async def test_a_password_that_microsoft_refuses_connects_nothing(desk: Desk, who: str, v1: bool) -> None:
    change, number = PASSWORD_REFUSALS[who]
    mailbox = await desk.mailbox()
    given = password(desk)
    change(desk.microsoft.seed.user("alice"))
    with pytest.raises(PillarboxError) as refused:
        await connect_password.connect(desk.connect, mailbox, Options(), given, v1=v1)
    assert number in refused.value.sentence
    assert refused.value.cure
    assert await desk.unchanged(mailbox)
    assert given.reveal() not in desk.log.getvalue() + repr(refused.value) + refused.value.sentence


async def test_a_password_without_consent_connects_nothing(desk: Desk) -> None:
    desk.microsoft.seed.tenant.grants.clear()
    mailbox = await desk.mailbox()
    with pytest.raises(PillarboxError) as refused:
        await connect_password.connect(desk.connect, mailbox, Options(), password(desk))
    assert "AADSTS65001" in refused.value.sentence


async def test_a_password_needs_public_client_flows_where_the_app_has_no_secret(desk: Desk) -> None:
    desk.microsoft.seed.desktop.public_client = False
    mailbox = await desk.mailbox(app="desktop")
    with pytest.raises(PillarboxError) as refused:
        await connect_password.connect(desk.connect, mailbox, Options(), password(desk))
    assert "AADSTS7000218" in refused.value.sentence
    assert "set 'Allow public client flows' to Yes" in refused.value.cure


async def test_a_password_that_was_used_is_warned_of(desk: Desk) -> None:
    done = await connect_password.connect(desk.connect, await desk.mailbox(), Options(), password(desk))
    assert [note for note in done.notes if "advises against" in note.sentence]
    (line,) = desk.log.lines("sign_in.by_password")
    assert ALICE in line
    assert "warning" in line


async def test_while_microsoft_is_busy_a_password_is_to_be_given_again(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    desk.microsoft.emulator.faults.add(path="/token", status=429, retry_after=9, times=1)
    with pytest.raises(PillarboxError) as refused:
        await connect_password.connect(desk.connect, mailbox, Options(), password(desk))
    assert refused.value.code == "sign_in.interrupted"
    assert "in 9 seconds" in refused.value.cure


async def test_a_password_is_of_the_user_who_signed_in_last_time(desk: Desk) -> None:
    desk.microsoft.seed.user("alice").aliases.append("info@contoso.example")
    mailbox = await desk.mailbox("info@contoso.example")
    await connect_password.connect(desk.connect, mailbox, Options(user=ALICE), password(desk))
    done = await connect_password.connect(
        desk.connect, await desk.mailbox("info@contoso.example"), Options(), password(desk)
    )
    assert done.account.upn == ALICE


async def test_an_empty_password_makes_no_request(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    assert (
        await code_of(connect_password.connect(desk.connect, mailbox, Options(), Secret(""))) == "sign_in.no_password"
    )
    assert desk.token_requests == 0
