"""Connecting a mailbox without a browser here: by a code that is typed in on another device, and by password."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pillarbox.admin.sign_in_plan import Plan
from pillarbox.admin.sign_in_words import Connected, Device, Waiting
from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import PillarboxError
from pillarbox.core.vault import Secret
from tests.sign_ins import ALICE, BOB, Desk, desk
from tests.unit.admin.test_connect import SETS, code_of

__all__ = ["desk"]  # a fixture

EXCHANGE = ("exchange",)


async def typed_in(desk: Desk, device: Device, user: str = ALICE, *, accept: bool = True) -> None:
    """Type the code in on Microsoft's page."""
    page = await desk.visitor.open(device.verification_uri)
    page = await desk.visitor.submit(page, otc=device.user_code)
    await desk.visitor.go_on(page, user, desk.microsoft.seed.passwords[user], accept=accept)


async def begun(desk: Desk, plan: Plan = Plan()) -> tuple[Mailbox, Device]:  # noqa: B008 - it is frozen
    """A mailbox, and a code for it."""
    mailbox = await desk.mailbox(app="desktop")
    return mailbox, await desk.connect.begin_device(mailbox, plan)


# ---- device code


@pytest.mark.parametrize("permissions", [*SETS[:3]], ids="+".join)
async def test_a_code_on_another_device_connects_the_mailbox(desk: Desk, permissions: tuple[str, ...]) -> None:
    mailbox, device = await begun(desk, Plan(permissions))
    assert await desk.connect.poll_device(mailbox, device.handle) == Waiting(5)
    await typed_in(desk, device)
    done = await desk.connect.poll_device(mailbox, device.handle)
    assert isinstance(done, Connected)
    assert done.account.upn == ALICE
    connected = await desk.accounts.mailbox_by_id(mailbox.id)
    assert connected.sign_in
    assert connected.sign_in.public
    assert await desk.connect.clients.tokens.token(connected, Plan(permissions).resource)


async def test_a_device_asks_for_one_resource_alone(desk: Desk) -> None:
    _, device = await begun(desk, Plan(("send", "exchange")))
    flows = desk.microsoft.emulator.authority.pending
    (waiting,) = [one for one in flows._devices.values() if one.user_code == device.user_code]
    assert len(waiting.scopes.resources) == 1


async def test_a_device_code_is_over_once_it_was_answered(desk: Desk) -> None:
    mailbox, device = await begun(desk)
    await typed_in(desk, device)
    await desk.connect.poll_device(mailbox, device.handle)
    before = desk.token_requests
    assert await code_of(desk.connect.poll_device(mailbox, device.handle)) == "sign_in.unknown"
    assert desk.token_requests == before


async def test_a_device_code_of_another_mailbox_is_refused(desk: Desk) -> None:
    _, device = await begun(desk)
    other = await desk.mailbox(BOB, "desktop")
    assert await code_of(desk.connect.poll_device(other, device.handle)) == "sign_in.unknown"
    assert desk.token_requests == 0


async def test_a_device_code_ends(desk: Desk) -> None:
    mailbox, device = await begun(desk)
    desk.clock.ahead = device.expires_at - desk.clock() + 1
    assert await code_of(desk.connect.poll_device(mailbox, device.handle)) == "sign_in.unknown"


async def test_another_account_on_another_device_connects_nothing(desk: Desk) -> None:
    mailbox, device = await begun(desk)
    await typed_in(desk, device, BOB)
    assert await code_of(desk.connect.poll_device(mailbox, device.handle)) == "sign_in.wrong_account"
    assert await desk.unchanged(mailbox)


async def test_a_person_who_declines_is_told(desk: Desk) -> None:
    desk.microsoft.seed.tenant.grants.clear()
    mailbox, device = await begun(desk)
    await typed_in(desk, device, accept=False)
    with pytest.raises(PillarboxError) as refused:
        await desk.connect.poll_device(mailbox, device.handle)
    assert "AADSTS70017" in refused.value.sentence
    assert await code_of(desk.connect.poll_device(mailbox, device.handle)) == "sign_in.unknown"


