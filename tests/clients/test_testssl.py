"""testssl.sh judges our TLS, by STARTTLS and from the first byte on: nothing above LOW but what is known."""

import asyncio
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.long import long_test
from tests.conftest import House, MakeHouse

needs_testssl = pytest.mark.skipif(shutil.which("testssl") is None, reason="needs testssl.sh")

GRAVE = {"MEDIUM", "HIGH", "CRITICAL", "FATAL"}
SELF_MADE = {
    "cert_chain_of_trust": "the certificate of the first start is self-made",
    "cert_revocation": "nobody could revoke it",
    "cert_validityPeriod": "it lasts for ten years, as nobody renews it",
}
PROTOCOLS = {"SSLv2": False, "SSLv3": False, "TLS1": False, "TLS1_1": False, "TLS1_2": True, "TLS1_3": True}


@pytest.fixture
async def house(make_house: MakeHouse) -> House:
    """With a second listener on which TLS begins at once; testssl.sh connects more often than a printer."""
    settings = {"smtp.listeners.smtps.listen": "127.0.0.1:0", "smtp.listeners.smtps.tls": "implicit"}
    many = {"smtp.max_connections_per_ip": "1000"}
    return await make_house({**settings, **many})


async def findings(house: House, folder: Path, listener: str, *options: str) -> list[dict[str, Any]]:
    """What testssl.sh found."""
    report = folder / "report.json"
    quiet = ["--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--jsonfile", str(report)]
    pipe = asyncio.subprocess.PIPE
    command = ["testssl", *quiet, *options, house.gateway.listeners[listener]]
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    # Its exit code is a count of findings.
    await process.communicate()
    rows: list[dict[str, Any]] = json.loads(await asyncio.to_thread(report.read_text))
    return rows


def protocols(rows: Iterable[dict[str, Any]]) -> dict[str, bool]:
    """Which versions are offered."""
    return {row["id"]: not row["finding"].startswith("not offered") for row in rows if row["id"] in PROTOCOLS}


def grave(rows: Iterable[dict[str, Any]]) -> dict[str, str]:
    """What is worse than LOW."""
    return {row["id"].split(" ")[0]: f"{row['severity']}: {row['finding']}" for row in rows if row["severity"] in GRAVE}


@needs_testssl
@long_test
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("listener", "options"), [("smtp", ("--starttls", "smtp")), ("smtps", ())])
async def test_testssl_finds_nothing_grave_and_tls_1_2_and_1_3_alone(
    house: House, tmp_path: Path, listener: str, options: tuple[str, ...]
) -> None:
    rows = await findings(house, tmp_path, listener, *options)
    assert protocols(rows) == PROTOCOLS
    found = grave(rows)
    assert found.keys() == SELF_MADE.keys(), found
    assert len(rows) > 50
