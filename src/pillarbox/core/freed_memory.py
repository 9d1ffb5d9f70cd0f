"""What is freed goes back to the system: the check of a password takes 19 MiB, for the blink of an eye."""

import ctypes
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
"""mallopt(3), malloc.h of glibc."""
_LARGE: Final = 1024 * 1024
"""Bytes."""


def give_back() -> bool:
    """Have large blocks given back as soon as they are freed; False where malloc is not that of glibc.

    So glibc does by itself until the first of them is freed. Then it takes that size for usual, and keeps as much in
    each thread that ever wanted it (mallopt(3), M_MMAP_THRESHOLD): two that check passwords held 40 MB for good.
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE))
    except (OSError, AttributeError):
        return False
