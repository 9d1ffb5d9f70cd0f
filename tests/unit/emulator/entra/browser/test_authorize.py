"""The authorize endpoint: what it refuses, where it says so, and how it answers."""

from urllib.parse import urlsplit

import jwt
import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import CALLBACK, Seed
from tests.unit.emulator.conftest import Client
from tests.unit.emulator.entra.conftest import CHALLENGE, Browser, forget_consents
from tests.unit.emulator.visitor import Page

OTHER = "0c0ffee0-0000-4000-8000-000000000000"


async def test_person_signs_in_and_the_app_gets_a_code(browser: Browser, emulator: Emulator, planted: Seed) -> None:
    page = await browser.sign_in()
    assert page.status == 302
    assert page.app_address == CALLBACK
    assert page.sent.keys() == {"code", "state", "session_state"}
    assert page.sent["state"] == "12 3&4"
    alice = planted.user("alice")
    client = Client(browser.visitor.session, emulator, planted)
    answer = await client.ask_token(
        planted.web, grant_type="authorization_code", code=page.sent["code"], redirect_uri=CALLBACK, scope="Mail.Send"
    )
    claims = jwt.decode(answer.json["access_token"], options={"verify_signature": False})
    assert claims["oid"] == alice.id
    assert "Mail.Send" in claims["scp"].split()


async def test_client_info_is_given_when_asked_for(browser: Browser) -> None:
    page = await browser.go_on(await browser.open(client_info="1"))
    assert page.sent["client_info"]


@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
async def test_answer_goes_back_by_the_mode_asked_for(browser: Browser, mode: str) -> None:
    page = await browser.go_on(await browser.open(response_mode=mode))
    assert page.app_address == CALLBACK
    assert page.sent.keys() == {"code", "state", "session_state"}
    parts = urlsplit(page.location)
    assert (bool(parts.query), bool(parts.fragment)) == (mode == "query", mode == "fragment")


async def test_errors_go_back_by_the_mode_asked_for(browser: Browser) -> None:
    page = await browser.open(response_mode="form_post", prompt="none")
    assert page.status == 200
    assert page.sent["error"] == "login_required"
    assert page.sent["state"] == "12 3&4"


async def test_form_post_runs_our_script_alone_and_has_a_button(browser: Browser) -> None:
    page = await browser.open(response_mode="form_post", prompt="none")
    assert [text for _, _, text in page.forms[0].buttons] == ["Continue"]
    assert "script-src 'sha256-" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]


async def test_query_of_the_redirect_uri_is_kept(browser: Browser, planted: Seed) -> None:
    planted.web.redirect_uris.append("https://app.example/cb?tenant=1")
    page = await browser.open(redirect_uri="https://app.example/cb?tenant=1", prompt="none")
    assert page.location.startswith("https://app.example/cb?tenant=1&error=login_required&")


async def test_domain_hint_is_noted_as_not_emulated(browser: Browser, emulator: Emulator) -> None:
    assert (await browser.open(domain_hint="contoso.example")).status == 200
    assert [gap.what for gap in emulator.not_emulated] == ["domain_hint"]


async def test_request_may_be_posted(browser: Browser) -> None:
    address, _, words = browser.url(prompt="none").partition("?")
    fields = dict(pair.split("=") for pair in words.split("&"))
    fields |= {"redirect_uri": CALLBACK, "scope": "openid", "state": "s"}
    assert (await browser.visitor.post(address, fields)).sent["error"] == "login_required"


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (700016, {"client_id": OTHER}),
        (900144, {"client_id": None}),
        (900971, {"redirect_uri": None}),
        (50011, {"redirect_uri": f"{CALLBACK}/"}),
        (50194, {"tenant": "common"}),
        (50194, {"tenant": "organizations"}),
        (9002332, {"tenant": "consumers"}),
        (90002, {"tenant": OTHER}),
        (90002, {"tenant": "fabrikam.example"}),
        (900023, {"tenant": "no tenant"}),
    ],
)
async def test_errors_before_the_redirect_uri_is_known_are_shown(
    browser: Browser, number: int, change: dict[str, str | None]
) -> None:
    page = await browser.open(**change)  # type: ignore[arg-type]
    shown(page, number)


async def test_parameter_that_comes_twice_is_shown(browser: Browser) -> None:
    shown(await browser.visitor.open(f"{browser.url()}&state=2"), 9002313)


async def test_shown_error_has_the_ids_that_support_asks_for(browser: Browser) -> None:
    page = await browser.open(client_id=OTHER)
    assert all(label in page.text for label in ("Trace ID", "Correlation ID", "Timestamp 2026-11-20 12:00:00Z"))


