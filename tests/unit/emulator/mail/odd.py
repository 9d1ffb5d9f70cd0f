"""Odd mails: ours, and those of Python's own tests where the interpreter brings them.

Debian's does not: `test_pythons_own_mails_are_there` says so, as a skip with its cure.
"""

import importlib.util
from pathlib import Path

OURS = Path(__file__).parent / "corpus"


def mails() -> dict[str, bytes]:
    """Every mail by its name."""
    found = {path.name: path.read_bytes() for path in sorted(OURS.glob("*.eml"))}
    return found | {path.name: path.read_bytes() for path in pythons()}


def pythons() -> list[Path]:
    try:
        tests = importlib.util.find_spec("test.test_email")
    except ModuleNotFoundError:
        return []
    if tests is None or tests.origin is None:
        return []
    return sorted(path for path in (Path(tests.origin).parent / "data").iterdir() if path.is_file())
