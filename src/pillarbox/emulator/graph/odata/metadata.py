"""`@odata.context`: the address of the metadata that describes an answer, as Graph writes it."""

from urllib.parse import quote

from pillarbox.emulator.graph.odata.options import Query
from pillarbox.emulator.graph.request import Request


def context(request: Request, path: str, query: Query, *, entity: bool = False) -> str:
    """That of a collection (`users('id')/messages`) with what the query picks, or of one entity in it."""
    picked = ",".join([*query.select, *(f"{name.lower()}()" for name in query.expand)])
    shape = f"({picked})" if picked else ""
    return f"{request.call.base}/v1.0/$metadata#{path}{shape}{'/$entity' if entity else ''}"


def key(collection: str, ident: str) -> str:
    """One entity of a collection as it stands in a context: `users('alice%40contoso.example')`."""
    return f"{collection}('{quote(ident, safe='')}')"
