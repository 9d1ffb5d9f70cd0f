"""Answers of the directory: one object, or a page of them, by the query options of the request."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pillarbox.emulator.graph import odata
from pillarbox.emulator.graph.odata.kind import Service
from pillarbox.emulator.graph.request import Request
from pillarbox.emulator.http import Answer

Place = tuple[int | str, ...]
Row = Mapping[str, Any]
"""An object for JSON, with all properties that its kind has."""


def by_id(row: Row) -> tuple[str, ...]:
    """The usual place of an object in lists: Graph promises no order, and pages must not shift."""
    return (row["id"],)


def kind(
    name: str, comparable: Mapping[str, odata.Scalar], *others: str, service: Service = odata.DIRECTORY
) -> odata.Kind:
    """An entity type of the directory: properties that filters can name, and others that can only be selected."""
    return odata.Kind({**comparable, **dict.fromkeys(others, odata.OPAQUE)}, name, service)


def entity(request: Request, context: str, row: Row, status: int = 200, version: str = "v1.0") -> Answer:
    """The answer with a whole object, as actions and POST give it; `context` follows `$metadata#`."""
    return Answer.json({"@odata.context": _address(request, context, version)} | dict(row), status)


def single(request: Request, context: str, of: odata.Kind, row: Row, version: str = "v1.0") -> Answer:
    """The answer with one object of the set that `context` names, as $select wants it."""
    query = odata.read_one(request, of)
    return entity(request, f"{context}{_picked(query)}/$entity", _chosen(query, row), version=version)


def collection(
    request: Request,
    context: str,
    of: odata.Kind,
    rows: Iterable[Row],
    version: str = "v1.0",
    place: Callable[[Row], Place] = by_id,
) -> Answer:
    """The answer with a page of the rows that pass $filter, in the order of `place`."""
    query = odata.read(request, of)
    listing = odata.Listing(sorted(rows, key=place), place, lambda row: row.__getitem__)
    page = odata.page(request.call, query, listing, query.top or of.service.page)
    shown = {"@odata.context": _address(request, f"{context}{_picked(query)}", version)} | page.annotations
    return Answer.json(shown | {"value": [_chosen(query, row) for row in page.items]})


def _address(request: Request, context: str, version: str) -> str:
    return f"{request.call.base}/{version}/$metadata#{context}"


def _picked(query: odata.Query) -> str:
    return f"({','.join(query.select)})" if query.select else ""


def _chosen(query: odata.Query, row: Row) -> dict[str, Any]:
    return {name: row[name] for name in query.select or row}
