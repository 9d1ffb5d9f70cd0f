"""Rules of all tests: an empty environment each, no unexplained skip, keys once per process; and the house to test."""

import asyncio
import gc
import io
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import hypothesis
import pytest

from pillarbox.access.guard import Patience
from pillarbox.access.passwords import HashCost
from pillarbox.admin import apps, mailboxes
from pillarbox.core.accounts import Submitter
from pillarbox.core.content import in_memory
from pillarbox.core.mail import Envelope
from pillarbox.core.settings import Settings, load
from pillarbox.core.vault import Secret
from pillarbox.emulator import App, Certificates, Emulator, SigningKey, seed
from pillarbox.emulator.faults import Faults
from pillarbox.emulator.seed import Seed
from pillarbox.gateway import Gateway
from pillarbox.store.database import Row
from tests import service
from tests.openapi.plugin import (
    _graph_answers_are_microsofts,
    pytest_addoption,
    pytest_configure,
    pytest_sessionfinish,
    pytest_testnodedown,
    recorder,
)
from tests.openapi.recorder import Recorder
from tests.skips import pytest_make_collect_report, pytest_runtest_makereport, pytest_terminal_summary
from tests.workers import pytest_xdist_make_scheduler

__all__ = [  # hooks and fixtures that pytest finds here
    "_graph_answers_are_microsofts",
    "pytest_addoption",
    "pytest_configure",
    "pytest_make_collect_report",
    "pytest_runtest_makereport",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
    "pytest_xdist_make_scheduler",
    "recorder",
]

CHEAP_HASH = HashCost(memory_kib=8, passes=1)
NO_DELAY = Patience(least_delay=0.0)

