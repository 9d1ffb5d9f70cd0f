"""What a service does not need is not in its memory."""

import asyncio
import importlib
import sys

import pytest

from pillarbox.core.without import without


def test_inside_a_package_cannot_be_imported_and_outside_it_can() -> None:
    with without("tabnanny"), pytest.raises(ModuleNotFoundError):
        importlib.import_module("tabnanny")
    assert importlib.import_module("tabnanny").__name__ == "tabnanny"


def test_a_package_that_is_loaded_stays() -> None:
    loaded = sys.modules["pytest"]
    with without("pytest"):
        assert importlib.import_module("pytest") is loaded
    assert sys.modules["pytest"] is loaded


async def test_a_service_does_not_load_rich() -> None:
    program = 'import sys, pillarbox.gateway; print("structlog" in sys.modules, "rich" in sys.modules)'
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    assert told.decode().split() == ["True", "False"]
