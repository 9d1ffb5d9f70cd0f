"""What a service does not need is not in its memory."""

import asyncio
import importlib
import sys
from pathlib import Path

import pytest

from pillarbox.cli.local import Api
from pillarbox.core.without import without
from tests.service import STARTED

SERVE = """
import atexit, runpy, sys
atexit.register(lambda: print(*(name for name, module in sys.modules.items() if module)))
runpy.run_module("pillarbox", run_name="__main__")
"""


def test_inside_a_package_cannot_be_imported_and_outside_it_can() -> None:
    with without("tabnanny"), pytest.raises(ModuleNotFoundError):
        importlib.import_module("tabnanny")
    assert importlib.import_module("tabnanny").__name__ == "tabnanny"


def test_a_package_that_is_loaded_stays() -> None:
    loaded = sys.modules["pytest"]
    with without("pytest"):
        assert importlib.import_module("pytest") is loaded
    assert sys.modules["pytest"] is loaded


async def test_a_service_that_was_used_has_loaded_none_of_them(tmp_path: Path) -> None:
    places = {"state_dir": tmp_path / "state", "socket": tmp_path / "api.sock"}
    doors = dict.fromkeys(("smtp.listen", "http.listen"), "127.0.0.1:0")
    settings = [word for key, value in {**places, **doors}.items() for word in ("--set", f"{key}={value}")]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVE, "serve", "--json", *settings),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    STARTED.append(process)
    assert process.stdout is not None
    assert await process.stdout.readline()
    await asyncio.to_thread(Api(places["socket"], None, ()).get, "/api/v1/status")
    process.terminate()
    told, _ = await process.communicate()
    loaded = {*told.decode().split()}
    assert {"structlog", "requests", "fastapi"} <= loaded
    assert not {"rich", "charset_normalizer", "pydantic.v1"} & loaded
