"""Imports as if a package were not installed: what others load where it is, and we have no use for, costs memory."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without(package: str) -> Iterator[None]:
    """Inside, `package` cannot be imported: what takes it where it is does without. One that is loaded stays."""
    modules: dict[str, Any] = sys.modules
    if package in modules:
        yield
        return
    modules[package] = None  # An import of it fails (docs.python.org, sys.modules).
    try:
        yield
    finally:
        del modules[package]
