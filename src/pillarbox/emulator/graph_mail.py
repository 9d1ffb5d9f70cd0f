"""Graph's message resource, read only: lists, single messages and their MIME (facts 3.5)."""

import itertools
from typing import Any

from pillarbox.emulator import odata
from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.graph_error import GraphError
from pillarbox.emulator.graph_message import DEFAULT, PROPERTIES, WITH_BODY, show
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.mailbox import Folder, Mailbox, Message

KIND = "Microsoft.OutlookServices.Message"


class Reader:
    """Shows the messages of a mailbox."""

    def __init__(self, gaps: Gaps) -> None:
        self._gaps = gaps

    def answer(self, call: Call, mailbox: Mailbox, path: list[str], *, bodies: bool) -> Answer:
        """The answer to a GET below `/users/{id}`; without `bodies` the caller may read headers only."""
        match path:
            case [_]:
                return self._page(call, mailbox, None, bodies=bodies)
            case [_, folder, _] if path[0].lower() == "mailfolders":
                return self._page(call, mailbox, _folder(mailbox, folder), bodies=bodies)
            case [_, ident]:
                return self._one(call, _message(mailbox, ident, call.now), bodies=bodies)
            case [_, ident, _]:
                return Answer(200, _message(mailbox, ident, call.now).mime, {"Content-Type": "text/plain"})
        raise GraphError("BadRequest")

    def _one(self, call: Call, message: Message, *, bodies: bool) -> Answer:
        odata.allow(call, self._gaps, "$select")
        context = f"{call.base}/v1.0/$metadata#users('')/messages/$entity"
        return Answer.json({"@odata.context": context} | show(message, _chosen(call, bodies=bodies)))

    def _page(self, call: Call, mailbox: Mailbox, folder: Folder | None, *, bodies: bool) -> Answer:
        odata.allow(call, self._gaps, "$select", "$top", "$filter", "$skiptoken")
        size, before, names = odata.top(call), odata.skip_token(call), _chosen(call, bodies=bodies)
        found = mailbox.messages(call.now, folder, odata.internet_message_id(call, self._gaps))
        following = (each for each in found if before is None or each.serial < before)
        page = list(itertools.islice(following, size + 1))
        more, page = len(page) > size, page[:size]
        shown: dict[str, Any] = {"@odata.context": f"{call.base}/v1.0/$metadata#users('')/messages"}
        shown["value"] = [show(message, names) for message in page]
        if more:
            shown["@odata.nextLink"] = odata.next_link(call, page[-1].serial)
        return Answer.json(shown, headers=odata.preferences(call, self._gaps))


def _folder(mailbox: Mailbox, key: str) -> Folder:
    folder = mailbox.folder(key)
    if folder is None:
        raise GraphError("ErrorFolderNotFound", "The specified folder could not be found in the store.", 404)
    return folder


def _message(mailbox: Mailbox, ident: str, now: float) -> Message:
    message = mailbox.message(ident, now)
    if message is None:
        raise GraphError("ErrorItemNotFound")
    return message


def _chosen(call: Call, *, bodies: bool) -> list[str]:
    names = odata.selected(call, KIND, PROPERTIES)
    names = ["id", *(name for name in names if name != "id")] if names else [*DEFAULT]
    return [name for name in names if bodies or name not in WITH_BODY]
