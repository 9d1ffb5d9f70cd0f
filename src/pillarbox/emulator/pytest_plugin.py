"""A pytest fixture for other projects: `pytest_plugins = ["pillarbox.emulator.pytest_plugin"]` in their conftest.

def test_report_is_sent(microsoft365):
    send_report(microsoft365.facts)
    assert microsoft365.emulator.ledger.entries[0].recipients == ["bob@contoso.example"]
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pillarbox.emulator.background import Background
from pillarbox.emulator.certificates import Certificates
from pillarbox.emulator.entra.tokens import SigningKey
from pillarbox.emulator.seed import seed
from pillarbox.emulator.server import Emulator


@pytest.fixture(scope="session")
def microsoft365_keys() -> tuple[Certificates, SigningKey]:
    """The CA, its certificate and the key that signs tokens, made once."""
    return Certificates.make(), SigningKey()


@pytest.fixture
def microsoft365(microsoft365_keys: tuple[Certificates, SigningKey]) -> Iterator[Background]:
    """Entra ID, Graph mail and Exchange Online with the tenant contoso.example, new for each test."""

    def make(folder: Path) -> Emulator:
        certificates, key = microsoft365_keys
        emulator = Emulator(folder, certificates=certificates, signing_key=key, exchange=True)
        seed(emulator.world)
        return emulator

    with Background(make) as running:
        yield running
