"""Which codes Microsoft's refusals have, and with which status (graph-errors.csv, README.md)."""

import csv
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Final

from tests.openapi import additions

FILE: Final = Path(__file__).parent / "graph-errors.csv"


def fault(code: object, status: int) -> str | None:
    """What is wrong with a code on a status, None if nothing is.

    A pair that Microsoft wrote down counts as it is. Where the status is a guess of the file's, its class must fit.
    """
    statuses, sure = _known()
    if not isinstance(code, str) or code not in statuses:
        return f"Microsoft has no code {code!r}"
    if status not in set().union(*statuses.values()):
        return f"Graph has no status {status}"
    fits = status in statuses[code] if code in sure else status // 100 in {each // 100 for each in statuses[code]}
    return None if fits else f"{code} comes with {' or '.join(map(str, sorted(statuses[code])))}, not with {status}"


@cache
def _known() -> tuple[dict[str, set[int]], set[str]]:
    """The statuses of each code, and the codes whose statuses are certain."""
    statuses: dict[str, set[int]] = defaultdict(set)
    guessed: set[str] = set()
    with FILE.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            statuses[row["code"]].add(int(row["http_status"]))
            if row["status_basis"] != "read":
                guessed.add(row["code"])
    for code, more in additions.REFUSALS.items():
        statuses[code] |= more
    return dict(statuses), statuses.keys() - guessed
