"""App registrations at the API: one credential at a time, and no secret in any answer."""

import asyncio
import http.client
import json
import os
from typing import Any

import pytest

from pillarbox.cli.local import UnixConnection
from pillarbox.core.vault import Secret
from tests.conftest import House, MakeHouse

TENANT = "11111111-2222-4333-8444-555555555555"
CLIENT = "66666666-7777-4888-8999-aaaaaaaaaaaa"
SECRET = "abc8Q" + "~dEfGhIjKlMnOpQrStUvWxYz0123456.-_x"
APP = {"name": "contoso", "tenant_id": TENANT, "client_id": CLIENT}


@pytest.fixture
async def house(make_house: MakeHouse) -> House:
    return await make_house()


async def ask(house: House, method: str, path: str, body: Any = None) -> tuple[int, str]:
    """The status and the text of an answer."""

    def call() -> tuple[int, str]:
        connection: http.client.HTTPConnection = UnixConnection(house.gateway.settings.socket, os.geteuid())
        try:
            headers = {"Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    return await asyncio.to_thread(call)


async def test_a_secret_goes_in_and_never_comes_out(house: House) -> None:
    answers = [
        await ask(house, "POST", "/api/v1/apps", {**APP, "client_secret": SECRET, "ends_at": 4e9}),
        await ask(house, "POST", "/api/v1/apps/contoso/credentials", {"client_secret": SECRET}),
        await ask(house, "GET", "/api/v1/apps/contoso/credentials"),
        await ask(house, "GET", "/api/v1/apps"),
    ]
    assert [status for status, _ in answers] == [201, 201, 200, 200]
    assert SECRET not in "".join(text for _, text in answers)
    app = await house.gateway.accounts.app("contoso")
    assert app is not None
    assert {each.material for each in await house.gateway.accounts.credentials(app)} == {Secret(SECRET)}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"client_secret": SECRET, "new_certificate": True},
        {"federated": "file:/x", "managed_identity": "system"},
        {"client_secret": SECRET, "client_secret_from": "env:X"},
        {"client_secret": SECRET, "public": True},
    ],
)
async def test_exactly_one_credential_is_given(house: House, given: dict[str, Any]) -> None:
    status, text = await ask(house, "POST", "/api/v1/apps", APP | given)
    assert (status, json.loads(text)["code"]) == (422, "app.one_credential")
    assert json.loads((await ask(house, "GET", "/api/v1/apps"))[1])["data"] == []


@pytest.mark.parametrize(
    "given",
    [
        {"client_secret": [SECRET]},
        {"client_secret": SECRET, "ends_at": SECRET},
        {"client_secret": SECRET, "ends_at": 1e20},
        {"client_secret": SECRET, "ends_at": -1},
        {"client_secret": SECRET, "secret": SECRET},
        {"managed_identity": SECRET},
        {"certificate": SECRET},
        {"federated": SECRET},
        {"client_secret_from": SECRET},
        {"client_secret": SECRET, "tenant_id": SECRET},
    ],
)
async def test_what_cannot_be_read_is_refused_and_not_shown(house: House, given: dict[str, Any]) -> None:
    status, text = await ask(house, "POST", "/api/v1/apps", APP | given)
    assert (status, SECRET in text + house.log.getvalue()) == (422, False)


async def test_a_secret_is_known_by_its_beginning_as_in_the_portal(house: House) -> None:
    await ask(house, "POST", "/api/v1/apps", {**APP, "client_secret": SECRET})
    # So short that three characters would tell much of it; and one that lies elsewhere.
    await ask(house, "POST", "/api/v1/apps/contoso/credentials", {"client_secret": "short~secret"})
    await ask(house, "POST", "/api/v1/apps/contoso/credentials", {"federated": "file:/x"})
    _, text = await ask(house, "GET", "/api/v1/apps/contoso/credentials")
    assert [one["hint"] for one in json.loads(text)["data"]] == ["", "", SECRET[:3]]


async def test_a_registration_that_is_not_there_is_told(house: House) -> None:
    for method, path, body in (
        ("GET", "/api/v1/apps/nobody/credentials", None),
        ("POST", "/api/v1/apps/nobody/credentials", {"managed_identity": "system"}),
        ("DELETE", "/api/v1/apps/nobody/credentials/cred_1", None),
    ):
        status, text = await ask(house, method, path, body)
        assert (status, json.loads(text)["code"]) == (404, "app.not_found")


async def test_a_secret_given_as_an_id_is_told_whatever_the_secret_is(house: House) -> None:
    for wrong in ({"client_secret": TENANT}, {"client_secret": ""}, {}, {"client_secret_from": "env:NOT_SET"}):
        status, text = await ask(house, "POST", "/api/v1/apps", {**APP, "client_id": SECRET, **wrong})
        assert (status, json.loads(text)["code"]) == (422, "app.secret_as_id")


async def test_all_that_is_wrong_is_told_at_once_with_its_place(house: House) -> None:
    wrong = {"name": "-x", "tenant_id": "common", "client_id": "x", "certificate": "no PEM"}
    status, text = await ask(house, "POST", "/api/v1/apps", wrong)
    told = json.loads(text)
    assert (status, told["code"]) == (422, "app.bad_client_id")
    assert [(one["pointer"], one["code"], bool(one["detail"] and one["hint"])) for one in told["errors"]] == [
        ("/client_id", "app.bad_client_id", True),
        ("/tenant_id", "app.no_tenant", True),
        ("/name", "app.bad_name", True),
        ("/certificate", "certificate.no_key", True),
    ]
    assert told["errors"][1]["params"] == {"value": "common"}


async def test_an_end_date_goes_with_a_client_secret(house: House) -> None:
    status, text = await ask(house, "POST", "/api/v1/apps", {**APP, "managed_identity": "system", "ends_at": 4e9})
    assert (status, "ends_at" in json.loads(text)["title"]) == (422, True)


async def test_the_cloud_of_a_pod_is_held_against_the_services_own_settings(house: House) -> None:
    given = {**APP, "federated": "file:/x"}
    for host in ("login.microsoftonline.us", "https://login.microsoftonline.com/"):
        status, text = await ask(house, "POST", "/api/v1/apps", {**given, "authority_host": host})
        assert (status, json.loads(text)["code"]) == (422, "app.other_cloud")
    own = house.gateway.settings.addresses().authority_url
    assert (await ask(house, "POST", "/api/v1/apps", {**given, "authority_host": f"{own}/"}))[0] == 201


async def test_a_public_client_has_no_credential_and_no_token_of_its_own(house: House) -> None:
    status, text = await ask(house, "POST", "/api/v1/apps", {**APP, "public": True})
    assert (status, json.loads(text)["credential"]) == (201, None)
    (listed,) = json.loads((await ask(house, "GET", "/api/v1/apps"))[1])["data"]
    assert (listed["credentials"], listed["ends_at"]) == (0, None)
    status, text = await ask(house, "POST", "/api/v1/tokens", {"app": "contoso"})
    assert json.loads(text)["code"] == "app.no_credential"
