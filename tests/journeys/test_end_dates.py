"""A credential that ends soon is told when the service starts."""

import time

from pillarbox.admin import apps
from pillarbox.core.vault import Secret
from tests.conftest import MakeHouse


async def test_a_service_that_starts_tells_which_credential_ends_soon(make_house: MakeHouse) -> None:
    house = await make_house(start=False)
    now = time.time()
    secret = apps.client_secret(Secret("x" * 40), "contoso", now + 12.5 * 86400, now)
    tenant, client = "11111111-2222-4333-8444-555555555555", "66666666-7777-4888-8999-aaaaaaaaaaaa"
    await apps.add(house.gateway.accounts, "contoso", tenant, client, secret)
    await house.gateway.start()
    while not house.log.lines("credential.ending"):
        await house.log.next()
    assert 'left="in 12 days"' in house.log.lines("credential.ending")[0]
