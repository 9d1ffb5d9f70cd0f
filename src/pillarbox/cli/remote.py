"""A service on another machine: the same API, over HTTPS and with a key."""

import http.client
import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

from pillarbox.cli.local import Heard, check_version, read
from pillarbox.cli.options import read_secret
from pillarbox.client.errors import PillarboxConfigError
from pillarbox.client.place import Place, checked, checked_key
from pillarbox.core.errors import Forbidden, InvalidInput, Unavailable
from pillarbox.core.places import ENV_PREFIX
from pillarbox.endpoints.api.version import HEADER

_CHEAP: Final = "/api/v1/sends?limit=1"
"""Something to ask for the version alone, which is told also to a key that may not see this."""
_OTHER_NAME: Final = (62, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH: trusted, but not for this host."""
_PROBLEM: Final = "application/problem+json"
_NO_ROUTE: Final = "request.not_found"


@dataclass(frozen=True, slots=True)
class Remote:
    """Where it is, and the key for it."""

    place: Place

    @classmethod
    def of(cls, url: str | None, ca_file: Path | None, *, local: bool) -> "Remote | None":
        """The one that the options or the environment name; None where a local one is meant, as --socket says.

        The key comes from PILLARBOX_API_KEY, from the file of PILLARBOX_API_KEY_FILE, or is asked for. Raises
        InvalidInput `cli.bad_url`, and what `read_secret` does.
        """
        if url and local:
            raise click.UsageError("--socket is a service on this machine, --url one elsewhere: say one of them.")
        if (
            not url
            and not local
            and (url := os.environ.get(f"{ENV_PREFIX}URL", ""))
            and f"{ENV_PREFIX}SOCKET" in os.environ
        ):
            # A command that was meant for one must not act on the other.
            raise click.UsageError("PILLARBOX_URL and PILLARBOX_SOCKET are both set: say --url or --socket.")
        if not url:
            if ca_file is not None:
                raise click.UsageError("--ca-file goes with --url.")
            return None
        try:
            # The address first: nobody is asked for a key that could not be used.
            url = checked(url)
            key = checked_key(read_secret(f"API key for {url}", "API_KEY").reveal())
            place = Place(url, key, str(ca_file or "") or os.environ.get(f"{ENV_PREFIX}CA_FILE") or None)
            place.ssl_context()
        except PillarboxConfigError as error:
            raise InvalidInput("cli.bad_url", reason=str(error).rstrip(".")) from error
        return cls(place)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        timeout: float,
        heard: Heard | None = None,
    ) -> tuple[int, bytes]:
        """Status and body of an answer.

        Raises Unavailable `cli.unreachable`, `cli.not_pillarbox` or `cli.other_version`, Forbidden `cli.untrusted` for
        a certificate of no CA that is trusted, `cli.other_name` for one of another host, or `cli.local_only` for what
        this door has not got.
        """
        connection = self._connection(timeout)
        try:
            if method != "GET":
                # A service of another version must not do it, and then be told that it was not understood.
                status, answer, told = self._round_trip(connection, "GET", _CHEAP, b"", {})
                if not told:
                    return status, answer
            return self._round_trip(connection, method, path, body, headers, heard)[:2]
        except ssl.SSLCertVerificationError as error:
            code = "cli.other_name" if error.verify_code in _OTHER_NAME else "cli.untrusted"
            raise Forbidden(code, url=self.place.url, reason=error.verify_message.rstrip(".")) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or error
            raise Unavailable("cli.unreachable", url=self.place.url, reason=reason) from error
        finally:
            connection.close()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        """Not open yet. It uses no proxy of the environment, and follows no redirect with the key."""
        parts = urlsplit(self.place.url)
        assert parts.hostname is not None
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        return http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=timeout, context=self.place.ssl_context()
        )

    def _round_trip(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        heard: Heard | None = None,
    ) -> tuple[int, bytes, bool]:
        """Status and body of an answer, and whether it told its version, which only who is known is told."""
        given = {**headers, "Authorization": f"Bearer {self.place.key}"}
        connection.request(method, urlsplit(self.place.url).path + path, body, given)
        response = connection.getresponse()
        answer = read(response, heard)
        theirs = response.getheader(HEADER)
        code = _code_of(answer) if (response.getheader("Content-Type") or "").partition(";")[0] == _PROBLEM else None
        if theirs is not None:
            check_version(theirs)
        elif code is None:
            # What a proxy says, or another program: a stranger is told no version, but always a problem.
            raise Unavailable("cli.not_pillarbox", url=self.place.url, status=response.status)
        if code == _NO_ROUTE:
            raise Forbidden("cli.local_only", url=self.place.url)
        return response.status, answer, theirs is not None


def _code_of(problem: bytes) -> str | None:
    """The code of a refusal; None where it is none of ours."""
    try:
        told = json.loads(problem)
    except ValueError:
        return None
    return str(told.get("code")) if isinstance(told, dict) else None
