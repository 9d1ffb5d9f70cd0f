"""Local names: `root` is whom /etc/aliases says, else whoever sends."""

from pathlib import Path
from typing import Final

PLACE: Final = Path("/etc/aliases")
_MOST_BYTES: Final = 1 << 20


def resolve(names: tuple[str, ...], file: Path) -> tuple[str, ...]:
    """These recipients with the aliases of the file (aliases(5)) in their place, each once.

    What stays without a domain has no alias. Pipes, files and `:include:` are not followed: this delivers nothing.
    """
    table = _table(file) if any("@" not in name for name in names) else {}
    found: dict[str, None] = {}
    seen: set[str] = set()
    waiting = list(reversed(names))
    while waiting:
        name = waiting.pop()
        targets = () if "@" in name else table.get(name.lower(), ())
        if not targets:
            found[name] = None
        elif name.lower() not in seen:
            seen.add(name.lower())
            waiting += reversed(targets)
    return tuple(found)


def _table(file: Path) -> dict[str, tuple[str, ...]]:
    try:
        with file.open("rb") as opened:
            text = opened.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return {}
    table: dict[str, tuple[str, ...]] = {}
    for line in text.replace("\n ", " ").replace("\n\t", " ").splitlines():
        name, colon, targets = line.partition(":")
        if colon and not name.startswith("#"):
            words = (target.strip().strip('"') for target in targets.split(","))
            table[name.strip().strip('"').lower()] = tuple(word for word in words if _is_mail(word))
    return table


def _is_mail(target: str) -> bool:
    return bool(target) and target[0] not in "|/:\\" and not any(letter.isspace() for letter in target)
