"""From the text of a `$filter` to its tree, checked against the entity type (OData URL conventions 4.01, 5.1.1)."""

from collections.abc import Callable
from typing import TypeVar

from pillarbox.emulator.graph.odata.kind import Collection, Complex, Kind, Scalar, Type
from pillarbox.emulator.graph.odata.lexer import FilterError, NoProperty, Token, tokens
from pillarbox.emulator.graph.odata.operands import OPERATORS, NotKnown, Operand, bound, check, edm
from pillarbox.emulator.graph.odata.syntax import (
    Any,
    Comparison,
    Literal,
    Logic,
    Match,
    Membership,
    Node,
    Not,
    Path,
    Value,
)

MAX_DEPTH = 40
"""Levels of parentheses, `not` and `any`: Python's own stack must hold them all."""
MIRRORED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
BEYOND = ("add", "sub", "mul", "div", "mod", "has")
"""Operators of OData that no service here knows."""
FUNCTIONS = ("startswith", "endswith", "contains")
TOO_DEEP = "Recursion depth exceeded allowed limit."

_T = TypeVar("_T")


def parse(text: str, kind: Kind) -> tuple[Node, frozenset[str]]:
    """The tree, and the operators and functions in it; FilterError for bad text, NotKnown for what is beyond us."""
    parser = _Parser(text, kind)
    node = parser.whole()
    return node, frozenset(parser.used)


