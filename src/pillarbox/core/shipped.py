"""What is shipped with Pillarbox: the packages that it needs, as they are installed, and their licences."""

import re
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_OURS: Final = "pillarbox"
_LONGEST: Final = 80
_CLASSIFIER: Final = "License :: OSI Approved :: "


class Package(NamedTuple):
    """An installed package. `licence` is empty where the package does not say."""

    name: str
    version: str
    licence: str


@cache
def packages() -> tuple[Package, ...]:
    """Pillarbox, and all packages that it needs here, by name. Of extras those that are installed."""
    found: dict[str, Package] = {}
    wanted = [_OURS]
    while wanted:
        name = _key(wanted.pop())
        if name not in found and (installed := _installed(name)):
            found[name] = Package(installed.metadata["Name"], installed.version, _licence(installed.metadata))
            wanted += _needed(installed)
    return tuple(sorted(found.values(), key=lambda one: (one.name != _OURS, one.name.lower())))


def _installed(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None  # of another system, or of an extra


def _needed(package: metadata.Distribution) -> Iterator[str]:
    """Names of what it requires; tools for its own tests and documents are not shipped."""
    for line in package.requires or ():
        required = _NAME.match(line)
        is_extra = "extra ==" in line
        if required and (not is_extra or _key(package.metadata["Name"]) == _OURS):
            yield required[0]


def _licence(told: metadata.PackageMetadata) -> str:
    """As its metadata say it, in one of the three ways that were in use."""
    classified = [one.removeprefix(_CLASSIFIER) for one in _all(told, "Classifier") if one.startswith(_CLASSIFIER)]
    texts = [*_all(told, "License-Expression"), ", ".join(classified), *_all(told, "License")]
    return next((text for text in texts if text and len(text) <= _LONGEST and text.isprintable()), "")


def _all(told: metadata.PackageMetadata, field: str) -> list[str]:
    return [str(text).strip() for text in told.get_all(field) or ()]


def _key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
