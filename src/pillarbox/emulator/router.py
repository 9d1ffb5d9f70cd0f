"""Which handler serves a path: a tree of templates such as `/users/{user}/messages/{message}`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Handler = TypeVar("Handler")


class Key(str):
    """A part of a path that is said to be an identifier (`users('id')`): it fits `{names}` only, whatever it reads."""


class Word(str):
    """A part of a path that is said to be a word (`microsoft.graph.sendMail`): it fits no `{name}`."""


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
    """The tree; words are compared in any case, and come before `{names}`.

    A `{name}` takes no `$word`, and none of the `reserved` ones, which are in lower case: functions, not identifiers.
    """

    def __init__(self, routes: Iterable[tuple[str, str, Handler]] = (), reserved: frozenset[str] = frozenset()) -> None:
        self._root: _Node[Handler] = _Node()
        self._reserved = reserved
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
        reached, node = self._walk(self._root, parts, 0)
        if reached < len(parts) or node.template is None:
            return None
        names = (each[1:-1] if each.startswith("{") else "" for each in _parts(node.template))
        found = {name: part for name, part in zip(names, parts, strict=True) if name}
        return Match(node.template, found, node.handlers)

    def unknown(self, parts: list[str]) -> str:
        """The first of the parts that fits nothing, the last one if the path is only too short."""
        reached, _ = self._walk(self._root, parts, 0)
        return parts[min(reached, len(parts) - 1)] if parts else ""

    def _walk(self, node: _Node[Handler], parts: list[str], at: int) -> tuple[int, _Node[Handler]]:
        """How many parts fit at most, and the node there; of two ways to the end the one with a template counts."""
        if at == len(parts):
            return at, node
        found = [self._walk(each, parts, at + 1) for each in self._next(node, parts[at])]
        return max(found, key=lambda way: (way[0], way[1].template is not None), default=(at, node))

    def _next(self, node: _Node[Handler], part: str) -> Iterator[_Node[Handler]]:
        """The nodes that a part leads to, the word first."""
        lower = part.lower()
        word = None if isinstance(part, Key) else node.words.get(lower)
        if word:
            yield word
        taken = lower.startswith("$") or lower in self._reserved
        if node.anything and (isinstance(part, Key) or not (taken or isinstance(part, Word))):
            yield node.anything


def _parts(template: str) -> list[str]:
    return [part for part in template.split("/") if part]
