"""The paste guard: each mistake that people make with the three values has its own words, and no secret is shown."""

from collections.abc import Callable
from typing import Any

import pytest

from pillarbox.admin import pasted
from pillarbox.core.accounts import AppRegistration
from pillarbox.core.errors import InvalidInput
from pillarbox.core.vault import Secret

TENANT = "11111111-2222-4333-8444-555555555555"
CLIENT = "66666666-7777-4888-8999-aaaaaaaaaaaa"
OBJECT = "bbbbbbbb-cccc-4ddd-8eee-ffffffffffff"
SECRET = "abc8Q" + "~dEfGhIjKlMnOpQrStUvWxYz0123456.-_x"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
KNOWN = [AppRegistration(1, "fabrikam", OBJECT, "99999999-0000-4111-8222-333333333333")]
OVERVIEW = "https://portal.azure.com/#view/Microsoft_AAD_RegisteredApps/ApplicationMenuBlade/~/Overview/"


def refused(code: str) -> Any:
    return pytest.raises(InvalidInput, check=lambda error: error.code == code)


def a_secret(text: str) -> str:
    found, odd = pasted.secret(Secret(text), "contoso")
    assert odd == []
    return found.reveal()


def verdict(check: Callable[[str], object], text: str) -> str:
    """The code of the refusal; empty for none."""
    try:
        check(text)
    except InvalidInput as error:
        return error.code
    return ""


# ---- what is copied along


@pytest.mark.parametrize(
    "text",
    [
        *(f"  {SECRET}\n", f"\u00a0{SECRET}\u00a0", f"\ufeff{SECRET}", f"{SECRET[:5]}\u200b{SECRET[5:]}\u2060"),
        *(f'"{SECRET}"', f"'{SECRET}'", f"“{SECRET}”", f"`{SECRET}`", f" '{SECRET}' ", f"「{SECRET}」"),
        *(f"Value: {SECRET}", f"value={SECRET}", f"Secret Value: {SECRET}", f"Client secret: {SECRET}"),
        *(f"AZURE_CLIENT_SECRET={SECRET}", f'PILLARBOX_CLIENT_SECRET="{SECRET}"', f"client_secret = {SECRET}"),
        *(f"\x1b[200~{SECRET}\x1b[201~", f'"{SECRET}",', f"值：{SECRET}", f"Value： {SECRET}", f"Значення: {SECRET}"),
    ],
)
def test_what_is_copied_along_with_a_secret_is_left_out(text: str) -> None:
    assert a_secret(text) == SECRET


@pytest.mark.parametrize(
    ("tenant", "client"),
    [
        (f" {TENANT} ", f"\t{CLIENT}\r\n"),
        (f"Directory (tenant) ID: {TENANT}", f"Application (client) ID: {CLIENT}"),
        (f"Directory (tenant) ID : {TENANT}", f"Application (client) ID\u00a0: {CLIENT}"),
        (f"Tenant ID: {TENANT}", f"Client ID: {CLIENT}"),
        (f"AZURE_TENANT_ID={TENANT}", f"AZURE_CLIENT_ID={CLIENT}"),
        (f"tenant_id='{TENANT}'", f'client_id="{CLIENT}"'),
        (f"tenantId: {TENANT}", f"appId: {CLIENT}"),
        (f"\u200e{TENANT}\u200f", f"“{CLIENT}”"),
        (f"{{{TENANT}}}", f"{CLIENT},"),
        (f"<{TENANT}>;", f"\x1b[200~{CLIENT}\x1b[201~"),
        (TENANT.replace("-", ""), CLIENT.replace("-", "").upper()),
        (TENANT.replace("-", "\u2011"), CLIENT.replace("-", "–")),
        (f"目錄 (租用戶) 識別碼：{TENANT}", f"應用程式 (用戶端) 識別碼\u3000{CLIENT}"),
        (f"目录(租户) ID\n: {TENANT}", f"ID програми (клієнта) {CLIENT}"),
        (f"{TENANT}/", f"api://{CLIENT}"),
        (f"login.microsoftonline.com/{TENANT}", f"portal.azure.com/#view/x/appId/{CLIENT}/objectId/{OBJECT}"),
    ],
)
def test_what_is_copied_along_with_an_id_is_left_out(tenant: str, client: str) -> None:
    assert pasted.ids(tenant, client) == (TENANT, CLIENT)


def test_a_tenant_may_be_named_by_its_domain() -> None:
    assert pasted.ids("contoso.example", CLIENT) == ("contoso.example", CLIENT)


# ---- the secret


def test_the_id_of_a_secret_is_not_its_value() -> None:
    with pytest.raises(InvalidInput, match="ID of a client secret, not its value") as caught:
        a_secret(f" {TENANT} ")
    assert "column Value" in caught.value.cure


