"""Which operation of the file a path on the wire asks for, in all the forms that Graph takes."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

_CALL: Final = re.compile(r"([\w.]+)\((.*)\)", re.DOTALL)
_KEY: Final = re.compile(r"(?:appId=)?'(.*)'", re.DOTALL | re.IGNORECASE)
"""A key of its own, or the alternate key that applications and service principals have."""
_ARGUMENT: Final = re.compile(r"(\w+)=(?:'(?:[^']|'')*'|[^,']*)")


@dataclass
class _Place:
    """What may follow at one place of a path, and what ends there."""

    names: dict[str, "_Place"] = field(default_factory=dict)
    anything: "_Place | None" = None
    templates: dict[str, str] = field(default_factory=dict)


class Paths:
    """The templates of a file by method, to be found by paths."""

    def __init__(self, paths: Mapping[str, Iterable[str]]) -> None:
        """`paths` has the methods of each template; of two that mean the same (`delta`, `delta()`) the first counts."""
        self._root = _Place()
        for template, methods in paths.items():
            place = self._root
            for part in _split(template):
                if part.startswith("{"):
                    place.anything = place = place.anything or _Place()
                else:
                    place = place.names.setdefault(_name(part), _Place())
            for method in methods:
                place.templates.setdefault(method.upper(), template)

    def find(self, method: str, path: str) -> str | None:
        """The template, None if there is no such operation. `path` is percent-encoded, without version and query."""
        place: _Place | None = self._root
        for part in _split(path):
            if place is None:
                return None
            name = _name(part)
            place = place.names.get(name) or (None if name.startswith("$") or name == "delta" else place.anything)
        return place.templates.get(method) if place else None

    def all(self) -> list[tuple[str, str]]:
        """Every operation once, as method and template, in the order of the templates."""
        found = []
        places = [self._root]
        while places:
            place = places.pop()
            found += [(template, method) for method, template in place.templates.items()]
            places += [*place.names.values(), *([place.anything] if place.anything else [])]
        return [(method, template) for template, method in sorted(found)]


def _split(path: str) -> list[str]:
    """The decoded segments; `users('id')` is two, empty ones are dropped (OData URL conventions 4.01, section 4.3)."""
    parts: list[str] = []
    for part in (unquote(raw) for raw in path.split("/") if raw):
        call = _CALL.fullmatch(part)
        key = _KEY.fullmatch(call[2]) if call else None
        parts += [call[1], key[1].replace("''", "'")] if call and key else [part]
    return parts


def _name(part: str) -> str:
    """A segment as it is compared: lower case, no namespace, of a function's arguments only the names."""
    call = _CALL.fullmatch(part)
    name = (call[1] if call else part).lower().removeprefix("microsoft.graph.")
    arguments = sorted(_ARGUMENT.findall(call[2].lower())) if call else []
    return f"{name}({','.join(arguments)})" if arguments else name
