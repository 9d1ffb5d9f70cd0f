"""Tokens of mailboxes that somebody signed in for: two resources from one refresh token, and what its end means."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import jwt
import msal
import pytest

from pillarbox.core.accounts import Account, Mailbox, MailboxState, SignIn
from pillarbox.core.bearer import Challenge
from pillarbox.core.clouds import CLOUDS, Cloud
from pillarbox.core.errors import ConfigError, Unavailable
from pillarbox.core.log import make_logger
from pillarbox.core.scopes import Resource, token_scopes, with_identity
from pillarbox.core.tls import Outbound
from pillarbox.core.vault import Secret, Vault
from pillarbox.entra.acquire import Acquire, Memory
from pillarbox.entra.authority import Authority, SignInNeeded, TokenRefused, TokenUnavailable
from pillarbox.entra.held import Held
from pillarbox.entra.password import by_password
from pillarbox.entra.sources import Sources
from pillarbox.entra.tokens import Tokens
from pillarbox.store.accounts import Accounts
from pillarbox.store.events import EventLog
from pillarbox.store.sqlite import open_sqlite
from tests.conftest import Log, Microsoft

BOTH = ("send", "exchange")


class FullAtWill(Accounts):
    """A store whose disk is full when a test says so."""

    full = False

    async def save_token_cache(self, owner: str, content: bytes) -> None:
        if self.full:
            raise Unavailable("store.full")
        await super().save_token_cache(owner, content)


@dataclass
class Connected:
    """Alice's mailbox, signed in for by her password, and everything around it."""

    microsoft: Microsoft
    accounts: FullAtWill
    authority: Authority
    acquire: Acquire
    log: Log
    now: float = 1_795_176_000.0

    def clock(self) -> float:
        return self.now

    def tokens(self) -> Tokens:
        """Tokens as another process on the same store has them."""
        log = make_logger(self.log, "info", "text", self.clock)
        return Tokens(self.acquire, self.accounts, self.clock, log, lambda: 0.5)

    @property
    def asked(self) -> int:
        return self.microsoft.emulator.ledger.token_requests

    async def mailbox(self) -> Mailbox:
        found = await self.accounts.mailbox("alice@contoso.example")
        assert found is not None
        return found

    async def sign_in(self, *, public: bool = True, permissions: tuple[str, ...] = BOTH, source: str = "") -> Mailbox:
        """As `mailbox sign-in --password` does."""
        seed = self.microsoft.seed
        planted = seed.desktop if public else seed.web
        secret = Secret(seed.secrets.get(planted.client_id, "-"))
        app = await self.accounts.add_app("people", seed.tenant.id, planted.client_id, secret)
        assert app is not None
        added = await self.accounts.add_mailbox("alice@contoso.example", app)
        assert added is not None
        scopes = token_scopes(self.authority.cloud, permissions, Resource.GRAPH, shared=False)
        password = Secret(seed.passwords["alice@contoso.example"])
        asked = with_identity(scopes)
        told = await by_password(self.authority, app, None if public else secret, added.address, password, asked)
        memory = Memory()
        await self.acquire.keep_refresh_token(app, public, told["refresh_token"], scopes, memory)
        alice = seed.user("alice")
        sign_in = SignIn(permissions, public, False, Account(seed.tenant.id, alice.id, alice.upn), source)
        await self.accounts.signed_in(added, sign_in, memory.cache.serialize().encode())
        return await self.mailbox()

    def end_sign_ins(self) -> None:
        """As an administrator's "Revoke sessions" does."""
        self.microsoft.seed.user("alice").refusal = 50173


@pytest.fixture
async def connected(tmp_path: Path, microsoft: Microsoft) -> AsyncIterator[Connected]:
    database = await open_sqlite(tmp_path / "store.db", on_death=print)
    log = Log()
    url, world = microsoft.emulator.url, CLOUDS["global"]
    cloud = Cloud(url, url, "", 0, "", 0, world.exchange_url, world.outlook_url)
    outbound = Outbound(microsoft.emulator.ca_file)
    authority = Authority(cloud, outbound)
    accounts = FullAtWill(database, Vault(bytes(32)), lambda: made.now)
    logger = make_logger(log, "info", "text", lambda: made.now)
    acquire = Acquire(authority, accounts, Sources(os.environ, outbound, authority).read, lambda: made.now, logger)
    made = Connected(microsoft, accounts, authority, acquire, log)
    yield made
    authority.close()
    await database.close()


def claims(token: str) -> dict[str, str]:
    read: dict[str, str] = jwt.decode(token, options={"verify_signature": False})
    return read