@pytest.mark.parametrize(
    "text",
    [
        *(f"{{{TENANT}}}", f"{TENANT},", f"({TENANT})", f"[{TENANT}];", TENANT.replace("-", "")),
        *(f"\x1b[200~{TENANT}\x1b[201~", f"祕密識別碼：{TENANT}", f"AZURE_CLIENT_SECRET={TENANT}", f'"{TENANT}",'),
    ],
)
def test_it_is_known_by_itself_with_whatever_around_it(text: str) -> None:
    with refused("app.secret_is_id"):
        a_secret(text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"{SECRET[:20]} {SECRET[20:]}", "a blank"),
        (f"{SECRET[:20]}\x07{SECRET[20:]}", "a control character"),
        (f"{SECRET[:20]}\x1b[31m{SECRET[20:]}", "a control character"),
        (SECRET.replace("a", "а"), "not ASCII"),  # Cyrillic, as an unlucky keyboard types it
        (f"{SECRET[:20]}–{SECRET[20:]}", "not ASCII"),
    ],
)
def test_a_secret_is_visible_ascii(text: str, what: str) -> None:
    with pytest.raises(InvalidInput, match=what) as caught:
        a_secret(text)
    assert caught.value.code == "app.secret_characters"
    assert SECRET[:20] not in caught.value.sentence


@pytest.mark.parametrize("text", ["", "  ", "\u200b", '""', "Value:"])
def test_nothing_is_no_secret(text: str) -> None:
    with refused("app.no_secret"):
        a_secret(text)


def test_stars_are_what_the_portal_shows_later() -> None:
    with refused("app.secret_masked"):
        a_secret("abc******************")


@pytest.mark.parametrize(
    "text", [f"{SECRET}\n{TENANT}", f"{SECRET}\t{TENANT}", f"Pillarbox\t5/31/2027\t{SECRET}\t{TENANT}"]
)
def test_a_whole_row_of_the_portal_is_not_one_value(text: str) -> None:
    with refused("app.several_values"):
        a_secret(text)


def test_a_secret_that_looks_cut_is_taken_with_a_warning() -> None:
    found, (odd,) = pasted.secret(Secret(SECRET[:29]), "contoso")
    assert (found.reveal(), odd.code) == (SECRET[:29], "app.secret_short")
    assert "29 characters" in odd.sentence
    assert SECRET[:29] not in odd.sentence + odd.cure
    assert pasted.secret(Secret(SECRET[:30]), "contoso")[1] == []


def test_a_secret_that_is_too_long_is_taken_with_a_warning() -> None:
    assert a_secret("x" * 64) == "x" * 64
    _, (odd,) = pasted.secret(Secret(f"{SECRET}{SECRET}"), "contoso")
    assert (odd.code, "80 characters" in odd.sentence) == ("app.secret_long", True)


# ---- the ids


def test_client_and_tenant_are_not_the_same() -> None:
    with refused("app.same_ids"):
        pasted.ids(TENANT, TENANT.upper())


def test_ids_that_are_known_the_other_way_round_are_swapped() -> None:
    with pytest.raises(InvalidInput, match="tenant ID of the app registration 'fabrikam'"):
        pasted.ids(CLIENT, KNOWN[0].tenant_id.upper(), KNOWN)
    with pytest.raises(InvalidInput, match="client ID of the app registration 'fabrikam'"):
        pasted.ids(KNOWN[0].client_id, CLIENT, KNOWN)


def test_a_second_app_of_a_known_tenant_is_none_of_that() -> None:
    assert pasted.ids(KNOWN[0].tenant_id, CLIENT, KNOWN) == (KNOWN[0].tenant_id, CLIENT)


@pytest.mark.parametrize(
    "tenant",
    [
        *("common", "Organizations", "consumers", "common/", "https://login.microsoftonline.com/common"),
        *("login.microsoftonline.com/common", "https://login.microsoftonline.us/organizations/oauth2/v2.0/authorize"),
    ],
)
def test_a_word_for_all_tenants_is_no_tenant_of_an_app(tenant: str) -> None:
    with refused("app.no_tenant"):
        pasted.ids(tenant, CLIENT)


def test_why_common_is_refused_is_told() -> None:
    with pytest.raises(InvalidInput, match="has its rights in one tenant"):
        pasted.ids("common", CLIENT)


@pytest.mark.parametrize("tenant", [PERSONAL, PERSONAL.upper(), f"https://sts.windows.net/{PERSONAL}/", "outlook.com"])
def test_the_tenant_of_personal_accounts_is_none_of_an_app(tenant: str) -> None:
    with pytest.raises(InvalidInput, match="cannot act by itself there") as caught:
        pasted.ids(tenant, CLIENT)
    assert caught.value.code == "app.personal_tenant"


@pytest.mark.parametrize(
    "tenant",
    [
        *("login.microsoftonline.com", "https://login.microsoftonline.com/", "login.windows.net", "sts.windows.net/"),
        *("login.microsoftonline.us", "login.partner.microsoftonline.cn", "https://portal.azure.com/#home"),
    ],
)
def test_a_host_of_microsoft_is_no_tenant(tenant: str) -> None:
    with refused("app.host_as_tenant"):
        pasted.ids(tenant, CLIENT)


