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
SECRET = "abc8Q~dEfGhIjKlMnOpQrStUvWxYz0123456.-_x"
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


async def test_a_registration_that_is_not_there_is_told(house: House) -> None:
    for method, path, body in (
        ("GET", "/api/v1/apps/nobody/credentials", None),
        ("POST", "/api/v1/apps/nobody/credentials", {"managed_identity": "system"}),
        ("DELETE", "/api/v1/apps/nobody/credentials/cred_1", None),
    ):
        status, text = await ask(house, method, path, body)
        assert (status, json.loads(text)["code"]) == (404, "app.not_found")
