"""Drafts in JSON, for a mailbox whose Graph does not take the MIME of a message; and a Message-ID that was lost.

https://learn.microsoft.com/graph/api/user-post-messages, https://learn.microsoft.com/graph/api/message-update
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from pillarbox.core.bearer import TokenSource
from pillarbox.graph.client import Answer, GraphClient

_HEADERS: Final = {"Content-Type": "application/json", "Prefer": 'IdType="ImmutableId"'}
_IN_REPLY_TO: Final = "String 0x1042"
_REFERENCES: Final = "String 0x1039"
"""PidTagInReplyToId and PidTagInternetReferences, for which Graph has no words of its own."""

Person = tuple[str, str]
"""Name and address."""


@dataclass(frozen=True, slots=True)
class JsonMessage:
    """What JSON says of a message without its files; empty where there is nothing to say.

    `own` are header fields `X-...`, five at the most.
    """

    text: str
    is_html: bool
    subject: str
    to: Sequence[Person]
    cc: Sequence[Person]
    bcc: Sequence[Person]
    reply_to: Sequence[Person]
    from_: Person | None
    sender: Person | None
    message_id: str
    in_reply_to: str
    references: str
    importance: str
    own: Sequence[Person]


def written(message: JsonMessage) -> bytes:
    """The body of the request. Pure."""
    said: dict[str, Any] = {
        "subject": message.subject,
        "body": {"contentType": "html" if message.is_html else "text", "content": message.text},
        "toRecipients": _people(message.to),
        "ccRecipients": _people(message.cc),
        "bccRecipients": _people(message.bcc),
        "replyTo": _people(message.reply_to),
        "from": _person(message.from_),
        "sender": _person(message.sender),
        "internetMessageId": message.message_id,
        "importance": message.importance,
        "internetMessageHeaders": [{"name": name, "value": value} for name, value in message.own],
        "singleValueExtendedProperties": [
            {"id": name, "value": value}
            for name, value in ((_IN_REPLY_TO, message.in_reply_to), (_REFERENCES, message.references))
            if value
        ],
    }
    return json.dumps({name: value for name, value in said.items() if value}, ensure_ascii=False).encode()


def _people(people: Sequence[Person]) -> list[dict[str, Any] | None]:
    return [_person(one) for one in people]


def _person(person: Person | None) -> dict[str, Any] | None:
    if person is None:
        return None
    name, address = person
    return {"emailAddress": {"address": address} | ({"name": name} if name else {})}


async def create(client: GraphClient, mailbox: str, body: bytes, token: TokenSource) -> Answer:
    """Make a draft of what `written` wrote; 201 has its immutable id (`mail.draft_in`). Needs Mail.ReadWrite."""
    path = f"{_messages(mailbox)}?$select=id,internetMessageId"
    return await client.request("POST", path, token, body=body, headers=_HEADERS)


async def set_message_id(
    client: GraphClient, mailbox: str, draft_id: str, message_id: str, token: TokenSource
) -> Answer:
    """Give a draft its Message-ID again, which can be done until it is sent; 200 says what it is (`message_id_in`)."""
    path = f"{_messages(mailbox)}/{quote(draft_id, safe='')}?$select=id,internetMessageId"
    body = json.dumps({"internetMessageId": message_id}).encode()
    return await client.request("PATCH", path, token, body=body, headers=_HEADERS)


def message_id_in(answer: Answer) -> str:
    """The Message-ID that an answer tells of a draft; empty where it tells none. Pure."""
    try:
        found = json.loads(answer.body)["internetMessageId"] if answer.status in (200, 201) and answer.whole else ""
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""


def _messages(mailbox: str) -> str:
    return f"/users/{quote(mailbox, safe='')}/messages"
