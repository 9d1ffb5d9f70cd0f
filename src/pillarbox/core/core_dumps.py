"""No picture of this process's memory is written when it crashes: it would hold keys, secrets and tokens."""

import ctypes
import resource
from typing import Final

_PR_SET_DUMPABLE: Final = 4
"""prctl(2), linux/prctl.h."""


def forbid() -> bool:
    """Forbid core dumps of this process; False where the system can forbid only those that go to a file.

    A limit of zero is not enough: a dump that is piped to a program (systemd-coredump, apport) does not heed it,
    core(5). A process that is not dumpable gives none, and no other process of its user reads its memory: ptrace(2).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        return int(ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)) == 0
    except (OSError, AttributeError):  # not Linux
        return False
