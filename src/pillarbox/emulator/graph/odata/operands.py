"""What a filter compares: types of operands, and which of them may stand together (OData URL 4.01, 5.1.1)."""

from pillarbox.emulator.graph.odata.kind import Scalar
from pillarbox.emulator.graph.odata.lexer import FilterError
from pillarbox.emulator.graph.odata.syntax import Literal, Node, Path, Value

OPERATORS = {
    "eq": "Equal",
    "ne": "NotEqual",
    "gt": "GreaterThan",
    "ge": "GreaterThanOrEqual",
    "lt": "LessThan",
    "le": "LessThanOrEqual",
}
NUMBERS = ("Edm.Int32", "Edm.Int64", "Edm.Double")

Operand = Node | Path | Literal


class NotKnown(Exception):
    """Good OData that the service does not know; the argument is the word."""


def edm(operand: Operand) -> str:
    """OData's name of an operand's type; predicates are booleans. NotKnown for what cannot be compared."""
    match operand:
        case Literal():
            return operand.edm
        case Path(type=Scalar() as scalar):
            return scalar.edm
        case Path():
            raise NotKnown(str(operand))
    return "Edm.Boolean"


def check(left: Node | Path, operator: str, right: Literal) -> None:
    """Refuse a comparison of types that have nothing in common, with a FilterError."""
    kind = edm(left)
    members = left.type.members if isinstance(left, Path) and isinstance(left.type, Scalar) else ()
    if members and right.edm == "Edm.String":
        if str(right.value).lower() not in map(str.lower, members):
            raise FilterError(f"The string '{right.value}' is not a valid enumeration type constant.")
        return
    comparable = right.edm in ("null", kind) or (kind in NUMBERS and right.edm in NUMBERS)
    if not comparable or (operator not in ("eq", "ne") and kind == "Edm.Boolean"):
        text = "A binary operator with incompatible types was detected."
        raise FilterError(
            f"{text} Found operand types '{kind}' and '{right.edm}' for operator kind '{OPERATORS[operator]}'."
        )


def bound(path: Path, literal: Literal) -> Value:
    """The literal as the values of that property are compared."""
    exact = isinstance(path.type, Scalar) and path.type.exact
    return literal.value.casefold() if isinstance(literal.value, str) and not exact else literal.value
