"""A table of a seed file, read strictly: each key once, each of its type, none left over."""

import contextlib
from collections.abc import Iterator
from typing import Any, TypeVar

Value = TypeVar("Value")
NAMES = {str: "a string", bool: "true or false", int: "a whole number", list: "a list"}


class SeedError(ValueError):
    """A seed file that cannot be planted; the text names file, place and reason."""


class Table:
    """One table of the file: each key is taken once, what is left over is unknown."""

    def __init__(self, values: Any, place: str) -> None:
        if not isinstance(values, dict):
            raise SeedError(f"{place}: a table is needed")
        self._values = dict(values)
        self.place = place

    def take(self, key: str, kind: type[Value], default: Value | None = None) -> Value:
        """The value of a key; without a default it must be there."""
        value = self._values.pop(key, default)
        if value is None:
            raise SeedError(f"{self.place}: {key} is missing")
        if type(value) is not kind:  # A bool is an int for isinstance.
            raise SeedError(f"{self.place}.{key}: {NAMES[kind]} is needed")
        return value

    def maybe(self, key: str, kind: type[Value]) -> Value | None:
        """The value of a key, None if it is not there."""
        return self.take(key, kind) if key in self._values else None

    def one_of(self, key: str, words: tuple[str, ...], default: str) -> str:
        """A value that is one of these words."""
        value = self.take(key, str, default)
        if value not in words:
            raise SeedError(f"{self.place}.{key}: one of {', '.join(words)} is needed")
        return value

    def texts(self, key: str) -> list[str]:
        """A list of strings, empty if it is not there."""
        values = self.take(key, list, [])
        if not all(isinstance(each, str) for each in values):
            raise SeedError(f"{self.place}.{key}: strings are needed")
        return values

    def tables(self, key: str) -> list["Table"]:
        """The tables of a `[[key]]`, none if there is none."""
        return [Table(each, f"{self.place}.{key}[{place}]") for place, each in enumerate(self.take(key, list, []), 1)]

    def end(self) -> None:
        """Refuse what nobody took."""
        if self._values:
            raise SeedError(f"{self.place}: unknown: {', '.join(sorted(self._values))}")

    def __contains__(self, key: str) -> bool:
        return key in self._values

    @contextlib.contextmanager
    def at(self, key: str) -> Iterator[None]:
        """Tell a ValueError from inside with the place of this key."""
        try:
            yield
        except SeedError:
            raise  # It names its place already.
        except ValueError as error:
            raise SeedError(f"{self.place}.{key}: {error}") from error
