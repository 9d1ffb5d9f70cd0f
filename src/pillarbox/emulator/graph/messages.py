"""Graph's message resource, read only: lists, single messages and their MIME (facts 3.5)."""

import itertools
from typing import Any

from pillarbox.emulator.graph import odata
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.message import DEFAULT, PROPERTIES, WITH_BODY, show
from pillarbox.emulator.graph.request import READ, READ_BASIC, Operation, Request
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world.mailbox import Folder, Mailbox, Message

KIND = "Microsoft.OutlookServices.Message"


def get(request: Request) -> Answer:
    """GET /users/{user}/messages/{message}."""
    message = _message(request)
    odata.allow(request.call, request.gaps, "$select")
    context = f"{request.call.base}/v1.0/$metadata#users('')/messages/$entity"
    return Answer.json({"@odata.context": context} | show(message, _chosen(request)))


def get_mime(request: Request) -> Answer:
    """GET /users/{user}/messages/{message}/$value."""
    return Answer(200, _message(request).mime, {"Content-Type": "text/plain"})


def list_all(request: Request) -> Answer:
    """GET /users/{user}/messages, or those of one folder."""
    call, mailbox = request.call, request.mailbox
    folder = _folder(mailbox, request.names["folder"]) if "folder" in request.names else None
    odata.allow(call, request.gaps, "$select", "$top", "$filter", "$skiptoken")
    size, before, names = odata.top(call), odata.skip_token(call), _chosen(request)
    found = mailbox.messages(call.now, folder, odata.internet_message_id(call, request.gaps))
    following = (each for each in found if before is None or each.serial < before)
    page = list(itertools.islice(following, size + 1))
    more, page = len(page) > size, page[:size]
    shown: dict[str, Any] = {"@odata.context": f"{call.base}/v1.0/$metadata#users('')/messages"}
    shown["value"] = [show(message, names) for message in page]
    if more:
        shown["@odata.nextLink"] = odata.next_link(call, page[-1].serial)
    return Answer.json(shown, headers=odata.preferences(call, request.gaps))


def _folder(mailbox: Mailbox, key: str) -> Folder:
    folder = mailbox.folder(key)
    if folder is None:
        raise GraphError("ErrorFolderNotFound", "The specified folder could not be found in the store.", 404)
    return folder


def _message(request: Request) -> Message:
    message = request.mailbox.message(request.names["message"], request.call.now)
    if message is None:
        raise GraphError("ErrorItemNotFound")
    return message


def _chosen(request: Request) -> list[str]:
    names = odata.selected(request.call, KIND, PROPERTIES)
    names = ["id", *(name for name in names if name != "id")] if names else [*DEFAULT]
    bodies = request.may(*READ)
    return [name for name in names if bodies or name not in WITH_BODY]


OPERATIONS = (
    Operation("GET", "/users/{user}/messages", list_all, (*READ, *READ_BASIC)),
    Operation("GET", "/users/{user}/messages/{message}", get, (*READ, *READ_BASIC)),
    Operation("GET", "/users/{user}/messages/{message}/$value", get_mime, READ),
    Operation("GET", "/users/{user}/mailFolders/{folder}/messages", list_all, (*READ, *READ_BASIC)),
)
