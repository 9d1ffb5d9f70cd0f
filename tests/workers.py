"""How pytest-xdist shares the tests among processes: a file stays together, and so do all files that read a clock.

A fixture of a module is made once, an address that a file names is taken once, and of two tests that measure what
something costs none runs beside the other.
"""

import functools
import re
from pathlib import Path
from typing import Any, Final

import pytest
from xdist.scheduler import LoadFileScheduling

_CLOCK: Final = re.compile(r"\b(?:process_time|perf_counter|monotonic)\(")


@functools.cache
def together(file: Path) -> str:
    """What `file` shares a process with: itself, or all that read a clock."""
    return "what is timed" if _CLOCK.search(file.read_text("utf-8")) else str(file)


class Scheduler(LoadFileScheduling):  # type: ignore[misc]
    """Gives each process one file after the other, those with most tests first."""

    def _split_scope(self, nodeid: str) -> str:
        return together(self.config.rootpath / super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler:
    """Whatever `--dist` says."""
    return Scheduler(config, log)
