"""An emulator of Microsoft Entra ID and Graph mail: an independent witness that imports nothing else of Pillarbox."""

from pillarbox.emulator.certificates import Certificates
from pillarbox.emulator.entra.tokens import SigningKey
from pillarbox.emulator.faults import Fault, Faults
from pillarbox.emulator.ledger import Entry, Ledger
from pillarbox.emulator.seed import seed
from pillarbox.emulator.server import Emulator
from pillarbox.emulator.world import App, Secret, Tenant, User, World

__all__ = [
    "App",
    "Certificates",
    "Emulator",
    "Entry",
    "Fault",
    "Faults",
    "Ledger",
    "Secret",
    "SigningKey",
    "Tenant",
    "User",
    "World",
    "seed",
]