@pytest.mark.parametrize("public", [True, False])
async def test_one_sign_in_gives_tokens_of_two_resources(connected: Connected, public: bool) -> None:
    mailbox = await connected.sign_in(public=public)
    tokens = connected.tokens()
    graph, exchange = [claims(await tokens.token(mailbox, resource)) for resource in Resource]
    assert (graph["upn"], exchange["upn"]) == ("alice@contoso.example", "alice@contoso.example")
    assert "Mail.Send" in graph["scp"].split()
    assert {"IMAP.AccessAsUser.All", "SMTP.Send"} <= set(exchange["scp"].split())
    assert graph["aud"] != exchange["aud"] == "https://outlook.office.com"


async def test_a_mailbox_and_its_app_have_tokens_of_their_own(connected: Connected) -> None:
    mailbox = await connected.sign_in(public=False)
    tokens = connected.tokens()
    assert "upn" in claims(await tokens.token(mailbox))
    assert "upn" not in claims(await tokens.token(mailbox.app))
    assert "upn" not in claims(await tokens.token(replace(mailbox, sign_in=None)))


async def test_a_resource_that_was_not_connected_is_told_and_ends_nothing(connected: Connected) -> None:
    mailbox = await connected.sign_in(permissions=("send",))
    with pytest.raises(TokenRefused) as caught:
        await connected.tokens().token(mailbox, Resource.EXCHANGE)
    assert caught.value.code == "token.not_connected_for"
    assert (await connected.mailbox()).state is MailboxState.OK


async def test_many_callers_on_two_nodes_share_one_renewal(connected: Connected) -> None:
    mailbox = await connected.sign_in()
    nodes = [connected.tokens(), connected.tokens()]
    first = {await node.token(mailbox) for node in nodes}
    before = connected.asked
    connected.now += 4000
    found = await asyncio.gather(*(node.token(mailbox) for node in nodes for _ in range(25)))
    assert (len(set(found)), connected.asked - before) == (1, 1)
    assert not first & set(found)


async def test_a_rotated_refresh_token_is_stored_before_its_token_is_used(connected: Connected) -> None:
    mailbox = await connected.sign_in()
    tokens = connected.tokens()
    before = await connected.accounts.load_token_cache(mailbox.cache_owner)
    last = await tokens.token(mailbox)
    connected.accounts.full = True
    with pytest.raises(Unavailable) as caught:
        await tokens.token(mailbox, challenge=Challenge(last))
    assert caught.value.code == "store.full"
    (held,) = tokens._held.values()
    newer = in_memory(held)
    await tokens._load(mailbox, held)
    assert newer == in_memory(held) != refresh_token(before)
    connected.accounts.full = False
    connected.now += 60
    assert await tokens.token(mailbox, challenge=Challenge(last)) != last
    after = await connected.accounts.load_token_cache(mailbox.cache_owner)
    assert refresh_token(after) != refresh_token(before)
    # Another process goes on with what was stored.
    assert await connected.tokens().token(mailbox)


def in_memory(held: Held) -> str:
    (entry,) = held.memory.cache.search(msal.TokenCache.CredentialType.REFRESH_TOKEN)
    return str(entry["secret"])


def refresh_token(cache: bytes | None) -> str:
    assert cache is not None
    (entry,) = json.loads(cache)["RefreshToken"].values()
    return str(entry["secret"])


async def test_a_dead_sign_in_changes_the_state_tells_one_event_and_asks_no_more(connected: Connected) -> None:
    mailbox = await connected.sign_in()
    tokens = connected.tokens()
    await tokens.token(mailbox)
    connected.end_sign_ins()
    connected.now += 4000
    before = connected.asked
    for _ in range(3):
        failed = await asyncio.gather(*(tokens.token(mailbox) for _ in range(20)), return_exceptions=True)
        assert {type(one) for one in failed} == {SignInNeeded}
        connected.now += 3600
    assert connected.asked - before == 1
    changed = await connected.mailbox()
    assert (changed.state, changed.state_code) == (MailboxState.NEEDS_SIGN_IN, "AADSTS50173")
    log = EventLog(connected.accounts._database, lambda: 0.0)
    events, _ = await log.page(None, 100, types=["mailbox.needs_sign_in"])
    assert [(row["subject"], row["data"]) for row in events] == [("alice@contoso.example", {"code": "AADSTS50173"})]
    assert len(connected.log.lines("mailbox.needs_sign_in")) == 1


