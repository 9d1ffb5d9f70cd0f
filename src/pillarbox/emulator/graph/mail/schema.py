"""Mail's entity types: what queries may select, filter and sort by (Microsoft's model, v1.0)."""

from pillarbox.emulator.graph.odata import (
    BOOLEAN,
    DATE,
    EXACT,
    INTEGER,
    OPAQUE,
    OPAQUES,
    STRING,
    STRINGS,
    Complex,
    Kind,
    Scalar,
)

PERSON = Complex({"emailAddress": Complex({"name": STRING, "address": STRING})})
BODY = Complex({"contentType": STRING, "content": STRING})
IMPORTANCE = Scalar("microsoft.graph.importance", members=("low", "normal", "high"))
FLAG_STATUS = Scalar("microsoft.graph.followupFlagStatus", members=("notFlagged", "complete", "flagged"))
INFERENCE = Scalar("microsoft.graph.inferenceClassificationType", members=("focused", "other"))

MESSAGE = Kind(
    name="microsoft.graph.message",
    properties={
        "id": EXACT,
        "createdDateTime": DATE,
        "lastModifiedDateTime": DATE,
        "changeKey": EXACT,
        "categories": STRINGS,
        "receivedDateTime": DATE,
        "sentDateTime": DATE,
        "hasAttachments": BOOLEAN,
        "internetMessageId": EXACT,
        "subject": STRING,
        "bodyPreview": STRING,
        "importance": IMPORTANCE,
        "parentFolderId": EXACT,
        "conversationId": EXACT,
        "conversationIndex": OPAQUE,
        "isDeliveryReceiptRequested": BOOLEAN,
        "isReadReceiptRequested": BOOLEAN,
        "isRead": BOOLEAN,
        "isDraft": BOOLEAN,
        "webLink": OPAQUE,
        "inferenceClassification": INFERENCE,
        "body": BODY,
        "uniqueBody": OPAQUE,
        "sender": PERSON,
        "from": PERSON,
        # Exchange cannot filter by recipients: programs must search for them.
        "toRecipients": OPAQUES,
        "ccRecipients": OPAQUES,
        "bccRecipients": OPAQUES,
        "replyTo": OPAQUES,
        "flag": Complex({"flagStatus": FLAG_STATUS}),
        "internetMessageHeaders": OPAQUES,
    },
    missing=frozenset(("attachments", "extensions", "multiValueExtendedProperties", "singleValueExtendedProperties")),
)
"""Mail's message, as Exchange stores it."""

MAIL_FOLDER = Kind(
    name="microsoft.graph.mailFolder",
    properties={
        "id": EXACT,
        "displayName": STRING,
        "parentFolderId": EXACT,
        "childFolderCount": INTEGER,
        "unreadItemCount": INTEGER,
        "totalItemCount": INTEGER,
        "isHidden": BOOLEAN,
    },
    missing=frozenset(("sizeInBytes",)),
)
"""A folder of a mailbox."""
