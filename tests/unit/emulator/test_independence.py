"""The emulator is an independent witness: it imports nothing of Pillarbox but itself."""

import subprocess
import sys

PROGRAM = """
import sys, pillarbox.emulator.run
print(*(name for name in sys.modules if name.startswith("pillarbox.") and not name.startswith("pillarbox.emulator")))
"""


def test_it_imports_nothing_else_of_ours() -> None:
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