async def test_another_process_knows_a_dead_sign_in_without_asking(connected: Connected) -> None:
    mailbox = await connected.sign_in()
    assert await connected.accounts.needs_sign_in(mailbox, "AADSTS50173")
    assert not await connected.accounts.needs_sign_in(mailbox, "AADSTS50173")
    before = connected.asked
    with pytest.raises(SignInNeeded) as caught:
        await connected.tokens().token(await connected.mailbox())
    assert (caught.value.code, connected.asked) == ("token.needs_sign_in", before)


async def test_a_sign_in_again_ends_it(connected: Connected) -> None:
    mailbox = await connected.sign_in()
    tokens = connected.tokens()
    connected.end_sign_ins()
    with pytest.raises(SignInNeeded):
        await tokens.fresh(mailbox)
    connected.microsoft.seed.user("alice").refusal = None
    cache = await connected.accounts.load_token_cache(mailbox.cache_owner)
    assert mailbox.sign_in
    assert cache
    await connected.accounts.signed_in(mailbox, mailbox.sign_in, cache)
    tokens.forget(mailbox)
    assert await tokens.token(await connected.mailbox())
    assert (await connected.mailbox()).state is MailboxState.OK


async def test_a_renewal_on_its_way_does_not_outlive_a_new_sign_in(connected: Connected) -> None:
    mailbox = await connected.sign_in()
    tokens = connected.tokens()
    last = await tokens.token(mailbox)
    cache = await connected.accounts.load_token_cache(mailbox.cache_owner)
    assert mailbox.sign_in
    assert cache
    renewal = asyncio.create_task(tokens.token(mailbox, challenge=Challenge(last)))
    (held,) = tokens._held.values()
    while not held.lock.locked():  # noqa: ASYNC110 - the lock tells nobody
        await asyncio.sleep(0)
    async with tokens.replacing(mailbox):
        await connected.accounts.signed_in(mailbox, mailbox.sign_in, cache)
    await renewal
    assert await connected.accounts.load_token_cache(mailbox.cache_owner) == cache


async def test_an_old_word_of_a_mailbox_does_not_stand_against_a_new_sign_in(connected: Connected) -> None:
    mailbox = await connected.sign_in()
    await connected.accounts.needs_sign_in(mailbox, "AADSTS50173")
    old = await connected.mailbox()
    cache = await connected.accounts.load_token_cache(mailbox.cache_owner)
    assert mailbox.sign_in
    assert cache
    await connected.accounts.signed_in(mailbox, mailbox.sign_in, cache)
    assert await connected.tokens().token(old)
    assert (await connected.mailbox()).state is MailboxState.OK


async def test_after_the_end_of_a_sign_in_no_old_token_is_used(connected: Connected) -> None:
    mailbox = await connected.sign_in()
    tokens = connected.tokens()
    await tokens.token(mailbox)
    connected.end_sign_ins()
    with pytest.raises(SignInNeeded):
        await tokens.fresh(mailbox)
    with pytest.raises(SignInNeeded):
        await tokens.token(mailbox)


async def test_another_authority_ends_no_sign_in(connected: Connected, microsoft: Microsoft) -> None:
    mailbox = await connected.sign_in()
    url = microsoft.emulator.url.replace("localhost", "127.0.0.1")
    connected.authority.cloud = replace(connected.authority.cloud, authority_url=url)
    with pytest.raises(ConfigError) as caught:
        await connected.tokens().token(mailbox)
    assert caught.value.code == "token.other_authority"
    assert (await connected.mailbox()).state is MailboxState.OK


async def test_a_cache_that_does_not_open_ends_no_sign_in(connected: Connected) -> None:
    mailbox = await connected.sign_in()
    connected.accounts._vault.use([bytes(31) + b"x"])
    with pytest.raises(ConfigError):
        await connected.tokens().token(mailbox)
    connected.accounts._vault.use([bytes(32)])
    assert (await connected.mailbox()).state is MailboxState.OK


async def test_a_claims_challenge_reaches_the_renewal(connected: Connected) -> None:
    mailbox = await connected.sign_in()
    tokens = connected.tokens()
    last, forms = await tokens.token(mailbox), []
    connected.authority.session.hooks["response"].append(lambda answer, **_: forms.append(str(answer.request.body)))
    claims = '{"access_token":{"nbf":{"essential":true,"value":"1795176000"}}}'
    assert await tokens.token(mailbox, challenge=Challenge(last, claims)) != last
    assert ["nbf" in form for form in forms if "grant_type=refresh_token" in form] == [True]


