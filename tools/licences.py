"""The licence of every package that is shipped with Pillarbox; exit 1 where one does not fit.

requirements/extras.txt is read: it holds all of requirements/run.txt, and what the extras add.

The installed metadata are read: License-Expression (PEP 639) first, then the classifiers, then the old License field.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

REQUIREMENTS: Final = Path(__file__).resolve().parent.parent / "requirements" / "extras.txt"
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?:\s*;\s*([^\\]*))?", re.MULTILINE)

PERMISSIVE: Final = frozenset(
    {
        "0BSD",
        "any-OSI",  # apsw: whichever licence of the Open Source Initiative one likes
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "MIT",
        "MIT-0",
        "PSF-2.0",
        "Unlicense",
    }
)

EXCEPTIONS: Final = {"certifi": "MPL-2.0"}
"""A list of certificates, shipped unchanged: what MPL-2.0 asks for is kept by that alone."""

READ: Final = {"imapclient": "BSD-3-Clause"}
"""Packages whose metadata name no licence: what the licence file in them says."""

_WORDS: Final = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
"""What older metadata say, as SPDX writes it."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package that is shipped, its licence, and why it does not fit (empty if it does)."""

    name: str
    version: str
    licence: str
    fault: str = ""


def main() -> int:
    """Print the table; return the exit code."""
    packages = [_look_up(*match.groups(default="")) for match in _PIN.finditer(REQUIREMENTS.read_text("utf-8"))]
    rows = [(one.name, one.version, one.licence, one.fault) for one in packages]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *cells, fault in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        print(f"{line}  {fault}".rstrip())
    faults = [one for one in packages if one.fault]
    for one in faults:
        print(f"tools/licences.py: {one.name} {one.version}: {one.fault}", file=sys.stderr)
    print(f"{len(packages)} packages, {len(faults)} that do not fit")
    return 1 if faults else 0


def _look_up(name: str, version: str, marker: str) -> Package:
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        if marker.strip():
            return Package(name, version, f"not installed here: only where {marker.strip()}")
        return Package(name, version, "unknown", "is not installed; run `make setup`")
    if found.version != version:
        return Package(name, version, "unknown", f"version {found.version} is installed; run `make setup`")
    licence = _licence(found) or READ.get(name, "")
    return Package(name, version, licence or "unknown", _fault(name, licence))


def _licence(package: metadata.Distribution) -> str:
    """The licence as an SPDX expression; empty where the metadata say nothing."""
    fields = package.metadata
    if expression := next(iter(fields.get_all("License-Expression") or []), ""):
        return expression
    classifiers = [text for text in fields.get_all("Classifier") or [] if text.startswith("License :: ")]
    names = [text.rpartition(" :: ")[2] for text in classifiers]
    names = [name for name in names if name != "OSI Approved"] or [
        text for text in fields.get_all("License") or [] if "\n" not in text
    ]
    return " OR ".join(sorted({_WORDS.get(name, name) for name in names if name}))


def _fault(name: str, licence: str) -> str:
    if not licence:
        return "names no licence"
    if licence == EXCEPTIONS.get(name) or _fits(licence):
        return ""
    return f"{licence} is not on the list of permissive licences"


def _fits(expression: str) -> bool:
    """Whether one of the choices (OR) holds permissive licences only (AND). Brackets and WITH are not understood."""
    return any(all(one in PERMISSIVE for one in _split(choice, "AND")) for choice in _split(expression, "OR"))


def _split(expression: str, word: str) -> Iterator[str]:
    return (part.strip() for part in expression.split(f" {word} "))


if __name__ == "__main__":
    sys.exit(main())