hypothesis.settings.register_profile(
    "tests", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
hypothesis.settings.register_profile("fuzz", hypothesis.settings.get_profile("tests"), max_examples=3000)
hypothesis.settings.load_profile("tests")


# ---- rules


def pytest_collection_finish() -> None:
    """The tests live to the end: a search for garbage need not look through thousands of them each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _empty_environment(tmp_path: Path) -> Iterator[None]:
    """Nothing that is set outside reaches a test, and nothing that a test sets reaches another."""
    saved = dict(os.environ)
    os.environ.clear()
    os.environ.update({"PATH": saved["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"})
    yield
    os.environ.clear()
    os.environ.update(saved)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """Also in the background of a shell (`make test &`), which ignores SIGINT for all that are started there."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_process_left() -> Iterator[None]:
    """What a test that failed has left running is killed."""
    yield
    service.kill_what_is_left()


@pytest.fixture
def monkeypatch() -> NoReturn:
    """Not here: a patched module agrees with every mistake."""
    raise RuntimeError("hand the part in as a parameter instead of patching it (docs/contributing/tests.md)")


# ---- the house


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    """The emulator's CA and certificate, made once."""
    return Certificates.make()


@pytest.fixture(scope="session")
def signing_key() -> SigningKey:
    """The emulator's key for tokens, made once."""
    return SigningKey()


@dataclass
class Microsoft:
    """A running emulator with its seed."""

    emulator: Emulator
    seed: Seed

    @property
    def settings(self) -> dict[str, str]:
        """The settings that point a gateway at it."""
        return {
            "microsoft.cloud": "custom",
            "microsoft.authority_url": self.emulator.url,
            "microsoft.graph_url": self.emulator.url,
            "microsoft.ca_file": str(self.emulator.ca_file),
        }


@pytest.fixture
def with_exchange() -> bool:
    """Whether `microsoft` has SMTP and IMAP too: a file that wants them has a fixture of this name."""
    return False


@pytest.fixture
def faults() -> Faults:
    """What goes wrong at `microsoft`: nothing, until a test says so."""
    return Faults()


@pytest.fixture
async def microsoft(
    tmp_path: Path,
    certificates: Certificates,
    signing_key: SigningKey,
    recorder: Recorder,
    with_exchange: bool,
    faults: Faults,
) -> AsyncIterator[Microsoft]:
    """An emulator of its own for this test."""
    folder = tmp_path / "emulator"
    folder.mkdir()
    async with Emulator(
        folder,
        certificates=certificates,
        signing_key=signing_key,
        witness=recorder,
        exchange=with_exchange,
        faults=faults,
    ) as emulator:
        yield Microsoft(emulator, seed(emulator.world))


class Log(io.StringIO):
    """A log that can be waited on: tests wait for what happens, never for time."""

    def __init__(self) -> None:
        super().__init__()
        self._written = asyncio.Event()

    def write(self, text: str) -> int:
        """As a file, and wake who waits."""
        self._written.set()
        return super().write(text)

    async def next(self) -> None:
        """Until a line was written since the last time: also one that came while its reader looked elsewhere."""
        await self._written.wait()
        self._written.clear()

    def lines(self, event: str) -> list[str]:
        """The lines of one event."""
        return [line for line in self.getvalue().splitlines() if f"event={event} " in line + " "]


@dataclass
class House:
    """A gateway under test, pointed at the emulator, with the shortest ways to what tests need."""

    gateway: Gateway
    microsoft: Microsoft
    log: Log
    passwords: dict[str, str] = field(default_factory=dict)

    async def furnish(self, *addresses: str, app: App | None = None) -> Submitter:
        """An app registration (Mail gateway), mailboxes, and the submitter `printer` that may use them."""
        app = app or self.microsoft.seed.gateway
        secret = Secret(self.microsoft.seed.secrets[app.client_id])
        await apps.add(self.gateway.accounts, "contoso", self.microsoft.seed.tenant.id, app.client_id, secret)
        for address in addresses:
            await mailboxes.add(self.gateway.accounts, address, "contoso")
        submitter, password = await self.gateway.submitters.add("printer", {"mailboxes": addresses, "fix_from": True})
        self.passwords["printer"] = password.reveal()
        return submitter

    async def accept(self, mime: bytes, *recipients: str, sender: str = "scanner@contoso.example") -> str:
        """Hand in a message as the submitter `printer`."""
        submitter = await self.gateway.submitters.get("printer")
        return await self.gateway.submission.accept(Envelope(sender, recipients), in_memory(mime), submitter)

    async def settled(self, queue_id: str, *states: str) -> Row:
        """The message once it is in one of these states (without any: sent)."""
        wanted = states or ("sent",)
        while True:
            row = await self.gateway.outbox.get(queue_id)
            if row is not None and row["state"] in wanted:
                return row
            await self.log.next()

    def again(self) -> Gateway:
        """Another gateway on the same store, as another process would open it."""
        return Gateway(self.gateway.settings, {}, hash_cost=CHEAP_HASH, login_patience=NO_DELAY, log_file=self.log)

    @property
    def smtp(self) -> tuple[str, int]:
        """Host and port of the SMTP door."""
        host, _, port = self.gateway.smtp_address.rpartition(":")
        return host, int(port)


MakeHouse = Callable[..., Awaitable[House]]


def house_settings(folder: Path, more: dict[str, str]) -> Settings:
    """Settings of a gateway that lives in `folder` and takes free ports."""
    base = {
        "state_dir": str(folder / "state"),
        "socket": str(folder / "run" / "api.sock"),
        "smtp.listen": "127.0.0.1:0",
        "http.listen": "127.0.0.1:0",
        "smtp.hostname": "gateway.contoso.example",
        **service.LIFTED,
    }
    flags = base | more
    # A secret is never a flag.
    environ = {
        "PILLARBOX_MICROSOFT__PROXY": flags.pop("microsoft.proxy", ""),
        "PILLARBOX_CONSOLE__ENTRA__CLIENT_SECRET": flags.pop("console.entra.client_secret", ""),
    }
    return load(None, environ, flags)


@pytest.fixture
async def make_house(tmp_path: Path, microsoft: Microsoft) -> AsyncIterator[MakeHouse]:
    """Make gateways that are stopped at the end; further settings and arguments of Gateway as keywords."""
    made: list[Gateway] = []

    async def make(
        settings: dict[str, str] | None = None,
        *,
        start: bool = True,
        environ: dict[str, str] | None = None,
        **arguments: Any,
    ) -> House:
        log = Log()
        given = house_settings(tmp_path, microsoft.settings | (settings or {}))
        more = {"hash_cost": CHEAP_HASH, "login_patience": NO_DELAY, **arguments}
        if "clock" in arguments:
            # A test that moves it lets time pass.
            more.setdefault("running", arguments["clock"])
        gateway = Gateway(given, environ or {}, log_file=log, **more)
        await gateway.open()
        made.append(gateway)
        if start:
            await gateway.start()
        return House(gateway, microsoft, log)

    yield make
    for gateway in made:
        await gateway.stop()


@pytest.fixture
async def house(make_house: MakeHouse) -> House:
    """A running gateway, furnished with scanner@ and erp@contoso.example."""
    made = await make_house()
    await made.furnish("scanner@contoso.example", "erp@contoso.example")
    return made
