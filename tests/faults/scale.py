"""How much a fault test does: a little in `make test`, and the figures that are promised in `make faults`."""

import os
import random
from typing import Final

LONG: Final = os.environ.get("PILLARBOX_FAULTS") == "long"


def figure(name: str, short: int, long: int) -> int:
    """How many; the variable `PILLARBOX_FAULTS_<name>` says otherwise."""
    return int(os.environ.get(f"PILLARBOX_FAULTS_{name}", long if LONG else short))


def seed() -> int:
    """What chance begins with: another number each time, or PILLARBOX_FAULTS_SEED. Print it."""
    return int(os.environ.get("PILLARBOX_FAULTS_SEED", random.randrange(1 << 32)))
