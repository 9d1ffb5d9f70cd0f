"""A file of fault rules, switches and limits, in TOML or JSON: `[[fault]]`, `[switches]`, `[limits]`.

A rule has the fields of Fault. Switches hold for all; what shall hold for some requests alone is a rule's
`rewrite_message_id`, `second_send` or `sent_copy_delay`, beside its matchers.
"""

import contextlib
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pillarbox.emulator.fault import Fault
from pillarbox.emulator.faults import Faults
from pillarbox.emulator.switches import switch
from pillarbox.emulator.world import World


@dataclass(frozen=True)
class RuleFile:
    """What was read: `faults` are good rules; whether `switches` and `limits` are known shows when they are applied.

    In TOML, which has no null, `false` stands for no limit.
    """

    path: Path
    faults: list[Fault]
    switches: dict[str, Any]
    limits: dict[str, Any]

    def apply(self, world: World, faults: Faults) -> None:
        """Set the switches and limits of the world and add the rules; a ValueError names file, place and key."""
        with _at(f"{self.path}: switches"):
            switch(world, self.switches)
        with _at(f"{self.path}: limits"):
            world.limits.set({name: None if number is False else number for name, number in self.limits.items()})
        for fault in self.faults:
            faults.add(fault)


def read(path: Path) -> RuleFile:
    """The file's content, JSON if it is named so; a ValueError names file, place and key, an OSError the file."""
    with _at(str(path)):
        content = path.read_bytes().decode()
        value = json.loads(content) if path.suffix.lower() == ".json" else tomllib.loads(content)
        rules, switches, limits = _tables(value)
    faults = []
    for place, rule in enumerate(rules, 1):
        with _at(f"{path}: fault {place}"):
            faults.append(Fault.from_json(rule))
    return RuleFile(path, faults, switches, limits)


def _tables(value: Any) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
    if not isinstance(value, dict):
        raise ValueError("the file is an object with fault, switches and limits")
    unknown = sorted(value.keys() - {"fault", "switches", "limits"})
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; there are fault, switches and limits")
    rules, switches, limits = value.get("fault", []), value.get("switches", {}), value.get("limits", {})
    if not isinstance(rules, list):
        raise ValueError("fault is a list of tables: [[fault]]")
    if not isinstance(switches, dict) or not isinstance(limits, dict):
        raise ValueError("switches and limits are tables")
    return rules, switches, limits


@contextlib.contextmanager
def _at(place: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place}: {error}") from error
