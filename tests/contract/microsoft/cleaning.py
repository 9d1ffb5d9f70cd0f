"""Nothing of ours stays: mail and folders in the two mailboxes, apps and scopes in the directory. Safe to repeat."""

from typing import Any

from tests.contract.microsoft.entra import Cache, Entra
from tests.contract.microsoft.graph import Graph, segment
from tests.contract.microsoft.mailbox import MARK, Mailbox
from tests.contract.microsoft.target import Target
from tests.contract.microsoft.web import Web, session

RBAC = "/roleManagement/exchange"


async def clean(target: Target, tokens: Cache) -> None:
    """Delete what carries the mark, of this run and of earlier ones that were broken off."""
    async with session(target) as opened:
        web = Web(opened)
        graph = Graph(web, target, Entra(web, target, tokens))
        for address in (target.sender_address, target.recipient_address):
            await Mailbox(graph, address, 0.0).clean()
        if target.admin_token:
            await _clean_scopes(graph)
            await _clean_apps(graph)


async def _clean_apps(graph: Graph) -> None:
    query = f"$filter=startswith(displayName,'{MARK}')&$select=id"
    for each in await _listed(graph, f"/applications?{query}", "v1.0"):
        await _delete(graph, f"/applications/{each['id']}", "v1.0")


async def _clean_scopes(graph: Graph) -> None:
    scopes = await _listed(graph, f"{RBAC}/customAppScopes", "beta")
    ours = {each["id"] for each in scopes if str(each.get("displayName")).startswith(MARK)}
    assignments = await _listed(graph, f"{RBAC}/roleAssignments", "beta") if ours else []
    for each in assignments:
        if each.get("appScopeId") in ours:
            await _delete(graph, f"{RBAC}/roleAssignments/{segment(each['id'])}", "beta")
    for ident in ours:
        await _delete(graph, f"{RBAC}/customAppScopes/{segment(ident)}", "beta")


async def _listed(graph: Graph, path: str, version: str) -> list[dict[str, Any]]:
    reply = await graph.administer("GET", path, version=version)
    assert reply.status == 200, f"{path.partition('?')[0]}: {reply.status} {reply.code}"
    return list(reply.json["value"])


async def _delete(graph: Graph, path: str, version: str) -> None:
    reply = await graph.administer("DELETE", path, version=version)
    assert reply.status in (204, 404), f"{path}: {reply.status} {reply.code}"
