"""Graph's message resource, read only: lists, counts, single messages and their MIME (facts 3.5)."""

from pillarbox.emulator.graph import odata
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.mail.folders import find_folder
from pillarbox.emulator.graph.mail.schema import MESSAGE
from pillarbox.emulator.graph.mail.selection import Selection, check_basic, check_search, reader
from pillarbox.emulator.graph.request import READ, READ_BASIC, Operation, Request
from pillarbox.emulator.http import Answer
from pillarbox.emulator.ids import is_item_id
from pillarbox.emulator.world.mailbox import Message


def get(request: Request) -> Answer:
    """GET /users/{user}/messages/{message}, also below its folder."""
    message = find_message(request)
    query = odata.read_one(request, MESSAGE, "$expand")
    selection = Selection.of(request, query)
    shown = {"@odata.context": odata.context(request, collection(request), query, entity=True)}
    return Answer.json(shown | selection.show(message), headers=selection.preferences.headers)


def get_mime(request: Request) -> Answer:
    """GET /users/{user}/messages/{message}/$value, also below its folder."""
    message = find_message(request)
    odata.allow(request.call, request.gaps)
    return Answer(200, message.mime, {"Content-Type": "text/plain"})


def list_all(request: Request) -> Answer:
    """GET /users/{user}/messages, or those of one folder."""
    _ = request.mailbox  # A mailbox that is not there comes before a query that is wrong.
    check_search(request)
    query = odata.read(request, MESSAGE, "$expand")
    selection = Selection.of(request, query)
    size = selection.preferences.page_size(query.top, odata.OUTLOOK.page)
    page = odata.page(request.call, query, _listing(request, query), size)
    shown = {"@odata.context": odata.context(request, collection(request), query)} | page.annotations
    shown["value"] = [selection.show(message) for message in page.items]
    return Answer.json(shown, headers=selection.preferences.headers)


def count(request: Request) -> Answer:
    """GET /users/{user}/messages/$count, or that of one folder: a bare number."""
    _ = request.mailbox
    query = odata.read_count(request, MESSAGE)
    check_basic(request, query)
    number = odata.count(query, _listing(request, query))
    return Answer(200, str(number).encode(), {"Content-Type": "text/plain"})


def find_message(request: Request) -> Message:
    """The message that the path names by its mutable or immutable id, in the folder if it names one; a GraphError
    without."""
    mailbox, ident = request.mailbox, request.names["message"]
    if not is_item_id(ident):
        raise GraphError("ErrorInvalidIdMalformed")
    message = mailbox.message(ident, request.call.now)
    if message is None or ("folder" in request.names and message.folder is not find_folder(request)):
        raise GraphError("ErrorItemNotFound")
    return message


def _listing(request: Request, query: odata.Query) -> odata.Listing[Message]:
    """The messages that the path means, newest first; a filter by Message-ID is answered from the index."""
    folder = find_folder(request) if "folder" in request.names else None
    internet_id = odata.required(query.filter, "internetMessageId")
    found = request.mailbox.messages(request.call.now, folder, None if internet_id is None else str(internet_id))
    return odata.Listing(found, lambda message: (-message.arrival,), reader)


def collection(request: Request) -> str:
    """The set of messages that the path names, as contexts name it: `users('..')/mailFolders('..')/messages`."""
    user, folder = odata.key("users", request.names["user"]), request.names.get("folder")
    return f"{user}/{odata.key('mailFolders', folder)}/messages" if folder else f"{user}/messages"


ANY_READ = (*READ, *READ_BASIC)
FOLDER = "/users/{user}/mailFolders/{folder}"
OPERATIONS = (
    Operation("GET", "/users/{user}/messages", list_all, ANY_READ),
    Operation("GET", "/users/{user}/messages/$count", count, ANY_READ),
    Operation("GET", "/users/{user}/messages/{message}", get, ANY_READ),
    Operation("GET", "/users/{user}/messages/{message}/$value", get_mime, READ),
    Operation("GET", f"{FOLDER}/messages", list_all, ANY_READ),
    Operation("GET", f"{FOLDER}/messages/$count", count, ANY_READ),
    Operation("GET", f"{FOLDER}/messages/{{message}}", get, ANY_READ),
    Operation("GET", f"{FOLDER}/messages/{{message}}/$value", get_mime, READ),
)
