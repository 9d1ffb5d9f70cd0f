"""Graph's mail calls."""

import base64
from urllib.parse import quote

from pillarbox.core.bearer import TokenSource
from pillarbox.graph.client import Answer, GraphClient


async def send_mime(client: GraphClient, mailbox: str, mime: bytes, token: TokenSource) -> Answer:
    """Send a message as MIME from a mailbox; 202 means that Microsoft accepted it.

    The body is base64 on one line. Graph has no envelope: it sends to whom To, Cc and Bcc name.
    https://learn.microsoft.com/graph/api/user-sendmail
    """
    return await client.request(
        "POST",
        f"/users/{quote(mailbox, safe='')}/sendMail",
        token,
        body=base64.b64encode(mime),
        headers={"Content-Type": "text/plain"},
    )
