"""For schemathesis, in its own process: nobody waits for what never comes."""

from typing import Any

import schemathesis


@schemathesis.hook
def map_query(_context: Any, query: Any) -> Any:
    """A long poll waits for no time."""
    return {**query, "wait": 0} if query and "wait" in query else query


@schemathesis.hook
def map_headers(_context: Any, headers: Any) -> Any:
    """A send is not waited for."""
    return {name: value for name, value in headers.items() if name.lower() != "prefer"} if headers else headers
