"""Who signed in: which id tokens prove somebody, and whose mailbox they may be connected to."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest

from pillarbox.core.accounts import Account, AppRegistration
from pillarbox.core.clouds import Cloud
from pillarbox.core.errors import PillarboxError
from pillarbox.core.tls import Outbound
from pillarbox.emulator import SigningKey
from pillarbox.entra.authority import Authority, TokenRefused, TokenUnavailable
from pillarbox.entra.discovery import Discovery
from pillarbox.entra.identity import IdTokens, account_of, issued_by
from pillarbox.entra.matching import Meant, mismatch, proves
from tests.conftest import Microsoft

NOW = 1_795_176_000.0
OID = "11111111-2222-3333-4444-555555555555"
ANOTHER = "99999999-2222-3333-4444-555555555555"


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(microsoft: Microsoft) -> AppRegistration:
    return AppRegistration(1, "web", microsoft.seed.tenant.id, microsoft.seed.web.client_id)


@pytest.fixture
def authority(microsoft: Microsoft) -> Iterator[Authority]:
    made = Authority(Cloud(microsoft.emulator.url, "", "", 0, "", 0), Outbound(microsoft.emulator.ca_file))
    yield made
    made.close()


@pytest.fixture
def id_tokens(authority: Authority, clock: Clock) -> IdTokens:
    return IdTokens(Discovery(authority, clock), clock)


def claims(microsoft: Microsoft, **other: Any) -> dict[str, Any]:
    """The claims of a good id token; keywords replace some, None takes one away."""
    tenant = microsoft.seed.tenant.id
    usual = {
        "iss": f"{microsoft.emulator.url}/{tenant}/v2.0",
        "aud": microsoft.seed.web.client_id,
        "tid": tenant,
        "oid": OID,
        "preferred_username": "alice@contoso.example",
        "email": "alice@contoso.example",
        "nonce": "once",
        "nbf": NOW - 10,
        "exp": NOW + 3600,
    }
    return {name: value for name, value in (usual | other).items() if value is not None}


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def refusal(id_tokens: IdTokens, token: str, app: AppRegistration, microsoft: Microsoft) -> str:
    issuer = f"{microsoft.emulator.url}/{microsoft.seed.tenant.id}/v2.0"
    with pytest.raises(PillarboxError) as refused:
        await id_tokens.verify(token, app, issuer, "once")
    assert refused.value.cure
    return refused.value.code


# ---- the id token


async def test_a_good_id_token_proves_the_account(
    id_tokens: IdTokens, app: AppRegistration, microsoft: Microsoft, signing_key: SigningKey
) -> None:
    issuer = await id_tokens.issuer(app)
    account = await id_tokens.verify(signing_key.sign(claims(microsoft)), app, issuer, "once")
    assert account == Account(microsoft.seed.tenant.id, OID, "alice@contoso.example")


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "foreign issuer": ({"iss": "https://login.evil.example/x/v2.0"}, "identity.issuer"),
    "issuer of v1": ({"iss": "https://sts.windows.net/x/"}, "identity.issuer"),
    "issuer of another tenant": ({"iss": f"https://localhost/{ANOTHER}/v2.0"}, "identity.issuer"),
    "wrong tenant": ({"tid": ANOTHER}, "identity.tenant"),
    "tenant that is none": ({"tid": "../x"}, "identity.tenant"),
    "no tenant": ({"tid": None}, "identity.missing"),
    "another app's": ({"aud": ANOTHER}, "identity.audience"),
    "several audiences": ({"aud": [ANOTHER]}, "identity.missing"),
    "old nonce": ({"nonce": "before"}, "identity.nonce"),
    "no nonce": ({"nonce": None}, "identity.missing"),
    "expired": ({"exp": NOW - 301}, "identity.time"),
    "not yet valid": ({"nbf": NOW + 301}, "identity.time"),
    "no end": ({"exp": None}, "identity.missing"),
    "an end that is no number": ({"exp": "tomorrow"}, "identity.missing"),
    "an end that is true": ({"exp": True}, "identity.missing"),
    "no beginning": ({"nbf": None}, "identity.missing"),
    "no account": ({"oid": None}, "identity.missing"),
    "an account that is a number": ({"oid": 7}, "identity.missing"),
    "no user name": ({"preferred_username": None}, "identity.missing"),
    "empty user name": ({"preferred_username": ""}, "identity.missing"),
    "no issuer": ({"iss": None}, "identity.missing"),
}


@pytest.mark.parametrize("what", BAD)
async def test_an_id_token_with_a_wrong_claim_is_refused(
    id_tokens: IdTokens, app: AppRegistration, microsoft: Microsoft, signing_key: SigningKey, what: str
) -> None:
    other, code = BAD[what]
    # The issuer is looked at before the tenant it names.
    if what == "wrong tenant":
        other = other | {"iss": f"{microsoft.emulator.url}/{microsoft.seed.tenant.id}/v2.0"}
    assert await refusal(id_tokens, signing_key.sign(claims(microsoft, **other)), app, microsoft) == code


@pytest.mark.parametrize("ahead", [-299, 299])
async def test_clocks_may_differ_by_five_minutes(
    id_tokens: IdTokens,
    app: AppRegistration,
    microsoft: Microsoft,
    signing_key: SigningKey,
    clock: Clock,
    ahead: int,
) -> None:
    token = signing_key.sign(claims(microsoft, nbf=NOW, exp=NOW))
    clock.now += ahead
    assert await id_tokens.verify(token, app, await id_tokens.issuer(app), "once")


async def test_an_unsigned_id_token_is_refused(id_tokens: IdTokens, app: AppRegistration, microsoft: Microsoft) -> None:
    token = f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims(microsoft))}."
    assert await refusal(id_tokens, token, app, microsoft) == "identity.algorithm"


async def test_hs256_with_the_public_key_is_refused(
    id_tokens: IdTokens, app: AppRegistration, microsoft: Microsoft, signing_key: SigningKey
) -> None:
    signed = f"{part({'alg': 'HS256', 'kid': signing_key.kid})}.{part(claims(microsoft))}"
    public = json.dumps(signing_key.jwk("x")).encode()
    tag = base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), hashlib.sha256)).rstrip(b"=").decode()
    assert await refusal(id_tokens, f"{signed}.{tag}", app, microsoft) == "identity.algorithm"


async def test_changed_claims_are_refused(
    id_tokens: IdTokens, app: AppRegistration, microsoft: Microsoft, signing_key: SigningKey
) -> None:
    header, _, signature = signing_key.sign(claims(microsoft)).split(".")
    forged = f"{header}.{part(claims(microsoft, oid=ANOTHER))}.{signature}"
    assert await refusal(id_tokens, forged, app, microsoft) == "identity.signature"


async def test_another_key_under_a_known_id_is_refused(
    id_tokens: IdTokens, app: AppRegistration, microsoft: Microsoft, signing_key: SigningKey
) -> None:
    stranger = SigningKey()
    stranger.kid = signing_key.kid
    assert await refusal(id_tokens, stranger.sign(claims(microsoft)), app, microsoft) == "identity.signature"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "....", "é.é.é", "e30.e30.e30"])
async def test_what_is_no_token_is_refused(
    id_tokens: IdTokens, app: AppRegistration, microsoft: Microsoft, token: str
) -> None:
    assert await refusal(id_tokens, token, app, microsoft) in ("identity.malformed", "identity.algorithm")


async def test_a_key_signs_for_its_own_issuer_alone(
    id_tokens: IdTokens, app: AppRegistration, microsoft: Microsoft, signing_key: SigningKey
) -> None:
    # An authority whose configuration names another issuer than its keys are for.
    told = claims(microsoft, iss=f"https://other.example/{microsoft.seed.tenant.id}/v2.0")
    with pytest.raises(PillarboxError) as refused:
        await id_tokens.verify(signing_key.sign(told), app, told["iss"], "once")
    assert refused.value.code == "identity.issuer"


def test_an_app_of_many_tenants_takes_the_issuer_of_the_accounts_own_tenant() -> None:
    issuer = "https://login.microsoftonline.com/{tenantid}/v2.0"
    told = {
        "iss": f"https://login.microsoftonline.com/{ANOTHER}/v2.0",
        "tid": ANOTHER,
        "aud": "client",
        "oid": OID,
        "preferred_username": "alice@fabrikam.example",
        "nbf": NOW,
        "exp": NOW,
    }
    assert account_of(told, client_id="client", issuer=issuer, nonce=None, now=NOW).tenant_id == ANOTHER
    with pytest.raises(PillarboxError):
        account_of(told | {"tid": OID}, client_id="client", issuer=issuer, nonce=None, now=NOW)
    odd = {"tid": "../x", "iss": "https://login.microsoftonline.com/../x/v2.0"}
    with pytest.raises(PillarboxError):
        account_of(told | odd, client_id="client", issuer=issuer, nonce=None, now=NOW)


# ---- keys and issuers


def asked_for_keys(microsoft: Microsoft) -> int:
    return sum(n for path, n in microsoft.emulator.ledger.requests.items() if "discovery/v2.0/keys" in path)


async def test_a_flood_of_unknown_keys_makes_one_request(
    id_tokens: IdTokens, app: AppRegistration, microsoft: Microsoft, signing_key: SigningKey
) -> None:
    def strange(number: int) -> str:
        _, rest = signing_key.sign(claims(microsoft)).split(".", 1)
        return f"{part({'alg': 'RS256', 'kid': f'kid {number}'})}.{rest}"

    found = await asyncio.gather(*(refusal(id_tokens, strange(n), app, microsoft) for n in range(100)))
    assert set(found) == {"identity.unknown_key"}
    assert asked_for_keys(microsoft) == 1


async def test_a_new_key_is_found_after_five_minutes(
    authority: Authority, clock: Clock, app: AppRegistration, microsoft: Microsoft
) -> None:
    discovery = Discovery(authority, clock)
    assert await discovery.key(app.tenant_id, "new") is None
    clock.now += 299
    assert await discovery.key(app.tenant_id, "new") is None
    assert asked_for_keys(microsoft) == 1
    clock.now += 1
    assert await discovery.key(app.tenant_id, "new") is None
    assert asked_for_keys(microsoft) == 2


async def test_a_known_key_is_asked_for_once_a_day(
    authority: Authority, clock: Clock, app: AppRegistration, microsoft: Microsoft, signing_key: SigningKey
) -> None:
    discovery = Discovery(authority, clock)
    for _ in range(3):
        assert await discovery.key(app.tenant_id, signing_key.kid)
        clock.now += 3600
    assert asked_for_keys(microsoft) == 1
    clock.now += 86400
    assert await discovery.key(app.tenant_id, signing_key.kid)
    assert asked_for_keys(microsoft) == 2


async def test_while_microsoft_is_down_keys_are_asked_for_every_five_minutes(
    authority: Authority, clock: Clock, app: AppRegistration, microsoft: Microsoft, signing_key: SigningKey
) -> None:
    discovery = Discovery(authority, clock)
    microsoft.emulator.faults.add(path="/keys", status=503, times=1)
    for _ in range(3):
        with pytest.raises(TokenUnavailable):
            await discovery.key(app.tenant_id, signing_key.kid)
    assert asked_for_keys(microsoft) == 1
    clock.now += 300
    assert await discovery.key(app.tenant_id, signing_key.kid)


class Keyless(SigningKey):
    """An authority that lists nothing of use for a while."""

    def jwk(self, issuer: str) -> dict[str, str]:
        return {}


@pytest.mark.parametrize("down", [False, True], ids=["no keys", "down"])
async def test_the_last_good_keys_do_while_no_new_ones_are_to_be_had(
    authority: Authority,
    clock: Clock,
    app: AppRegistration,
    microsoft: Microsoft,
    signing_key: SigningKey,
    down: bool,
) -> None:
    discovery = Discovery(authority, clock)
    assert await discovery.key(app.tenant_id, signing_key.kid)
    clock.now += 86400
    if down:
        microsoft.emulator.faults.add(path="/keys", status=503)
    else:
        microsoft.emulator.authority.tokens.key = Keyless()
    assert await discovery.key(app.tenant_id, signing_key.kid)
    # Of an unknown one it is not said that there is none.
    with pytest.raises(TokenUnavailable):
        await discovery.key(app.tenant_id, "new")
    assert asked_for_keys(microsoft) == 2


async def test_a_clock_that_went_back_keeps_no_new_key_away(
    authority: Authority, clock: Clock, app: AppRegistration, microsoft: Microsoft
) -> None:
    discovery = Discovery(authority, clock)
    assert await discovery.key(app.tenant_id, "new") is None
    clock.now -= 7 * 86400
    assert await discovery.key(app.tenant_id, "new") is None
    assert asked_for_keys(microsoft) == 2


async def test_an_unknown_tenant_has_no_issuer(authority: Authority, clock: Clock) -> None:
    with pytest.raises(TokenRefused, match="AADSTS90002"):
        await Discovery(authority, clock).issuer("fabrikam.example")


async def test_a_configuration_that_is_cut_is_no_issuer(
    authority: Authority, clock: Clock, app: AppRegistration, microsoft: Microsoft
) -> None:
    microsoft.emulator.faults.add(path="openid-configuration", truncate=20)
    with pytest.raises(TokenUnavailable):
        await Discovery(authority, clock).issuer(app.tenant_id)


@pytest.mark.parametrize(
    ("issuer", "told", "same"),
    [
        ("https://a.example/t/v2.0", "https://a.example/t/v2.0", True),
        ("https://a.example/t/v2.0", "https://b.example/t/v2.0", False),
        ("https://a.example/t/v2.0", "https://a.example/t/v2.0/", False),
        ("https://a.example/{tenantid}/v2.0", f"https://a.example/{OID}/v2.0", True),
        ("https://a.example/{tenantid}/v2.0", "https://a.example/x/../y/v2.0", False),
        ("https://a.example/{tenantid}/v2.0", f"https://b.example/{OID}/v2.0", False),
    ],
)
def test_the_issuer_of_an_answer_is_the_one_that_was_asked(issuer: str, told: str, same: bool) -> None:
    assert issued_by(issuer, told) is same


# ---- whose mailbox it is

ALICE = Account("t", "alice-id", "alice@contoso.example")


@pytest.mark.parametrize(
    ("account", "meant"),
    [
        (ALICE, Meant("Alice@Contoso.example")),
        (ALICE, Meant("helpdesk@contoso.example", "alice@contoso.example", shared=True)),
        (ALICE, Meant("old@contoso.example", "", Account("t", "alice-id", "old@contoso.example"))),
        (Account("t", "o", "a.smith@contoso.example", "alice@contoso.example"), Meant("alice@contoso.example")),
    ],
    ids=["own name", "named user", "former account renamed", "proven address"],
)
def test_the_account_that_was_meant_is_taken(account: Account, meant: Meant) -> None:
    assert mismatch(account, meant) is None


@pytest.mark.parametrize(
    ("account", "meant", "code"),
    [
        (ALICE, Meant("bob@contoso.example"), "sign_in.wrong_account"),
        (ALICE, Meant("alice@contoso.example", "bob@contoso.example"), "sign_in.wrong_account"),
        (ALICE, Meant("a@x.example", "", Account("t", "bob-id", "bob@contoso.example")), "sign_in.other_account"),
        (ALICE, Meant("a@x.example", ALICE.upn, Account("t", "b", "bob@contoso.example")), "sign_in.other_account"),
        (ALICE, Meant("a@x.example", "bob@contoso.example", ALICE), "sign_in.wrong_account"),
        (ALICE, Meant("helpdesk@contoso.example", "alice@contoso.example"), "sign_in.not_owner"),
        (Account("t", "o", "\u212aim@contoso.example"), Meant("kim@contoso.example"), "sign_in.wrong_account"),
        (Account("t", "o", "stra\u00dfe@contoso.example"), Meant("strasse@contoso.example"), "sign_in.wrong_account"),
        (Account("t", "o", "\u00c4nne@contoso.example"), Meant("\u00e4nne@contoso.example"), "sign_in.wrong_account"),
        (ALICE, Meant("a@x.example", "", Account("t", "old-id", "alice@contoso.example")), "sign_in.replaced_account"),
        (ALICE, Meant("a@x.example", "", Account("u", "alice-id", ALICE.upn)), "sign_in.replaced_account"),
        (
            Account("t", "o", "alice@contoso.example@evil.example"),
            Meant("alice@contoso.example"),
            "sign_in.wrong_account",
        ),
        (Account("t", "o", "a@b@c"), Meant("a@b@c"), "sign_in.wrong_account"),
        (Account("t", "o", '"a@b"@c'), Meant('"a@b"@c'), "sign_in.wrong_account"),
        (Account("t", "o", "bob@contoso.example", ""), Meant("", ""), "sign_in.wrong_account"),
    ],
)
def test_another_account_is_refused_in_words_that_name_both(account: Account, meant: Meant, code: str) -> None:
    refused = mismatch(account, meant)
    assert refused
    assert refused.code == code
    assert account.upn in refused.sentence
    assert meant.address in refused.sentence


ME: dict[str, tuple[dict[str, Any], bool]] = {
    "mail": ({"id": "alice-id", "mail": "Info@contoso.example"}, True),
    "alias": (
        {"id": "ALICE-ID", "mail": None, "proxyAddresses": ["SMTP:x@y.example", "smtp:info@contoso.example"]},
        True,
    ),
    "another account": ({"id": "bob-id", "mail": "info@contoso.example"}, False),
    "other addresses": (
        {"id": "alice-id", "mail": "x@y.example", "proxyAddresses": ["sip:info@contoso.example"]},
        False,
    ),
    "nothing": ({}, False),
    "nonsense": ({"id": "alice-id", "mail": ["x"], "proxyAddresses": {"smtp:info@contoso.example": 1}}, False),
    "numbers": ({"id": "alice-id", "mail": 7, "proxyAddresses": [7, None]}, False),
}


@pytest.mark.parametrize("what", ME)
def test_graph_proves_an_address_of_the_same_account_alone(what: str) -> None:
    me, proven = ME[what]
    assert proves(me, ALICE, "info@contoso.example") is proven
