"""What was asked and is not emulated, so that a missing feature is never taken for Microsoft's refusal."""

from collections.abc import Iterator
from dataclasses import dataclass

MAX_GAPS = 1000


@dataclass
class Gap:
    """A request that the emulator cannot serve: `what` names the path or the parameter that is missing."""

    method: str
    path: str
    what: str
    count: int = 0


class Gaps:
    """The list of gaps met so far, each once with its count; at most MAX_GAPS."""

    def __init__(self) -> None:
        self._gaps: dict[tuple[str, str, str], Gap] = {}

    def __iter__(self) -> Iterator[Gap]:
        return iter(self._gaps.values())

    def __len__(self) -> int:
        return len(self._gaps)

    def add(self, method: str, path: str, what: str) -> None:
        """Note a request that could not be served."""
        key = (method, path, what)
        if key in self._gaps or len(self._gaps) < MAX_GAPS:
            self._gaps.setdefault(key, Gap(method, path, what)).count += 1

    def clear(self) -> None:
        """Forget all."""
        self._gaps.clear()
