"""Inputs that broke something once, or might: each is played again, and none may cost more than its refusal."""

import asyncio
import contextlib
import logging
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pillarbox.emulator.graph.mail.schema import MESSAGE
from pillarbox.emulator.graph.odata.lexer import FilterError
from pillarbox.emulator.graph.odata.operands import NotKnown
from pillarbox.emulator.graph.odata.parser import parse
from pillarbox.emulator.world import GRAPH
from tests.conftest import Microsoft

CORPUS = Path(__file__).parent / "corpus"
REPEAT = re.compile(r"\{(.+?) \* (\d+)\}")
REFUSALS: dict[str, tuple[type[Exception], ...]] = {"good": (), "refused": (FilterError,), "unknown": (NotKnown,)}


def unescaped(text: str) -> bytes:
    """`{ab * 3}` is ababab, `\\x00` a byte; the rest is as it stands."""
    repeated = REPEAT.sub(lambda found: found[1] * int(found[2]), text)
    return re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), repeated.encode())


def filters() -> Iterator[tuple[str, str]]:
    for file in sorted(CORPUS.glob("filter/*.txt")):
        yield from ((file.stem, line) for line in file.read_text("utf-8").splitlines() if line)


@pytest.mark.parametrize(("verdict", "line"), list(filters()))
def test_filters(verdict: str, line: str) -> None:
    text = unescaped(line).decode("utf-8", "surrogateescape")
    refused = REFUSALS[verdict]
    with pytest.raises(refused) if refused else contextlib.nullcontext():
        parse(text, MESSAGE)


@dataclass(frozen=True)
class Dialog:
    """A request as it goes over the wire, and the status line that must come back; None: the client hangs up."""

    request: str
    status: str | None


def dialog(file: Path) -> Dialog:
    """Reads `# status: 400` in the comments before the request; the lines of the request end in CRLF on the wire."""
    comment, _, request = file.read_text("utf-8").partition("\n\n")
    found = re.search(r"^# status: (\d+|none)$", comment, re.MULTILINE)
    assert found, f"{file.name} does not say what must come back"
    return Dialog(request.removesuffix("\n").replace("\n", "\r\n"), None if found[1] == "none" else found[1])


@dataclass(frozen=True)
class Wire:
    """The way to a running emulator."""

    microsoft: Microsoft
    tls: ssl.SSLContext

    async def play(self, request: bytes, status: str | None) -> str:
        """Send it; the status and the rest of the answer's beginning, empty when the client hangs up."""
        port = int(self.microsoft.emulator.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("localhost", port, ssl=self.tls)
        try:
            writer.write(request)
            with contextlib.suppress(ConnectionError):  # It may answer before it has read all.
                await writer.drain()
            if status is None:
                return ""
            return (await reader.read(100_000)).decode("latin-1")
        finally:
            writer.transport.abort()

    def token(self) -> str:
        """An app's that may read and send."""
        emulator, planted = self.microsoft.emulator, self.microsoft.seed
        assert planted.writer.principal
        audience, now = "https://graph.microsoft.com", emulator.clock()
        return emulator.tokens.app_token(planted.tenant, planted.writer.principal, GRAPH, audience, now, "secret")


@pytest.fixture
def wire(microsoft: Microsoft) -> Wire:
    return Wire(microsoft, ssl.create_default_context(cafile=str(microsoft.emulator.ca_file)))


@pytest.mark.parametrize("file", sorted(CORPUS.glob("http/*.http")), ids=lambda file: file.stem)
async def test_requests(wire: Wire, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    played = dialog(file)
    head, blank, body = unescaped(played.request.replace("{token}", wire.token())).partition(b"\r\n\r\n")
    request = head.replace(b"{length}", str(len(body)).encode()) + blank + body
    answer = await wire.play(request, played.status)
    if played.status is not None:
        assert answer.split(" ")[1:2] == [played.status], answer
        assert "Traceback" not in answer
    healthy = await wire.play(b"GET /v1.0/me HTTP/1.1\r\nHost: localhost\r\n\r\n", "401")
    assert healthy.startswith("HTTP/1.1 401 ")
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