async def test_a_device_code_needs_public_client_flows(desk: Desk) -> None:
    mailbox = await desk.mailbox(app="web")
    device = await desk.connect.begin_device(mailbox, Plan())
    await typed_in(desk, device)
    with pytest.raises(PillarboxError) as refused:
        await desk.connect.poll_device(mailbox, device.handle)
    assert "AADSTS7000218" in refused.value.sentence
    assert "public client" in refused.value.cure.lower()


async def test_while_microsoft_is_down_a_device_code_stays_good(desk: Desk) -> None:
    mailbox, device = await begun(desk)
    await typed_in(desk, device)
    desk.microsoft.emulator.faults.add(path="/token", status=503, times=1)
    assert await code_of(desk.connect.poll_device(mailbox, device.handle)) == "microsoft.token_unavailable"
    assert isinstance(await desk.connect.poll_device(mailbox, device.handle), Connected)


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
    done = await desk.connect.password(mailbox, Plan(permissions), password(desk), v1=v1)
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
    await desk.connect.password(mailbox, Plan(), password(desk))
    connected = await desk.accounts.mailbox_by_id(mailbox.id)
    assert connected.sign_in
    assert connected.sign_in.public
    assert await desk.connect.clients.tokens.fresh(connected)


async def test_a_password_may_stay_where_it_is(desk: Desk) -> None:
    desk.places["env:SCANNER"] = password(desk)
    mailbox = await desk.mailbox()
    await desk.connect.password(mailbox, Plan(), None, "env:SCANNER")
    connected = await desk.accounts.mailbox_by_id(mailbox.id)
    assert connected.sign_in
    assert connected.sign_in.password_source == "env:SCANNER"
    desk.microsoft.seed.user("alice").sessions_valid_from = desk.clock()
    assert await desk.connect.clients.tokens.fresh(connected)


async def test_a_password_is_off_until_it_is_switched_on(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    off = replace(desk.connect, password_grant=False)
    assert await code_of(off.password(mailbox, Plan(), password(desk))) == "sign_in.password_off"
    assert desk.token_requests == 0


async def test_a_user_with_a_password_connects_a_shared_mailbox(desk: Desk) -> None:
    mailbox = await desk.mailbox("helpdesk@contoso.example")
    done = await desk.connect.password(mailbox, Plan(EXCHANGE, shared=True, user=ALICE), password(desk))
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
        await desk.connect.password(mailbox, Plan(), given, v1=v1)
    assert number in refused.value.sentence
    assert refused.value.cure
    assert await desk.unchanged(mailbox)
    assert given.reveal() not in desk.log.getvalue() + repr(refused.value) + refused.value.sentence


async def test_a_password_without_consent_connects_nothing(desk: Desk) -> None:
    desk.microsoft.seed.tenant.grants.clear()
    mailbox = await desk.mailbox()
    with pytest.raises(PillarboxError) as refused:
        await desk.connect.password(mailbox, Plan(), password(desk))
    assert "AADSTS65001" in refused.value.sentence


async def test_a_password_needs_public_client_flows_where_the_app_has_no_secret(desk: Desk) -> None:
    desk.microsoft.seed.desktop.public_client = False
    mailbox = await desk.mailbox(app="desktop")
    with pytest.raises(PillarboxError) as refused:
        await desk.connect.password(mailbox, Plan(), password(desk))
    assert "AADSTS7000218" in refused.value.sentence


async def test_a_password_is_of_the_user_who_signed_in_last_time(desk: Desk) -> None:
    desk.microsoft.seed.user("alice").aliases.append("info@contoso.example")
    mailbox = await desk.mailbox("info@contoso.example")
    await desk.connect.password(mailbox, Plan(user=ALICE), password(desk))
    done = await desk.connect.password(await desk.mailbox("info@contoso.example"), Plan(), password(desk))
    assert done.account.upn == ALICE


async def test_an_empty_password_makes_no_request(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    assert await code_of(desk.connect.password(mailbox, Plan(), Secret(""))) == "sign_in.no_password"
    assert desk.token_requests == 0
