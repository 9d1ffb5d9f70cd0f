"""One request and what came of it, without the network: calls yield steps, and are resumed with what came."""

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

from pillarbox.client.errors import PillarboxApiError

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `patience`: seconds that the service may take beyond the usual.

    `repeatable` says that asking twice does no more than asking once: where no answer came it is asked again.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    patience: float = 0.0
    repeatable: bool = True

    @property
    def target(self) -> str:
        """Path and query, encoded."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered; header names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)

    def value(self, reading: Callable[[Any], _Result]) -> _Result:
        """Its JSON, as `reading` takes it. Raises PillarboxApiError where it refuses, or is no answer of this API."""
        if not 200 <= self.status < 300:
            # A redirect too: the key is for this address, and is taken to no other.
            raise PillarboxApiError.of(self.status, self.headers, self.body)
        try:
            return reading(json.loads(self.body) if self.body else None)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            # No JSON, too deep, or without what every answer of this API has.
            problem = {"code": "client.not_json", "title": "The answer is not one of Pillarbox."}
            raise PillarboxApiError(self.status, problem) from error


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came, and why; `hopeless` where none would come another time, as from a stranger's certificate."""

    reason: str
    hopeless: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Read:
    """A piece of a file, which may keep the disk busy: the step comes to its bytes."""

    piece: Callable[[], bytes]


Step = Request | Pause | Read
Came = Answer | Lost | bytes | None
"""What a step came to; a pause comes to nothing."""
Call = Generator[Step, Came, _Result]
"""A call of the API: yields what to do next, is resumed with what came of it, returns its result."""
