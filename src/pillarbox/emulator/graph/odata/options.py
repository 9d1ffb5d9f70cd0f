"""The system query options of a request: which there are, and what each may be (OData URL conventions 4.01, 5.1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.odata import syntax
from pillarbox.emulator.graph.odata.evaluate import Term
from pillarbox.emulator.graph.odata.formats import check_accept
from pillarbox.emulator.graph.odata.kind import Kind
from pillarbox.emulator.graph.odata.lexer import FilterError, NoProperty
from pillarbox.emulator.graph.odata.operands import NotKnown
from pillarbox.emulator.graph.odata.parser import parse
from pillarbox.emulator.graph.request import Request
from pillarbox.emulator.http import Call

SYSTEM = frozenset(
    ("select", "filter", "orderby", "top", "skip", "count", "expand", "search", "skiptoken", "deltatoken", "format")
)
"""Options that are OData's also without their `$`, as Graph takes them."""
PAGED = ("$select", "$filter", "$orderby", "$top", "$skip", "$count", "$skiptoken")
HARMLESS = frozenset(("client-request-id",))
"""Other parameters that change no answer; Call reads this one."""
ORDER = re.compile(r"\s*([\w/]+)(?:\s+(asc|desc))?\s*", re.IGNORECASE)
COMMA = re.compile(r",(?![^()]*\))")
"""Between two names; what stands in parentheses belongs to one of them."""
MAX_TERMS = 20


