"""Files with certificates and keys, as an administrator hands them over, and the public part that goes to Microsoft."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pillarbox.cli.options import read_secret
from pillarbox.core.errors import ConfigError, InvalidInput
from pillarbox.core.vault import Secret

_MOST_BYTES: Final = 262_144
"""A file that is longer holds no certificate."""


def read_certificate(certificate_file: Path | None, key_file: Path | None, pfx_file: Path | None) -> Secret:
    """The key and its certificates as one PEM, not encrypted. A password is asked for where one is needed.

    Raises InvalidInput for what cannot be used, ConfigError for what cannot be read.
    """
    from pillarbox.entra import certificates

    if pfx_file is not None:
        content = _read(pfx_file)
        try:
            return certificates.read_pfx(content, Secret("")).pem
        except InvalidInput as error:
            if error.code != "certificate.bad_pfx":
                raise
        return certificates.read_pfx(content, read_secret("Password of the PFX file", "PFX_PASSWORD")).pem
    files = [file for file in (certificate_file, key_file) if file is not None]
    if not files:
        raise InvalidInput("certificate.missing")
    text = Secret("\n".join(certificates.text_of(_read(file)).reveal() for file in files))
    try:
        return certificates.read_pem(text).pem
    except InvalidInput as error:
        if error.code != "certificate.key_encrypted":
            raise
    return certificates.read_pem(text, read_secret("Password of the private key", "KEY_PASSWORD")).pem


@contextlib.contextmanager
def reserved(file: Path | None) -> Iterator[None]:
    """The file of a public part is made before the certificate, and is gone where that comes to nothing.

    Raises ConfigError where it cannot be made, or is there already.
    """
    if file is None:
        yield
        return
    try:
        file.open("x").close()
    except FileExistsError as error:
        raise ConfigError("certificate.file_there", file=file) from error
    except OSError as error:
        reason = error.strerror if file.parent.is_dir() else "there is no such folder"
        raise ConfigError("certificate.cannot_write", file=file, reason=reason) from error
    try:
        yield
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def write_public(file: Path, pem: str) -> None:
    """Write the public part into the file that was made for it. Raises ConfigError."""
    try:
        file.write_text(pem, "ascii")
    except OSError as error:
        raise ConfigError("certificate.cannot_write", file=file, reason=error.strerror or error) from error


def public_lines(credential: Mapping[str, Any], file: Path | None) -> Iterator[str]:
    """What is to be done with a certificate at Microsoft, and how to tell it there."""
    if not credential["sha1"]:
        return
    what = f"{file}" if file else "its certificate (never the file with the key)"
    yield f"Upload {what} in Entra: 'Certificates & secrets', 'Certificates', 'Upload certificate'."
    yield f"Thumbprint: {credential['sha1']}"
    yield f"SHA-256:    {credential['sha256']}"


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError("config.unreadable_file", file=file, reason=error.strerror or error) from error
    if len(content) > _MOST_BYTES:
        raise ConfigError("config.unreadable_file", file=file, reason="it is too long to be a certificate")
    return content
