"""Exchange is there when it is wanted, costs nothing when it is not, and leaves nothing behind."""

import asyncio
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from pillarbox.emulator import Certificates, Emulator, SigningKey
from tests.unit.emulator.exchange.conftest import Open

WITHOUT = """
import sys
sys.modules["aiosmtpd"] = None
from pathlib import Path
from pillarbox.emulator import Emulator
Emulator(Path("x"))
try:
    Emulator(Path("x"), exchange=True)
except RuntimeError as error:
    print(error)
"""


def test_a_missing_package_is_named_and_only_where_it_is_needed() -> None:
    found = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert found.stdout == "SMTP and IMAP need one package more: pip install 'pillarbox[emulator]'\n"


def test_without_exchange_its_package_is_not_even_imported() -> None:
    program = 'import sys, pillarbox.emulator.run; print("aiosmtpd" in sys.modules)'
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"


async def test_without_exchange_nothing_listens(
    tmp_path: Path, certificates: Certificates, signing_key: SigningKey
) -> None:
    async with Emulator(tmp_path, certificates=certificates, signing_key=signing_key) as emulator:
        assert (emulator.smtp, emulator.imap) == (None, None)


@pytest.mark.parametrize("door", ["smtp", "imap"])
async def test_a_port_in_use_is_an_error_and_leaves_nothing(
    tmp_path: Path, certificates: Certificates, signing_key: SigningKey, emulator: Emulator, door: str
) -> None:
    second = Emulator(tmp_path / "second", certificates=certificates, signing_key=signing_key, exchange=True)
    with pytest.raises(OSError, match="in use"):
        await second.start(**{door: getattr(emulator, door)})
    assert second.smtp is None
    assert not (tmp_path / "second").exists()


async def test_it_can_be_stopped_with_open_connections_and_started_again(
    plain: Open, smtp: Open, imap: Open, emulator: Emulator
) -> None:
    lines = [await plain(), await smtp(), await imap()]
    address = emulator.smtp
    assert address
    await emulator.stop()
    await lines[0].read()  # The greeting.
    assert [await line.read() for line in lines] == ["", "", ""]
    await emulator.start(smtp=address)
    assert emulator.smtp == address


async def test_a_stranger_to_tls_does_no_harm(emulator: Emulator, imap: Open, caplog: pytest.LogCaptureFixture) -> None:
    assert emulator.imap
    reader, writer = await asyncio.open_connection(*emulator.imap)
    writer.write(b"a1 CAPABILITY\r\n")
    try:
        assert not (await reader.read()).startswith(b"*")
    except (ConnectionError, ssl.SSLError):
        pass
    writer.close()
    assert await (await imap()).ask("NOOP") == ["a1 OK NOOP completed."]
    assert caplog.text == ""


async def test_a_crowded_server_says_so(plain: Open, emulator: Emulator, trust: ssl.SSLContext) -> None:
    assert emulator.exchange
    assert emulator.imap
    emulator.exchange.site.max_connections = 0
    line = await plain()
    assert (await line.reply()).startswith("421 4.3.2 The maximum number of concurrent connections")
    assert await line.read() == ""
    reader, writer = await asyncio.open_connection(*emulator.imap, ssl=trust, server_hostname="localhost")
    assert await reader.read() == b"* BYE Connection is closed. 13\r\n"
    writer.close()