class _Parser:
    """Recursive descent; each method reads what it is named after."""

    def __init__(self, text: str, kind: Kind) -> None:
        self._text, self._kind = text, kind
        self._tokens = tokens(text)
        self._at = self._depth = 0
        self._item: tuple[str, Scalar | Complex] | None = None
        self.used: set[str] = set()

    def whole(self) -> Node:
        node = self._alternatives()
        if self._token.kind != "end":
            raise self._error("Syntax error")
        return node

    # ---- what binds loosest comes first

    def _alternatives(self) -> Node:
        return self._chain("or", lambda: self._chain("and", self._term))

    def _chain(self, word: str, part: Callable[[], Node]) -> Node:
        parts = [part()]
        while self._takes(word):
            self._use(word)
            parts.append(part())
        limit = self._kind.service.alternatives
        if word == "or" and limit and len(parts) > limit:
            text = "Too many child clauses specified in search filter expression containing 'OR' operators"
            raise FilterError(f"{text}: {len(parts)}. Max allowed: {limit}.")
        return Logic(word, tuple(parts)) if len(parts) > 1 else parts[0]

    def _term(self) -> Node:
        left = self._unary()
        word = self._token.text.lower()
        if word in OPERATORS:
            self._at += 1
            self._use(word)
            return self._comparison(left, word, self._unary())
        if self._takes("in"):
            self._use("in")
            return self._membership(left)
        if word in BEYOND:
            raise NotKnown(word)
        return self._boolean(left)

    def _unary(self) -> Operand:
        if not self._takes("not"):
            return self._primary()
        self._use("not")
        part = self._deeper(self._unary)
        if isinstance(part, Path | Literal) and edm(part) != "Edm.Boolean":
            text = "A unary operator with an incompatible type was detected."
            raise FilterError(f"{text} Found operand type '{edm(part)}' for operator kind 'Not'.")
        return Not(self._boolean(part))

    def _primary(self) -> Operand:
        if self._takes("("):
            inner = self._deeper(self._alternatives)
            self._expect(")", "')' or operator expected")
            return inner
        token = self._next()
        if token.literal:
            return token.literal
        if self._token.text != "(":
            return self._path(token.text)
        collection, _, word = token.text.rpartition("/")
        return self._any(collection, word.lower()) if collection else self._match(token.text)

    def _match(self, name: str) -> Node:
        self._use(name.lower() if name.lower() in FUNCTIONS else name)
        self._expect("(", "'(' expected")
        path = self._argument()
        self._expect(",", "')' or ',' expected")
        value = self._argument()
        self._expect(")", "')' or ',' expected")
        if not isinstance(path, Path) or not isinstance(value, Literal):
            raise NotKnown(name)
        if edm(path) != "Edm.String" or value.edm != "Edm.String":
            text = f"No function signature for the function with name '{name}' matches the specified arguments."
            form = f"{name}(Edm.String Nullable=true, Edm.String Nullable=true)"
            raise FilterError(f"{text} The function signatures considered are: {form}.")
        return Match(path, name.lower(), str(bound(path, value)))

    def _argument(self) -> Operand:
        token = self._next()
        if self._token.text == "(":
            raise NotKnown(token.text)
        return token.literal or self._path(token.text)

    def _any(self, name: str, word: str) -> Node:
        self._use(word)
        path = self._path(name)
        if not isinstance(path.type, Collection):
            raise FilterError("Any/All may only be used following a collection.")
        self._expect("(", "'(' expected")
        if self._takes(")"):
            return Any(path, None)
        variable = self._next().text
        if not self._takes(":"):
            raise self._error("Syntax error")
        if self._item or isinstance(path.type.of, Complex):
            raise NotKnown(word)
        self._item = (variable, path.type.of)
        part = self._deeper(self._alternatives)
        self._item = None
        self._expect(")", "')' or operator expected")
        return Any(path, part)

    def _path(self, text: str) -> Path:
        names = text.split("/")
        if self._item is None:
            return self._walk(self._kind, names, of_item=False)
        if names[0] != self._item[0]:
            raise NotKnown(text)
        return self._walk(self._item[1], names[1:], of_item=True)

    def _walk(self, at: Type, names: list[str], *, of_item: bool) -> Path:
        spelt: list[str] = []
        for name in names:
            if not isinstance(at, Complex) or not at.properties:
                raise NotKnown(name)
            found = at.property(name)
            if found is None and isinstance(at, Kind) and at.lacks(name):
                raise NotKnown(name)
            if found is None:
                owner = at.name if isinstance(at, Kind) else "/".join(spelt)
                raise NoProperty(name, owner)
            spelt.append(found[0])
            at = found[1]
        return Path(tuple(spelt), at, of_item)

    # ---- what operands may stand together

    def _comparison(self, left: Operand, operator: str, right: Operand) -> Node:
        if isinstance(left, Literal):
            left, operator, right = right, MIRRORED[operator], left
        if isinstance(left, Literal) or not isinstance(right, Literal):
            raise NotKnown(operator)
        check(left, operator, right)
        if isinstance(left, Path):
            return Comparison(left, operator, bound(left, right))
        return left if bool(right.value) == (operator == "eq") else Not(left)

    def _membership(self, left: Operand) -> Node:
        self._expect("(", "'(' expected")
        values: list[Value] = []
        while True:
            right = self._argument()
            if not isinstance(left, Path) or not isinstance(right, Literal):
                raise NotKnown("in")
            check(left, "eq", right)
            values.append(bound(left, right))
            if not self._takes(","):
                break
        self._expect(")", "')' or ',' expected")
        return Membership(left, tuple(values))

    def _boolean(self, operand: Operand) -> Node:
        if not isinstance(operand, Path | Literal):
            return operand
        if edm(operand) == "Edm.Boolean":
            raise NotKnown(self._text)
        raise FilterError("The $filter expression must evaluate to a single boolean value.")

    # ---- tokens

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        """The next token if it is a word or a literal; else an operand is missing."""
        token = self._token
        if token.kind not in ("word", "literal"):
            raise self._error("Expression expected")
        self._at += 1
        return token

    def _takes(self, text: str) -> bool:
        """Go past the next token if it is that word (in any case) or sign."""
        here = self._token
        taken = here.kind in ("word", "sign") and here.text.lower() == text
        self._at += taken
        return taken

    def _expect(self, sign: str, complaint: str) -> None:
        if not self._takes(sign):
            raise self._error(complaint)

    def _deeper(self, read: Callable[[], _T]) -> _T:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FilterError(TOO_DEEP)
        found = read()
        self._depth -= 1
        return found

    def _use(self, word: str) -> None:
        if word not in self._kind.service.words:
            raise NotKnown(word)
        self.used.add(word)

    def _error(self, complaint: str) -> FilterError:
        return FilterError(f"{complaint} at position {self._token.at} in '{self._text}'.")
