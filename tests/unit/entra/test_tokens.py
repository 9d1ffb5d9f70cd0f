"""Tokens: one request for all who wait, one renewal for one refusal, a cache that outlives a restart."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest

from pillarbox.core import catalogue
from pillarbox.core.accounts import AppRegistration, CredentialKind
from pillarbox.core.bearer import Challenge
from pillarbox.core.clouds import Cloud
from pillarbox.core.errors import PillarboxError
from pillarbox.core.log import make_logger
from pillarbox.core.tls import Outbound
from pillarbox.core.vault import Secret, Vault
from pillarbox.emulator import Certificates
from pillarbox.entra.acquire import Acquire
from pillarbox.entra.authority import Authority, TokenRefused, TokenUnavailable
from pillarbox.entra.sources import Sources
from pillarbox.entra.tokens import Tokens, token_of
from pillarbox.store.accounts import Accounts
from pillarbox.store.sqlite import open_sqlite
from tests.conftest import Log, Microsoft


@pytest.fixture
async def accounts(tmp_path: Path) -> AsyncIterator[Accounts]:
    database = await open_sqlite(tmp_path / "store.db", on_death=print)
    yield Accounts(database, Vault(bytes(32)), lambda: 0.0)
    await database.close()


@pytest.fixture
async def app(accounts: Accounts, microsoft: Microsoft) -> AppRegistration:
    seed = microsoft.seed
    secret = Secret(seed.secrets[seed.gateway.client_id])
    added = await accounts.add_app("contoso", seed.tenant.id, seed.gateway.client_id, secret)
    assert added is not None
    return added


class Clock:
    now = 1_795_176_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log() -> Log:
    return Log()


MakeTokens = Callable[..., Tokens]


@pytest.fixture
async def make(microsoft: Microsoft, accounts: Accounts, clock: Clock, log: Log) -> AsyncIterator[MakeTokens]:
    made: list[Authority] = []

    def build(
        ca_file: Path | None = None, url: str = "", proxy: str = "", chance: Callable[[], float] = lambda: 0.5
    ) -> Tokens:
        cloud = Cloud(url or microsoft.emulator.url, microsoft.emulator.url, "", 0, "", 0)
        outbound = Outbound(ca_file or microsoft.emulator.ca_file, proxy)
        authority = Authority(cloud, outbound)
        made.append(authority)
        logger = make_logger(log, "info", "text", clock)
        acquire = Acquire(authority, accounts, Sources(os.environ, outbound, authority).read, clock, logger)
        return Tokens(acquire, accounts, clock, logger, chance)

    yield build
    for authority in made:
        authority.close()


@pytest.fixture
def asked(microsoft: Microsoft) -> Callable[[], int]:
    """How many token requests the emulator got."""
    return lambda: microsoft.emulator.ledger.token_requests


# ---- one request for all


async def test_fifty_callers_share_one_request(
    make: MakeTokens, app: AppRegistration, asked: Callable[[], int], log: Log
) -> None:
    tokens = make()
    found = await asyncio.gather(*(tokens.token(app) for _ in range(50)))
    assert (len(set(found)), asked(), len(log.lines("token.fetched"))) == (1, 1, 1)


async def test_a_refused_token_is_renewed_once_whoever_says_so(
    make: MakeTokens, app: AppRegistration, asked: Callable[[], int]
) -> None:
    tokens = make()
    refused = await tokens.token(app)
    found = await asyncio.gather(*(tokens.token(app, challenge=Challenge(refused)) for _ in range(50)))
    assert (len(set(found)), asked()) == (1, 2)
    assert refused not in found
    assert await tokens.token(app, challenge=Challenge("an older one")) == found[0]


async def test_while_entra_is_down_callers_do_not_storm_it(
    make: MakeTokens, app: AppRegistration, microsoft: Microsoft
) -> None:
    tokens = make()
    fault = microsoft.emulator.faults.add(path="/token", status=503)
    failed = await asyncio.gather(*(tokens.token(app) for _ in range(50)), return_exceptions=True)
    assert {type(one) for one in failed} == {TokenUnavailable}
    assert microsoft.emulator.faults.matched(fault) == 1


@pytest.mark.parametrize("fault", [{"status": 503}, {"cut": True}])
async def test_entra_is_left_alone_longer_each_time_that_it_cannot_be_asked(
    make: MakeTokens, app: AppRegistration, microsoft: Microsoft, clock: Clock, fault: dict[str, Any]
) -> None:
    tokens = make()
    rule = microsoft.emulator.faults.add(path="/token", **fault)
    asked_at = []
    for second in range(240):
        before = microsoft.emulator.faults.matched(rule)
        with pytest.raises(TokenUnavailable):
            await tokens.token(app)
        if microsoft.emulator.faults.matched(rule) > before:
            asked_at.append(second)
        clock.now += 1
    assert asked_at == [0, 5, 15, 35, 75, 135, 195]
    microsoft.emulator.faults.clear()
    clock.now += 60
    assert await tokens.token(app)


async def test_a_failure_of_a_moment_ago_ends_with_a_clock_that_went_back(
    make: MakeTokens, app: AppRegistration, microsoft: Microsoft, clock: Clock
) -> None:
    microsoft.emulator.faults.add(path="/token", status=400, code="AADSTS7000222", times=1)
    tokens = make()
    with pytest.raises(TokenRefused):
        await tokens.token(app)
    clock.now -= 86400
    assert await tokens.token(app)


async def test_a_token_from_before_the_clock_went_back_is_fetched_anew(
    make: MakeTokens, app: AppRegistration, clock: Clock
) -> None:
    tokens = make()
    first = await tokens.token(app)
    clock.now -= 86400
    assert await tokens.token(app) != first


async def test_a_long_retry_after_does_not_make_a_token_outlive_its_end(
    make: MakeTokens, app: AppRegistration, clock: Clock, microsoft: Microsoft
) -> None:
    tokens = make()
    first = await tokens.token(app)
    microsoft.emulator.faults.add(path="/token", status=429, retry_after=7200)
    clock.now += 3300
    assert await tokens.token(app) == first
    clock.now += 300
    with pytest.raises(TokenUnavailable):
        await tokens.token(app)


async def test_a_token_in_doubt_serves_while_entra_is_down(
    make: MakeTokens, app: AppRegistration, clock: Clock, microsoft: Microsoft
) -> None:
    tokens = make()
    first = await tokens.token(app)
    await tokens.doubt(app)
    microsoft.emulator.faults.add(path="/token", status=503)
    clock.now += 120
    assert await tokens.token(app) == first


async def test_a_test_that_fails_leaves_what_is_in_use(
    make: MakeTokens, app: AppRegistration, clock: Clock, microsoft: Microsoft
) -> None:
    tokens = make()
    first = await tokens.token(app)
    clock.now += 120
    microsoft.emulator.faults.add(path="/token", status=503)
    with pytest.raises(TokenUnavailable):
        await tokens.fresh(app)
    assert await tokens.token(app) == first


async def test_a_test_heeds_a_retry_after_that_runs(
    make: MakeTokens, app: AppRegistration, clock: Clock, microsoft: Microsoft
) -> None:
    tokens = make()
    rule = microsoft.emulator.faults.add(path="/token", status=429, retry_after=120)
    for seconds in (120, 90):
        with pytest.raises(TokenUnavailable) as caught:
            await tokens.fresh(app)
        assert caught.value.retry_after == seconds
        clock.now += 30
    assert microsoft.emulator.faults.matched(rule) == 1


async def test_a_token_that_is_refused_again_is_not_asked_for_again(
    make: MakeTokens, app: AppRegistration, clock: Clock, asked: Callable[[], int]
) -> None:
    tokens = make()
    first = await tokens.token(app)
    second = await tokens.token(app, challenge=Challenge(first))
    for _ in range(5):
        with pytest.raises(TokenRefused) as caught:
            await tokens.token(app, challenge=Challenge(second))
        assert caught.value.code == "token.not_taken"
    assert asked() == 2
    clock.now += 301
    assert await tokens.token(app, challenge=Challenge(second)) != second


async def test_whoever_gives_up_does_not_stop_the_request(
    make: MakeTokens, app: AppRegistration, asked: Callable[[], int], accounts: Accounts
) -> None:
    tokens = make()
    waiting = asyncio.create_task(tokens.token(app))
    await asyncio.sleep(0)
    waiting.cancel()
    # Nobody asks again.
    while not await accounts.load_token_cache(app.cache_owner):  # noqa: ASYNC110 - the store tells nobody
        await asyncio.sleep(0)
    assert await tokens.token(app)
    assert asked() == 1


@pytest.mark.parametrize("late", ["token", "refusal"])
async def test_what_was_asked_for_before_a_change_is_not_the_answer_after_it(
    make: MakeTokens,
    app: AppRegistration,
    accounts: Accounts,
    asked: Callable[[], int],
    microsoft: Microsoft,
    late: str,
) -> None:
    refused = {"status": 401, "code": "AADSTS7000222"} if late == "refusal" else {}
    rule = microsoft.emulator.faults.add(path="/token", delay=0.3, times=1, **refused)
    tokens = make()
    waiting = asyncio.create_task(tokens.token(app))
    while not microsoft.emulator.faults.matched(rule):  # noqa: ASYNC110 - the emulator tells nobody
        await asyncio.sleep(0)
    tokens.forget(app)
    assert await waiting
    assert asked() == 2
    kept = await accounts.load_token_cache(app.cache_owner)
    assert kept is not None
    assert kept.count((await waiting).encode()) == 1


async def test_whoever_tests_while_a_test_asks_gets_its_answer(
    make: MakeTokens, app: AppRegistration, asked: Callable[[], int]
) -> None:
    tokens = make()
    found = await asyncio.gather(*(tokens.fresh(app) for _ in range(8)))
    assert (len(set(found)), asked()) == (1, 1)


async def test_the_rest_of_a_pause_is_told(
    make: MakeTokens, app: AppRegistration, clock: Clock, microsoft: Microsoft
) -> None:
    tokens = make()
    microsoft.emulator.faults.add(path="/token", status=429, retry_after=60)
    for left in (60, 20):
        with pytest.raises(TokenUnavailable) as caught:
            await tokens.token(app)
        assert caught.value.retry_after == left
        clock.now += 40


async def test_failures_of_a_test_make_no_pause(make: MakeTokens, app: AppRegistration, microsoft: Microsoft) -> None:
    tokens = make()
    microsoft.emulator.faults.add(path="/token", status=503, times=1)
    with pytest.raises(TokenUnavailable):
        await tokens.fresh(app)
    assert await tokens.token(app)


async def test_a_renewal_that_is_refused_leaves_the_last_token_to_its_end(
    make: MakeTokens, app: AppRegistration, clock: Clock, microsoft: Microsoft, log: Log
) -> None:
    tokens = make()
    first = await tokens.token(app)
    microsoft.emulator.faults.add(path="/token", status=401, code="AADSTS7000222")
    clock.now += 3300
    assert await tokens.token(app) == first
    assert len(log.lines("token.not_renewed")) == 1
    clock.now += 300
    with pytest.raises(TokenRefused):
        await tokens.token(app)


async def test_other_claims_are_another_challenge(
    make: MakeTokens, app: AppRegistration, asked: Callable[[], int]
) -> None:
    tokens = make()
    token = await tokens.token(app)
    for number in (1, 2):
        token = await tokens.token(
            app, challenge=Challenge(token, f'{{"access_token":{{"nbf":{{"value":"{number}"}}}}}}')
        )
    assert asked() == 3
    with pytest.raises(TokenRefused):
        await tokens.token(app, challenge=Challenge(token, '{"access_token":{"nbf":{"value":"2"}}}'))


async def test_what_is_on_its_way_at_a_stop_is_given_up(make: MakeTokens, app: AppRegistration) -> None:
    tokens = make()
    waiting = asyncio.create_task(tokens.token(app))
    await asyncio.sleep(0)
    await tokens.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_with_other_ids_an_app_is_another_one(
    make: MakeTokens, app: AppRegistration, accounts: Accounts, microsoft: Microsoft
) -> None:
    tokens, reader = make(), microsoft.seed.reader
    first = await tokens.token(app)
    await accounts.add_credential(app, CredentialKind.SECRET, Secret(microsoft.seed.secrets[reader.client_id]))
    other = await tokens.token(replace(app, client_id=reader.client_id))
    assert other != first
    assert await tokens.token(app) == first


@pytest.mark.parametrize(("chance", "share"), [(0.0, 0.825), (0.5, 0.8), (1.0, 0.775)])
async def test_a_token_is_renewed_at_80_percent_of_its_life_more_or_less(
    make: MakeTokens, app: AppRegistration, clock: Clock, asked: Callable[[], int], chance: float, share: float
) -> None:
    tokens = make(chance=lambda: chance)
    first = await tokens.token(app)
    clock.now += 3599 * share - 1
    assert await tokens.token(app) == first
    clock.now += 2
    assert await tokens.token(app) != first
    assert asked() == 2


async def test_an_old_token_serves_while_entra_is_down_and_not_past_its_end(
    make: MakeTokens, app: AppRegistration, clock: Clock, microsoft: Microsoft
) -> None:
    tokens = make()
    first = await tokens.token(app)
    fault = microsoft.emulator.faults.add(path="/token", status=503, retry_after=30)
    clock.now += 3200
    assert [await tokens.token(app) for _ in range(5)] == [first] * 5
    assert microsoft.emulator.faults.matched(fault) == 1
    clock.now += 399
    with pytest.raises(TokenUnavailable):
        await tokens.token(app)


async def test_two_processes_on_one_store_make_one_request(
    make: MakeTokens, app: AppRegistration, asked: Callable[[], int]
) -> None:
    nodes = [make() for _ in range(4)]
    found = await asyncio.gather(*(node.token(app) for node in nodes for _ in range(25)))
    assert (len(set(found)), asked()) == (1, 1)


async def test_two_processes_renew_once_when_the_time_has_come(
    make: MakeTokens, app: AppRegistration, clock: Clock, asked: Callable[[], int]
) -> None:
    nodes = [make(), make()]
    await asyncio.gather(*(node.token(app) for node in nodes))
    clock.now += 3300
    found = await asyncio.gather(*(node.token(app) for node in nodes for _ in range(5)))
    assert (len(set(found)), asked()) == (1, 2)


async def test_a_process_that_died_while_it_asked_holds_nobody_up_for_ever(
    make: MakeTokens, app: AppRegistration, accounts: Accounts, clock: Clock
) -> None:
    accounts._clock = clock
    assert await accounts.lease_token(app.cache_owner, "dead", 60)
    waiting = asyncio.create_task(make().token(app))
    while not await accounts.load_token_cache(app.cache_owner):
        clock.now += 7
        await asyncio.sleep(0)
    assert await waiting


async def test_a_refusal_is_not_asked_for_again_at_once(
    make: MakeTokens, app: AppRegistration, clock: Clock, microsoft: Microsoft
) -> None:
    fault = microsoft.emulator.faults.add(path="/token", status=400, code="AADSTS7000222", times=1)
    tokens = make()
    for _ in range(3):
        with pytest.raises(TokenRefused) as caught:
            await tokens.token(app)
        assert caught.value.number == 7000222
    assert microsoft.emulator.faults.matched(fault) == 1
    clock.now += 31
    assert await tokens.token(app)


async def test_a_test_asks_microsoft_whatever_is_remembered(
    make: MakeTokens, app: AppRegistration, microsoft: Microsoft
) -> None:
    tokens = make()
    first = await tokens.token(app)
    microsoft.emulator.faults.add(path="/token", status=400, code="AADSTS7000222", times=1)
    with pytest.raises(TokenRefused):
        await tokens.fresh(app)
    assert await tokens.fresh(app) != first


async def test_a_claims_challenge_reaches_the_token_request(
    make: MakeTokens, app: AppRegistration, microsoft: Microsoft, asked: Callable[[], int]
) -> None:
    tokens = make()
    first = await tokens.token(app)
    claims = '{"access_token":{"nbf":{"essential":true,"value":"1795176000"}}}'
    second = await tokens.token(app, challenge=Challenge(first, claims))
    assert second != first
    assert asked() == 2
    assert jwt.decode(second, options={"verify_signature": False})["xms_cc"] == ["CP1"]


async def test_apps_do_not_share_tokens(
    make: MakeTokens, app: AppRegistration, accounts: Accounts, microsoft: Microsoft
) -> None:
    reader = microsoft.seed.reader
    secret = Secret(microsoft.seed.secrets[reader.client_id])
    other = await accounts.add_app("reader", app.tenant_id, reader.client_id, secret)
    assert other is not None
    tokens = make()
    assert await tokens.token(app) != await tokens.token(other)


# ---- a restart


async def test_the_cache_outlives_a_restart_sealed(
    make: MakeTokens, app: AppRegistration, asked: Callable[[], int], tmp_path: Path
) -> None:
    token = await make().token(app)
    assert await make().token(app) == token
    assert asked() == 1
    assert not any(token.encode() in path.read_bytes() for path in tmp_path.glob("store.db*"))


async def test_after_a_restart_a_refused_token_of_the_cache_is_renewed(make: MakeTokens, app: AppRegistration) -> None:
    token = await make().token(app)
    tokens = make()
    assert await tokens.token(app, challenge=Challenge(token)) != token


# ---- refusals


async def refusal(tokens: Tokens, app: AppRegistration) -> PillarboxError:
    with pytest.raises((TokenRefused, TokenUnavailable)) as caught:
        await tokens.token(app)
    return caught.value


@pytest.mark.parametrize(
    ("tenant", "number"),
    [("11111111-2222-3333-4444-555555555555", 90002), ("nowhere.example", 90002)],
)
async def test_an_unknown_tenant_is_named_with_its_cure(
    make: MakeTokens, app: AppRegistration, tenant: str, number: int
) -> None:
    error = await refusal(make(), replace(app, tenant_id=tenant))
    explained = catalogue.explain_aadsts(number)
    assert explained is not None
    assert isinstance(error, TokenRefused)
    assert error.sentence.startswith(f"Microsoft Entra ID refused a token: AADSTS{number}")
    assert error.cure == explained.remedy


async def test_an_unknown_app_is_named_with_its_cure(make: MakeTokens, app: AppRegistration) -> None:
    error = await refusal(make(), replace(app, client_id="11111111-2222-3333-4444-555555555555"))
    assert "AADSTS700016" in error.sentence
    assert "\n" not in error.sentence


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"status": 400, "code": "AADSTS7000222"}, TokenRefused),
        ({"status": 401, "code": "AADSTS700016"}, TokenRefused),
        ({"status": 400, "code": "AADSTS999999"}, TokenRefused),
        ({"status": 400, "code": "AADSTS50196"}, TokenUnavailable),
        ({"status": 500, "code": "AADSTS90033"}, TokenUnavailable),
        ({"status": 503}, TokenUnavailable),
        ({"status": 429}, TokenUnavailable),
        ({"cut": True}, TokenUnavailable),
    ],
)
@pytest.mark.parametrize("path", ["/token", "/openid-configuration"])
async def test_what_a_person_must_mend_and_what_passes(
    make: MakeTokens, app: AppRegistration, microsoft: Microsoft, path: str, fault: dict[str, object], kind: type
) -> None:
    microsoft.emulator.faults.add(path=path, **fault)
    assert type(await refusal(make(), app)) is kind


@pytest.mark.parametrize("path", ["/token", "/openid-configuration"])
@pytest.mark.parametrize("code", [None, "AADSTS90055", "AADSTS7000222"])
async def test_throttling_is_said_and_microsoft_is_left_alone_meanwhile(
    make: MakeTokens, app: AppRegistration, microsoft: Microsoft, path: str, code: str | None
) -> None:
    fault = microsoft.emulator.faults.add(path=path, status=429, code=code, retry_after=60)
    tokens = make()
    for _ in range(3):
        error = await refusal(tokens, app)
        assert isinstance(error, TokenUnavailable)
        assert error.sentence == "Microsoft Entra ID gives no token now: it asks to slow down (HTTP 429)."
    if path == "/token":
        assert microsoft.emulator.faults.matched(fault) == 1


async def test_a_server_that_is_down(make: MakeTokens, app: AppRegistration) -> None:
    error = await refusal(make(url="https://localhost:1"), app)
    assert (type(error), error.code, error.params["host"]) == (TokenUnavailable, "microsoft.unreachable", "localhost:1")


async def test_a_certificate_that_is_not_trusted(make: MakeTokens, app: AppRegistration, tmp_path: Path) -> None:
    (tmp_path / "other.pem").write_bytes(Certificates.make().ca)
    error = await refusal(make(ca_file=tmp_path / "other.pem"), app)
    assert (type(error), error.code) == (TokenRefused, "microsoft.tls")


# ---- the environment


async def test_no_variable_of_the_environment_changes_ca_or_proxy(make: MakeTokens, app: AppRegistration) -> None:
    nonsense = dict.fromkeys(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"), "/nowhere.pem")
    nonsense |= dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY"), "http://localhost:1")
    os.environ.update(nonsense)
    assert await make().token(app)


async def test_a_proxy_of_ours_is_used(make: MakeTokens, app: AppRegistration) -> None:
    assert type(await refusal(make(proxy="http://localhost:1"), app)) is TokenUnavailable


@pytest.mark.parametrize(
    "answer",
    [{}, {"access_token": "x"}, {"access_token": "x\r\ny", "expires_in": 1}, {"access_token": "", "expires_in": 1}],
)
def test_an_answer_without_a_token_that_can_be_used_is_tried_again(answer: dict[str, object]) -> None:
    with pytest.raises(TokenUnavailable):
        token_of(answer)
