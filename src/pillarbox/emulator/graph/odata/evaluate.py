"""Whether an entity passes a filter, and in which order entities come."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any as Anything

from pillarbox.emulator.graph.odata.kind import DATE, Scalar
from pillarbox.emulator.graph.odata.lexer import moment
from pillarbox.emulator.graph.odata.syntax import Any, Comparison, Logic, Match, Membership, Node, Not, Path, Value

Read = Callable[[str], Anything]
"""Gives a property of an entity, by its proper name, as it stands in JSON."""
Compare = Callable[[Anything, Anything], bool]

ORDERED: dict[str, Compare] = {"gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le}
MATCHES: dict[str, Callable[[str, str], bool]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "contains": operator.contains,
}


def passes(node: Node, read: Read, item: Anything = None) -> bool:
    """Whether the filter holds; `item` is what `any` looks at. Null is equal to null only, and never ordered."""
    match node:
        case Logic(operator="and"):
            return all(passes(part, read, item) for part in node.parts)
        case Logic():
            return any(passes(part, read, item) for part in node.parts)
        case Not():
            return not passes(node.part, read, item)
        case Any():
            items = _find(node.path, read, item) or ()
            return any(node.part is None or passes(node.part, read, each) for each in items)
    value = value_of(node.path, read, item)
    match node:
        case Comparison():
            return _compare(value, node.operator, node.value)
        case Membership():
            return value in node.values
        case Match():
            return isinstance(value, str) and MATCHES[node.function](value, node.value)


def value_of(path: Path, read: Read, item: Anything = None) -> Value:
    """The value at the end of a path, as it is compared; null if a part of the way is missing."""
    return comparable(path, _find(path, read, item))


def comparable(path: Path, value: Anything) -> Value:
    """A JSON value in the form of literals: dates in seconds, strings case-folded unless their case counts."""
    if not isinstance(value, str):
        return value if isinstance(value, bool | int | float) else None
    if path.type == DATE:
        return moment(value)
    exact = isinstance(path.type, Scalar) and path.type.exact
    return value if exact else value.casefold()


@dataclass(frozen=True)
class Term:
    """One property of `$orderby`; null comes before all values."""

    path: Path
    descending: bool


@dataclass(frozen=True)
class Rank:
    """The value of one term for one entity, to be sorted by."""

    value: Value
    descending: bool

    def __lt__(self, other: "Rank") -> bool:
        first, second = (other, self) if self.descending else (self, other)
        if first.value is None or second.value is None:
            return first.value is None and second.value is not None
        return bool(first.value < second.value)  # type: ignore[operator]


def _compare(left: Value, word: str, right: Value) -> bool:
    if word == "eq":
        return left == right
    if word == "ne":
        return left != right
    return left is not None and right is not None and ORDERED[word](left, right)


def _find(path: Path, read: Read, item: Anything) -> Anything:
    if path.of_item:
        return item
    value = read(path.names[0])
    for name in path.names[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    return value
