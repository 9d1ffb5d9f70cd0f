"""The settings as they count: each with its value, and where that comes from. Secrets are stars."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pillarbox.core.clouds import CLOUDS
from pillarbox.core.listening import field_key, place_of
from pillarbox.core.settings import NOWHERE, Door, Settings, describe


class Effective(NamedTuple):
    """A setting: its dotted key, what it means, its value, and where that was set."""

    key: str
    meaning: str
    value: Any
    origin: str


def effective(settings: Settings) -> Iterator[Effective]:
    """All of them, in the order of the reference; each further listener with what it inherits."""
    for key, field in describe():
        if key == "smtp.listeners":
            yield from _of_listeners(settings)
        else:
            yield _one(settings, key, field.description or "")


def _of_listeners(settings: Settings) -> Iterator[Effective]:
    for name, door in settings.smtp.listeners.items():
        for field, about in Door.model_fields.items():
            value, (_, origin) = _shown(getattr(door, field)), place_of(settings, name, field)
            yield Effective(field_key(name, field), about.description or "", value, origin)


def _one(settings: Settings, key: str, meaning: str) -> Effective:
    """A setting as it counts: an address of Microsoft's that is not set is its cloud's."""
    value: Any = settings
    for part in key.split("."):
        value = getattr(value, part)
    value, origin = _shown(value), settings.origin(key)
    if not value and (address := _cloud_address(settings, key)):
        value, origin = address, f"cloud {settings.microsoft.cloud}"
    return Effective(key, meaning, value, origin)


def _cloud_address(settings: Settings, key: str) -> str | int:
    section, _, name = key.rpartition(".")
    address: str | int = ""
    if section == "microsoft":
        address = getattr(CLOUDS.get(settings.microsoft.cloud, NOWHERE), name, "")
    return address


def _shown(value: Any) -> Any:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    if value is None or isinstance(value, int | float):
        return value
    # The stars of a secret; nothing where there is none.
    return str(value) if value else ""
