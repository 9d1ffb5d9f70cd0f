"""What is kept: the database, the master key, and what is sealed with it."""

import os
import stat
from pathlib import Path
from typing import Final

from pillarbox.admin.examine.examined import Examined, Machine
from pillarbox.admin.examine.findings import Finding, Severity, of_error, problem, skipped, warning, well
from pillarbox.store import measures
from pillarbox.store.soundness import look_through, sqlite_version

_SOUND: Final = (3, 51, 3)
"""The first SQLite without the WAL-reset bug (https://sqlite.org/wal.html, section 11)."""
_PATIENCE: Final = 20.0
"""Seconds in which a store is read through; a large one takes longer, and mail must not wait for it."""


async def sqlite(_machine: Machine) -> list[Finding]:
    """Which SQLite it is."""
    return [judge_version(sqlite_version())]


def judge_version(version: str) -> Finding:
    """Whether this SQLite can be trusted. Pure."""
    numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
    if numbers < _SOUND:
        return problem("doctor.old_sqlite", version=version, least=".".join(map(str, _SOUND)))
    return well("doctor.sqlite", version=version)


async def store(examined: Examined) -> list[Finding]:
    """Whether the store is whole, as far as can be told in a while."""
    found = await look_through(examined.store, _PATIENCE)
    evidence = {"size": found.size, "damage": list(found.damage)}
    if found.damage:
        return [problem("doctor.store_damaged", evidence, reason=found.damage[0])]
    if not found.finished:
        return [skipped("doctor.store_too_large", evidence, seconds=f"{_PATIENCE:g}")]
    return [well("doctor.store", evidence, size=f"{found.size / 1024 / 1024:,.1f} MiB")]


async def waiting(examined: Examined) -> list[Finding]:
    """How long the oldest message of each state waits."""
    now = examined.clock()
    found = []
    for one in await measures.waiting(examined.database, now):
        age = max(0.0, now - one.oldest)
        found += judge_waiting(one.state, one.messages, age, for_approval=one.for_approval)
    return found or [well("doctor.nothing_waits")]


_LATE: Final = 15 * 60.0
_BAD: Final = 4 * 3600.0


def judge_waiting(state: str, messages: int, age: float, *, for_approval: bool = False) -> list[Finding]:
    """What so many messages in a state mean, the oldest of them of this age in seconds. Pure."""
    evidence: dict[str, object] = {"state": state, "messages": messages, "age": round(age)}
    told = {"messages": messages, "state": state, "age": span(age)}
    if for_approval:
        return [warning("doctor.for_approval", evidence, **told)]
    if state == "held":
        return [problem("doctor.held", evidence, **told)]
    if age >= _BAD:
        return [problem("doctor.waits_long", evidence, **told)]
    return [(warning("doctor.waits", evidence, **told) if age >= _LATE else well("doctor.waiting", evidence, **told))]


def span(seconds: float) -> str:
    """A time in words, in its largest unit. Pure."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


async def master_key(examined: Examined) -> list[Finding]:
    """Whether the master key is ours alone, and opens all that is sealed."""
    status = await examined.rotation.status()
    found = _judge_file(Path(status.origin)) if status.rotates_itself else []
    if status.undecryptable:
        found += [of_error(error) for error in (*status.damaged, status.advice)]
    elif status.advice.code == "vault.unfinished":
        found.append(of_error(status.advice, Severity.WARNING))
    else:
        evidence: dict[str, object] = {"origin": status.origin, "keys": len(status.keys)}
        found.append(well("doctor.master_key", evidence, origin=status.origin))
    return found


def _judge_file(file: Path) -> list[Finding]:
    seen = file.stat()
    mode = stat.S_IMODE(seen.st_mode)
    if mode & 0o077:
        return [problem("vault.key_readable", {"mode": f"{mode:04o}"}, path=file)]
    if seen.st_uid not in (os.geteuid(), 0):
        return [warning("doctor.foreign_key", {"uid": seen.st_uid}, path=file, uid=seen.st_uid)]
    return []
