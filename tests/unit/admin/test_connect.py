"""Connecting a mailbox in a browser: who may come back with what, and that only the account that was meant connects."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pillarbox.admin import mailboxes
from pillarbox.admin.sign_in_plan import Options, Plan
from pillarbox.admin.sign_in_words import Return
from pillarbox.core.accounts import Account, CredentialKind, Mailbox, MailboxState
from pillarbox.core.cause import Cause
from pillarbox.core.content import InMemory
from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import Envelope, Outcome, State
from pillarbox.core.scopes import Resource
from pillarbox.core.vault import Secret, Vault
from pillarbox.delivery import policy
from pillarbox.entra.identity import IdTokens
from pillarbox.store.accounts import Accounts
from pillarbox.store.database import Row, Series, Statement
from pillarbox.store.events import EventLog
from pillarbox.store.messages import NewMessage
from pillarbox.store.outbox import Outbox
from pillarbox.store.sign_ins import SignIns
from pillarbox.store.sqlite import SqliteDatabase
from tests.sign_ins import ALICE, BOB, LOOPBACK, SCANNER, Desk, desk, register

__all__ = ["desk"]  # a fixture

SETS = [("send",), ("mail",), ("exchange",), ("send", "exchange"), ("send", "mail", "exchange")]


async def code_of(work: Any) -> str:
    """The code with which this is refused."""
    with pytest.raises(PillarboxError) as refused:
        await work
    return refused.value.code


# ---- what works


@pytest.mark.parametrize("permissions", SETS, ids="+".join)
async def test_a_person_connects_their_mailbox_by_a_link(desk: Desk, permissions: tuple[str, ...]) -> None:
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox, Options(permissions))
    await desk.connect.callback(await desk.comes_back(started), started.browser)
    result = await desk.connect.result(started.browser)
    assert result
    assert (result.address, result.account, result.code) == (ALICE, ALICE, "")
    connected = await desk.accounts.mailbox_by_id(mailbox.id)
    assert connected.sign_in
    assert connected.state is MailboxState.OK
    assert (set(connected.sign_in.permissions), connected.sign_in.public) == (set(permissions), False)
    assert connected.sign_in.account
    assert connected.sign_in.account.object_id == desk.microsoft.seed.user("alice").id
    for resource in {Plan((name,)).resource for name in permissions}:
        assert await desk.connect.clients.tokens.token(connected, resource)


@pytest.mark.parametrize("permissions", SETS, ids="+".join)
async def test_a_person_connects_their_mailbox_on_this_machine(desk: Desk, permissions: tuple[str, ...]) -> None:
    mailbox = await desk.mailbox(app="desktop")
    started = await desk.connect.start_here(mailbox, Options(permissions), LOOPBACK)
    done = await desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)
    assert (done.address, done.account.upn) == (ALICE, ALICE)
    assert done.granted
    connected = await desk.accounts.mailbox_by_id(mailbox.id)
    assert connected.sign_in
    assert connected.sign_in.public
    for resource in {Plan((name,)).resource for name in permissions}:
        assert await desk.connect.clients.tokens.token(connected, resource)


async def test_one_token_request_is_for_one_resource(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox, Options(("send", "exchange")))
    asked = parse_qs(urlsplit(started.url).query)["scope"][0].split()
    assert {"openid", "profile", "email", "offline_access"} < set(asked)
    assert any(scope.endswith("/SMTP.Send") for scope in asked)
    back = await desk.comes_back(started)
    done = await desk.connect.finish(mailbox, back, started.browser)
    assert not [scope for scope in done.granted if "outlook.office.com" in scope]
    assert desk.token_requests == 1


async def test_the_address_has_pkce_and_lets_the_person_choose_the_account(desk: Desk) -> None:
    started = await desk.started(await desk.mailbox())
    asked = {name: value for name, (value, *_) in parse_qs(urlsplit(started.url).query).items()}
    assert (asked["code_challenge_method"], len(asked["code_challenge"])) == ("S256", 43)
    assert (asked["response_mode"], asked["prompt"], asked["login_hint"]) == ("query", "select_account", ALICE)
    assert len(asked["state"]) == 43
    assert asked["nonce"]


async def test_a_shared_mailbox_is_connected_by_the_user_who_was_named(desk: Desk) -> None:
    mailbox = await desk.mailbox("helpdesk@contoso.example")
    started = await desk.started(mailbox, Options(("exchange",), shared=True, user=ALICE))
    assert parse_qs(urlsplit(started.url).query)["login_hint"] == [ALICE]
    done = await desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)
    assert (done.address, done.account.upn) == ("helpdesk@contoso.example", ALICE)


async def test_somebody_signs_in_again_after_the_user_name_has_changed(desk: Desk) -> None:
    mailbox = await connected(desk)
    seed = desk.microsoft.seed
    alice = seed.user("alice")
    alice.upn = "alice.married@contoso.example"
    seed.tenant._addresses[alice.upn] = alice
    seed.passwords[alice.upn] = seed.passwords[ALICE]
    started = await desk.started(mailbox)
    done = await desk.connect.finish(mailbox, await desk.comes_back(started, alice.upn), started.browser)
    assert done.account.upn == "alice.married@contoso.example"


async def connected(desk: Desk, address: str = ALICE) -> Any:
    """A mailbox whose person has signed in."""
    mailbox = await desk.mailbox(address)
    started = await desk.started(mailbox)
    await desk.connect.finish(mailbox, await desk.comes_back(started, address), started.browser)
    return await desk.accounts.mailbox_by_id(mailbox.id)


async def test_a_graph_set_proves_an_address_that_is_not_the_user_name(desk: Desk) -> None:
    desk.microsoft.seed.user("alice").aliases.append("info@contoso.example")
    mailbox = await desk.mailbox("Info@contoso.example")
    started = await desk.started(mailbox)
    done = await desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)
    assert (done.account.upn, done.account.mail) == (ALICE, "Info@contoso.example")


async def test_an_app_of_any_organization_takes_the_tenant_from_the_account(desk: Desk) -> None:
    desk.microsoft.seed.web.audience = "AzureADMultipleOrgs"
    await register(desk, "any", desk.microsoft.seed.web, "organizations")
    mailbox = await desk.mailbox(app="any")
    started = await desk.started(mailbox)
    done = await desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)
    assert done.account.tenant_id == desk.microsoft.seed.tenant.id


async def test_a_tenant_may_be_named_by_its_domain(desk: Desk) -> None:
    await register(desk, "domain", desk.microsoft.seed.web, "contoso.example")
    mailbox = await desk.mailbox(app="domain")
    started = await desk.started(mailbox)
    assert await desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)


async def test_the_older_credential_does_while_the_new_one_is_not_known_to_microsoft(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    await desk.accounts.add_credential(mailbox.app, CredentialKind.SECRET, Secret("not yet at Microsoft"))
    started = await desk.started(mailbox)
    assert await desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)


# ---- state: used once, in time, by the same browser, for the same mailbox


async def test_an_answer_is_taken_once(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    back = await desk.comes_back(started)
    await desk.connect.finish(mailbox, back, started.browser)
    before = desk.token_requests
    assert await code_of(desk.connect.finish(mailbox, back, started.browser)) == "sign_in.unknown"
    assert desk.token_requests == before


async def test_of_two_answers_at_once_one_is_taken(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    back = await desk.comes_back(started)
    twice = (desk.connect.finish(mailbox, back, started.browser) for _ in range(2))
    found = await asyncio.gather(*twice, return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["Connected", "Forbidden"]
    assert desk.token_requests == 1


async def test_a_browser_that_loads_the_callback_again_is_shown_how_it_went(desk: Desk) -> None:
    started = await desk.started(await desk.mailbox())
    back = await desk.comes_back(started)
    await desk.connect.callback(back, started.browser)
    await desk.connect.callback(back, started.browser)
    result = await desk.connect.result(started.browser)
    assert result
    assert result.account == ALICE


BROKEN: dict[str, Callable[[Return], Return]] = {
    "missing": lambda back: replace(back, state=""),
    "made up": lambda back: replace(back, state="A" * 43),
    "cut": lambda back: replace(back, state=back.state[:-1]),
    "NUL": lambda back: replace(back, state="\x00" * 43),
    "huge": lambda back: replace(back, state="x" * 50_000),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_an_answer_without_a_state_of_ours_is_refused(desk: Desk, how: str) -> None:
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    back = BROKEN[how](await desk.comes_back(started))
    assert await code_of(desk.connect.finish(mailbox, back, started.browser)) == "sign_in.unknown"
    await desk.connect.callback(back, started.browser)
    assert await desk.connect.result(started.browser) is None
    assert desk.token_requests == 0
    assert await desk.unchanged(mailbox)


async def test_an_answer_after_ten_minutes_is_refused(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    back = await desk.comes_back(started)
    desk.clock.ahead = 601
    assert await code_of(desk.connect.finish(mailbox, back, started.browser)) == "sign_in.unknown"
    assert desk.token_requests == 0


@pytest.mark.parametrize("browser", ["", "A" * 43, "\udcff"])
async def test_an_answer_in_another_browser_is_refused(desk: Desk, browser: str) -> None:
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    back = await desk.comes_back(started)
    assert await code_of(desk.connect.finish(mailbox, back, browser)) == "sign_in.other_browser"
    # And it is over for the right one too: somebody else has seen the state.
    assert await code_of(desk.connect.finish(mailbox, back, started.browser)) == "sign_in.unknown"
    assert desk.token_requests == 0


async def test_a_state_swapped_between_two_browsers_is_refused(desk: Desk) -> None:
    mine, theirs = await desk.started(await desk.mailbox(ALICE)), await desk.started(await desk.mailbox(BOB))
    back = await desk.comes_back(mine)
    await desk.connect.callback(back, theirs.browser)
    assert await desk.connect.result(theirs.browser) is None
    assert desk.token_requests == 0


async def test_a_state_of_another_mailbox_is_refused(desk: Desk) -> None:
    alices, bobs = await desk.mailbox(ALICE), await desk.mailbox(BOB)
    started = await desk.started(alices)
    back = await desk.comes_back(started)
    assert await code_of(desk.connect.finish(bobs, back, started.browser)) == "sign_in.unknown"
    assert desk.token_requests == 0


async def test_a_link_opens_once(desk: Desk) -> None:
    link = await desk.link(await desk.mailbox())
    ticket = link.url.rpartition("/")[2]
    await desk.connect.start(ticket)
    assert await code_of(desk.connect.start(ticket)) == "sign_in.unknown_ticket"


async def test_a_link_is_good_for_an_hour(desk: Desk) -> None:
    link = await desk.link(await desk.mailbox())
    desk.clock.ahead = 3601
    assert await code_of(desk.connect.start(link.url.rpartition("/")[2])) == "sign_in.unknown_ticket"


async def test_a_ticket_is_no_state(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    ticket = (await desk.link(mailbox)).url.rpartition("/")[2]
    back = Return(state=ticket, code="code")
    assert await code_of(desk.connect.finish(mailbox, back, ticket)) == "sign_in.unknown"


async def test_the_store_holds_neither_state_nor_verifier_nor_browser(desk: Desk, tmp_path: Path) -> None:
    started = await desk.started(await desk.mailbox())
    state = parse_qs(urlsplit(started.url).query)["state"][0]
    assert await desk.database.read("sign_in_peek", id=state) == []
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))
    assert kept
    for secret in (state, started.browser, "verifier", "nonce"):
        assert secret.encode() not in kept


# ---- whose account


async def test_another_account_connects_nothing_and_both_addresses_are_told(desk: Desk) -> None:
    mailbox = await desk.mailbox(ALICE)
    started = await desk.started(mailbox)
    with pytest.raises(PillarboxError) as refused:
        await desk.connect.finish(mailbox, await desk.comes_back(started, BOB), started.browser)
    assert refused.value.code == "sign_in.wrong_account"
    assert ALICE in refused.value.sentence
    assert BOB in refused.value.sentence
    assert await desk.unchanged(mailbox)


async def test_another_account_leaves_a_connected_mailbox_as_it_was(desk: Desk) -> None:
    mailbox = await connected(desk)
    cache = await desk.accounts.load_token_cache(mailbox.cache_owner)
    started = await desk.started(mailbox)
    work = desk.connect.finish(mailbox, await desk.comes_back(started, BOB), started.browser)
    assert await code_of(work) == "sign_in.other_account"
    assert await desk.accounts.mailbox_by_id(mailbox.id) == mailbox
    assert await desk.accounts.load_token_cache(mailbox.cache_owner) == cache


async def test_another_account_of_the_same_name_is_refused_until_an_administrator_says_so(desk: Desk) -> None:
    mailbox = await connected(desk)
    tenant = desk.microsoft.seed.tenant
    alice = desk.microsoft.seed.user("alice")
    del tenant.users[alice.id], tenant._addresses[ALICE]
    again = desk.microsoft.emulator.world.add_user(tenant, "alice")
    again.password = desk.microsoft.seed.passwords[ALICE]
    started = await desk.started(mailbox)
    work = desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)
    assert await code_of(work) == "sign_in.replaced_account"
    started = await desk.started(mailbox, Options(new_account=True))
    done = await desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)
    assert done.account.object_id == again.id


async def test_an_exchange_set_alone_does_not_prove_an_alias_but_an_administrators_word_does(desk: Desk) -> None:
    desk.microsoft.seed.user("alice").aliases.append("info@contoso.example")
    mailbox = await desk.mailbox("info@contoso.example")
    started = await desk.started(mailbox, Options(("exchange",)))
    work = desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)
    assert await code_of(work) == "sign_in.wrong_account"
    started = await desk.started(mailbox, Options(("exchange",), user=ALICE))
    done = await desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)
    assert [ALICE in note.sentence and "administrator's word" in note.sentence for note in done.notes] == [True]


async def test_what_graph_has_proven_needs_nobodys_word(desk: Desk) -> None:
    desk.microsoft.seed.user("alice").aliases.append("info@contoso.example")
    mailbox = await desk.mailbox("info@contoso.example")
    started = await desk.started(mailbox, Options(user=ALICE))
    assert (await desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)).notes == ()


async def test_a_user_who_was_named_must_own_the_address_where_graph_can_say_so(desk: Desk) -> None:
    mailbox = await desk.mailbox(BOB)
    started = await desk.started(mailbox, Options(user=ALICE))
    work = desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)
    assert await code_of(work) == "sign_in.not_owner"
    assert await desk.unchanged(mailbox)


@pytest.mark.parametrize("permissions", [("send",), ("exchange",)], ids="+".join)
@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
async def test_naming_another_user_takes_no_connected_mailbox_over(
    desk: Desk, permissions: tuple[str, ...], shared: bool
) -> None:
    mailbox = await connected(desk)
    started = await desk.started(mailbox, Options(permissions, shared, BOB))
    work = desk.connect.finish(mailbox, await desk.comes_back(started, BOB), started.browser)
    assert await code_of(work) == "sign_in.other_account"
    assert await desk.accounts.mailbox_by_id(mailbox.id) == mailbox


async def test_another_user_takes_a_connected_mailbox_over_where_an_administrator_says_so(desk: Desk) -> None:
    mailbox = await connected(desk)
    options = Options(("exchange",), user=BOB, new_account=True)
    started = await desk.started(mailbox, options)
    done = await desk.connect.finish(mailbox, await desk.comes_back(started, BOB), started.browser)
    assert done.account.upn == BOB


async def connected_as_shared(desk: Desk) -> Mailbox:
    """A shared mailbox that Alice has signed in for."""
    mailbox = await desk.mailbox("helpdesk@contoso.example")
    started = await desk.started(mailbox, Options(("exchange",), shared=True, user=ALICE))
    await desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)
    return await desk.accounts.mailbox_by_id(mailbox.id)


async def test_a_shared_mailbox_becomes_nobodys_own_in_silence(desk: Desk) -> None:
    mailbox = await connected_as_shared(desk)
    assert await code_of(desk.link(mailbox, Options(shared=False))) == "sign_in.was_shared"
    assert await desk.link(mailbox, Options(shared=False, user=ALICE, new_account=True))


async def test_nor_by_a_link_that_was_made_before(desk: Desk) -> None:
    mailbox = await desk.mailbox("helpdesk@contoso.example")
    early = await desk.started(mailbox, Options(("exchange",), user=ALICE))
    await connected_as_shared(desk)
    work = desk.connect.finish(mailbox, await desk.comes_back(early), early.browser)
    assert await code_of(work) == "sign_in.was_shared"


async def test_what_is_left_out_is_as_last_time(desk: Desk) -> None:
    mailbox = await connected_as_shared(desk)
    started = await desk.started(mailbox)
    assert parse_qs(urlsplit(started.url).query)["login_hint"] == [ALICE]
    await desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)
    assert await desk.accounts.mailbox_by_id(mailbox.id) == mailbox


async def test_while_graph_cannot_be_asked_nothing_is_said_of_the_owner(desk: Desk) -> None:
    mailbox = await desk.mailbox(BOB)
    started = await desk.started(mailbox, Options(user=ALICE))
    desk.microsoft.emulator.faults.add(path="/me", status=503, times=1)
    work = desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)
    assert await code_of(work) == "sign_in.interrupted"


async def test_a_shared_mailbox_without_a_named_user_is_refused(desk: Desk) -> None:
    mailbox = await desk.mailbox("helpdesk@contoso.example")
    assert await code_of(desk.link(mailbox, Options(shared=True))) == "sign_in.shared_needs_user"


@pytest.mark.parametrize("user", ["a@b@c", '"a@b"@c', "alice", "alice@contoso.example\r\n"])
async def test_a_user_name_that_is_none_is_refused(desk: Desk, user: str) -> None:
    mailbox = await desk.mailbox()
    assert await code_of(desk.link(mailbox, Options(user=user))) == "mailbox.bad_address"


# ---- what Microsoft refuses


async def test_a_person_who_does_not_agree_connects_nothing(desk: Desk) -> None:
    desk.microsoft.seed.tenant.grants.clear()
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    back = await desk.comes_back(started, accept=False)
    await desk.connect.callback(back, started.browser)
    result = await desk.connect.result(started.browser)
    assert result
    assert result.code == "sign_in.refused"
    assert "AADSTS65004" in result.sentence
    assert result.cure
    assert desk.token_requests == 0
    assert await desk.unchanged(mailbox)


async def test_canceled_without_a_number_is_told_in_our_words(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    state = parse_qs(urlsplit(started.url).query)["state"][0]
    work = desk.connect.finish(mailbox, Return(state=state, error="access_denied"), started.browser)
    assert await code_of(work) == "sign_in.canceled"


@pytest.mark.parametrize("code", ["", "two words", "x\x00y", "ü", "x" * 20_000])
async def test_a_code_that_can_be_none_makes_no_request(desk: Desk, code: str) -> None:
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    state = parse_qs(urlsplit(started.url).query)["state"][0]
    work = desk.connect.finish(mailbox, Return(state=state, code=code), started.browser)
    assert await code_of(work) == "sign_in.bad_answer"
    assert desk.token_requests == 0


async def test_an_answer_of_another_issuer_makes_no_request(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    back = replace(await desk.comes_back(started), iss="https://login.microsoftonline.us/x/v2.0")
    assert await code_of(desk.connect.finish(mailbox, back, started.browser)) == "sign_in.other_issuer"
    assert desk.token_requests == 0


async def test_an_answer_of_the_issuer_that_was_asked_is_taken(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    issuer = f"{desk.microsoft.emulator.url}/{desk.microsoft.seed.tenant.id}/v2.0"
    back = replace(await desk.comes_back(started), iss=issuer)
    assert await desk.connect.finish(mailbox, back, started.browser)


async def test_a_code_of_another_sign_in_is_refused_by_pkce(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    stolen = await desk.comes_back(await desk.started(mailbox))
    started = await desk.started(mailbox)
    state = parse_qs(urlsplit(started.url).query)["state"][0]
    with pytest.raises(PillarboxError) as refused:
        await desk.connect.finish(mailbox, replace(stolen, state=state), started.browser)
    assert "AADSTS501481" in refused.value.sentence
    assert await desk.unchanged(mailbox)


async def test_pkce_cannot_be_talked_down_to_plain(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    downgraded = replace(started, url=started.url.replace("code_challenge_method=S256", "code_challenge_method=plain"))
    back = await desk.comes_back(downgraded)
    with pytest.raises(PillarboxError) as refused:
        await desk.connect.finish(mailbox, back, started.browser)
    assert "AADSTS501481" in refused.value.sentence


async def test_a_code_with_another_nonce_proves_nobody(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    nonce = parse_qs(urlsplit(started.url).query)["nonce"][0]
    back = await desk.comes_back(replace(started, url=started.url.replace(nonce, "0" * 64)))
    assert await code_of(desk.connect.finish(mailbox, back, started.browser)) == "identity.nonce"
    assert await desk.unchanged(mailbox)


async def test_a_redirect_uri_that_is_not_registered_stays_on_microsofts_page(desk: Desk) -> None:
    desk.microsoft.seed.web.redirect_uris.clear()
    started = await desk.started(await desk.mailbox())
    page = await desk.at_microsoft(started.url)
    assert page.location == ""
    assert "AADSTS50011" in page.text


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost.evil.example:80",
        "https://evil.example/",
        "http://localhost:80@evil.example/",
        "http://localhost:1/x",
        "http://127.0.0.1:80",
        "//evil.example",
        "http://localhost:80\n",
    ],
)
async def test_a_code_is_never_sent_to_another_machine(desk: Desk, uri: str) -> None:
    mailbox = await desk.mailbox(app="desktop")
    assert await code_of(desk.connect.start_here(mailbox, Options(), uri)) == "sign_in.bad_redirect_uri"


PEOPLE: dict[str, tuple[Callable[[Any], None], str]] = {
    "Conditional Access": (lambda user: setattr(user, "refusal", 53003), "AADSTS53003"),
    "disabled": (lambda user: setattr(user, "enabled", False), "AADSTS50057"),
    "locked": (lambda user: setattr(user, "refusal", 50053), "AADSTS50053"),
}


@pytest.mark.parametrize("who", PEOPLE)
async def test_whom_microsoft_does_not_let_in_connects_nothing(desk: Desk, who: str) -> None:
    change, number = PEOPLE[who]
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    back = await desk.comes_back(started)
    # Between the page and the code the account changes, as a policy may see another network there.
    change(desk.microsoft.seed.user("alice"))
    with pytest.raises(PillarboxError) as refused:
        await desk.connect.finish(mailbox, back, started.browser)
    assert number in refused.value.sentence
    assert refused.value.cure
    assert await desk.unchanged(mailbox)


async def test_a_person_with_a_second_factor_connects_in_the_browser(desk: Desk) -> None:
    desk.microsoft.seed.user("alice").second_factor = "enrolled"
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    assert await desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)


async def test_a_federated_person_connects_in_the_browser(desk: Desk) -> None:
    desk.microsoft.seed.user("alice").federated = True
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    assert await desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)


async def test_a_wrong_secret_of_the_app_is_told(desk: Desk) -> None:
    desk.microsoft.seed.web.secrets.clear()
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    with pytest.raises(PillarboxError) as refused:
        await desk.connect.finish(mailbox, await desk.comes_back(started), started.browser)
    assert "AADSTS7000215" in refused.value.sentence


# ---- the mailbox, and what is told


async def test_a_mailbox_that_was_added_on_the_way_waits_for_its_sign_in(desk: Desk) -> None:
    mailbox = await desk.accounts.mailbox_by_id((await desk.mailbox(SCANNER)).id)
    assert (mailbox.state, mailbox.state_code) == (MailboxState.NEEDS_SIGN_IN, "sign_in.not_finished")


async def test_a_mailbox_of_another_app_registration_is_not_taken_over(desk: Desk) -> None:
    app = await desk.accounts.app("web")
    assert app is not None
    await desk.accounts.add_mailbox(ALICE, app)
    assert await code_of(desk.mailbox(app="desktop")) == "sign_in.other_app"


async def test_a_mailbox_that_waits_for_its_first_sign_in_goes_over_to_another_app_registration(desk: Desk) -> None:
    begun = await desk.mailbox(app="web")
    moved = await desk.mailbox(app="desktop")
    assert (moved.id, moved.app.name, moved.state) == (begun.id, "desktop", MailboxState.NEEDS_SIGN_IN)


async def test_what_was_granted_to_an_app_registration_is_not_kept_for_another_one(desk: Desk) -> None:
    begun = await desk.mailbox(app="web")
    started = await desk.started(begun)

    class Slow(IdTokens):
        async def verify(self, *given: Any) -> Account:
            account = await super().verify(*given)
            await desk.mailbox(app="desktop")
            return account

    slow = replace(desk.connect, id_tokens=Slow(desk.connect.id_tokens._discovery, desk.clock))
    assert await code_of(slow.finish(begun, await desk.comes_back(started), started.browser)) == "sign_in.other_app"
    moved = await desk.accounts.mailbox_by_id(begun.id)
    assert (moved.app.name, moved.sign_in, moved.state) == ("desktop", None, MailboxState.NEEDS_SIGN_IN)


async def test_what_was_begun_for_a_mailbox_is_over_when_it_goes_over_to_another_app_registration(desk: Desk) -> None:
    begun = await desk.mailbox(app="web")
    link, started = await desk.link(begun), await desk.started(begun)
    await desk.mailbox(app="desktop")
    assert await code_of(desk.connect.start(link.url.rpartition("/")[2])) == "sign_in.unknown_ticket"
    state = parse_qs(urlsplit(started.url).query)["state"][0]
    assert await desk.connect.callback(Return(state=state, code="code"), started.browser) is None
    assert desk.token_requests == 0


@dataclass
class Dying:
    """A store whose process is killed after some transactions."""

    database: SqliteDatabase
    left: int = 0

    async def write(self, *statements: Statement | Series) -> list[list[Row]]:
        if not self.left:
            raise ZeroDivisionError
        self.left -= 1
        return await self.database.write(*statements)

    async def read(self, name: str, /, **parameters: object) -> list[Row]:
        return await self.database.read(name, **parameters)

    def on_commit(self, ring: Callable[[], None]) -> None:
        self.database.on_commit(ring)

    async def close(self) -> None:
        """It stays open."""


async def test_a_kill_after_a_mailbox_was_added_lets_nothing_leave_by_the_apps_rights(desk: Desk) -> None:
    accounts = Accounts(Dying(desk.database, 1), Vault(bytes(32)), desk.clock)
    added = await replace(desk.connect, accounts=accounts).mailbox(ALICE, "web")
    assert added == await desk.accounts.mailbox(ALICE)
    assert added.state is MailboxState.NEEDS_SIGN_IN


async def test_an_answer_that_nobody_waits_for_writes_nothing(desk: Desk) -> None:
    sign_ins = SignIns(Dying(desk.database), Vault(bytes(32)), desk.clock)
    await replace(desk.connect, sign_ins=sign_ins).callback(Return(state="A" * 43, code="code"), "B" * 43)
    assert desk.log.lines("sign_in.refused")


async def test_a_mailbox_that_was_never_finished_is_removed_with_what_was_begun(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    link, started = await desk.link(mailbox), await desk.started(mailbox)
    await mailboxes.remove(desk.accounts, ALICE)
    assert await desk.accounts.mailboxes() == []
    assert await code_of(desk.connect.start(link.url.rpartition("/")[2])) == "sign_in.unknown_ticket"
    state = parse_qs(urlsplit(started.url).query)["state"][0]
    await desk.connect.callback(Return(state=state, code="code"), started.browser)
    assert await desk.connect.result(started.browser) is None
    assert desk.token_requests == 0


async def held(desk: Desk, mailbox: Mailbox, queue_id: str, code: str) -> None:
    """A message that was held for this reason."""
    outbox, envelope = Outbox(desk.database, desk.clock), Envelope(mailbox.address, (BOB,))
    await outbox.enqueue(NewMessage(queue_id, mailbox.id, "printer", envelope, "<1@x>", 1, InMemory(b"x").pieces))
    (message,) = await outbox.claim(mailbox.id, 1)
    outcome = Outcome(Cause.ACCOUNT_BROKEN, code=code, text="why", cure="cure")
    await outbox.finish(message, outcome, policy.after(outcome, message, (120.0,), desk.clock(), 0.5))


async def test_mail_that_waited_for_a_sign_in_goes_on_by_itself(desk: Desk) -> None:
    mailbox, other = await desk.mailbox(), await desk.mailbox(BOB)
    for number, code in enumerate(("token.needs_sign_in", "microsoft.token_refused", "token.never_signed_in")):
        await held(desk, mailbox, f"m{number}", code)
    await held(desk, mailbox, "policy", "ErrorSendAsDenied")
    await held(desk, other, "others", "token.needs_sign_in")
    started = await desk.started(mailbox)
    await desk.connect.callback(await desk.comes_back(started), started.browser)
    outbox = Outbox(desk.database, desk.clock)
    states = {row["id"]: row["state"] for row in (await outbox.page(9))[0]}
    waiting = {"policy": State.HELD, "others": State.HELD}
    assert states == {"m0": State.QUEUED, "m1": State.QUEUED, "m2": State.QUEUED} | waiting
    assert desk.woken == [mailbox.id]
    assert len(desk.log.lines("mail.retried")) == 3
    result = await desk.connect.result(started.browser)
    assert result
    assert [note.sentence for note in result.notes] == ["Messages that waited for this sign-in and are sent now: 3."]


async def test_where_no_mail_waited_nothing_is_woken(desk: Desk) -> None:
    await connected(desk)
    assert desk.woken == []


async def test_a_passing_fault_at_the_end_says_to_begin_again(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    back = await desk.comes_back(started)
    desk.microsoft.emulator.faults.add(path="/token", status=429, retry_after=31, times=1)
    with pytest.raises(PillarboxError) as refused:
        await desk.connect.finish(mailbox, back, started.browser)
    assert refused.value.code == "sign_in.interrupted"
    assert "Begin it again in 31 seconds" in refused.value.cure
    assert not refused.value.entry.retry


@pytest.mark.parametrize(
    ("address", "options"),
    [(SCANNER, Options(shared=True)), (SCANNER, Options(user="a@b@c")), (SCANNER, Options(())), ("a@b@c", Options())],
    ids=["shared by nobody", "no user name", "no permissions", "no address"],
)
async def test_a_sign_in_that_cannot_be_begun_adds_no_mailbox(desk: Desk, address: str, options: Options) -> None:
    with pytest.raises(PillarboxError):
        await desk.connect.mailbox(address, "web", options)
    assert await desk.accounts.mailboxes() == []


async def test_without_an_app_a_mailbox_must_be_there(desk: Desk) -> None:
    assert await code_of(desk.connect.mailbox("nobody@contoso.example", None)) == "mailbox.not_found"


async def test_without_a_listener_there_is_no_link(desk: Desk) -> None:
    desk.public_url = ""
    assert await code_of(desk.link(await desk.mailbox())) == "sign_in.no_listener"


async def test_the_log_tells_who_signed_in_and_nothing_secret(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    back = await desk.comes_back(started)
    done = await desk.connect.finish(mailbox, back, started.browser)
    (line,) = desk.log.lines("mailbox.signed_in")
    assert ALICE in line
    said = desk.log.getvalue() + repr(done) + repr(started) + repr(back)
    for secret in (back.code, started.browser):
        assert secret not in said


async def test_the_log_tells_a_refusal(desk: Desk) -> None:
    mailbox = await desk.mailbox()
    started = await desk.started(mailbox)
    await desk.connect.callback(await desk.comes_back(started, BOB), started.browser)
    (line,) = desk.log.lines("sign_in.refused")
    assert "sign_in.wrong_account" in line


async def test_a_sign_in_is_an_event_and_a_new_token_is_got(desk: Desk) -> None:
    mailbox = await connected(desk)
    events, _ = await EventLog(desk.database, desk.clock).page(None, 100)
    assert [event["type"] for event in events][-1] == "mailbox.signed_in"
    assert isinstance(await desk.connect.clients.tokens.token(mailbox, Resource.GRAPH), str)
