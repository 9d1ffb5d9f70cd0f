"""Graph's mailFolder resource, read only: the tree of folders and their counts (facts 3.5)."""

from collections import Counter
from typing import Any

from pillarbox.emulator.graph import odata
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.mail.schema import MAIL_FOLDER
from pillarbox.emulator.graph.request import READ, READ_BASIC, Operation, Request
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.world.mailbox import Folder

HIDDEN = "includehiddenfolders"
"""Microsoft's parameter, in lower case."""


class Counts:
    """How many messages, and unread ones, each folder of a mailbox has by now; counted once per request."""

    def __init__(self, request: Request) -> None:
        found = [(message.folder, message.read) for message in request.mailbox.messages(request.call.now)]
        self.total = Counter(folder for folder, _ in found)
        self.unread = Counter(folder for folder, read in found if not read)
        self.children = Counter(folder.parent for folder in request.mailbox.folders.values() if not folder.hidden)

    def show(self, folder: Folder) -> dict[str, Any]:
        """All properties of a folder, for JSON."""
        return {
            "id": folder.id,
            "displayName": folder.title,
            # What lies in the mailbox's own root, which has no name here, gets its own id: as good as any.
            "parentFolderId": (folder.parent or folder).id,
            "childFolderCount": self.children[folder],
            "unreadItemCount": self.unread[folder],
            "totalItemCount": self.total[folder],
            "isHidden": folder.hidden,
        }


def get(request: Request) -> Answer:
    """GET /users/{user}/mailFolders/{folder}, by id or well-known name."""
    return _show(request, find_folder(request), "mailFolders")


def get_child(request: Request) -> Answer:
    """GET /users/{user}/mailFolders/{folder}/childFolders/{child}: only if it lies there."""
    parent, child = find_folder(request), find_folder(request, "child")
    if child.parent is not parent:
        raise _not_found()
    return _show(request, child, f"{odata.key('mailFolders', request.names['folder'])}/childFolders")


def list_top(request: Request) -> Answer:
    """GET /users/{user}/mailFolders: what lies in the root, and nothing below; hidden ones only if they are wanted."""
    return _list(request, request.mailbox.root, "mailFolders")


def list_children(request: Request) -> Answer:
    """GET /users/{user}/mailFolders/{folder}/childFolders: what lies in that folder."""
    parent = odata.key("mailFolders", request.names["folder"])
    return _list(request, find_folder(request), f"{parent}/childFolders")


def count(request: Request) -> Answer:
    """GET /users/{user}/mailFolders/$count: a bare number."""
    listing = _listing(request, request.mailbox.root, Counts(request))
    number = odata.count(odata.read_count(request, MAIL_FOLDER, HIDDEN), listing)
    return Answer(200, str(number).encode(), {"Content-Type": "text/plain"})


def find_folder(request: Request, name: str = "folder") -> Folder:
    """The folder that this part of the path names by id or well-known name; a GraphError without."""
    folder = request.mailbox.folder(request.names[name])
    if folder is None:
        raise _not_found()
    return folder


def _not_found() -> GraphError:
    return GraphError("ErrorFolderNotFound", "The specified folder could not be found in the store.", 404)


def _show(request: Request, folder: Folder, collection: str) -> Answer:
    query = odata.read_one(request, MAIL_FOLDER)
    preferences = odata.Preferences.of(request.call, request.gaps)
    shown = {"@odata.context": _context(request, query, collection, entity=True)}
    return Answer.json(shown | _picked(Counts(request).show(folder), query), headers=preferences.headers)


def _list(request: Request, parent: Folder, collection: str) -> Answer:
    query = odata.read(request, MAIL_FOLDER, HIDDEN)
    preferences = odata.Preferences.of(request.call, request.gaps, odata.OUTLOOK.max_page)
    counts = Counts(request)
    size = preferences.page_size(query.top, odata.OUTLOOK.page)
    page = odata.page(request.call, query, _listing(request, parent, counts), size)
    shown = {"@odata.context": _context(request, query, collection)} | page.annotations
    shown["value"] = [_picked(counts.show(folder), query) for folder in page.items]
    return Answer.json(shown, headers=preferences.headers)


def _listing(request: Request, parent: Folder, counts: Counts) -> odata.Listing[Folder]:
    hidden = _wants_hidden(request.call)
    children = (each for each in request.mailbox.folders.values() if each.parent is parent)
    ordered = sorted((each for each in children if hidden or not each.hidden), key=_place)
    return odata.Listing(ordered, _place, lambda folder: counts.show(folder).__getitem__)


def _wants_hidden(call: Call) -> bool:
    """Whether `includeHiddenFolders=true` is there, which is no option of OData (facts 3.5)."""
    return odata.read_flag(odata.query_options(call), HIDDEN)


def _place(folder: Folder) -> tuple[str, str]:
    return folder.title.casefold(), folder.id


def _picked(shown: dict[str, Any], query: odata.Query) -> dict[str, Any]:
    names = {"id", *query.select} if query.select else shown.keys()
    return {name: value for name, value in shown.items() if name in names}


def _context(request: Request, query: odata.Query, collection: str, *, entity: bool = False) -> str:
    user = odata.key("users", request.names["user"])
    return odata.context(request, f"{user}/{collection}", query, entity=entity)


ANY_READ = (*READ, *READ_BASIC)
OPERATIONS = (
    Operation("GET", "/users/{user}/mailFolders", list_top, ANY_READ),
    Operation("GET", "/users/{user}/mailFolders/$count", count, ANY_READ),
    Operation("GET", "/users/{user}/mailFolders/{folder}", get, ANY_READ),
    Operation("GET", "/users/{user}/mailFolders/{folder}/childFolders", list_children, ANY_READ),
    Operation("GET", "/users/{user}/mailFolders/{folder}/childFolders/{child}", get_child, ANY_READ),
)
