"""What a query may name: entity types with their properties, and how much of OData the service behind them knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Scalar:
    """A primitive or an enumeration; `edm` is its name in OData. Strings are compared in any case unless `exact`."""

    edm: str
    exact: bool = False
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Complex:
    """A structure; what has no properties here can be selected, and not be filtered by."""

    properties: "Mapping[str, Type]" = field(default_factory=dict)

    def property(self, name: str) -> "tuple[str, Type] | None":
        """The property of that name in whatever case, in its proper spelling; None if there is none."""
        name = name.lower()
        return next(((each, kind) for each, kind in self.properties.items() if each.lower() == name), None)


@dataclass(frozen=True)
class Collection:
    """A list, which filters can look into by `any`."""

    of: "Scalar | Complex"


Type = Scalar | Complex | Collection

STRING = Scalar("Edm.String")
EXACT = Scalar("Edm.String", exact=True)
BOOLEAN = Scalar("Edm.Boolean")
INTEGER = Scalar("Edm.Int32")
DATE = Scalar("Edm.DateTimeOffset")
OPAQUE = Complex()
OPAQUES = Collection(OPAQUE)
STRINGS = Collection(STRING)


@dataclass(frozen=True)
class Service:
    """How much of `$filter` a service behind Graph knows: operators and functions, in lower case.

    `refusal`: code and text for what is good OData and unknown to the service. `advanced` words and `$count` are known
    only with `ConsistencyLevel: eventual` and `$count=true`. `alternatives`: how many parts an `or` may have.
    """

    words: frozenset[str]
    refusal: tuple[str, str]
    page: int
    max_page: int
    advanced: frozenset[str] = frozenset()
    alternatives: int | None = None


OUTLOOK = Service(
    frozenset(("eq", "ne", "gt", "ge", "lt", "le", "and", "or", "not", "startswith", "endswith", "contains", "any")),
    ("ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes."),
    page=10,
    max_page=1000,
)
"""Mail (facts 3.5)."""
DIRECTORY = Service(
    frozenset(("eq", "ne", "ge", "le", "and", "or", "not", "in", "startswith", "endswith", "any")),
    ("Request_UnsupportedQuery", "Unsupported Query."),
    page=100,
    max_page=999,
    advanced=frozenset(("ne", "not", "endswith")),
    alternatives=15,
)
"""Users, applications and other directory objects (Microsoft: advanced query capabilities on directory objects)."""


@dataclass(frozen=True)
class Kind(Complex):
    """An entity type by its name in Microsoft's model, and the service that keeps such entities.

    `missing`: properties that Microsoft's has and ours does not; who asks for one meets a gap.
    """

    name: str = ""
    service: Service = OUTLOOK
    missing: frozenset[str] = frozenset()

    def lacks(self, name: str) -> bool:
        """Whether Microsoft has a property of that name, in whatever case, that is missing here."""
        name = name.lower()
        return any(each.lower() == name for each in self.missing)
