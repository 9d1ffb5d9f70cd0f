"""Which handler serves a path: a tree of templates such as `/users/{user}/messages/{message}`."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Handler = TypeVar("Handler")


@dataclass
class Match(Generic[Handler]):
    """A template that fits a path: what stands in its `{names}`, and the handlers by method."""

    template: str
    names: dict[str, str]
    handlers: dict[str, Handler]


@dataclass
class _Node(Generic[Handler]):
    template: str | None = None
    handlers: dict[str, Handler] = field(default_factory=dict)
    words: "dict[str, _Node[Handler]]" = field(default_factory=dict)
    anything: "_Node[Handler] | None" = None


class Router(Generic[Handler]):
    """The tree; words are compared in any case, and come before `{names}`."""

    def __init__(self, routes: Iterable[tuple[str, str, Handler]] = ()) -> None:
        self._root: _Node[Handler] = _Node()
        for method, template, handler in routes:
            self.add(method, template, handler)

    def add(self, method: str, template: str, handler: Handler) -> None:
        """Let `handler` serve that method of that template; a second one for the same is a ValueError."""
        node = self._root
        for part in _parts(template):
            if part.startswith("{"):
                node.anything = node.anything or _Node()
                node = node.anything
            else:
                node = node.words.setdefault(part.lower(), _Node())
        if method in node.handlers:
            raise ValueError(f"served already: {method} {template}")
        node.template = template
        node.handlers[method] = handler

    def find(self, parts: list[str]) -> Match[Handler] | None:
        """The template that fits these decoded parts of a path, None if there is none."""
        node = _walk(self._root, parts, 0)
        if node is None or node.template is None:
            return None
        names = (each[1:-1] if each.startswith("{") else "" for each in _parts(node.template))
        found = {name: part for name, part in zip(names, parts, strict=True) if name}
        return Match(node.template, found, node.handlers)


def _walk(node: _Node[Handler], parts: list[str], at: int) -> _Node[Handler] | None:
    if at == len(parts):
        return node if node.template else None
    word = node.words.get(parts[at].lower())
    found = _walk(word, parts, at + 1) if word else None
    if found is None and node.anything:
        found = _walk(node.anything, parts, at + 1)
    return found


def _parts(template: str) -> list[str]:
    return [part for part in template.split("/") if part]
