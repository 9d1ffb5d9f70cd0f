"""A client of the HTTP API for programs in Python; imports nothing of the server.

    from pillarbox.client import Message, Pillarbox

    with Pillarbox("https://mail.contoso.example", key) as pillarbox:
        sent = pillarbox.send(Message("app@contoso.example", ["alice@contoso.example"], "Hello", text="Hi"), wait=30)

`Pillarbox` waits, `AsyncPillarbox` is for asyncio; both say the same (calls.py) by their own means.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pillarbox.client.errors import PillarboxApiError, PillarboxClientError, PillarboxConfigError, PillarboxUnreachable
from pillarbox.client.message import Attachment, Message
from pillarbox.client.results import Attempt, ConnectLink, Event, Send, Trace, Upload
from pillarbox.client.retries import Retries

if TYPE_CHECKING:
    from pillarbox.client.asynchronous import AsyncPillarbox
    from pillarbox.client.synchronous import Pillarbox

__all__ = [
    "AsyncPillarbox",
    "Attachment",
    "Attempt",
    "ConnectLink",
    "Event",
    "Message",
    "Pillarbox",
    "PillarboxApiError",
    "PillarboxClientError",
    "PillarboxConfigError",
    "PillarboxUnreachable",
    "Retries",
    "Send",
    "Trace",
    "Upload",
]

_LATER = {"Pillarbox": "synchronous", "AsyncPillarbox": "asynchronous"}
"""Who takes one need not load the HTTP library of the other."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(name)
    return getattr(import_module(f"pillarbox.client.{_LATER[name]}"), name)
