"""The master key in a key vault: the start reads it there, or stops in words and touches nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.keyvault.secrets._shared import http_challenge_cache

from pillarbox.core.errors import ConfigError
from pillarbox.emulator import Certificates
from pillarbox.emulator.world.key_vaults import KeyVault
from tests.conftest import MakeHouse, Microsoft
from tests.journeys.test_proxy import MAIL, Proxy
from tests.journeys.test_proxy import proxy as proxy_fixture
from tests.service import pillarbox
from tests.unit.entra.test_credentials import machine

URL = "https://contoso.vault.azure.net/secrets/master-key"
KEY = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4

proxy = proxy_fixture


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    """The emulator's certificate, good for vaults too."""
    return Certificates.make()


@pytest.fixture
def vault(microsoft: Microsoft) -> Iterator[KeyVault]:
    """A vault with the key, which the machine may read."""
    http_challenge_cache.clear()
    made = microsoft.emulator.world.add_key_vault("contoso")
    made.put("master-key", KEY, microsoft.emulator.world.entropy)
    made.readers.add(microsoft.seed.identity.principal.id)
    machine(microsoft)
    yield made
    http_challenge_cache.clear()


def settings(proxy: Proxy) -> dict[str, str]:
    return {"vault.key_vault_secret": URL, "microsoft.proxy": proxy.url}


async def test_a_house_whose_key_lies_in_a_vault_sends_mail_and_makes_no_key_of_its_own(
    make_house: MakeHouse, vault: KeyVault, proxy: Proxy
) -> None:
    house = await make_house(settings(proxy), environ=dict(os.environ))
    await house.furnish("scanner@contoso.example")
    await house.settled(await house.accept(MAIL, "alice@contoso.example"))
    assert not (house.gateway.settings.state_dir / "master.key").exists()


@pytest.mark.parametrize(
    ("mistake", "words"),
    [("disabled", "is disabled"), ("forbidden", "does not let us read"), ("gone", "no secret master-key")],
)
async def test_a_key_that_cannot_be_read_stops_the_start_with_its_cure(
    make_house: MakeHouse, vault: KeyVault, proxy: Proxy, tmp_path: Path, mistake: str, words: str
) -> None:
    if mistake == "disabled":
        vault.secrets["master-key"][0].enabled = False
    elif mistake == "forbidden":
        vault.readers.clear()
    else:
        vault.secrets.clear()
    with pytest.raises(ConfigError, match=words) as caught:
        await make_house(settings(proxy), environ=dict(os.environ))
    assert (caught.value.code, caught.value.entry.exit, bool(caught.value.cure)) == ("vault.key_vault", 78, True)
    assert not (tmp_path / "state" / "master.key").exists()


async def test_the_command_says_it_in_one_line_and_ends_with_78(
    microsoft: Microsoft, vault: KeyVault, proxy: Proxy, tmp_path: Path
) -> None:
    vault.readers.clear()
    environ = {
        "PILLARBOX_STATE_DIR": str(tmp_path / "state"),
        "PILLARBOX_SOCKET": str(tmp_path / "run" / "api.sock"),
        "PILLARBOX_MICROSOFT__PROXY": proxy.url,
        "PILLARBOX_MICROSOFT__CLOUD": "custom",
        "PILLARBOX_MICROSOFT__AUTHORITY_URL": microsoft.emulator.url,
        "PILLARBOX_MICROSOFT__GRAPH_URL": microsoft.emulator.url,
        "PILLARBOX_MICROSOFT__CA_FILE": str(microsoft.emulator.ca_file),
        "PILLARBOX_VAULT__KEY_VAULT_SECRET": URL,
        "PILLARBOX_SMTP__LISTEN": "127.0.0.1:0",
    }
    code, output, errors = await pillarbox("serve", environ=environ)
    assert (code, output) == (78, "")
    assert errors.startswith("pillarbox: The master key cannot be read from the key vault: The key vault contoso")
    assert (len(errors.splitlines()), "Key Vault Secrets User" in errors, KEY in errors) == (1, True, False)


async def test_another_key_in_the_vault_stops_the_start(make_house: MakeHouse, vault: KeyVault, proxy: Proxy) -> None:
    house = await make_house(settings(proxy), environ=dict(os.environ), start=False)
    await house.furnish("scanner@contoso.example")
    await house.gateway.stop()
    vault.secrets["master-key"][0].value = OTHER
    with pytest.raises(ConfigError) as caught:
        await make_house(settings(proxy), environ=dict(os.environ), start=False)
    assert caught.value.code == "vault.wrong_key"
