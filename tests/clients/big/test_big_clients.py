"""Clients that need half a gigabyte: Microsoft's SDKs. Run by `make test-clients-big`, not by `make test`."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pillarbox.emulator import Certificates, Emulator, SigningKey, seed
from pillarbox.emulator.announce import ready_facts
from tests.openapi.recorder import Recorder

HERE = Path(__file__).parent
BIG = HERE.parents[2] / ".venv-big"

PYTHON = {
    "send_mail": "accepted",
    "send_mail_refused": [403, "ErrorAccessDenied"],
    "user": ["alice@contoso.example", "Alice"],
    "list_messages": ["by the SDK"],
    "folders": [True, "Inbox"],
    "draft": [["large.bin", "small.txt"], ["a draft"]],
    "mime": True,
}
NODE = {
    "token": 3,
    "token_refused": ["invalid_resource", "AADSTS500011"],
    "send_mail": "accepted",
    "send_mail_refused": [403, "ErrorAccessDenied"],
    "paging": 12,
    "upload": True,
    "draft": [1, True],
    "smtp": "250 2.0.0 OK",
    "smtp_password_refused": [535, "535 5"],
}


@pytest.fixture
async def emulator(
    tmp_path: Path, certificates: Certificates, signing_key: SigningKey, recorder: Recorder
) -> AsyncIterator[Emulator]:
    """With Exchange, and a witness of all that Graph answers."""
    keys = {"certificates": certificates, "signing_key": signing_key}
    async with Emulator(tmp_path, witness=recorder, exchange=True, **keys) as running:  # type: ignore[arg-type]
        seed(running.world)
        yield running


async def run(emulator: Emulator, *command: str | Path) -> dict[str, Any]:
    """What a script reports, by check; it is told the facts by stdin, and the CA by the variables that we print."""
    facts = ready_facts(emulator.announcement)
    pipe = asyncio.subprocess.PIPE
    script = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=pipe, env=os.environ | facts["environment"]
    )
    output, errors = await script.communicate(json.dumps(facts).encode())
    assert script.returncode == 0, errors.decode()
    print(output.decode())
    return {row["check"]: row["result"] for row in map(json.loads, output.splitlines())}


async def test_the_graph_sdk_for_python(emulator: Emulator) -> None:
    assert await run(emulator, BIG / "bin" / "python", HERE / "msgraph_sdk.py") == PYTHON
    assert list(emulator.not_emulated) == []


async def test_msal_and_graph_for_node_and_nodemailer(emulator: Emulator) -> None:
    assert await run(emulator, "node", HERE / "javascript.mjs", BIG / "node") == NODE
    assert list(emulator.not_emulated) == []
