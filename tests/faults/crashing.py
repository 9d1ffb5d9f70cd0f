"""A process that holds a secret and crashes hard: `python -m tests.faults.crashing forbidden|allowed`."""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

from pillarbox.core import core_dumps

_PR_GET_DUMPABLE = 3


def main(forbidden: bool) -> None:
    """Tell the limits of this process and whether it can be dumped, then die of SIGSEGV."""
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    done = core_dumps.forbid() if forbidden else None
    lines = Path("/proc/self/limits").read_text().splitlines()
    core = next(line.split()[4] for line in lines if line.startswith("Max core file size"))
    print(done, core, ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0), flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)


if __name__ == "__main__":
    main(sys.argv[1] == "forbidden")
