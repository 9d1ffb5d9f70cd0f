"""The target of the run, clients for it, the record of each case, and two mailboxes that are clean before and after."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from pillarbox.emulator import Certificates, SigningKey
from tests.contract.microsoft import record as records
from tests.contract.microsoft.chosen import ENVIRONMENT, TARGET, TENANT
from tests.contract.microsoft.cleaning import clean
from tests.contract.microsoft.emulated import emulated
from tests.contract.microsoft.entra import Cache, Entra
from tests.contract.microsoft.graph import Graph
from tests.contract.microsoft.mailbox import Mailbox
from tests.contract.microsoft.mails import Mails
from tests.contract.microsoft.names import look_up
from tests.contract.microsoft.record import Record
from tests.contract.microsoft.redaction import Redaction
from tests.contract.microsoft.target import Missing, Target, of_environment, snapshots_of
from tests.contract.microsoft.web import Web, session
from tests.openapi.recorder import Recorder

AHEAD = "ahead"
NOT_ASKED = pytest.StashKey[list[str]]()
CASES = pytest.StashKey[set[str]]()
NAMELESS = pytest.StashKey[tuple[str, ...]]()


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a target that is none, and a tenant of which too little is known, before anything is sent."""
    config.addinivalue_line("markers", f"{AHEAD}(what): the emulator has not got it yet, a tenant is asked")
    if TARGET not in ("emulator", "tenant"):
        raise pytest.UsageError("TARGET is emulator or tenant")
    try:
        if TENANT:
            of_environment(ENVIRONMENT)
    except (Missing, OSError) as error:
        raise pytest.UsageError(str(error)) from error


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Do not ask the emulator what it has not got, unless somebody wants to see (`-m ahead`)."""
    # Before `-k` takes some away: a case that is not asked today still has its snapshot.
    config.stash[CASES] = {records.name_of(item.path, item.name) for item in items}
    if TENANT or AHEAD in config.getoption("markexpr"):
        return
    marks = {item: mark for item in items if (mark := item.get_closest_marker(AHEAD))}
    config.stash[NOT_ASKED] = sorted({mark.args[0] for mark in marks.values()})
    config.hook.pytest_deselected(items=[*marks])
    items[:] = [item for item in items if item not in marks]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say whether anybody with a tenant stands behind this run, and what the emulator was not asked."""
    folder = snapshots_of(ENVIRONMENT)
    count = len([*folder.glob("*.json")])
    parts = any("::" in argument for argument in config.args)
    if stale := [] if parts or CASES not in config.stash else records.stale(folder, config.stash[CASES]):
        terminalreporter.write_line(f"snapshots without a case, delete or rename them: {', '.join(stale)}")
    if TENANT:
        if nameless := config.stash.get(NAMELESS, ()):
            terminalreporter.write_line(f"names that nobody told, read the snapshots for them: {', '.join(nameless)}")
        terminalreporter.write_line(f"snapshots of a tenant: {count} in {folder}")
    else:
        terminalreporter.write_line(f"compared with {count} snapshots" if count else "not certified: no snapshots")
        if missing := config.stash.get(NOT_ASKED, []):
            terminalreporter.write_line(f"ahead of the emulator, asked of a tenant only: {', '.join(missing)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """After a case: write its record down if a tenant answered, else compare it with the snapshot."""
    record: Record | None = getattr(item, "funcargs", {}).get("record")
    target: Target | None = getattr(item, "funcargs", {}).get("target")
    try:
        result = yield
    finally:
        # What was seen before a case failed is worth most.
        if record and target and target.is_tenant and record.steps:
            records.write(target.snapshots, record)
    if record and target and not target.is_tenant:
        _compare(record, target)
    return result


def _compare(record: Record, target: Target) -> None:
    snapshot = records.read(target.snapshots, record.name)
    if snapshot is None:
        return
    found = records.unknown(record.name, records.differences(snapshot, record.steps), records.known_differences())
    if found:
        pytest.fail(records.complaint(record.name, found), pytrace=False)


# ---- the target


@pytest.fixture(scope="session")
def run() -> str:
    """The id of this run; it stands in each subject."""
    return secrets.token_hex(5)


@pytest.fixture(scope="session")
def target(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, signing_key: SigningKey, recorder: Recorder
) -> Iterator[Target]:
    """The tenant of the environment, or an emulator that lives as long as the run."""
    if TENANT:
        yield of_environment(ENVIRONMENT)
        return
    folder = tmp_path_factory.mktemp("certify")
    with emulated(folder, certificates, signing_key, recorder, snapshots_of(ENVIRONMENT)) as made:
        yield made.target


@pytest.fixture(scope="session")
def tokens() -> Cache:
    """The tokens that were fetched in this run."""
    return {}


@pytest.fixture(scope="session")
def names(target: Target, tokens: Cache, pytestconfig: pytest.Config) -> tuple[str, ...]:
    """Names of tenant, apps and people, which no record may hold."""
    found = asyncio.run(look_up(target, tokens))
    pytestconfig.stash[NAMELESS] = found.nameless
    return found.names


@pytest.fixture(scope="session", autouse=True)
def _cleaned(target: Target, tokens: Cache) -> Iterator[None]:
    """Nothing of an earlier run is there, and nothing of this one stays, also when cases fail."""
    asyncio.run(clean(target, tokens))
    yield
    asyncio.run(clean(target, tokens))


# ---- clients


@pytest.fixture
async def web(target: Target) -> AsyncIterator[Web]:
    """HTTP without a token."""
    async with session(target) as opened:
        yield Web(opened)


@pytest.fixture
def entra(web: Web, target: Target, tokens: Cache) -> Entra:
    """The authority."""
    return Entra(web, target, tokens)


@pytest.fixture
def graph(web: Web, target: Target, entra: Entra) -> Graph:
    """Graph, as the keeper of the mailboxes unless another app is named."""
    return Graph(web, target, entra)


@pytest.fixture
def sender(graph: Graph, target: Target) -> Mailbox:
    """The mailbox that sends."""
    return Mailbox(graph, target.sender_address, target.patience)


@pytest.fixture
def recipient(graph: Graph, target: Target) -> Mailbox:
    """The mailbox that receives."""
    return Mailbox(graph, target.recipient_address, target.patience)


# ---- the record


@pytest.fixture
def record(request: pytest.FixtureRequest, target: Target, run: str, names: tuple[str, ...]) -> Record:
    """What this case sees."""
    name = records.name_of(request.path, request.node.name)
    assumes = not target.is_tenant and records.read(target.snapshots, name) is None
    return Record(name, Redaction(target.known(), run, names), assumes)


@pytest.fixture
def mails(target: Target, run: str) -> Mails:
    """Mail to send."""
    return Mails(target, run)
