"""The recorder in pytest: it hears all emulators of a session, and a test whose emulator spoke wrongly fails."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.openapi.recorder import Recorder, complaint

_OPTION: Final = "--emulator-coverage"
_OF: Final = "--coverage-of"
_RECORDER: Final = pytest.StashKey[Recorder]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option for tools/coverage.py."""
    parser.addoption(_OPTION, metavar="FILE", help="write which operations the emulator answered in this run, as JSON")
    parser.addoption(
        _OF,
        metavar="FOLDER",
        action="append",
        default=[],
        help="count what tests below there heard; without one: of all",
    )


def pytest_configure(config: pytest.Config) -> None:
    """One recorder for the session."""
    config.stash[_RECORDER] = Recorder()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the coverage, if it is wanted; a process of several (`-n`) gives its part to the first."""
    if file := session.config.getoption(_OPTION):
        coverage = session.config.stash[_RECORDER].coverage()
        if (part := getattr(session.config, "workeroutput", None)) is not None:
            part[_OPTION] = coverage
        else:
            Path(file).write_text(json.dumps(coverage, indent=1) + "\n", "utf-8")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a process has heard counts as if all were one."""
    if coverage := getattr(node, "workeroutput", {}).get(_OPTION):
        node.config.stash[_RECORDER].add(coverage)


@pytest.fixture(scope="session")
def recorder(pytestconfig: pytest.Config) -> Recorder:
    """The witness to hand to every emulator: `Emulator(..., witness=recorder)`."""
    return pytestconfig.stash[_RECORDER]


@pytest.fixture(autouse=True)
def _graph_answers_are_microsofts(recorder: Recorder, request: pytest.FixtureRequest) -> Iterator[None]:
    """Every answer of an emulator's Graph is one that Microsoft's file allows."""
    folders = request.config.getoption(_OF)
    below = (request.path.is_relative_to(request.config.rootpath / folder) for folder in folders)
    recorder.counts = not folders or any(below)
    yield
    if problems := recorder.take():
        pytest.fail(complaint(problems), pytrace=False)
