"""JSON bodies of the directory's resources: each property is taken out with its type, and what is left is refused."""

from datetime import datetime
from typing import Any

from pillarbox.emulator.graph import odata
from pillarbox.emulator.graph.directory.lookup import YEAR_10000
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.payload import check_encoding, check_names, parse_json
from pillarbox.emulator.graph.request import Request

LONGEST = 1024
"""Characters of a text, unless a property says otherwise [K]."""


class Body:
    """An object of a request's body. `kind` is Microsoft's name of its type, such as `Application`.

    All methods raise a GraphError (Request_BadRequest) when the property has another type.
    """

    def __init__(self, fields: dict[str, Any], kind: str, request: Request, path: str = "") -> None:
        self.kind = kind
        self._request = request
        self._path = path
        # Annotations such as `@odata.type` or `tags@odata.type` say what the types say already.
        self._left = {name: value for name, value in fields.items() if "@odata." not in name}

    @classmethod
    def entity(cls, request: Request, kind: str) -> "Body":
        """The body of a request that makes or changes a resource."""
        return cls(_fields(request), kind, request)

    @classmethod
    def action(cls, request: Request, *names: str) -> "Body":
        """The parameters of an action, whose names come in any case: SDKs send `KeyId` (emulator facts 3.3)."""
        spelling = {name.lower(): name for name in names}
        given = _fields(request)
        check_names(name.lower() for name in given)
        fields = {spelling.get(name.lower(), name): value for name, value in given.items()}
        return cls(fields, "Action", request)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def text(self, name: str, longest: int = LONGEST) -> str | None:
        """A text, None if it is null or absent."""
        value = self._left.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > longest or not _is_unicode(value):
            raise self.invalid(name)
        return value

    def required(self, name: str, longest: int = LONGEST) -> str:
        """A text that must be there and not empty."""
        value = self.text(name, longest)
        if not value:
            text = f"Property {self._path}{name} value is required but is empty or missing."
            raise GraphError("Request_BadRequest", text)
        return value

    def flag(self, name: str) -> bool | None:
        """A boolean, None if it is null or absent."""
        value = self._left.pop(name, None)
        if value is not None and not isinstance(value, bool):
            raise self.invalid(name)
        return value

    def texts(self, name: str) -> list[str] | None:
        """A list of texts, None if it is null or absent."""
        value = self._left.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(each, str) and _is_unicode(each) for each in value):
            raise self.invalid(name)
        return value

    def time(self, name: str) -> float | None:
        """A time with its zone (ISO 8601) in seconds since 1970, None if it is null or absent."""
        value = self.text(name)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise self.invalid(name) from None
        if moment.tzinfo is None or not 0 <= moment.timestamp() < YEAR_10000:
            raise self.invalid(name)
        return moment.timestamp()

    def part(self, name: str, kind: str) -> "Body | None":
        """An object inside, None if it is null or absent."""
        value = self._left.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.invalid(name)
        return Body(value, kind, self._request, f"{self._path}{name}.")

    def parts(self, name: str, kind: str) -> "list[Body] | None":
        """A list of objects, None if it is null or absent."""
        value = self._left.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.invalid(name)
        return [Body(each, kind, self._request, f"{self._path}{name}.") for each in value]

    def done(self) -> None:
        """Refuse the properties that nobody took, and note them: to ignore one would be a silent lie."""
        for name in self._left:
            self._request.miss(f"property {self._path}{name}")
            raise GraphError("Request_BadRequest", f"Invalid property '{name}'.")

    def invalid(self, name: str) -> GraphError:
        """The refusal of a value."""
        text = f"Invalid value specified for property '{name}' of resource '{self.kind}'."
        return GraphError("Request_BadRequest", text)

    def missing(self, name: str, what: str) -> GraphError:
        """The refusal of a value that Microsoft would take and that is not emulated; it is noted as a gap."""
        self._request.miss(f"{self._path}{name}: {what}")
        return self.invalid(name)


def _fields(request: Request) -> dict[str, Any]:
    # A query option of a request that changes something would have to be obeyed or refused before the change.
    odata.allow(request.call, request.gaps)
    check_encoding(request.call)
    if request.call.content_type != "application/json":
        raise _unreadable()
    try:
        fields = parse_json(request.call.body)
    except ValueError:
        raise _unreadable() from None
    if not isinstance(fields, dict):
        raise _unreadable()
    return fields


def _unreadable() -> GraphError:
    text = (
        "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON"
        " format."
    )
    return GraphError("BadRequest", text)


def _is_unicode(text: str) -> bool:
    """Whether there is no lone surrogate, which JSON can name and UTF-8 cannot."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)
