"""What unit tests of several folders need."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pillarbox.store.sqlite import SqliteDatabase, open_sqlite


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """A store of its own."""
    opened = await open_sqlite(tmp_path / "store.db", on_death=print)
    yield opened
    await opened.close()
