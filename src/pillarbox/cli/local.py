"""The client of the local socket; where no service runs, the same API over the store, in this process.

So a command does the same thing either way, and there is one process that has the store open. With --url it is the same
API of a service elsewhere (remote.py).
"""

import functools
import http.client
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click

from pillarbox.cli.options import load_settings, settings_options
from pillarbox.core import catalogue
from pillarbox.core.errors import Forbidden, NotFound, PillarboxError, Unavailable
from pillarbox.core.places import ENV_PREFIX, default_socket

if TYPE_CHECKING:
    from pillarbox.cli.remote import Remote

_TIMEOUT = 60
PATIENT = 300.0
"""Seconds for what talks to Microsoft: longer than a request of it (microsoft.timeout), and than a mailbox's test."""
_PAGE = 500
"""Items of a page: the API gives no more."""
_LINES = "application/x-ndjson"
_PATIENCE = 3.0
_TRY_AGAIN = 0.1


Heard = Callable[[bytes], None]
"""Is told each line of an answer as it comes."""


class Refused(PillarboxError):
    """The service refused; its own words are shown."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        code = str(problem.get("code"))
        # A stranger, or a later version, may say what is not in this catalogue.
        super().__init__(code if code in catalogue.entries() else "internal")
        self._problem = problem

    @property
    def sentence(self) -> str:
        """The service's sentence."""
        return str(self._problem.get("title", ""))

    @property
    def cure(self) -> str:
        """The service's hint."""
        return str(self._problem.get("hint", ""))


