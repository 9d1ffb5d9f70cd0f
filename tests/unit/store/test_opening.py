"""A store that cannot be opened: what passes by itself, and what a person must mend."""

import errno
from pathlib import Path

import apsw
import pytest

from pillarbox.core.errors import ConfigError, PillarboxError, Unavailable
from pillarbox.store.sqlite import open_sqlite


async def refusal(path: Path, **options: object) -> PillarboxError:
    with pytest.raises(PillarboxError) as caught:
        await open_sqlite(path, on_death=print, **options)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No room"), OSError(errno.EDQUOT, "No room"), apsw.FullError("database is full")]
)
async def test_a_full_disk_is_no_mistake_of_the_settings(tmp_path: Path, error: Exception) -> None:
    def look(_path: Path) -> None:
        raise error

    told = await refusal(tmp_path / "store.db", look=look)
    assert (type(told), told.code, told.entry.exit) == (Unavailable, "store.full", 75)


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "Permission denied"), apsw.IOError("disk I/O error")])
async def test_what_else_fails_is_told_as_it_is(tmp_path: Path, error: Exception) -> None:
    def look(_path: Path) -> None:
        raise error

    told = await refusal(tmp_path / "store.db", look=look)
    assert (type(told), told.code, str(error) in told.sentence) == (ConfigError, "config.state_dir", True)


@pytest.mark.parametrize("at", [0, 100])
async def test_a_damaged_store_stops_the_start_and_stays_as_it_is(tmp_path: Path, at: int) -> None:
    path = tmp_path / "store.db"
    await (await open_sqlite(path, on_death=print)).close()
    damaged = bytearray(path.read_bytes())
    damaged[at : at + 4000] = b"x" * 4000
    path.write_bytes(damaged)
    told = await refusal(path)
    assert (type(told), told.code, told.entry.exit) == (ConfigError, "store.corrupt", 78)
    assert ".recover" in told.cure
    assert path.read_bytes() == damaged
