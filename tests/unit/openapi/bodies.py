"""Answers as Microsoft gives them, to be spoilt by tests."""

import json
from typing import Any

JSON = "application/json; charset=utf-8"
CONTEXT = "https://graph.microsoft.com/v1.0/$metadata#users('bob')/messages"
ONE = f"{CONTEXT}/$entity"
GUID = "6f1c2f7e-33a4-4a57-9c32-6d8f7c6f3b11"
ALICE = {"emailAddress": {"name": "Alice", "address": "alice@contoso.example"}}


def message(**more: Any) -> dict[str, Any]:
    """An item of a collection."""
    return {
        "@odata.etag": 'W/"CQAAABYAAAC"',
        "id": "AAMkAGI1",
        "receivedDateTime": "2026-11-20T12:00:00Z",
        "subject": "Hi",
        "importance": "normal",
        "isRead": False,
        "body": {"contentType": "html", "content": "<p>Hi</p>"},
        "from": ALICE,
        "toRecipients": [ALICE],
        "flag": {"flagStatus": "notFlagged"},
        **more,
    }


def file(**more: Any) -> dict[str, Any]:
    """An attachment."""
    kind = {"@odata.type": "#microsoft.graph.fileAttachment"}
    return kind | {"id": "AAMkAGI2", "name": "a.txt", "size": 3, "contentBytes": "YWJj", "contentId": None, **more}


def page(*items: Any, **more: Any) -> bytes:
    """A collection."""
    return outermost(value=list(items), **more)


def outermost(**properties: Any) -> bytes:
    """A whole body; None for the context takes it away."""
    whole = {"@odata.context": CONTEXT} | properties
    return json.dumps(
        {name: value for name, value in whole.items() if (name, value) != ("@odata.context", None)}
    ).encode()


def one(**properties: Any) -> bytes:
    """A whole body with one entity."""
    return outermost(**{"@odata.context": ONE} | properties)


def refusal(code: str = "ErrorItemNotFound", /, **inner: Any) -> bytes:
    """A refusal; None takes a property of `innerError` away."""
    given = {"date": "2026-11-20T12:00:00", "request-id": GUID, "client-request-id": GUID} | inner
    left = {name: value for name, value in given.items() if value is not None}
    return json.dumps({"error": {"code": code, "message": "No.", "innerError": left}}).encode()