def shown(page: Page, number: int) -> None:
    """A page of Microsoft's own, and nothing for the app."""
    assert page.status == 400
    assert not page.location
    assert page.alert.startswith(f"AADSTS{number}: ")


@pytest.mark.parametrize(
    ("number", "error", "change"),
    [
        (900144, "invalid_request", {"response_type": None}),
        (900144, "invalid_request", {"scope": None}),
        (70011, "invalid_scope", {"scope": " "}),
        (70011, "invalid_scope", {"scope": "https://graph.microsoft.com/No.Such"}),
        (500011, "invalid_resource", {"scope": "https://nowhere.example/.default"}),
        (901002, "invalid_request", {"resource": "https://graph.microsoft.com"}),
        (70005, "unsupported_response_type", {"response_type": "cookie"}),
        (700051, "unsupported_response_type", {"response_type": "token"}),
        (700054, "unsupported_response_type", {"response_type": "id_token"}),
        (70007, "invalid_request", {"response_mode": "post"}),
        (90023, "invalid_request", {"prompt": "consent select_account"}),
        (90023, "invalid_request", {"prompt": "unspecified"}),
        (501491, "invalid_request", {"code_challenge": "short", "code_challenge_method": "S256"}),
        (501491, "invalid_request", {"code_challenge": f"{CHALLENGE}=", "code_challenge_method": "S256"}),
        (50147, "invalid_request", {"code_challenge": "short"}),
        (50147, "invalid_request", {"code_challenge": CHALLENGE, "code_challenge_method": "S512"}),
        (50147, "invalid_request", {"code_challenge_method": "plain"}),
        (50058, "login_required", {"prompt": "none"}),
    ],
)
async def test_other_errors_go_back_to_the_app(
    browser: Browser, number: int, error: str, change: dict[str, str | None]
) -> None:
    page = await browser.open(**change)  # type: ignore[arg-type]
    went_back(page, number, error)


def went_back(page: Page, number: int, error: str) -> None:
    """An error for the app, with the text that Entra has everywhere and the app's state."""
    assert page.status == 302
    assert page.app_address == CALLBACK
    assert page.sent["error"] == error
    lines = page.sent["error_description"].split("\r\n")
    assert lines[0].startswith(f"AADSTS{number}: ")
    assert [line.partition(":")[0] for line in lines[1:]] == ["Trace ID", "Correlation ID", "Timestamp"]
    assert page.sent["state"] == "12 3&4"


async def test_known_prompt_that_is_not_emulated_is_noted(browser: Browser, emulator: Emulator) -> None:
    await browser.open(prompt="create")
    assert [gap.what for gap in emulator.not_emulated] == ["prompt=create"]


async def test_parameter_that_is_not_emulated_is_noted(browser: Browser, emulator: Emulator) -> None:
    await browser.open(max_age="60")
    assert [gap.what for gap in emulator.not_emulated] == ["max_age"]


@pytest.mark.parametrize("method", ["S256", "plain", None])
async def test_challenge_is_kept_with_the_code(browser: Browser, method: str | None) -> None:
    page = await browser.go_on(await browser.open(code_challenge=CHALLENGE, code_challenge_method=method))
    assert page.sent["code"]


async def test_single_page_app_needs_pkce(browser: Browser, planted: Seed) -> None:
    planted.web.redirect_uris.clear()
    planted.web.spa_redirect_uris.append(CALLBACK)
    went_back(await browser.open(), 9002325, "invalid_request")
    page = await browser.open(code_challenge=CHALLENGE, code_challenge_method="S256")
    assert page.title == "Sign in"


@pytest.mark.parametrize("types", ["id_token", "code id_token", "id_token code"])
async def test_id_token_comes_by_fragment_with_nonce_and_hash_of_the_code(
    browser: Browser, planted: Seed, types: str
) -> None:
    planted.web.issues_id_tokens = True
    page = await browser.go_on(await browser.open(response_type=types, nonce="n-1"))
    assert urlsplit(page.location).fragment
    claims = jwt.decode(page.sent["id_token"], options={"verify_signature": False})
    assert claims["nonce"] == "n-1"
    assert claims["aud"] == planted.web.client_id
    assert ("c_hash" in claims) == ("code" in page.sent) == ("code" in types.split())
    assert "name" not in claims


async def test_id_token_tells_what_the_scopes_ask_for(browser: Browser, planted: Seed) -> None:
    planted.web.issues_id_tokens = True
    page = await browser.go_on(await browser.open(response_type="id_token", nonce="n-1", scope="openid profile"))
    assert jwt.decode(page.sent["id_token"], options={"verify_signature": False})["name"] == "Alice"


