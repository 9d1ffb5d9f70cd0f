"""One secret of an Azure Key Vault, by Microsoft's SDK (extra `keyvault`), through our CA and proxy.

Who reads is what the environment says, as on every machine of Azure: a client secret or certificate, the workload
identity of a pod, or the machine's managed identity. https://learn.microsoft.com/azure/key-vault/general/authentication
"""

import http
import importlib.util
import logging
import os
import re
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests

from pillarbox.core.errors import ConfigError, PillarboxError, Unavailable
from pillarbox.core.mail import Clock
from pillarbox.core.reasons import reason
from pillarbox.core.sources import VaultSecret, vault_secret
from pillarbox.core.tls import Outbound
from pillarbox.core.vault import Secret
from pillarbox.entra.authority import TokenUnavailable

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential
    from azure.core.exceptions import HttpResponseError
    from azure.core.pipeline.transport import RequestsTransport

# What they call warnings comes to us as exceptions; nothing but our own log writes to standard error.
logging.getLogger("azure").setLevel(logging.CRITICAL)

CACHED: Final = 300.0
"""Seconds for which a secret is used before it is read anew."""
_SAID: Final = re.compile(r"AADSTS\d+[^\r\n]*")
_PATIENCE: Final = {"connection_timeout": 10, "read_timeout": 30}
_BESIDE_US: Final = {"connection_timeout": 2, "read_timeout": 30}
"""Patience with the machine itself: outside of Azure nothing answers there, and a start need not wait long for that."""
_RETRIES: Final[dict[str, Any]] = {"retry_total": 2, "retry_backoff_factor": 0.3}
"""A start that fails is told at once; what needs a secret later is tried again by itself."""


def read_master_key_text(
    url: str, outbound: Outbound, authority_url: str, environ: Mapping[str, str] = os.environ
) -> Secret:
    """The master key's text from the secret that `vault.key_vault_secret` names. Blocks.

    Raises, as without its key nothing may start, Unavailable `vault.key_vault_unreachable` for what passes by itself,
    and ConfigError `vault.key_vault` for what a person must mend.
    """
    try:
        return KeyVault(outbound, authority_url, environ).read(url)
    except PillarboxError as error:
        if error.entry.retry:
            raise Unavailable("vault.key_vault_unreachable", reason=error.sentence, remedy=error.cure) from error
        raise ConfigError("vault.key_vault", reason=error.sentence, remedy=error.cure) from error


def check(url: str) -> None:
    """Look whether a secret could be read at this address, without reading it. Raises ConfigError."""
    if vault_secret(url) is None:
        raise ConfigError("keyvault.bad_url", url=url)
    if not all(map(_installed, ("azure", "azure.identity", "azure.keyvault", "azure.keyvault.secrets"))):
        raise ConfigError("keyvault.not_installed")


def _installed(package: str) -> bool:
    """Whether there is such a package; those above it are there."""
    try:
        return importlib.util.find_spec(package) is not None
    except (ModuleNotFoundError, ValueError):
        return False


