"""How the place of a credential is written."""

import pytest

from pillarbox.core import sources
from pillarbox.core.errors import InvalidInput
from pillarbox.core.sources import VaultSecret, vault_secret

ALL = ("env", "file", "keyvault", "managed-identity")
URL = "https://contoso.vault.azure.net/secrets/gateway"
ID = "11111111-2222-4333-8444-555555555555"


@pytest.mark.parametrize(
    "source",
    [
        "env:GATEWAY_SECRET",
        "file:/run/secrets/gateway",
        f"keyvault:{URL}",
        "managed-identity:",
        f"managed-identity:{ID}",
    ],
)
def test_a_place_of_each_form_is_taken(source: str) -> None:
    assert sources.check(source, *ALL) == source


@pytest.mark.parametrize(
    "source",
    [
        *("", "env", "env:", "env:A B", "env:1A", "file:secret", "file:", "file:/a\nb", "vault:x", "Env:A"),
        *("keyvault:contoso", "keyvault:http://contoso.vault.azure.net/secrets/a", "managed-identity:gateway"),
        "abc8Q" + "~this.might-be-the-secret-itself",
    ],
)
def test_anything_else_is_refused_and_not_shown(source: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        sources.check(source, *ALL)
    assert caught.value.code == "source.bad_form"
    if len(source) > 5:
        assert source not in caught.value.sentence + caught.value.cure


def test_a_scheme_that_does_not_fit_here_is_refused() -> None:
    with pytest.raises(InvalidInput):
        sources.check("env:TOKEN", "file", "managed-identity")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (URL, ("https://contoso.vault.azure.net", "contoso", "gateway", "")),
        (f"{URL}/", ("https://contoso.vault.azure.net", "contoso", "gateway", "")),
        (f"{URL}/0a1b2c", ("https://contoso.vault.azure.net", "contoso", "gateway", "0a1b2c")),
        (URL.replace("azure.net", "azure.cn"), ("https://contoso.vault.azure.cn", "contoso", "gateway", "")),
        (
            URL.replace("azure.net", "usgovcloudapi.net"),
            ("https://contoso.vault.usgovcloudapi.net", "contoso", "gateway", ""),
        ),
        (
            URL.replace("azure.net", "localhost:8443"),
            ("https://contoso.vault.localhost:8443", "contoso", "gateway", ""),
        ),
    ],
)
def test_the_parts_of_a_vaults_address(url: str, found: tuple[str, str, str, str]) -> None:
    assert vault_secret(url) == VaultSecret(*found)


@pytest.mark.parametrize(
    "url",
    [
        "http://contoso.vault.azure.net/secrets/gateway",
        "https://contoso.vault.azure.net.fabrikam.example/secrets/gateway",
        "https://fabrikam.example/secrets/gateway",
        "https://x@fabrikam.example/.vault.azure.net/secrets/gateway",
        "https://contoso.vault.azure.net@fabrikam.example/secrets/gateway",
        "https://contoso.vault.azure.net:8443/secrets/gateway",
        "https://contoso.vault.azure.net/keys/gateway",
        "https://contoso.vault.azure.net/secrets/",
        "https://contoso.vault.azure.net/secrets/a/b/c",
        "https://contoso.vault.azure.net/secrets/a?x=1",
        "https://a.b.vault.azure.net/secrets/a",
        f"{URL}\n",
    ],
)
def test_what_is_no_vault_of_microsofts_gets_no_token(url: str) -> None:
    assert vault_secret(url) is None
