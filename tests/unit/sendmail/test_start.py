"""Cron and PHP start it for each mail: it imports little, and nothing but the standard library."""

import asyncio
import sys

from tests.unit.sendmail.conftest import FakeService
from tests.unit.sendmail.program import Program

HEAVY = {"smtplib", "email", "ssl", "asyncio", "argparse", "dataclasses", "json", "subprocess", "logging", "tempfile"}
LOADED = """
import sys
import pillarbox.sendmail.command
print(*sorted({name.partition(".")[0] for name in sys.modules if not name.startswith("pillarbox.sendmail")}))
print(*sorted(name for name in sys.modules if name.startswith("pillarbox.")))
"""


async def test_it_imports_the_standard_library_alone() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-S", "-c", f"import sys; sys.path += {sys.path!r}\n{LOADED}", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    modules, ours = (set(line.split()) for line in output.decode().splitlines())
    assert modules - sys.stdlib_module_names == {"__main__", "pillarbox"}
    assert not modules & HEAVY
    assert all(name.startswith("pillarbox.sendmail") for name in ours)


async def test_a_signal_that_comes_while_it_starts_makes_no_traceback(service: FakeService, program: Program) -> None:
    for _ in range(5):
        process = await program.start("bob@contoso.example")
        process.terminate()
        _, errors = await process.communicate()
        assert errors == b""
    assert service.commands == []