class KeyVault:
    """Reads secrets of key vaults, each at most once in five minutes. Its calls block: make them in a thread."""

    def __init__(
        self,
        outbound: Outbound,
        authority_url: str,
        environ: Mapping[str, str] = os.environ,
        clock: Clock = time.monotonic,
    ) -> None:
        """`authority_url` is where tokens come from, unless AZURE_AUTHORITY_HOST is set."""
        self._outbound = outbound
        self._environ = environ
        self._authority = environ.get("AZURE_AUTHORITY_HOST") or authority_url
        self._clock = clock
        self._lock = threading.Lock()
        self._read: dict[str, tuple[Secret, float]] = {}
        self._credential: _FirstOf | None = None
        self._last_status = 0

    def read(self, url: str) -> Secret:
        """The value of a secret. Raises ConfigError, or TokenUnavailable where the vault cannot be reached."""
        with self._lock:
            value, until = self._read.get(url, (Secret(""), 0.0))
            if not value or until <= self._clock():
                value = self._fetch(url)
                self._read[url] = value, self._clock() + CACHED
            return value

    def _fetch(self, url: str) -> Secret:
        place = vault_secret(url)
        if place is None:
            raise ConfigError("keyvault.bad_url", url=url)
        try:
            from azure.core import exceptions as azure
            from azure.keyvault.secrets import SecretClient

            self._credential = self._credential or self._make_credential()
        except ModuleNotFoundError as error:
            raise ConfigError("keyvault.not_installed") from error
        transport = self._transport(place.vault_url)
        self._last_status = 0
        try:
            with SecretClient(place.vault_url, self._credential, transport=transport, **_RETRIES) as client:
                found = client.get_secret(place.name, place.version or None).value
        except azure.ClientAuthenticationError as error:
            # Entra ID refused, or there is nobody to be; the vault's own 401 too.
            raise self._no_token(place, error) from error
        except azure.HttpResponseError as error:
            raise _refused(place, error) from error
        except azure.AzureError as error:
            why = self._why(error, place.vault_url)
            raise TokenUnavailable("keyvault.unreachable", name=place.vault, reason=why) from error
        except ValueError as error:
            # The SDK's: the challenge names a resource that this vault is not part of.
            raise ConfigError("keyvault.untrusted", name=place.vault) from error
        if not found:
            raise ConfigError("keyvault.no_value", name=place.vault, secret=place.name)
        return Secret(found)

    def _no_token(self, place: VaultSecret, error: Exception) -> PillarboxError:
        """There is no token: now, as whoever gives it is not reached or busy, or until a person mends it."""
        from azure.identity import CredentialUnavailableError

        if (cause := _connection_failure(error)) and isinstance(error, CredentialUnavailableError):
            return TokenUnavailable("identity.unreachable", reason=self._why(cause, ""))
        if cause:
            host = urlsplit(self._authority).netloc
            return TokenUnavailable("microsoft.unreachable", host=host, reason=self._why(cause, self._authority))
        if _is_busy(self._last_status):
            phrase = http.HTTPStatus(self._last_status).phrase
            return TokenUnavailable("microsoft.token_unavailable", text=f"{self._last_status} {phrase}.")
        return ConfigError("keyvault.no_identity", name=place.vault, reason=_nobody(error))

    def _why(self, error: BaseException, url: str) -> str:
        """What really happened below all layers, in the system's words; nothing of a proxy's password."""
        innermost = _innermost(error)
        words = innermost.strerror if isinstance(innermost, OSError) and innermost.strerror else innermost
        return reason(words, self._outbound.proxy_for(url) if url else None).splitlines()[0].rstrip(".")

    def _make_credential(self) -> "_FirstOf":
        """Who the environment says that we are. Nothing of a developer's machine is asked, and no person."""
        from azure import identity

        ways: list[Any] = []
        common = {
            "authority": self._authority,
            # The authority is a setting of the administrator: nobody need ask Microsoft whether it is one.
            "disable_instance_discovery": True,
            **_RETRIES,
        }
        if self._has("AZURE_CLIENT_SECRET") or self._has("AZURE_CLIENT_CERTIFICATE_PATH"):
            ways.append(identity.EnvironmentCredential(transport=self._transport(self._authority), **common))
        if self._has("AZURE_FEDERATED_TOKEN_FILE") and self._has("AZURE_CLIENT_ID") and self._has("AZURE_TENANT_ID"):
            ways.append(identity.WorkloadIdentityCredential(transport=self._transport(self._authority), **common))
        # Beside the machine, or on it: never by a proxy.
        machine = self._transport("")
        ways.append(
            identity.ManagedIdentityCredential(
                client_id=self._environ.get("AZURE_CLIENT_ID") or None, transport=machine, **_RETRIES
            )
        )
        return _FirstOf(ways)

    def _note(self, response: requests.Response, *_more: object, **_options: object) -> None:
        """Remember the status of an answer: the SDK's errors about tokens do not tell it."""
        self._last_status = response.status_code

    def _has(self, name: str) -> bool:
        return bool(self._environ.get(name))

    def _transport(self, url: str) -> "RequestsTransport":
        """A transport for one host, without a `url` the machine itself; it trusts our CA alone.

        The SDK's own lets REQUESTS_CA_BUNDLE win.
        """
        from azure.core.pipeline.transport import RequestsTransport

        session = requests.Session()
        session.trust_env = False
        proxy = self._outbound.proxy_for(url) if url else None
        session.proxies = {"https": proxy} if proxy else {}
        session.hooks["response"].append(self._note)
        ca_file, patience = str(self._outbound.ca_file), _PATIENCE if url else _BESIDE_US
        return RequestsTransport(session=session, use_env_settings=False, connection_verify=ca_file, **patience)


class _FirstOf:
    """The first of several ways to a token that is there.

    As the SDK's ChainedTokenCredential, whose error is a text: what happened to each way cannot be asked any more.
    """

    def __init__(self, ways: "Sequence[TokenCredential]") -> None:
        self._ways = ways

    def get_token(self, *scopes: str, **options: Any) -> "AccessToken":
        """A token. Raises what the last way that was tried raises."""
        from azure.identity import CredentialUnavailableError

        *first, last = self._ways
        for way in first:
            try:
                return way.get_token(*scopes, **options)
            except CredentialUnavailableError:
                continue
        return last.get_token(*scopes, **options)


def _connection_failure(error: BaseException) -> BaseException | None:
    """The connection that failed below an error of the SDK, which passes by itself; None where there is none."""
    from azure.core.exceptions import ServiceRequestError, ServiceResponseError

    below: BaseException | None = error
    while below is not None and not isinstance(below, ServiceRequestError | ServiceResponseError):
        below = _below(below)
    return below


def _is_busy(status: int) -> bool:
    return status in (408, 429) or status >= 500


def _below(error: BaseException) -> BaseException | None:
    """The layer below an error: the SDK keeps it in a place of its own."""
    return getattr(error, "inner_exception", None) or error.__cause__ or error.__context__


def _innermost(error: BaseException) -> BaseException:
    while (below := _below(error)) is not None:
        error = below
    return error


def _refused(place: VaultSecret, error: "HttpResponseError") -> PillarboxError:
    """What the vault's answer means. https://learn.microsoft.com/azure/key-vault/general/rest-error-codes"""
    told = _first_line(error)
    if error.status_code == 404:
        return ConfigError("keyvault.no_secret", name=place.vault, secret=place.name)
    if error.status_code == 403:
        disabled = "disabled secret" in told.lower()
        code = "keyvault.disabled" if disabled else "keyvault.forbidden"
        return ConfigError(code, name=place.vault, secret=place.name, text=told)
    if _is_busy(error.status_code or 500):
        return TokenUnavailable("keyvault.unreachable", name=place.vault, reason=told)
    return ConfigError("keyvault.refused", name=place.vault, text=told)


def _nobody(error: Exception) -> str:
    """Why there is no token: what Entra ID said, or the SDK."""
    told = _SAID.search(str(getattr(error, "message", "") or error))
    return (told[0] if told else _first_line(error)).strip().rstrip(".")


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "message", "") or error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
