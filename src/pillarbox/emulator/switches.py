"""The switches of the world by name: each of its public attributes that is a bool or a number."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pillarbox.emulator.world import World

MAX_SECONDS = 1e9
MOST: dict[str, float] = {"token_padding": 20_000}
"""Longer tokens are taken by no service here."""


def switches(world: World) -> dict[str, bool | int | float]:
    """What can be switched, and how it stands."""
    named = {name: value for name, value in vars(world).items() if not name.startswith("_")}
    return {name: value for name, value in named.items() if isinstance(value, bool | int | float)}


def switch(world: World, values: Any) -> None:
    """Set some of them, all or none; an unknown name or a value of another kind is a ValueError."""
    known = switches(world)
    if not isinstance(values, dict):
        raise ValueError("switches are an object of values by name")
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"unknown switch: {name}; there are {', '.join(known)}")
        _check(name, value, known[name])
    for name, value in values.items():
        setattr(world, name, type(known[name])(value))


@contextlib.contextmanager
def switched(world: World, values: Mapping[str, bool | int | float]) -> Iterator[None]:
    """Hold these switches for a piece of work that does not wait: others would see them too."""
    before = {name: getattr(world, name) for name in values}
    vars(world).update(values)
    try:
        yield
    finally:
        vars(world).update(before)


def _check(name: str, value: Any, now: bool | int | float) -> None:
    if isinstance(now, bool):
        if not isinstance(value, bool):
            raise ValueError(f"{name} is true or false")
    elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST.get(name, MAX_SECONDS):
        raise ValueError(f"{name} is a number from 0 to {MOST.get(name, MAX_SECONDS):g}")
    elif isinstance(now, int) and not math.isclose(value, round(value)):
        raise ValueError(f"{name} is a whole number")