@pytest.mark.parametrize(("count", "claim"), [(5, "groups"), (6, "hasgroups")])
async def test_id_token_in_an_address_names_few_groups(
    browser: Browser, planted: Seed, emulator: Emulator, count: int, claim: str
) -> None:
    planted.web.issues_id_tokens = planted.web.names_groups = True
    for number in range(count):
        emulator.world.add_group(planted.tenant, f"Group {number}", [planted.user("alice")])
    page = await browser.go_on(await browser.open(response_type="id_token", nonce="n-1"))
    claims = jwt.decode(page.sent["id_token"], options={"verify_signature": False})
    assert {"groups", "hasgroups"} & claims.keys() == {claim}


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (70007, {"response_mode": "query", "nonce": "n"}),
        (900144, {}),
        (70005, {"nonce": "n", "scope": "Mail.Send"}),
    ],
)
async def test_id_token_is_refused(browser: Browser, planted: Seed, number: int, change: dict[str, str]) -> None:
    planted.web.issues_id_tokens = True
    page = await browser.open(response_type="id_token", **change)  # type: ignore[arg-type]
    assert page.sent["error_description"].startswith(f"AADSTS{number}: ")
    assert urlsplit(page.location).fragment


async def test_v1_takes_a_resource_in_place_of_scopes(browser: Browser) -> None:
    page = await browser.open(v1=True, resource="https://graph.microsoft.com")
    assert (await browser.go_on(page)).sent["code"]


@pytest.mark.parametrize(
    ("resource", "number"), [("https://nowhere.example", 500011), ("https://outlook.office365.com", 650057)]
)
async def test_v1_resource_must_be_known_and_registered(
    browser: Browser, planted: Seed, resource: str, number: int
) -> None:
    forget_consents(planted)
    web = planted.web
    web.requested_permissions = [each for each in web.requested_permissions if each.resource.name == "Microsoft Graph"]
    page = await browser.go_on(await browser.open(v1=True, resource=resource))
    went_back(page, number, "invalid_resource")


async def test_silent_request_succeeds_after_a_sign_in(browser: Browser) -> None:
    await browser.sign_in()
    page = await browser.open(prompt="none")
    assert page.status == 302
    assert page.sent["code"]


async def test_silent_request_wants_one_account(browser: Browser) -> None:
    await browser.sign_in("alice")
    await browser.go_on(await browser.open(prompt="login"), "bob")
    went_back(await browser.open(prompt="none"), 16000, "interaction_required")
    assert (await browser.open(prompt="none", login_hint="bob@contoso.example")).sent["code"]
    went_back(await browser.open(prompt="none", login_hint="carol@contoso.example"), 50058, "login_required")


async def test_silent_request_wants_consent(browser: Browser, planted: Seed) -> None:
    await browser.sign_in()
    forget_consents(planted)
    went_back(await browser.open(prompt="none"), 65001, "consent_required")


async def test_silent_request_obeys_policies(browser: Browser, planted: Seed) -> None:
    await browser.sign_in()
    alice = planted.user("alice")
    alice.second_factor = "enrolled"
    went_back(await browser.open(prompt="none"), 50076, "interaction_required")
    alice.second_factor = "demanded"
    went_back(await browser.open(prompt="none"), 50079, "interaction_required")
    alice.refusal = 53003
    went_back(await browser.open(prompt="none"), 53003, "interaction_required")


async def test_silent_request_does_not_count_who_was_shut_out(browser: Browser, planted: Seed) -> None:
    await browser.sign_in()
    alice = planted.user("alice")
    alice.enabled = False
    went_back(await browser.open(prompt="none"), 50058, "login_required")
    alice.enabled, alice.sessions_valid_from = True, browser.client.emulator.clock() + 1
    went_back(await browser.open(prompt="none"), 50058, "login_required")


async def test_app_that_is_switched_off_is_shown(browser: Browser, planted: Seed) -> None:
    assert planted.web.principal
    await browser.sign_in()
    planted.web.principal.enabled = False
    shown(await browser.open(), 7000112)
    shown(await browser.open(prompt="none"), 7000112)


async def test_multi_tenant_app_is_open_on_common(browser: Browser, planted: Seed) -> None:
    planted.web.audience = "AzureADMultipleOrgs"
    for tenant in ("common", "organizations"):
        assert (await browser.go_on(await browser.open(tenant=tenant))).sent["code"]


async def test_pages_are_guarded(browser: Browser) -> None:
    page = await browser.open()
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Cache-Control"].startswith("no-store")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"


async def test_pages_say_that_they_are_not_microsoft(browser: Browser) -> None:
    assert "Pillarbox emulator \u2014 not Microsoft" in (await browser.open()).text


async def test_native_client_page_is_there(browser: Browser) -> None:
    page = await browser.visitor.open(f"{browser.client.emulator.url}/common/oauth2/nativeclient?code=1")
    assert page.status == 200
