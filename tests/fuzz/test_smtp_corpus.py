"""What clients sent that broke something once, or might: replayed whole, byte by byte, and in larger pieces."""

import ast
import contextlib
import re
from pathlib import Path

import pytest

from pillarbox.core.errors import InvalidInput
from pillarbox.core.mail import is_address
from pillarbox.endpoints.smtp import grammar
from tests.unit.endpoints.smtp.parts import TO_DATA, Driver, play, rules

CORPUS = Path(__file__).parent / "corpus" / "smtp"
REPEAT = re.compile(r"\{(.+?) \* (\d+)\}")
REPLIES = re.compile(rb"(?:[2-5][0-9]{2}[ -][ -~]{0,506}\r\n)*")


def inputs(name: str) -> list[bytes]:
    return [unescaped(line) for line in (CORPUS / f"{name}.txt").read_text("ascii").splitlines()]


def shown(stream: bytes) -> str:
    return repr(stream[-40:])[2:-1].replace("::", ";;")


def unescaped(line: str) -> bytes:
    r"""`{ab * 3}` is ababab, and `\x00`, `\r` are bytes as in Python."""
    at, parts = 0, []
    for found in REPEAT.finditer(line):
        parts += [literal(line[at : found.start()]), literal(found[1]) * int(found[2])]
        at = found.end()
    return b"".join([*parts, literal(line[at:])])


def literal(text: str) -> bytes:
    value = ast.literal_eval("b'" + text.replace("'", r"\'") + "'")
    assert isinstance(value, bytes)
    return value


def conversation(stream: bytes, piece: int, newlines: str) -> Driver:
    given = rules(max_size=400_000, offers_tls=False, newlines="reject" if newlines == "reject" else "normalize")
    driver = play((stream[at : at + piece] for at in range(0, len(stream), piece)), given)
    driver.session.abandon()
    return driver


@pytest.mark.parametrize("newlines", ["normalize", "reject"])
@pytest.mark.parametrize(
    "stream",
    [*inputs("commands"), *(TO_DATA + data for data in inputs("data"))],
    ids=shown,
)
def test_sessions(stream: bytes, newlines: str) -> None:
    whole, *others = (conversation(stream, piece, newlines) for piece in (len(stream), 1, 1460, 65536))
    assert REPLIES.fullmatch(bytes(whole.output))
    for other in others:
        assert other.output == whole.output
        assert other.submits == whole.submits
        assert other.closed == whole.closed
    assert len(whole.submits) <= stream.count(b"\r\n.\r\n") + stream.count(b"DATA\n.\r\n")


@pytest.mark.parametrize(
    "argument", inputs("paths"), ids=lambda argument: repr(argument[:40])[2:-1].replace("::", ";;")
)
def test_paths(argument: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        path = grammar.path(argument.decode("utf-8", "surrogateescape"), "FROM")
        assert path is None or not path.address or is_address(path.address)
