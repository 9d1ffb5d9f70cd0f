"""What only a tenant can tell, and no document does (facts, section 8). Each answer goes into the snapshot."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.microsoft import needs
from tests.contract.microsoft.cleaning import RBAC
from tests.contract.microsoft.graph import Graph, segment
from tests.contract.microsoft.mailbox import MARK
from tests.contract.microsoft.needs import needed
from tests.contract.microsoft.record import Record
from tests.contract.microsoft.target import Target

EXCHANGE = "00000002-0000-0ff1-ce00-000000000000"
GUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
PROBE = {"message": {"subject": "probe", "body": {"contentType": "text", "content": ""}, "toRecipients": []}}


@pytest.fixture
def administered(graph: Graph, target: Target) -> Graph:
    """Graph, where the target has an administrator."""
    needed(target.admin_token, needs.ADMIN)
    return graph


async def test_guid_of_smtp_send_as_app(administered: Graph, record: Record) -> None:
    path = f"/servicePrincipals(appId='{EXCHANGE}')?$select=appRoles"
    reply = await administered.administer("GET", path)
    assert reply.status == 200
    found = {each["value"]: each["id"] for each in reply.json["appRoles"]}
    assert GUID.fullmatch(found["SMTP.SendAsApp"])
    # Microsoft's, and the same in all tenants. The emulator makes one up until we know it.
    record.note("SMTP.SendAsApp", found["SMTP.SendAsApp"])
    assert found["IMAP.AccessAsApp"] == "5e5addcd-3e8d-4e90-baf5-964efab2b20a"


@pytest.mark.parametrize("who", ["sender", "nobody"])
@pytest.mark.parametrize("where", ["mailbox", "nobody", "bare"])
async def test_order_of_checks_in_the_empty_probe(
    graph: Graph, target: Target, run: str, record: Record, who: str, where: str
) -> None:
    """A sendMail to nobody tells right, mailbox and recipients apart, without sending (facts 5)."""
    addresses = {"mailbox": target.sender_address, "nobody": f"nobody-{run}@{target.domain}"}
    address = addresses.get(where) or needed(target.bare, needs.BARE)
    app = target.sender if who == "sender" else target.nobody
    reply = await graph.ask("POST", f"/users/{address}/sendMail", app, json=PROBE)
    record.answer("answer", reply)
    assumed = {
        ("sender", "mailbox"): [400, "ErrorInvalidRecipients"],
        ("sender", "nobody"): [404, "ErrorInvalidUser"],
        ("sender", "bare"): [404, "MailboxNotEnabledForRESTAPI"],
    }.get((who, where), [403, "ErrorAccessDenied"])
    record.finding("refusal", [reply.status, reply.code], assumed)


@pytest.fixture
async def app(administered: Graph, run: str) -> AsyncIterator[dict[str, str]]:
    """An app registration and its service principal, made for a scope of its own; gone afterwards."""
    made = (await administered.administer("POST", "/applications", json=registration(run))).json
    principal = await administered.administer("POST", "/servicePrincipals", json={"appId": made["appId"]})
    yield {"appId": made["appId"], "principal": principal.json["id"]}
    await administered.administer("DELETE", f"/applications/{made['id']}")


def registration(run: str) -> dict[str, str]:
    """An app of this run."""
    return {"displayName": f"{MARK} {run}", "signInAudience": "AzureADMyOrg"}


async def test_scope_is_given_by_graph_beta(
    administered: Graph, app: dict[str, str], target: Target, run: str, record: Record
) -> None:
    """The whole way of RBAC for Applications without PowerShell (facts 5.6).

    Exchange knows the principal of the app for Exchange, for its owner ran New-ServicePrincipal; whether a new one
    must be made known so too, the tenant tells.
    """
    exchange = needed(target.exchange, needs.EXCHANGE)
    path = f"/servicePrincipals(appId='{exchange.client_id}')?$select=id"
    known = (await administered.administer("GET", path)).json["id"]

    async def beta(step: str, method: str, path: str, assumed: int, body: object = None) -> Any:
        reply = await administered.administer(method, RBAC + path, version="beta", json=body)
        record.answer(step, reply)
        record.finding(step, reply.status, assumed)
        return reply.json or {}

    recipients = {"Exclusive": False, "RecipientFilter": f"PrimarySmtpAddress -eq '{target.sender_address}'"}
    wanted = {"type": "RecipientScope", "displayName": f"{MARK} {run}", "customAttributes": recipients}
    scope = await beta("scope", "POST", "/customAppScopes", 201, wanted)
    assignments = []
    try:
        role = "/roleDefinitions?$filter=displayName%20eq%20'Application%20Mail.Send'"
        roles = await beta("roles", "GET", role, 200)
        assignment = {"roleDefinitionId": roles["value"][0]["id"], "directoryScopeId": None, "appScopeId": scope["id"]}
        for who, principal, assumed in (("new app", app["principal"], 404), ("known app", known, 201)):
            body = assignment | {"principalId": f"/ServicePrincipals/{principal}"}
            assignments.append(await beta(f"assignment of a {who}", "POST", "/roleAssignments", assumed, body))
    finally:
        for each in assignments:
            if "id" in each:
                await beta("assignment removed", "DELETE", f"/roleAssignments/{segment(each['id'])}", 204)
        if "id" in scope:
            await beta("scope removed", "DELETE", f"/customAppScopes/{segment(scope['id'])}", 204)
