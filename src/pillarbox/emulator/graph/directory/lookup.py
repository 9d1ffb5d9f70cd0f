"""What the directory's resources share: who may change what, and how objects are found."""

from datetime import UTC, datetime

from pillarbox.emulator.graph.caller import Caller
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.request import Handler, Operation, Request
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world import App, ServicePrincipal

DENIED = "Authorization_RequestDenied"
READ_APPS = (
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Application.ReadWrite.OwnedBy",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
)
"""To read apps and service principals; who may write his own may read all."""
YEAR_10000 = 253_402_300_800
"""Years have four digits."""
WRITE_APPS = ("Application.ReadWrite.All", "Application.ReadWrite.OwnedBy")


def operation(
    method: str, path: str, handler: Handler, *needs: str, versions: tuple[str, ...] = ("v1.0",)
) -> Operation:
    """An operation on the directory: no mailbox is meant, and the refusal is the directory's."""
    return Operation(method, path, handler, needs, mailbox=False, denied=DENIED, versions=versions)


def administrator(handler: Handler) -> Handler:
    """A handler that of all users serves administrators alone; apps are ruled by their permissions."""

    def guarded(request: Request) -> Answer:
        if request.caller.user and not request.caller.user.administrator:
            raise GraphError(DENIED)
        return handler(request)

    return guarded


def actor(caller: Caller) -> str:
    """The object id of who acts: the user, else the service principal."""
    return caller.user.id if caller.user else caller.principal.id


def check_owner(caller: Caller, app: App) -> None:
    """Refuse who may change only his own apps, when this is another's.

    All may be changed by administrators, and by an app with Application.ReadWrite.All.
    """
    everything = caller.user.administrator if caller.user else caller.holds("Application.ReadWrite.All")
    if not everything and actor(caller) not in app.owners:
        raise GraphError(DENIED)


def find_app(request: Request) -> App:
    """The app of the caller's tenant that the path names by object id or `appId='..'`; a GraphError without."""
    tenant, key = request.caller.tenant, request.names["app"]
    client_id = _alternate(key)
    found = tenant.app_by_object(key) if client_id is None else tenant.apps.get(client_id)
    if found is None:
        raise not_found(key)
    return found


def find_own_app(request: Request) -> App:
    """The app that the path names, if the caller may change it; a GraphError without."""
    app = find_app(request)
    check_owner(request.caller, app)
    return app


def find_principal(request: Request) -> ServicePrincipal:
    """The service principal that the path names by object id or `appId='..'`; a GraphError without."""
    tenant, key = request.caller.tenant, request.names["principal"]
    client_id = _alternate(key)
    found = tenant.principals.get(key.lower()) if client_id is None else tenant.principal(client_id)
    if found is None:
        raise not_found(key)
    return found


def not_found(key: str) -> GraphError:
    """The refusal of an object that is not there."""
    text = f"Resource '{key}' does not exist or one of its queried reference-property objects are not present."
    return GraphError("Request_ResourceNotFound", text, 404)


def bad_request(text: str) -> GraphError:
    """The refusal of a request that the directory does not understand."""
    return GraphError("Request_BadRequest", text)


def taken(text: str) -> GraphError:
    """The refusal of a second object with the same key."""
    return GraphError("Request_MultipleObjectsWithSameKeyValue", text, 409)


def timestamp(seconds: float | None) -> str | None:
    """Seconds since 1970 as Graph writes times; None stays None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _alternate(key: str) -> str | None:
    name, equals, value = key.partition("=")
    return value.lower() if equals and name.lower() == "appid" else None
