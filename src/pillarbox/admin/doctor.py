"""The doctor: everything that can be wrong with an installation, looked at one by one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from pillarbox.admin.examine import accounts, doors, keeping, machine, ways
from pillarbox.admin.examine.examined import Examined, Machine
from pillarbox.admin.examine.findings import Finding, Severity, Told, of_error, problem, skipped
from pillarbox.core.errors import PillarboxError
from pillarbox.core.log import Logger

_Seen = TypeVar("_Seen", bound=Machine)
_Sees = TypeVar("_Sees", bound=Machine, contravariant=True)


@dataclass(frozen=True, slots=True)
class Examination(Generic[_Sees]):
    """One subject, its name in the report, and the seconds that it may take beside the patience for mailboxes."""

    name: str
    look: Callable[[_Sees], Awaitable[list[Finding]]]
    limit: float = 30.0


OF_MACHINE: Final[Sequence[Examination[Machine]]] = (
    Examination("versions", machine.versions),
    Examination("clock", ways.clock),
    Examination("hosts", ways.hosts),
    Examination("proxy", ways.proxies),
    Examination("ca", machine.ca_variables),
    Examination("disk", machine.disk),
    Examination("file-system", machine.file_system),
    Examination("writes", machine.durable_writes),
    Examination("open-files", machine.open_files),
    Examination("core-dumps", machine.dumps),
    Examination("sqlite", keeping.sqlite),
    Examination("listeners", doors.listeners),
    Examination("certificates", doors.certificates),
    Examination("console-sign-in", doors.console_sign_in),
)
OF_STORE: Final[Sequence[Examination[Examined]]] = (
    Examination("store", keeping.store, 60.0),
    Examination("master-key", keeping.master_key),
    Examination("credentials", accounts.credentials),
    Examination("passwords", accounts.passwords),
    Examination("queue", keeping.waiting),
    Examination("pauses", accounts.pauses),
    Examination("submitters", accounts.submitters),
    Examination("mailboxes", accounts.mailboxes),
)
EXAMINATIONS: Final[Sequence[Examination[Examined]]] = (*OF_MACHINE, *OF_STORE)
"""All of them, in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found."""

    told: Sequence[Told]

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not any(one.finding.severity is Severity.PROBLEM for one in self.told)


def _unheard(_name: str) -> None:
    """Nobody is told."""


async def examine(
    seen: _Seen, log: Logger, examinations: Sequence[Examination[_Seen]], done: Callable[[str], None] = _unheard
) -> Diagnosis:
    """Look at everything, at the same time. What goes wrong meanwhile is a finding, never an exception.

    `done` is told the name of each examination that is over.
    """

    async def look(one: Examination[_Seen]) -> list[Finding]:
        found = await _look(one, seen, log)
        done(one.name)
        return found

    found = await asyncio.gather(*map(look, examinations))
    return Diagnosis([Told(one.name, each) for one, those in zip(examinations, found, strict=True) for each in those])


async def examine_without_store(seen: Machine, why: PillarboxError, log: Logger) -> Diagnosis:
    """Look at the machine alone, as the store cannot be opened, nor the service be asked, which is told first."""
    found = await examine(seen, log, OF_MACHINE)
    unseen = [Told(one.name, skipped("doctor.no_store")) for one in OF_STORE]
    return Diagnosis([Told("installation", of_error(why)), *found.told, *unseen])


async def _look(one: Examination[_Seen], seen: _Seen, log: Logger) -> list[Finding]:
    limit = one.limit + seen.patience
    try:
        async with asyncio.timeout(limit):
            return await one.look(seen)
    except PillarboxError as error:
        return [of_error(error)]
    except TimeoutError:
        return [skipped("doctor.too_slow", seconds=f"{limit:g}")]
    except OSError as error:
        return [skipped("doctor.not_seen", reason=error.strerror or str(error))]
    except Exception as error:
        log.error("unexpected", where=f"doctor: {one.name}", exc_info=error)
        return [problem("internal")]
