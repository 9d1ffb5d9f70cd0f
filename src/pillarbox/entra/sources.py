"""Reads a credential anew from where it is kept: a variable, a file, a key vault, the machine's managed identity."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from pillarbox.core.errors import ConfigError
from pillarbox.core.tls import Outbound
from pillarbox.core.vault import Secret
from pillarbox.entra import keyvault
from pillarbox.entra.authority import Authority
from pillarbox.entra.credentials import federated_by_identity

_MOST_CHARACTERS: Final = 65_536
"""What is longer is no secret, certificate or token."""


class Sources:
    """Reads what `core.sources` writes the place of. Its calls block: make them in a thread."""

    def __init__(self, environ: Mapping[str, str], outbound: Outbound, authority: Authority) -> None:
        key_vault = keyvault.KeyVault(outbound, authority.cloud.authority_url, environ)
        self._environ = environ
        self._readers: dict[str, Callable[[str], Secret]] = {
            "env": self._variable,
            "file": _file,
            "keyvault": key_vault.read,
            "managed-identity": lambda client_id: federated_by_identity(client_id, authority.session),
        }

    def read(self, source: str) -> Secret:
        """What stands there now, without blanks around it.

        Raises ConfigError; key vault and identity raise TokenRefused and TokenUnavailable too.
        """
        scheme, _, place = source.partition(":")
        if scheme not in self._readers:
            raise ConfigError("source.unknown", scheme=scheme)
        found = Secret(self._readers[scheme](place).reveal().strip())
        if not found:
            raise ConfigError("source.empty", source=source)
        return found

    def _variable(self, name: str) -> Secret:
        value = self._environ.get(name)
        if value is None:
            raise ConfigError("source.unset", name=name)
        return Secret(value)


def _file(path: str) -> Secret:
    try:
        # utf-8-sig: Windows' editors begin a file with a mark that would be part of the secret.
        with Path(path).open(encoding="utf-8-sig") as file:
            text = file.read(_MOST_CHARACTERS + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError("config.unreadable_file", file=path, reason=reason) from error
    if len(text) > _MOST_CHARACTERS:
        raise ConfigError("config.unreadable_file", file=path, reason="it is too long to be a secret")
    return Secret(text)