@dataclass(frozen=True, slots=True)
class Api:
    """The API, wherever it is served."""

    socket: Path | None
    config: Path | None
    settings: tuple[str, ...]
    remote: "Remote | None" = None

    def get(self, path: str, **query: object) -> Any:
        """GET; query values that are None are left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._call("GET", f"{path}?{urlencode(given, doseq=True)}" if given else path, b"", "")

    def all(self, path: str, *, most: int | None = None, **query: Any) -> list[dict[str, Any]]:
        """GET a list, page by page, to its end, or until there are `most`."""
        found: list[dict[str, Any]] = []
        cursor = None
        while most is None or len(found) < most:
            limit = _PAGE if most is None else most - len(found)
            page = self.get(path, cursor=cursor, limit=limit, **query)
            found += page["data"]
            if (cursor := page["next"]) is None:
                break
        return found

    def post(self, path: str, value: object = None, *, timeout: float = _TIMEOUT) -> Any:
        """POST a JSON value; the answer may take `timeout` seconds."""
        body = b"" if value is None else _as_json(value)
        return self._call("POST", path, body, "application/json", timeout)

    def post_lines(self, path: str, value: object, heard: Callable[[Any], None], *, timeout: float) -> None:
        """POST a JSON value; `heard` is told each line of the answer (NDJSON) as it comes, within `timeout` seconds."""
        body = b"" if value is None else _as_json(value)
        headers = {"Content-Type": "application/json", "Accept": _LINES}
        self._answer("POST", path, body, headers, timeout, lambda line: heard(json.loads(line)))

    def put(self, path: str, value: object) -> Any:
        """PUT a JSON value."""
        return self._call("PUT", path, _as_json(value), "application/json")

    def patch(self, path: str, value: object) -> Any:
        """PATCH a JSON value."""
        return self._call("PATCH", path, _as_json(value), "application/json")

    def delete(self, path: str) -> Any:
        """DELETE."""
        return self._call("DELETE", path, b"", "")

    def post_message(self, path: str, mime: bytes, query: list[tuple[str, str]], key: str | None = None) -> Any:
        """POST a message as it is, with an idempotency key where there is one."""
        headers = {"Content-Type": "message/rfc822"} | ({"Idempotency-Key": key} if key is not None else {})
        return _parsed(self._answer("POST", f"{path}?{urlencode(query)}" if query else path, mime, headers, _TIMEOUT))

    def get_message(self, path: str) -> bytes:
        """GET a message as it is."""
        return self._answer("GET", path, b"", {}, _TIMEOUT)

    def _call(self, method: str, path: str, body: bytes, content_type: str, timeout: float = _TIMEOUT) -> Any:
        headers = {"Content-Type": content_type} if content_type else {}
        return _parsed(self._answer(method, path, body, headers, timeout))

    def _answer(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        timeout: float,
        heard: Heard | None = None,
    ) -> bytes:
        """The answer as it is. Raises Refused for a problem, Unavailable where nothing answers."""
        ask = self._here if self.remote is None else self.remote.ask
        status, answer = ask(method, path, body, headers, timeout, heard)
        if status >= 400:
            raise Refused(_parsed(answer) or {})
        return answer

    def _here(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], timeout: float, heard: Heard | None
    ) -> tuple[int, bytes]:
        place = self.socket or Path(os.environ.get(f"{ENV_PREFIX}SOCKET") or default_socket(os.environ))
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return self._once(place, method, path, body, headers, timeout, heard)
            except Unavailable as error:
                # A service that is just starting, or another command, has the store: its socket will be there soon.
                if error.code != "store.in_use" or time.monotonic() > deadline:
                    raise
            time.sleep(_TRY_AGAIN)  # noqa: TID251 - a person waits at the terminal

    def _once(
        self,
        place: Path,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        timeout: float,
        heard: Heard | None,
    ) -> tuple[int, bytes]:
        connection = UnixConnection(place, os.geteuid(), timeout)
        try:
            connection.connect()
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
            if self.socket is not None:
                raise Unavailable("cli.no_service", socket=place, reason=error.strerror) from error
            return self._without_service(place, method, path, body, headers, heard)
        except PermissionError as error:
            raise Forbidden("cli.not_yours", socket=place) from error
        except OSError as error:
            raise Unavailable("cli.no_service", socket=place, reason=error.strerror or error) from error
        return _ask(connection, place, method, path, body, headers, heard)

    def _without_service(
        self, place: Path, method: str, path: str, body: bytes, headers: Mapping[str, str], heard: Heard | None
    ) -> tuple[int, bytes]:
        from pillarbox.cli.inprocess import ask, has_store

        settings = load_settings(self.config, self.settings)
        if method == "GET" and not has_store(settings):
            # Who only looks must not be shown an empty outbox that was made this moment.
            raise NotFound("cli.no_store", socket=place, path=settings.state_dir)
        return ask(settings, method, path, body, headers, heard)


def _parsed(answer: bytes) -> Any:
    return json.loads(answer) if answer else None


def _as_json(value: object) -> bytes:
    # Not in ASCII: what is no text must not get through as an escape. Raises UnicodeEncodeError, see cli/root.py.
    return json.dumps(value, ensure_ascii=False).encode()


def with_api(command: Callable[..., Any]) -> Callable[..., Any]:
    """--socket, --url, --ca-file, --config and --set, for what a service answers: the command gets an `api`."""

    @settings_options
    @click.option("--socket", type=click.Path(path_type=Path), help="Local socket of the service to ask.")
    @click.option(
        "--url",
        metavar="URL",
        help="Service on another machine, https://HOST; otherwise PILLARBOX_URL. The key comes from PILLARBOX_API_KEY "
        "or the file of PILLARBOX_API_KEY_FILE.",
    )
    @click.option(
        "--ca-file",
        type=click.Path(path_type=Path),
        help="With --url: CA or self-made certificate (PEM) to trust; otherwise PILLARBOX_CA_FILE, or the public CAs.",
    )
    @functools.wraps(command)
    def called(
        *,
        socket: Path | None,
        url: str | None,
        ca_file: Path | None,
        config: Path | None,
        settings: tuple[str, ...],
        **arguments: Any,
    ) -> Any:
        return command(api=Api(socket, config, settings, _remote(url, ca_file, socket)), **arguments)

    return called


def _remote(url: str | None, ca_file: Path | None, socket: Path | None) -> "Remote | None":
    if url is None and ca_file is None and f"{ENV_PREFIX}URL" not in os.environ:
        # As nearly always: TLS and all that is not loaded.
        return None
    from pillarbox.cli.remote import Remote

    return Remote.of(url, ca_file, local=socket is not None)


def _ask(
    connection: http.client.HTTPConnection,
    place: Path,
    method: str,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    heard: Heard | None,
) -> tuple[int, bytes]:
    try:
        if method != "GET":
            # A service of another version must not do it, and then be told that it was not understood.
            _round_trip(connection, "HEAD", "/api/v1/status", b"", {})
        return _round_trip(connection, method, path, body, headers, heard)
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable("cli.no_service", socket=place, reason=error) from error
    finally:
        connection.close()


def _round_trip(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    heard: Heard | None = None,
) -> tuple[int, bytes]:
    """Ask once. Raises Unavailable `cli.other_version` where the service is not of this version."""
    from pillarbox.endpoints.api.version import HEADER, OLDER

    connection.request(method, path, body, dict(headers))
    response = connection.getresponse()
    answer = read(response, heard)
    theirs = response.getheader(HEADER)
    if theirs is None and response.status >= 500:
        # Not the API's own answer: the service is stopping.
        raise http.client.HTTPException(f"HTTP {response.status}")
    check_version(theirs or OLDER)
    return response.status, answer


def read(response: http.client.HTTPResponse, heard: Heard | None) -> bytes:
    """The body; of one that was not refused `heard` is told each line as it comes."""
    if heard is None or response.status >= 400:
        return response.read()
    for line in response:
        heard(line)
    return b""


def check_version(theirs: str) -> None:
    """Raises Unavailable `cli.other_version` for another version than this one: its answers could be misread."""
    from pillarbox.endpoints.api.version import of_this_package

    if theirs != (ours := of_this_package()):
        raise Unavailable("cli.other_version", theirs=theirs, ours=ours)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket, for user `me`."""

    def __init__(self, path: Path, me: int, timeout: float = _TIMEOUT) -> None:
        super().__init__("pillarbox", timeout=timeout)
        self._path = path
        self._me = me

    def connect(self) -> None:
        """Connect to the socket's path, and look who answers. Raises Forbidden for a stranger."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.close()
            raise
        peer = struct.unpack("3i", self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        if not trusted(peer[1], self._me):
            self.close()
            raise Forbidden("cli.foreign_service", socket=self._path, uid=peer[1])


def trusted(uid: int, me: int) -> bool:
    """Whether a service of user `uid` may be told secrets by user `me`. Root alone asks the services of others."""
    return uid in (0, me) or me == 0
