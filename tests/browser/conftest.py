"""Chromium, Microsoft, and an installation that all tests look at; each test that changes much gets its own."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from pillarbox.emulator import Certificates, SigningKey
from tests.browser.furnish import open_furnished
from tests.browser.site import PROGRAM, Site, launched, open_site
from tests.journeys.stage import Office, open_office
from tests.openapi.recorder import Recorder

OpenSite = Callable[[], Awaitable[Site]]


@pytest.fixture(scope="session")
def _outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What lives as long as the session is started in an environment as empty as that of a test."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name not in ("PATH", "PYTEST_CURRENT_TEST")}
    os.environ |= {"HOME": str(tmp_path_factory.mktemp("home")), "LC_ALL": "C.UTF-8"}
    yield
    os.environ |= hidden


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(_outside: None) -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    if shutil.which(PROGRAM) is None:
        pytest.skip("needs chromium")
    async with async_playwright() as playwright, launched(playwright) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def office(
    _outside: None,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
    signing_key: SigningKey,
    recorder: Recorder,
) -> AsyncIterator[Office]:
    """Microsoft, for all."""
    folder = tmp_path_factory.mktemp("microsoft")
    async with open_office(folder, certificates, signing_key, recorder) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(office: Office, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """An installation with a bit of everything, which tests look at and leave as it is."""
    async with open_furnished(office, browser, tmp_path_factory.mktemp("site")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def new_site(office: Office, browser: Browser, tmp_path: Path) -> AsyncIterator[OpenSite]:
    """Opens an installation that nobody has touched."""
    async with AsyncExitStack() as stack:

        async def opened() -> Site:
            return await stack.enter_async_context(open_site(office, browser, tmp_path))

        yield opened
