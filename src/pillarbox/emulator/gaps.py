"""What was asked and is not emulated, so that a missing feature is never taken for Microsoft's refusal."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

MAX_GAPS = 1000
MAX_PARTS = 12
"""Parts of a path that are looked at; the longest path of Graph mail has ten."""
MAX_WHAT = 200
PLAIN = re.compile(r"[$\w.-]{1,40}(?:\(\))?", re.ASCII)
"""A part of a path that may be a word; what is longer or holds other characters is an identifier."""
IDENTIFIER = re.compile(r"[0-9]+|(?=.*[0-9])[0-9a-f-]{32,36}|AA[MQ]k.*|.*=", re.IGNORECASE | re.ASCII)
"""A number, a GUID, an item of Exchange, anything in base64."""
KEYED = re.compile(r"([\w.]{1,80})\(.+\)", re.ASCII | re.DOTALL)


@dataclass
class Gap:
    """A request that the emulator cannot serve: `what` names the path or the parameter that is missing.

    In `path` identifiers are `{id}`, so that one missing operation is one gap, whatever it was asked about.
    """

    method: str
    path: str
    what: str
    count: int = 0


class Gaps:
    """The list of gaps met so far, each once with its count; at most MAX_GAPS, and a last row that counts the rest."""

    def __init__(self) -> None:
        self.clear()

    def __iter__(self) -> Iterator[Gap]:
        yield from self._gaps.values()
        if self._left_out.count:
            yield self._left_out

    def __len__(self) -> int:
        return len(self._gaps) + bool(self._left_out.count)

    def add(self, method: str, path: str, what: str) -> None:
        """Note a request that could not be served."""
        gap = Gap(method, template(path), what[:MAX_WHAT])
        key = (gap.method, gap.path, gap.what)
        if key in self._gaps or len(self._gaps) < MAX_GAPS:
            self._gaps.setdefault(key, gap).count += 1
        else:
            self._left_out.count += 1

    def clear(self) -> None:
        """Forget all."""
        self._gaps: dict[tuple[str, str, str], Gap] = {}
        self._left_out = Gap("*", "*", f"left out: the list ends after {MAX_GAPS}")


def template(path: str) -> str:
    """A path with `{id}` for its identifiers, and cut where no path of Microsoft's is so long.

    What is no path (a command of SMTP or IMAP) is left as it is.
    """
    if not path.startswith("/"):
        return path
    parts = [_shape(unquote(part)) for part in path.split("/") if part]
    return "/" + "/".join([*parts[:MAX_PARTS], *(["..."] if len(parts) > MAX_PARTS else [])])


def _shape(part: str) -> str:
    keyed = KEYED.fullmatch(part)
    if keyed:
        return f"{keyed[1]}({{id}})"
    return part if PLAIN.fullmatch(part) and not IDENTIFIER.fullmatch(part) else "{id}"
