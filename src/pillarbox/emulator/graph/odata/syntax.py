"""A filter as a tree; every name in it is known and in its proper spelling."""

from collections.abc import Iterator
from dataclasses import dataclass

from pillarbox.emulator.graph.odata.kind import Type

Value = str | bool | int | float | None
"""A literal as it is compared: dates are seconds since 1970, strings are case-folded unless their case counts."""


@dataclass(frozen=True)
class Path:
    """A property, or one inside of it; with `of_item` it belongs to the item that `any` looks at."""

    names: tuple[str, ...]
    type: Type
    of_item: bool = False

    def __str__(self) -> str:
        return "/".join(self.names)


@dataclass(frozen=True)
class Literal:
    """A constant as it stood in the text, and OData's name of its type."""

    value: Value
    edm: str


@dataclass(frozen=True)
class Comparison:
    """`path eq value`, also with ne, gt, ge, lt and le."""

    path: Path
    operator: str
    value: Value


@dataclass(frozen=True)
class Membership:
    """`path in (value, value)`."""

    path: Path
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Match:
    """`startswith(path, 'text')`, also endswith and contains."""

    path: Path
    function: str
    value: str


@dataclass(frozen=True)
class Logic:
    """`part and part and part`, or with `or`."""

    operator: str
    parts: "tuple[Node, ...]"


@dataclass(frozen=True)
class Not:
    """`not part`."""

    part: "Node"


@dataclass(frozen=True)
class Any:
    """`path/any(item: part)`; without a part: whether the collection has any item."""

    path: Path
    part: "Node | None"


Node = Comparison | Membership | Match | Logic | Not | Any


def paths(node: Node) -> Iterator[str]:
    """The properties that a filter names, in order of their appearance."""
    match node:
        case Logic():
            for part in node.parts:
                yield from paths(part)
        case Not():
            yield from paths(node.part)
        case _:
            yield str(node.path)


def required(node: Node | None, path: str) -> Value:
    """The value that `path` must equal for the whole filter to hold; None if no such value is asked for."""
    match node:
        case Comparison(operator="eq") if str(node.path) == path:
            return node.value
        case Logic(operator="and"):
            return next((found for part in node.parts if (found := required(part, path)) is not None), None)
    return None
