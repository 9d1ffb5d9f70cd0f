"""What Microsoft answers though its file, as it was cut, does not say so: each with its reason. Keep it short."""

from collections.abc import Mapping
from typing import Any, Final

_BYTES: Final = {"200": {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}}

PATHS: Final[Mapping[str, Mapping[str, Any]]] = {
    # The page of the API has it ("Get the raw contents of an attachment"), with the attachment's own type.
    f"{owner}{folder}/messages/{{message-id}}/attachments/{{attachment-id}}/$value": {"get": {"responses": _BYTES}}
    for owner in ("/me", "/users/{user-id}")
    for folder in ("", "/mailFolders/{mailFolder-id}")
}
"""Operations besides those of the file."""

PROPERTIES: Final[Mapping[str, Mapping[str, Any]]] = {
    # The file leaves it open ("service-specific"); these three are what live answers have (facts 3.2).
    "microsoft.graph.ODataErrors.InnerError": {
        "date": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"},
        "request-id": {"type": "string", "format": "uuid"},
        "client-request-id": {"type": "string"},
    },
    # Attachments are media entities: live answers say of what type `$value` is (OData JSON 4.01, media*).
    "microsoft.graph.attachment": {"@odata.mediaContentType": {"type": "string"}},
    # Nullable in the CSDL, and null in Microsoft's samples of attachments that are not inline.
    "microsoft.graph.fileAttachment": {
        "contentId": {"type": "string", "nullable": True},
        "contentLocation": {"type": "string", "nullable": True},
    },
    # A navigation property that was cut: `$expand=microsoft.graph.itemattachment/item` gives it.
    "microsoft.graph.itemAttachment": {"item": {"$ref": "#/components/schemas/microsoft.graph.message"}},
}
"""Properties that a type has besides those of the file, or that replace them, by type."""

REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "microsoft.graph.ODataErrors.MainError": ("innerError",),
    "microsoft.graph.ODataErrors.InnerError": ("date", "request-id", "client-request-id"),
}
"""Properties that never lack, besides those of which the file says so (facts 3.2), by type."""

_LINK: Final = {"type": "string", "pattern": "^https://[^/]+/"}

CONTEXT: Final = {"type": "string", "pattern": r"^https://[^/]+/v1\.0/\$metadata#"}
"""`@odata.context`, which the outermost object has and no other (OData JSON 4.01, context)."""

ENTITY: Final[Mapping[str, Any]] = {
    "@odata.etag": {"type": "string", "pattern": '^(W/)?".*"$'},
    "@odata.id": {"type": "string"},
}
"""Annotations of entities (OData JSON 4.01, Control Information)."""

COLLECTION: Final[Mapping[str, Any]] = {"@odata.count": {"type": "integer"}, "@odata.nextLink": _LINK}
"""Annotations of collections; the links are absolute, since clients follow them as they are (facts 3.5)."""

DELTA_LINK: Final = _LINK
"""`@odata.deltaLink`, in the answers of delta functions only."""

REMOVED: Final = {
    "type": "object",
    "properties": {"reason": {"type": "string", "enum": ["changed", "deleted"]}},
    "required": ["reason"],
    "x-closed": "@removed",
}
"""`@removed` of an item in a delta answer (OData JSON 4.01, Delta Payload)."""

OF_PROPERTY: Final = frozenset({"odata.context", "odata.nextLink", "odata.count", "odata.type"})
"""Annotations behind the name of a property: `attachments@odata.context`."""
