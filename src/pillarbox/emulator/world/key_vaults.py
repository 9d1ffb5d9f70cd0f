"""Azure Key Vaults of a tenant: secrets with versions, and who may read them."""

import re
from dataclasses import dataclass, field

from pillarbox.emulator.ids import Entropy

VAULT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]")


@dataclass
class SecretVersion:
    """One version of a secret; `created` in seconds since 1970."""

    id: str
    value: str = field(repr=False)
    enabled: bool = True
    created: float = 0.0


@dataclass(eq=False)
class KeyVault:
    """A vault: the versions of each secret, the newest last, and the object ids of those who may read them."""

    name: str
    tenant_id: str
    secrets: dict[str, list[SecretVersion]] = field(default_factory=dict)
    readers: set[str] = field(default_factory=set)

    def put(self, name: str, value: str, entropy: Entropy, now: float = 0.0) -> SecretVersion:
        """Keep a new version of a secret."""
        version = SecretVersion(entropy(16).hex(), value, created=now)
        self.secrets.setdefault(name.lower(), []).append(version)
        return version

    def find(self, name: str, version: str = "") -> SecretVersion | None:
        """That version of a secret, or the newest."""
        versions = self.secrets.get(name.lower(), [])
        if not version:
            return versions[-1] if versions else None
        return next((each for each in versions if each.id == version.lower()), None)
