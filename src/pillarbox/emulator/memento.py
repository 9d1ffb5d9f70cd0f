"""How things stood, to put them back: every object, list, dict and set stays the one that it is, so references hold.

(The pattern is called memento.) Bytes and texts are not copied, so that a world with much mail costs little.
"""

from collections import deque
from typing import Any

OURS = "pillarbox.emulator."
Kept = tuple[Any, Any]
"""A thing that can change, and a flat copy of what is in it."""


class Memento:
    """Remembers what can be reached from `root` through fields of the emulator's objects, and through containers.

    Tuples and frozen objects are taken as they are, as are objects with `__slots__`.
    """

    def __init__(self, root: object) -> None:
        self._kept: dict[int, Kept] = {}  # By identity; what is kept stays alive, so an id is not used twice.
        left = [root]
        while left:
            thing = left.pop()
            inside = None if id(thing) in self._kept else _inside(thing)
            if inside is not None:
                self._kept[id(thing)] = (thing, inside)
                left += inside.values() if isinstance(inside, dict) else inside

    def restore(self) -> None:
        """Put all of it back as it was."""
        for thing, inside in self._kept.values():
            place: Any = vars(thing) if _is_ours(thing) else thing
            place.clear()
            (place.extend if isinstance(place, list | deque) else place.update)(inside)


def _inside(thing: object) -> Any:
    """A flat copy of the content, None of what cannot change or is not ours."""
    if type(thing) in (list, dict, set, deque):
        return thing.copy()  # type: ignore[attr-defined]
    return dict(vars(thing)) if _is_ours(thing) else None


def _is_ours(thing: object) -> bool:
    """Whether it is an object of the emulator's that can change; frozen ones are shared between worlds."""
    frozen = getattr(getattr(thing, "__dataclass_params__", None), "frozen", False)
    return type(thing).__module__.startswith(OURS) and hasattr(thing, "__dict__") and not frozen
