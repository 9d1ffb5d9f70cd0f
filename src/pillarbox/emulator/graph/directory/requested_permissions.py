"""The permissions that a registration asks for, as Graph's requiredResourceAccess (facts 5.1)."""

from typing import Any

from pillarbox.emulator.graph.directory.body import Body
from pillarbox.emulator.graph.directory.lookup import bad_request
from pillarbox.emulator.world.permissions import Kind, Permission, by_id, resource

KINDS: dict[str, Kind] = {"Role": "application", "Scope": "delegated"}
"""Graph's word for a kind of permission, and ours."""
NAMES = {kind: name for name, kind in KINDS.items()}


def read(parts: list[Body]) -> list[Permission]:
    """The permissions in a body; an unknown one is a GraphError (Request_BadRequest)."""
    found: list[Permission] = []
    for part in parts:
        found += _of_resource(part)
    return list(dict.fromkeys(found))


def show(permissions: list[Permission]) -> list[dict[str, Any]]:
    """The permissions for JSON, by resource."""
    resources = dict.fromkeys(each.resource for each in permissions)
    return [
        {
            "resourceAppId": resource.client_id,
            "resourceAccess": [
                {"id": each.id, "type": NAMES[each.kind]} for each in permissions if each.resource is resource
            ],
        }
        for resource in resources
    ]


def _of_resource(part: Body) -> list[Permission]:
    client_id = part.required("resourceAppId")
    found = resource(client_id)
    if found is None or found.client_id != client_id.lower():
        raise part.missing("resourceAppId", client_id)
    wanted = part.parts("resourceAccess", "ResourceAccess")
    part.done()
    if not wanted:
        raise bad_request("Property requiredResourceAccess.resourceAccess value is required but is empty or missing.")
    permissions = []
    for each in wanted:
        ident, kind = each.required("id"), each.required("type")
        each.done()
        permission = by_id(found, ident)
        if permission is None or KINDS.get(kind) != permission.kind:
            # Most permissions of the real resources are not in our table.
            each.missing("id", ident)
            raise bad_request("Property requiredResourceAccess.resourceAccess is invalid.")
        permissions.append(permission)
    return permissions
