"""PHPMailer and Jakarta Mail hand in mail at our door: what most web shops and most Java programs send with."""

import asyncio
import email
import email.policy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pillarbox.core.vault import Secret
from tests.clients.discard import Discard
from tests.conftest import House, MakeHouse

HERE = Path(__file__).parent
JARS = [Path("/usr/share/java") / name for name in ("jakarta-mail.jar", "jakarta-activation.jar")]
PHPMAILER = Path("/usr/share/php/libphp-phpmailer/autoload.php")
PASSWORD = "a password"

needs_phpmailer = pytest.mark.skipif(not (shutil.which("php") and PHPMAILER.exists()), reason="needs PHPMailer")
needs_jakarta = pytest.mark.skipif(
    not (shutil.which("java") and shutil.which("keytool") and all(jar.exists() for jar in JARS)),
    reason="needs Jakarta Mail",
)

EXPECTED = {
    **{f"{tls} {mechanism}": True for tls in ("starttls", "implicit") for mechanism in ("PLAIN", "LOGIN")},
    "kept": 20,
    "large": True,
    "wrong password": "refused",
}


@pytest.fixture
async def house(make_house: MakeHouse) -> House:
    """With a listener for implicit TLS, room for large mails, and the submitter `device`."""
    settings = {"smtp.listeners.smtps.listen": "127.0.0.1:0", "smtp.listeners.smtps.tls": "implicit"}
    made = await make_house({**settings, "smtp.max_size": "36000000"}, transport=Discard())
    await made.furnish("scanner@contoso.example")
    wish: Any = {"mailboxes": ["scanner@contoso.example"]}
    await made.gateway.submitters.add("device", wish, Secret(PASSWORD))
    return made


def port(house: House, listener: str) -> int:
    return int(house.gateway.listeners[listener].rpartition(":")[2])


def ca_file(house: House) -> Path:
    return house.gateway.settings.state_dir / "tls-cert.pem"


async def run(*command: str | Path, given: str = "") -> str:
    """What a program printed; fails where it does."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*map(str, command), stdin=pipe, stdout=pipe, stderr=pipe)
    output, errors = await process.communicate(given.encode())
    assert process.returncode == 0, output.decode() + errors.decode()
    return output.decode()


def results(output: str) -> dict[str, Any]:
    """The checks that a script reports, a line of JSON each."""
    return {row["check"]: row["result"] for row in map(json.loads, output.splitlines())}


async def check_what_arrived(house: House) -> None:
    """All 25 mails are kept; the small ones have the subject and the text that were given."""
    rows, _ = await house.gateway.outbox.page(100)
    assert len(rows) == 4 + 20 + 1
    first = min(rows, key=lambda row: row["seq"])
    (part,) = await house.gateway.database.read("outbox_part", seq=first["seq"], part=0)
    message = email.message_from_bytes(part["data"], policy=email.policy.SMTP)
    assert message["Subject"] == "掃描"
    assert message["From"].startswith("Scänner")
    text = message.get_content()
    assert text.rstrip().splitlines() == ["page 1", ".", ".hidden"]


@needs_phpmailer
async def test_phpmailer(house: House) -> None:
    facts = {"smtp": port(house, "smtp"), "smtps": port(house, "smtps"), "password": PASSWORD}
    output = await run("php", HERE / "phpmailer.php", given=json.dumps({**facts, "ca_file": str(ca_file(house))}))
    assert results(output) == EXPECTED
    await check_what_arrived(house)


@needs_jakarta
async def test_jakarta_mail(house: House, tmp_path: Path) -> None:
    store = tmp_path / "trust.p12"
    await run(
        *("keytool", "-importcert", "-noprompt", "-alias", "pillarbox", "-storetype", "PKCS12"),
        *("-storepass", "changeit", "-file", ca_file(house), "-keystore", store),
    )
    paths = ":".join(map(str, JARS))
    ports = (str(port(house, "smtp")), str(port(house, "smtps")))
    output = await run("java", "-cp", paths, HERE / "JakartaMail.java", *ports, store, PASSWORD)
    assert results(output) == EXPECTED
    (row,), _ = await house.gateway.outbox.page(1)
    kept = await house.gateway.outbox.get(row["id"])
    assert kept is not None
    assert (kept["dsn"].ret, kept["dsn"].notify) == ("HDRS", {"alice@contoso.example": "FAILURE,DELAY"})
    await check_what_arrived(house)
