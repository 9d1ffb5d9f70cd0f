"""What clients read before they ask for a token: metadata, keys, which hosts belong together, whose user it is."""

import imaplib
import smtplib
from uuid import uuid4

import pytest

from tests.contract.microsoft.chosen import DISCOVERED
from tests.contract.microsoft.clouds import Cloud
from tests.contract.microsoft.entra import Entra
from tests.contract.microsoft.record import Record
from tests.contract.microsoft.target import Target
from tests.contract.microsoft.test_smtp import TIMEOUT
from tests.contract.microsoft.web import Web, tls

OWN = "own"
WELL_KNOWN = ".well-known/openid-configuration"


async def test_metadata_names_the_endpoints_of_the_tenant(entra: Entra, target: Target, record: Record) -> None:
    reply = await entra.get(f"/{target.tenant}/v2.0/{WELL_KNOWN}")
    record.answer("answer", reply)
    assert reply.status == 200
    assert reply.json["token_endpoint"] == f"{target.authority}/{target.tenant}/oauth2/v2.0/token"
    assert reply.json["issuer"].endswith(f"/{target.tenant}/v2.0")


async def test_metadata_of_the_domain_is_that_of_the_tenant(entra: Entra, target: Target, record: Record) -> None:
    reply = await entra.get(f"/{target.domain}/v2.0/{WELL_KNOWN}")
    assert reply.json["token_endpoint"].endswith(f"/{target.tenant}/oauth2/v2.0/token")


async def test_metadata_of_all_tenants_has_a_gap_for_the_tenant(entra: Entra, record: Record) -> None:
    reply = await entra.get(f"/common/v2.0/{WELL_KNOWN}")
    record.answer("answer", reply)
    assert reply.json["issuer"].endswith("/{tenantid}/v2.0")


async def test_metadata_of_the_older_endpoints(entra: Entra, target: Target, record: Record) -> None:
    reply = await entra.get(f"/{target.tenant}/{WELL_KNOWN}")
    record.answer("answer", reply)
    assert reply.json["token_endpoint"].endswith("/oauth2/token")
    assert reply.json["issuer"] == f"https://sts.windows.net/{target.tenant}/"


async def test_metadata_of_a_tenant_that_is_not_there(entra: Entra, record: Record) -> None:
    reply = await entra.get(f"/{uuid4()}/v2.0/{WELL_KNOWN}")
    record.answer("answer", reply)
    assert reply.status == 400
    assert reply.json["error_codes"] == [90002]


@pytest.mark.parametrize("version", ["/v2.0", ""])
async def test_keys_are_a_key_set(entra: Entra, target: Target, record: Record, version: str) -> None:
    reply = await entra.get(f"/{target.tenant}/discovery{version}/keys")
    record.answer("answer", reply)
    assert all({"kty", "use", "kid", "n", "e"} <= key.keys() for key in reply.json["keys"])


async def test_instance_discovery_knows_microsofts_hosts(entra: Entra, target: Target, record: Record) -> None:
    authority = f"{target.cloud.authority}/common/oauth2/v2.0/authorize"
    query = f"api-version=1.1&authorization_endpoint={authority}"
    reply = await entra.get(f"/common/discovery/instance?{query}")
    record.answer("answer", reply)
    hosts = [alias for each in reply.json["metadata"] for alias in each["aliases"]]
    assert target.cloud.authority.removeprefix("https://") in hosts


async def test_instance_discovery_of_another_host_is_refused(entra: Entra, record: Record) -> None:
    query = "api-version=1.1&authorization_endpoint=https://login.contoso.example/common/oauth2/v2.0/authorize"
    reply = await entra.get(f"/common/discovery/instance?{query}")
    record.answer("answer", reply)
    assert reply.status == 400
    assert reply.json["error"] == "invalid_instance"


async def test_realm_of_a_user_is_told_to_anybody(entra: Entra, target: Target, record: Record) -> None:
    reply = await entra.get(f"/common/userrealm/{target.sender_address}?api-version=1.0")
    record.answer("answer", reply)
    assert reply.json["account_type"] in ("Managed", "Federated")


async def test_realm_of_an_unknown_domain(entra: Entra, record: Record) -> None:
    reply = await entra.get("/common/userrealm/alice@unknown.invalid?api-version=1.0")
    record.answer("answer", reply)
    assert reply.json["account_type"] == "Unknown"


clouds = pytest.mark.parametrize("cloud", [OWN, *DISCOVERED], ids=lambda cloud: getattr(cloud, "name", OWN))


@clouds
async def test_cloud_names_its_hosts(web: Web, target: Target, record: Record, cloud: Cloud | str) -> None:
    authority = target.authority if isinstance(cloud, str) else cloud.authority
    reply = await web.ask("GET", f"{authority}/common/v2.0/{WELL_KNOWN}")
    record.answer("answer", reply)
    for name in ("msgraph_host", "cloud_instance_name", "cloud_graph_host_name"):
        record.note(name, reply.json.get(name) if cloud != OWN else None)
    assert reply.status == 200
    if isinstance(cloud, Cloud):
        # Graph tells the two American clouds apart, the authority does not.
        record.finding("Graph is where we think", f"https://{reply.json['msgraph_host']}" == cloud.graph, None)


@clouds
def test_cloud_greets_by_smtp_and_imap(target: Target, record: Record, cloud: Cloud | str) -> None:
    """Where the national clouds take mail, no document told us: the greeting shows whether we guessed right."""
    hosts = target if isinstance(cloud, str) else cloud
    with smtplib.SMTP(timeout=TIMEOUT) as smtp:
        record.lines("smtp", [str(smtp.connect(*hosts.smtp)[0])])
    imap = imaplib.IMAP4_SSL(*hosts.imap, ssl_context=tls(target), timeout=TIMEOUT)
    record.lines("imap", [imap.welcome.decode()])
    imap.shutdown()
