"""The key vault: the challenge, the secret and its versions, who may read, and what is refused in which words."""

from typing import Any

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world.key_vaults import KeyVault
from pillarbox.emulator.world.permissions import KEY_VAULT
from tests.unit.emulator.conftest import Client, Reply

HOST = "contoso.vault.azure.net"


@pytest.fixture
def vault(emulator: Emulator, planted: Seed) -> KeyVault:
    """A vault that the gateway's app may read."""
    made = emulator.world.add_key_vault("Contoso")
    assert planted.gateway.principal
    made.readers.add(planted.gateway.principal.id)
    made.put("gateway", "the value", emulator.world.entropy)
    return made


async def ask(client: Client, path: str, token: str | None = None, host: str = HOST, version: str = "7.4") -> Reply:
    headers = {"Host": host} | ({"Authorization": f"Bearer {token}"} if token else {})
    return await client.request("GET", path, headers=headers, params={"api-version": version} if version else {})


def token(client: Client, app: Any = None) -> str:
    return client.app_token(app or client.planted.gateway, KEY_VAULT)


async def test_without_a_token_comes_the_challenge(client: Client, vault: KeyVault) -> None:
    answer = await ask(client, "/secrets/gateway")
    assert (answer.status, answer.code) == (401, "Unauthorized")
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer authorization="https://login.microsoftonline.com/{vault.tenant_id}", resource="https://vault.azure.net"'
    )


async def test_below_localhost_it_leads_back_to_the_emulator(client: Client, vault: KeyVault) -> None:
    here = client.emulator.url.removeprefix("https://")
    answer = await ask(client, "/secrets/gateway", host=f"contoso.vault.{here}")
    told = answer.headers["WWW-Authenticate"]
    assert told == f'Bearer authorization="https://{here}/{vault.tenant_id}", resource="https://vault.{here}"'
    granted = await client.ask_token(scope=f"https://vault.{here}/.default")
    read = await ask(client, "/secrets/gateway", granted.json["access_token"], host=f"contoso.vault.{here}")
    assert read.json["value"] == "the value"


async def test_a_token_for_graph_is_challenged(client: Client, vault: KeyVault) -> None:
    answer = await ask(client, "/secrets/gateway", await client.token())
    assert (answer.status, "AKV10022" in answer.json["error"]["message"]) == (401, True)


async def test_a_token_of_another_tenant_is_challenged(client: Client, vault: KeyVault, emulator: Emulator) -> None:
    vault.tenant_id = emulator.world.add_tenant("fabrikam.example").id
    assert "AKV10032" in (await ask(client, "/secrets/gateway", token(client))).json["error"]["message"]


async def test_the_newest_version_is_read_and_older_ones_by_their_id(
    client: Client, vault: KeyVault, emulator: Emulator
) -> None:
    old = vault.secrets["gateway"][0]
    new = vault.put("gateway", "newer", emulator.world.entropy)
    answer = (await ask(client, "/secrets/gateway", token(client))).json
    assert (answer["value"], answer["id"]) == ("newer", f"https://{HOST}/secrets/gateway/{new.id}")
    assert answer["attributes"]["enabled"] is True
    assert (await ask(client, f"/secrets/gateway/{old.id}", token(client))).json["value"] == "the value"


@pytest.mark.parametrize("path", ["/secrets/other", "/secrets/gateway/00000000000000000000000000000000"])
async def test_what_is_not_there_is_not_found(client: Client, vault: KeyVault, path: str) -> None:
    answer = await ask(client, path, token(client))
    assert (answer.status, answer.code) == (404, "SecretNotFound")
    assert "was not found in this key vault" in answer.json["error"]["message"]


async def test_who_is_no_reader_is_refused_before_anything_is_told(client: Client, vault: KeyVault) -> None:
    for path in ("/secrets/gateway", "/secrets/other"):
        answer = await ask(client, path, token(client, client.planted.reader))
        assert (answer.status, answer.json["error"]["innererror"]["code"]) == (403, "ForbiddenByRbac")


async def test_a_disabled_secret_is_not_read(client: Client, vault: KeyVault) -> None:
    vault.secrets["gateway"][0].enabled = False
    answer = await ask(client, "/secrets/gateway", token(client))
    assert (answer.status, answer.json["error"]["innererror"]["code"]) == (403, "SecretDisabled")


@pytest.mark.parametrize("version", ["", "1.0"])
async def test_the_version_of_the_api_must_be_named(client: Client, vault: KeyVault, version: str) -> None:
    answer = await ask(client, "/secrets/gateway", token(client), version=version)
    assert (answer.status, answer.code) == (400, "BadParameter")


async def test_what_is_not_emulated_is_noted(client: Client, vault: KeyVault, emulator: Emulator) -> None:
    assert (await ask(client, "/keys/gateway", token(client))).status == 404
    headers = {"Host": HOST, "Authorization": f"Bearer {token(client)}"}
    put = await client.request("PUT", "/secrets/gateway?api-version=7.4", headers=headers, json={"value": "x"})
    assert (put.status, len(list(emulator.not_emulated))) == (405, 2)


async def test_a_vault_that_does_not_exist_says_nothing(client: Client, vault: KeyVault) -> None:
    assert (await ask(client, "/secrets/gateway", token(client), host="fabrikam.vault.azure.net")).status == 404


async def test_a_fault_strikes_in_the_vaults_own_envelope(client: Client, vault: KeyVault, emulator: Emulator) -> None:
    emulator.faults.add(path="/secrets", status=503, code="ServiceUnavailable", times=1)
    answer = await ask(client, "/secrets/gateway", token(client))
    assert (answer.status, answer.code) == (503, "ServiceUnavailable")


def test_a_name_is_taken_once(emulator: Emulator, vault: KeyVault) -> None:
    with pytest.raises(ValueError, match="there is a key vault of that name"):
        emulator.world.add_key_vault("contoso")


def test_a_value_is_not_shown(vault: KeyVault) -> None:
    assert "the value" not in repr(vault)
