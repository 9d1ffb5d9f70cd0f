"""All that is wrong with what was given, told at once: nobody should have to try again for each."""

from collections.abc import Iterator
from contextlib import contextmanager

from pillarbox.core.errors import PillarboxError


@contextmanager
def at(pointer: str) -> Iterator[None]:
    """What is refused in here stands at this place of the JSON that was given (RFC 6901), unless it says which."""
    try:
        yield
    except PillarboxError as error:
        error.pointer = error.pointer or pointer
        raise


class Flaws:
    """Collects what is refused: each check goes into a `with` of its own, and `tell` comes after the last."""

    def __init__(self) -> None:
        self._found: list[PillarboxError] = []

    @contextmanager
    def collected(self, pointer: str = "") -> Iterator[None]:
        """What is refused in here is kept until `tell`; see `at` for its place."""
        try:
            with at(pointer):
                yield
        except PillarboxError as error:
            self._found.append(error)

    def tell(self) -> None:
        """Raise the first that was refused, with the others beside it; nothing where there is none."""
        if self._found:
            first, *rest = self._found
            first.others = [*first.others, *(one for error in rest for one in (error, *error.others))]
            raise first
