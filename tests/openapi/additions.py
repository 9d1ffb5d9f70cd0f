"""What Microsoft answers though its file, as it was cut, does not say so: each with its reason. Keep it short."""

from collections.abc import Mapping
from typing import Any, Final

_BYTES: Final = {"200": {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}}
_COUNT: Final = {"200": {"$ref": "#/components/responses/ODataCountResponse"}}
_FOLDER: Final = "/mailFolders/{mailFolder-id}"
_ATTACHMENTS: Final = "/messages/{message-id}/attachments"

PATHS: Final[Mapping[str, Mapping[str, Any]]] = {
    # The page of the API has it ("Get the raw contents of an attachment"), with the attachment's own type.
    f"{owner}{folder}{_ATTACHMENTS}/{{attachment-id}}/$value": {"get": {"responses": _BYTES}}
    for owner in ("/me", "/users/{user-id}")
    for folder in ("", _FOLDER)
} | {
    # Cut from the file together with what Microsoft's own has of it.
    f"{owner}{_FOLDER}{_ATTACHMENTS}/$count": {"get": {"responses": _COUNT}}
    for owner in ("/me", "/users/{user-id}")
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
    "@odata.id": {"type": "string", "pattern": "^https://[^/]+/"},
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

OF_PROPERTY: Final[Mapping[str, Mapping[str, Any]]] = {
    "odata.context": CONTEXT,
    "odata.nextLink": _LINK,
    "odata.count": {"type": "integer"},
    "odata.type": {"type": "string", "pattern": "^#"},
}
"""Annotations behind the name of a property: `attachments@odata.context`."""

GIVEN: Final[Mapping[str, tuple[str, ...]]] = {
    "addKey": ("keyId", "type", "usage"),
    # The only time that the secret is told.
    "addPassword": ("keyId", "secretText", "hint", "startDateTime", "endDateTime"),
    "createUploadSession": ("uploadUrl", "expirationDateTime", "nextExpectedRanges"),
}
"""What an action never leaves out nor null, since nothing can be done without it."""

CONTEXTS: Final[Mapping[tuple[str, ...], tuple[tuple[str, ...], ...]]] = {}
"""Other sets that a context may name, by the words of the path: where entities live that are reached by another."""

REFUSALS: Final[Mapping[str, frozenset[int]]] = {
    # "Specified HTTP method is not allowed for the request target.", as live answers have it.
    "BadRequest": frozenset((400, 405)),
    # What the parser of OData refuses before any service is asked; clients' issue lists are full of these.
    "RequestBroker--ParseUri": frozenset((400,)),
    "ErrorInvalidUrlQueryFilter": frozenset((400,)),
    "SearchWithFilter": frozenset((400,)),
    "SearchWithOrderBy": frozenset((400,)),
    "NotAcceptable": frozenset((406,)),
    # The directory's (Microsoft Graph: Microsoft Entra ID errors; advanced queries; app management policies; addKey).
    "Authentication_MissingOrMalformed": frozenset((401,)),
    "CredentialInvalidLifetimeAsPerAppPolicy": frozenset((400,)),
    "CredentialTypeNotAllowedAsPerAppPolicy": frozenset((400,)),
    "InvalidFederatedIdentityCredentialValue": frozenset((400,)),
    "Request_MultipleObjectsWithSameKeyValue": frozenset((409,)),
    "Request_UnsupportedQuery": frozenset((400,)),
    # Outlook's: ResponseCode of Exchange's web services, and what answers at the addresses of upload sessions.
    "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize": frozenset((400,)),
    "ErrorInvalidRequest": frozenset((400,)),
    "ErrorRequiredPropertyMissing": frozenset((400,)),
    "InvalidAudienceForResource": frozenset((401,)),
    # RFC 9110 section 15.5.12 asks for the status; the code is a guess (facts 3.4 [I]).
    "LengthRequired": frozenset((411,)),
}
"""Codes that graph-errors.csv lacks, and statuses that it lacks for a code."""