async def test_busy_is_not_dead(connected: Connected) -> None:
    mailbox = await connected.sign_in()
    connected.microsoft.emulator.faults.add(path="/token", status=503)
    with pytest.raises(TokenUnavailable):
        await connected.tokens().fresh(mailbox)
    assert (await connected.mailbox()).state is MailboxState.OK


@pytest.mark.parametrize("whose", ["app", "mailbox"])
@pytest.mark.parametrize("late", ["token", "refusal"])
async def test_an_answer_that_comes_late_does_not_outlive_what_was_changed(
    connected: Connected, whose: str, late: str
) -> None:
    """A credential was replaced, then somebody signed in again, while a renewal of the old sign-in was on its way."""
    mailbox = await connected.sign_in()
    tokens = connected.tokens()
    last = await tokens.token(mailbox)
    cache = await connected.accounts.load_token_cache(mailbox.cache_owner)
    assert mailbox.sign_in
    assert cache
    if late == "refusal":
        connected.end_sign_ins()
    renewal = asyncio.create_task(tokens.token(mailbox, challenge=Challenge(last)))
    (held,) = tokens._held.values()
    while not held.lock.locked():  # noqa: ASYNC110 - the lock tells nobody
        await asyncio.sleep(0)
    tokens.forget(mailbox.app if whose == "app" else mailbox)
    async with tokens.replacing(mailbox):
        connected.microsoft.seed.user("alice").refusal = None
        await connected.accounts.signed_in(mailbox, mailbox.sign_in, cache)
    await asyncio.gather(renewal, return_exceptions=True)
    assert await connected.accounts.load_token_cache(mailbox.cache_owner) == cache
    assert (await connected.mailbox()).state is MailboxState.OK
    assert await tokens.token(await connected.mailbox())


async def test_a_doubt_of_before_does_not_touch_a_new_sign_in(connected: Connected) -> None:
    mailbox = await connected.sign_in()
    tokens = connected.tokens()
    await tokens.token(mailbox)
    cache = await connected.accounts.load_token_cache(mailbox.cache_owner)
    assert mailbox.sign_in
    assert cache
    async with tokens.replacing(mailbox):
        await tokens.doubt(mailbox)
        await connected.accounts.signed_in(mailbox, mailbox.sign_in, cache)
    await asyncio.gather(*tokens._asking)
    assert await connected.accounts.load_token_cache(mailbox.cache_owner) == cache


@pytest.mark.parametrize("public", [True, False])
async def test_where_the_password_is_kept_elsewhere_a_dead_sign_in_is_renewed_by_it(
    connected: Connected, public: bool
) -> None:
    os.environ["ALICE"] = connected.microsoft.seed.passwords["alice@contoso.example"]
    mailbox = await connected.sign_in(public=public, source="env:ALICE")
    await connected.accounts.save_token_cache(mailbox.cache_owner, b"{}")
    assert claims(await connected.tokens().token(mailbox))["upn"] == "alice@contoso.example"
    assert (await connected.mailbox()).state is MailboxState.OK


async def test_where_the_kept_password_is_refused_too_a_person_is_needed(connected: Connected) -> None:
    os.environ["ALICE"] = "wrong"
    mailbox = await connected.sign_in(source="env:ALICE")
    await connected.accounts.save_token_cache(mailbox.cache_owner, b"{}")
    tokens, before = connected.tokens(), connected.asked
    for _ in range(3):
        with pytest.raises(SignInNeeded) as caught:
            await tokens.token(mailbox)
        connected.now += 3600
    assert caught.value.number == 50126
    # Repeated wrong passwords lock an account.
    assert connected.asked - before == 1
    assert (await connected.mailbox()).state is MailboxState.NEEDS_SIGN_IN


async def test_a_shared_mailbox_asks_for_the_shared_permissions(connected: Connected) -> None:
    cloud = connected.authority.cloud
    assert token_scopes(cloud, ("mail",), Resource.GRAPH, shared=True) == [
        f"{cloud.graph_url}/Mail.Send.Shared",
        f"{cloud.graph_url}/Mail.ReadWrite.Shared",
    ]


async def test_nothing_of_it_lies_in_the_store_in_clear(connected: Connected, tmp_path: Path) -> None:
    mailbox = await connected.sign_in()
    token = await connected.tokens().token(mailbox)
    cache = await connected.accounts.load_token_cache(mailbox.cache_owner)
    for secret in (token, refresh_token(cache), connected.microsoft.seed.passwords["alice@contoso.example"]):
        assert not any(secret.encode() in path.read_bytes() for path in tmp_path.glob("store.db*"))
