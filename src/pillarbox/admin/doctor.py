"""The doctor: everything that can be wrong with an installation, looked at one by one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pillarbox.admin.examine import accounts, doors, keeping, machine
from pillarbox.admin.examine.examined import Examined
from pillarbox.admin.examine.findings import Finding, Severity, of_error, problem, skipped
from pillarbox.core.errors import PillarboxError
from pillarbox.core.log import Logger

Look = Callable[[Examined], Awaitable[list[Finding]]]


@dataclass(frozen=True, slots=True)
class Examination:
    """One subject, its name in the report, and the seconds that it may take beside the patience for mailboxes."""

    name: str
    look: Look
    limit: float = 30.0


EXAMINATIONS: Final = (
    Examination("clock", machine.clock),
    Examination("disk", machine.disk),
    Examination("file-system", machine.file_system),
    Examination("writes", machine.durable_writes),
    Examination("open-files", machine.open_files),
    Examination("core-dumps", machine.dumps),
    Examination("ca", machine.ca_variables),
    Examination("proxy", machine.proxies),
    Examination("sqlite", keeping.sqlite),
    Examination("store", keeping.store, 60.0),
    Examination("master-key", keeping.master_key),
    Examination("listeners", doors.listeners),
    Examination("certificates", doors.certificates),
    Examination("credentials", accounts.credentials),
    Examination("passwords", accounts.passwords),
    Examination("queue", keeping.waiting),
    Examination("pauses", accounts.pauses),
    Examination("mailboxes", accounts.mailboxes),
)
"""All of them, in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one examination found."""

    name: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found."""

    told: Sequence[Told]

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not any(one.finding.severity is Severity.PROBLEM for one in self.told)


async def examine(examined: Examined, log: Logger, examinations: Sequence[Examination] = EXAMINATIONS) -> Diagnosis:
    """Look at everything, at the same time. What goes wrong meanwhile is a finding, never an exception."""
    found = await asyncio.gather(*(_look(one, examined, log) for one in examinations))
    return Diagnosis([Told(one.name, each) for one, those in zip(examinations, found, strict=True) for each in those])


async def _look(one: Examination, examined: Examined, log: Logger) -> list[Finding]:
    limit = one.limit + examined.patience
    try:
        async with asyncio.timeout(limit):
            return await one.look(examined)
    except PillarboxError as error:
        return [of_error(error)]
    except TimeoutError:
        return [skipped("doctor.too_slow", seconds=f"{limit:g}")]
    except OSError as error:
        return [skipped("doctor.not_seen", reason=error.strerror or str(error))]
    except Exception as error:
        log.error("unexpected", where=f"doctor: {one.name}", exc_info=error)
        return [problem("internal")]
