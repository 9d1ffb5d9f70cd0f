"""How a place is written from which a credential is read anew each time; entra/sources.py reads it.

`env:NAME`, `file:/PATH`, `keyvault:https://NAME.vault.azure.net/secrets/NAME[/VERSION]`, or `managed-identity:` with a
client id behind it for a user-assigned one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pillarbox.core.errors import InvalidInput

# A token goes to hosts of Key Vault only, and to an emulator on this machine.
_VAULT: Final = re.compile(
    r"(https://([A-Za-z0-9-]{3,24})\.vault\.(?:azure\.net|azure\.cn|usgovcloudapi\.net|localhost:[0-9]{1,5}))"
    r"/secrets/([A-Za-z0-9-]{1,127})(?:/([A-Za-z0-9]{1,64}))?/?"
)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IDENTITY: Final = re.compile(r"(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?")


@dataclass(frozen=True, slots=True)
class VaultSecret:
    """A secret of a key vault: the vault's URL and name, the secret's name, and its version (empty: the newest)."""

    vault_url: str
    vault: str
    name: str
    version: str


def vault_secret(url: str) -> VaultSecret | None:
    """The parts of https://NAME.vault.azure.net/secrets/NAME[/VERSION], None if it is none."""
    found = _VAULT.fullmatch(url)
    return found and VaultSecret(found[1], found[2], found[3], found[4] or "")


def check(source: str, *schemes: str) -> str:
    """The source, if it is one of these schemes and of its form; nothing is read. Raises InvalidInput."""
    scheme, _, place = source.partition(":")
    if scheme not in schemes or not _FORMS[scheme](place):
        # Not shown: whoever mistakes the option may have given the secret itself.
        raise InvalidInput("source.bad_form", forms=", ".join(f"{each}:" for each in schemes))
    return source


_FORMS: Final[Mapping[str, Callable[[str], object]]] = {
    "env": _NAME.fullmatch,
    "file": lambda path: path.startswith("/") and path.isprintable(),
    "keyvault": vault_secret,
    "managed-identity": _IDENTITY.fullmatch,
}
