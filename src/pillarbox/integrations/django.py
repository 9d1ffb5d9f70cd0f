"""Django's mail through Pillarbox.

    EMAIL_BACKEND = "pillarbox.integrations.django.EmailBackend"
    PILLARBOX_URL = "https://mail.contoso.example"
    PILLARBOX_API_KEY_FILE = "/run/secrets/pillarbox"  # or PILLARBOX_API_KEY
    PILLARBOX_CA_FILE = "/etc/pillarbox/tls-cert.pem"  # where its certificate is of no public CA

What the settings leave out comes from the environment variables of these names. Mail goes as Django writes it: headers,
alternatives, attachments and all; who gets it stands in the envelope, so that Bcc stays unseen.
"""

import threading
from collections.abc import Sequence
from email.utils import parseaddr
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils.encoding import punycode

from pillarbox.client import Pillarbox, PillarboxClientError, PillarboxConfigError


class EmailBackend(BaseEmailBackend):  # type: ignore[misc]  # Django has no types
    """Hands each message to Pillarbox, which sends it once, also where a connection breaks and it is handed in again.

    Raises PillarboxApiError for what is refused and PillarboxUnreachable, unless `fail_silently`. Settings that cannot
    be used (ImproperlyConfigured) and headers that break (BadHeaderError) are raised in any case.
    """

    def __init__(self, fail_silently: bool = False, **_others: Any) -> None:
        super().__init__(fail_silently=fail_silently)
        self._client: Pillarbox | None = None
        self._lock = threading.RLock()

    def open(self) -> bool:
        """Keep connections until `close`; whether they were not kept already. Raises ImproperlyConfigured."""
        if self._client is not None:
            return False
        self._client = _client()
        return True

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Hand in messages; how many were accepted."""
        if not email_messages:
            return 0
        with self._lock:
            opened = self.open()
            try:
                return sum(map(self._send, email_messages))
            finally:
                if opened:
                    self.close()

    def _send(self, message: EmailMessage) -> bool:
        recipients = list(dict.fromkeys(map(_address, message.recipients())))
        if not recipients:
            return False
        # Before anything is asked: what is no header is the caller's mistake, and never silent.
        mime = message.message().as_bytes()
        assert self._client is not None
        try:
            self._client.send_mime(mime, sender=_address(message.from_email), recipients=recipients)
        except PillarboxClientError:
            if not self.fail_silently:
                raise
            return False
        return True


def _client() -> Pillarbox:
    timeout = {"timeout": settings.EMAIL_TIMEOUT} if getattr(settings, "EMAIL_TIMEOUT", None) else {}
    try:
        return Pillarbox(
            getattr(settings, "PILLARBOX_URL", None), _key(), ca_file=_path("PILLARBOX_CA_FILE"), **timeout
        )
    except PillarboxConfigError as error:
        raise ImproperlyConfigured(str(error)) from error


def _key() -> str | None:
    if key := getattr(settings, "PILLARBOX_API_KEY", None):
        return str(key)
    path = _path("PILLARBOX_API_KEY_FILE")
    try:
        return Path(path).read_text("utf-8") if path else None
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured("PILLARBOX_API_KEY_FILE names a file that cannot be read.") from error


def _path(name: str) -> str | None:
    path = getattr(settings, name, None)
    return str(path) if path else None


def _address(text: str) -> str:
    """The address alone, its domain as Django writes it into the header (Punycode).

    Raises ValueError for two lines: as Django, which lets nobody bring in a header by an address.
    """
    if "\n" in text or "\r" in text:
        raise ValueError("an address has one line")
    local, at, domain = (parseaddr(text)[1] or text).rpartition("@")
    return f"{local}{at}{punycode(domain)}"
