"""OData as far as Graph's clients use it: query options, filters, pages and preferences."""

from pillarbox.emulator.graph.odata.formats import check_accept
from pillarbox.emulator.graph.odata.kind import (
    BOOLEAN,
    DATE,
    DIRECTORY,
    EXACT,
    INTEGER,
    OPAQUE,
    OPAQUES,
    OUTLOOK,
    STRING,
    STRINGS,
    Collection,
    Complex,
    Kind,
    Scalar,
    Service,
)
from pillarbox.emulator.graph.odata.metadata import context, key
from pillarbox.emulator.graph.odata.options import (
    PAGED,
    Query,
    allow,
    no_property,
    query_options,
    read,
    read_count,
    read_flag,
    read_one,
)
from pillarbox.emulator.graph.odata.paging import Listing, Page, Place, count, page
from pillarbox.emulator.graph.odata.preferences import Preferences
from pillarbox.emulator.graph.odata.syntax import required

__all__ = [
    "BOOLEAN",
    "DATE",
    "DIRECTORY",
    "EXACT",
    "INTEGER",
    "OPAQUE",
    "OPAQUES",
    "OUTLOOK",
    "PAGED",
    "STRING",
    "STRINGS",
    "Collection",
    "Complex",
    "Kind",
    "Listing",
    "Page",
    "Place",
    "Preferences",
    "Query",
    "Scalar",
    "Service",
    "allow",
    "check_accept",
    "context",
    "count",
    "key",
    "no_property",
    "page",
    "query_options",
    "read",
    "read_count",
    "read_flag",
    "read_one",
    "required",
]
