"""Which target the environment chooses: read at import, for tests/conftest.py empties it before each test."""

import os

from tests.contract.microsoft.clouds import NATIONAL, Cloud

ENVIRONMENT = dict(os.environ)
TARGET = ENVIRONMENT.get("TARGET", "emulator")
TENANT = TARGET == "tenant"
DISCOVERED: tuple[Cloud, ...] = NATIONAL if TENANT and ENVIRONMENT.get("CERTIFY_NATIONAL_CLOUDS") == "1" else ()
"""Clouds whose metadata is looked at besides the target's."""
