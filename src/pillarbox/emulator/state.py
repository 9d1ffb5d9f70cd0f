"""The world on disk, so that ids, secrets and mail outlive the process.

One file, written beside its place and then put there, so that a crash leaves the old one. It is Python's pickle with
the classes of the world and nothing else: a file from elsewhere can make nothing run ("Restricting Globals" in the
library reference of pickle).
"""

import io
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from pillarbox.emulator.certificates import write_private
from pillarbox.emulator.entra.refresh_tokens import RefreshTokens
from pillarbox.emulator.ids import Entropy
from pillarbox.emulator.world import Permission, Resource, World
from pillarbox.emulator.world.permissions import by_id, resource

FILE = "world.pickle"
FORMAT = 5
"""Raised whenever the classes of the world change in a way that old files do not fit."""
OURS = (
    "pillarbox.emulator.world.",
    "pillarbox.emulator.mail.",
    "pillarbox.emulator.entra.refresh_tokens",
    "pillarbox.emulator.entra.scopes",
)
PLAIN = {("builtins", "set"), ("builtins", "frozenset"), ("collections", "deque"), ("collections", "OrderedDict")}


class StateError(ValueError):
    """A state file that cannot be used; the text says why."""


@dataclass
class State:
    """What is kept: the world, the refresh tokens that people's apps hold, and the key that signed their tokens."""

    world: World
    refresh_tokens: RefreshTokens
    signing_key: bytes = field(repr=False)


def save(directory: Path, state: State) -> None:
    """Write the state into the directory."""
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=5).dump({"format": FORMAT, **vars(state)})
    write_private(directory / FILE, buffer.getvalue())


def load(directory: Path, entropy: Entropy) -> State | None:
    """What was saved last, None if nothing was; a file that is broken or of another version is a StateError."""
    path = directory / FILE
    if not path.exists():
        return None
    try:
        with path.open("rb") as file:
            things = _Unpickler(file, entropy).load()
        known = things.pop("format") == FORMAT
        return _checked(State(**things)) if known else _refuse(path, "made by another version of the emulator")
    except StateError:
        raise
    except Exception as error:  # A damaged pickle can raise anything.
        _refuse(path, f"cannot be read ({type(error).__name__})", error)


def _checked(state: State) -> State:
    if not isinstance(state.world, World) or not isinstance(state.refresh_tokens, RefreshTokens):
        raise TypeError("no world")
    return state


def _refuse(path: Path, why: str, cause: Exception | None = None) -> NoReturn:
    raise StateError(f"{path}: {why}; move it away to start anew") from cause


class _Pickler(pickle.Pickler):
    """Leaves out what is not of this world: permissions are known by their GUIDs, chance by its place."""

    def persistent_id(self, thing: Any) -> Any:
        if isinstance(thing, Permission):
            return "permission", thing.resource.client_id, thing.id
        if isinstance(thing, Resource):
            return "resource", thing.client_id
        # The world's source of randomness; every other callable is refused by pickle's reader.
        return ("entropy",) if callable(thing) and not isinstance(thing, type) else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, entropy: Entropy) -> None:
        super().__init__(file)
        self._entropy = entropy

    def persistent_load(self, key: Any) -> Any:
        match key:
            case ("entropy",):
                return self._entropy
            case ("resource", ident):
                return resource(ident)
            case ("permission", ident, guid) if (owner := resource(ident)) is not None:
                return by_id(owner, guid)
        raise pickle.UnpicklingError(f"unknown: {key}")

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in PLAIN or (module.startswith(OURS) and "." not in name and name[:1].isupper()):
            found = super().find_class(module, name)
            if isinstance(found, type):
                return found
        raise pickle.UnpicklingError(f"not of this world: {module}.{name}")
