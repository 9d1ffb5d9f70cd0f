"""The support archive: what the doctor found and the facts beside it, as a file to give away.

Nothing in it is secret; addresses of people are numbers, where nobody says otherwise.
"""

import io
import json
import re
import tarfile
import time
from collections.abc import Mapping
from itertools import count
from typing import Any, Final

_ADDRESS: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]++(?:@[\w-]++(?:\.[\w-]++)+)?")
"""Also what could have become one: else it would be looked through again from each letter in it."""


def pack(report: Mapping[str, Any], facts: Mapping[str, Any], *, with_addresses: bool = False) -> bytes:
    """The archive (.tar.gz), from what the API says of a diagnosis and of the facts."""
    held: dict[str, Any] = {"doctor.json": report, "facts.json": facts}
    if not with_addresses:
        held = without_addresses(held)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, value in held.items():
            _put(archive, name, json.dumps(value, indent=2, ensure_ascii=False).encode())
    return packed.getvalue()


def without_addresses(value: Any) -> Any:
    """A JSON value with a number in the place of each address: the same one for the same address. Pure."""
    numbers, known = count(1), dict[str, str]()

    def number(found: re.Match[str]) -> str:
        if "@" not in found[0]:
            return found[0]
        address = found[0].casefold()
        if address not in known:
            known[address] = f"address-{next(numbers)}@removed.invalid"
        return known[address]

    def hidden(value: Any) -> Any:
        match value:
            case str():
                return _ADDRESS.sub(number, value)
            case dict():
                return {hidden(name): hidden(one) for name, one in value.items()}
            case list():
                return [hidden(one) for one in value]
        return value

    return hidden(value)


def _put(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(f"pillarbox-support/{name}")
    entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
    archive.addfile(entry, io.BytesIO(content))
