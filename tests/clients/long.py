"""What takes long is run by `make test-clients` and skipped, visibly, by `make test`."""

import os

import pytest

long_test = pytest.mark.skipif(os.environ.get("PILLARBOX_LONG") != "1", reason="takes long: make test-clients runs it")