@dataclass(frozen=True)
class Query:
    """The options of a list, read. `select` is empty for the default; `token` is the paging link's, unread."""

    select: tuple[str, ...] = ()
    filter: syntax.Node | None = None
    order: tuple[Term, ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool = False
    expand: tuple[str, ...] = ()
    token: str | None = None

    @property
    def named(self) -> frozenset[str]:
        """The first-level properties by which it filters or sorts."""
        paths = [*(syntax.paths(self.filter) if self.filter else ()), *(str(each.path) for each in self.order)]
        return frozenset(path.partition("/")[0] for path in paths)


def query_options(call: Call) -> dict[str, str]:
    """The query options by their lower-case names, OData's own with `$`; one that is given twice is refused."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(call.query_string, keep_blank_values=True):
        option = option_of(name) or name.strip().lower()
        if option in HARMLESS:
            continue
        if option in found:
            text = f"Query option '{option}' was specified more than once, but it must be specified at most once."
            raise GraphError("BadRequest", text)
        found[option] = value
    return found


def option_of(name: str) -> str | None:
    """OData's name of a query parameter, None for the others."""
    bare = name.strip().lower().removeprefix("$")
    return f"${bare}" if name.strip().startswith("$") or bare in SYSTEM else None


def allow(call: Call, gaps: Gaps, *names: str) -> dict[str, str]:
    """The options; those that are not emulated are refused and noted: ignoring one might change the answer.

    Graph passes over parameters that it does not know; we cannot tell those from what it knows and we do not.
    """
    found = query_options(call)
    for name in found:
        if name not in names:
            gaps.add(call.method, call.path, name[:40])
            raise GraphError("BadRequest", f"The query option '{name[:40]}' is not supported.")
    return found


def read(request: Request, kind: Kind, *more: str) -> Query:
    """The options of a request for a list of that kind; `more` are those besides the usual ones of paged lists."""
    check_accept(request)
    found = allow(request.call, request.gaps, *PAGED, *more)
    count = read_flag(found, "$count")
    if "$skip" in found and kind.service.advanced:
        raise GraphError("Request_BadRequest", "'$skip' is not supported by the service.")
    advanced = count and _eventual(request.call)
    query = Query(
        select=_selected(found.get("$select", ""), kind, request),
        filter=_filter(found.get("$filter"), kind, request, advanced=advanced),
        order=_order(found.get("$orderby", ""), kind, request),
        top=_top(found.get("$top"), kind),
        skip=_whole(found.get("$skip"), "$skip") or 0,
        # The directory counts in its index alone, and passes over the wish otherwise.
        count=count and (advanced or not kind.service.advanced),
        expand=_names(found.get("$expand", "")),
        token=found.get("$skiptoken"),
    )
    _check_order(query, kind, advanced=advanced)
    return query


def read_one(request: Request, kind: Kind, *more: str) -> Query:
    """The options of a request for one entity of that kind: $select, and those in `more` ($expand)."""
    check_accept(request)
    found = allow(request.call, request.gaps, "$select", *more)
    return Query(select=_selected(found.get("$select", ""), kind, request), expand=_names(found.get("$expand", "")))


def read_count(request: Request, kind: Kind, *more: str) -> Query:
    """The options of a request for a bare number: $filter, and those in `more`."""
    found = allow(request.call, request.gaps, "$filter", *more)
    advanced = _eventual(request.call)
    return Query(filter=_filter(found.get("$filter"), kind, request, advanced=advanced))


def read_flag(options: Mapping[str, str], name: str) -> bool:
    """Whether the option of that name is true; it is not if it is absent."""
    text = options.get(name, "false").lower()
    if text not in ("true", "false"):
        form = f"Invalid value '{text[:40]}' for {name} query option found."
        raise GraphError("BadRequest", f"{form} Valid values are 'true' or 'false'.")
    return text == "true"


def no_property(name: str, kind: Kind) -> GraphError:
    """The refusal of a property that the entity type does not have."""
    text = f"Could not find a property named '{name}' on type '{kind.name}'."
    return GraphError("RequestBroker--ParseUri", text)


def _selected(text: str, kind: Kind, request: Request) -> tuple[str, ...]:
    """The properties in `$select` in their proper spelling, each once; an unknown one is refused."""
    names: dict[str, None] = {}
    for wanted in _names(text):
        found = kind.property(wanted)
        if found is None:
            request.miss(f"$select={wanted[:100]}")
            raise no_property(wanted, kind)
        names[found[0]] = None
    return tuple(names)


def _names(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in COMMA.split(text) if each.strip())


def _eventual(call: Call) -> bool:
    return call.headers.get("ConsistencyLevel", "").strip().lower() == "eventual"


def _filter(text: str | None, kind: Kind, request: Request, *, advanced: bool) -> syntax.Node | None:
    if text is None:
        return None
    try:
        node, used = parse(text, kind)
    except FilterError as error:
        gap = f"$filter: {error.name[:100]}" if isinstance(error, NoProperty) else ""
        raise GraphError("BadRequest", f"Invalid filter clause: {error}", gap=gap) from None
    except NotKnown as error:
        request.miss(f"$filter: {str(error)[:100]}")
        raise GraphError(*kind.service.refusal) from None
    if not advanced and not used.isdisjoint(kind.service.advanced):
        raise GraphError(*kind.service.refusal)
    return node


def _order(text: str, kind: Kind, request: Request) -> tuple[Term, ...]:
    terms = text.split(",") if text.strip() else []
    if len(terms) > MAX_TERMS:
        raise GraphError("InefficientFilter")
    return tuple(_term(each, kind, request) for each in terms)


def _term(text: str, kind: Kind, request: Request) -> Term:
    found = ORDER.fullmatch(text)
    if found is None:
        raise GraphError("BadRequest", f"Syntax error at position 0 in '{text}'.")
    path, direction = found.groups()
    try:
        # A filter that names the property knows all about it.
        node, _ = parse(f"{path} eq null", kind)
    except FilterError as error:
        gap = f"$orderby: {path[:100]}" if isinstance(error, NoProperty) else ""
        raise GraphError("BadRequest", f"Invalid OrderBy clause: {error}", gap=gap) from None
    except NotKnown:
        request.miss(f"$orderby: {path[:100]}")
        raise GraphError("ErrorInvalidProperty", f"The property '{path}' does not support sorting.") from None
    assert isinstance(node, syntax.Comparison)
    return Term(node.path, (direction or "").lower() == "desc")


def _check_order(query: Query, kind: Kind, *, advanced: bool) -> None:
    """Sorted by must be what is filtered by first, in the same order (Microsoft: List messages; facts 3.5)."""
    if not query.order or query.filter is None:
        return
    if kind.service.advanced:
        if not advanced:
            raise GraphError("Request_UnsupportedQuery", "Sorting not supported for current query.")
        return
    filtered = list(dict.fromkeys(syntax.paths(query.filter)))
    ordered = list(dict.fromkeys(str(term.path) for term in query.order))
    if filtered[: len(ordered)] != ordered:
        raise GraphError("InefficientFilter")


def _top(text: str | None, kind: Kind) -> int | None:
    size = _whole(text, "$top")
    if size is None or 1 <= size <= kind.service.max_page:
        return size
    if kind.service.advanced:
        bounds = f"Must be between 1 and {kind.service.max_page} inclusive."
        raise GraphError("Request_BadRequest", f"Invalid page size specified: '{size}'. {bounds}")
    raise GraphError("BadRequest", f"The limit of '{kind.service.max_page}' for Top query has been exceeded.")


def _whole(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        form = f"Invalid value '{text[:40]}' for {name} query option found."
        raise GraphError("BadRequest", f"{form} The {name} query option requires a non-negative integer value.")
    return int(text)
