"""What a process keeps of large blocks that were freed."""

import subprocess
import sys

PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from argon2 import PasswordHasher
from pillarbox.core import freed_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

assert freed_memory.give_back() if sys.argv[1] == "given back" else True
hasher = PasswordHasher(time_cost=1, memory_cost=19 * 1024, parallelism=1)
threads = ThreadPoolExecutor(1)
before = resident()
for _ in range(3):
    threads.submit(hasher.hash, b"correct horse").result()
print(resident() - before)
"""
BLOCK = 19 * 1024 * 1024


def kept(how: str) -> int:
    """Bytes by which a process has grown that hashed passwords in a thread."""
    made = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
    return int(made.stdout)


def test_the_memory_of_a_password_that_was_checked_is_given_back() -> None:
    assert kept("given back") < BLOCK / 4


def test_it_would_be_kept_otherwise() -> None:
    assert kept("kept") > BLOCK / 2