@pytest.mark.parametrize("text", ["contoso.example", "contoso.onmicrosoft.com"])
def test_a_domain_is_taken_out_of_the_address_of_a_sign_in_page(text: str) -> None:
    for given in (f"https://login.microsoftonline.com/{text}/v2.0", f"login.microsoftonline.com/{text}"):
        assert pasted.ids(given, CLIENT) == (text, CLIENT)


@pytest.mark.parametrize(
    "text",
    [
        f"{TENANT}/",
        f"login.microsoftonline.com/{OBJECT}/{CLIENT}",
        "login.microsoftonline.com/common",
        "login.microsoftonline.com/Contoso/OAuth2/Authorize",
        f"https://login.microsoftonline.com/common/oauth2/v2.0/authorize?code_challenge={'aB3' * 14}",
        "mail-gateway-of-contoso-example-production",
        "Mail gateway of the Contoso printers and scanners",
    ],
)
def test_no_secret_is_said_to_have_leaked_that_is_none(text: str) -> None:
    for check in (pasted.check_client_id, pasted.check_tenant_id):
        assert verdict(check, text) != "app.secret_as_id"


@pytest.mark.parametrize("other", ["", "common", SECRET, "gateway"])
def test_a_secret_that_was_shown_is_told_first_of_all(other: str) -> None:
    for given in (
        (other, SECRET),
        (SECRET, other),
        (other, f"client_secret={SECRET}"),
        (f"{TENANT} {SECRET}", other),
        (other, SECRET * 2),
    ):
        with refused("app.secret_as_id"):
            pasted.ids(*given)


def test_two_numbers_are_not_one_value() -> None:
    for text in (f"{CLIENT} {OBJECT}", f"{CLIENT}\n{OBJECT}"):
        with refused("app.several_values"):
            pasted.ids(TENANT, text)
        with refused("app.several_values"):
            pasted.ids(text, CLIENT)


@pytest.mark.parametrize("field", ["tenant", "client"])
def test_a_secret_in_the_place_of_an_id_is_refused_and_not_shown(field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        pasted.ids(*((SECRET, CLIENT) if field == "tenant" else (TENANT, SECRET)))
    assert caught.value.code == "app.secret_as_id"
    assert SECRET[:6] not in caught.value.sentence + caught.value.cure + repr(caught.value)


@pytest.mark.parametrize("text", [f"x {SECRET}", f"{SECRET}{SECRET}", f"({SECRET})"])
def test_a_secret_with_something_around_it_is_not_shown_either(text: str) -> None:
    for given in ((text, CLIENT), (TENANT, text)):
        with pytest.raises(InvalidInput) as caught:
            pasted.ids(*given)
        assert SECRET not in caught.value.sentence + caught.value.cure + str(caught.value.params)


@pytest.mark.parametrize("text", [f"Object ID: {OBJECT}", f"objectId={OBJECT}", f"{OVERVIEW}objectId/{OBJECT}"])
def test_the_object_id_is_told_from_the_client_id(text: str) -> None:
    with refused("app.object_id"):
        pasted.ids(TENANT, text)


@pytest.mark.parametrize("text", ["", "gateway", TENANT[:-1], f"{TENANT}0", "1234"])
def test_what_is_no_client_id_says_where_it_stands(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        pasted.ids("contoso.example", text)
    assert (caught.value.code, "Application (client) ID" in caught.value.cure) == ("app.bad_client_id", True)


@pytest.mark.parametrize("text", ["", "contoso", "contoso.", "a b.example", "-"])
def test_what_is_no_tenant_says_where_it_stands(text: str) -> None:
    with refused("app.bad_tenant_id"):
        pasted.ids(text, CLIENT)


# ---- addresses of the portal


@pytest.mark.parametrize(
    "url",
    [
        f"{OVERVIEW}appId/{CLIENT}/isMSAApp~/false",
        f"{OVERVIEW}quickStartType~/null/objectId/{OBJECT}/appId/{CLIENT}",
        f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/authorize?client_id={CLIENT}",
        f"https://example.com/?x={CLIENT}",
    ],
)
def test_the_client_id_is_taken_out_of_an_address(url: str) -> None:
    assert pasted.ids(TENANT, url) == (TENANT, CLIENT)


@pytest.mark.parametrize(
    "url",
    [
        f"https://login.microsoftonline.com/{TENANT}/v2.0",
        f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/authorize?client_id={CLIENT}",
        f"https://sts.windows.net/{TENANT}/",
        f"https://portal.azure.com/#view/x/tenantId/{TENANT}/appId/{CLIENT}",
    ],
)
def test_the_tenant_id_is_taken_out_of_an_address(url: str) -> None:
    assert pasted.ids(url, CLIENT) == (TENANT, CLIENT)


@pytest.mark.parametrize("url", ["https://portal.azure.com/#home", f"https://x.example/{OBJECT}/{CLIENT}"])
def test_an_address_that_does_not_say_which_is_refused(url: str) -> None:
    with refused("app.unclear_url"):
        pasted.ids(TENANT, url)
