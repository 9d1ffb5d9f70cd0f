"""schemathesis asks every operation of the OpenAPI document for whatever it can think of, over HTTP, with a key.

The service answers nothing that the document does not tell, in the shape that it tells, and never with a mistake of its
own. The short form asks what is at the limits of each parameter; the long one makes up much more, and goes from the
answer of one operation to the next.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests import service
from tests.clients.long import long_test
from tests.conftest import Microsoft

ROOT = Path(__file__).resolve().parents[2]

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
]


@pytest.mark.timeout(180)
async def test_nothing_that_is_at_the_limits_surprises_the_service(tmp_path: Path, microsoft: Microsoft) -> None:
    await asked(tmp_path, microsoft, "--phases", "coverage", "--max-time", "50")


@long_test
@pytest.mark.timeout(1200)
async def test_nothing_that_can_be_made_up_surprises_the_service(tmp_path: Path, microsoft: Microsoft) -> None:
    await asked(tmp_path, microsoft, "--phases", "examples,coverage,fuzzing,stateful", "--max-time", "600")


async def asked(folder: Path, microsoft: Microsoft, *options: str) -> None:
    """Run schemathesis against a service with a mailbox; fail with what it found."""
    running = await service.serve(folder, {**microsoft.settings, "http.rate": "0"})
    app = microsoft.seed.gateway
    registration = (microsoft.seed.tenant.id, app.client_id, microsoft.seed.secrets[app.client_id])
    await asyncio.to_thread(service.furnish, running, *registration, "scanner@contoso.example")
    new = {"name": "schemathesis", "scopes": ["admin", "content.read"]}
    key = (await asyncio.to_thread(running.api.post, "/api/v1/api-keys", new))["key"]
    url = f"http://{running.ready['http']}"
    program = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *("run", f"{url}/api/v1/openapi.json", "--url", url, "--header", f"Authorization: Bearer {key}"),
        *("--checks", ",".join(CHECKS), "--continue-on-failure", "--no-shrink", "--request-timeout", "60"),
        *("--workers", "1", "--seed", "1", "--warnings", "off", "--no-color", *options),
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.clients.schemathesis_hooks", "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await program.communicate()
    assert await running.end(signal.SIGTERM) == 0
    assert program.returncode == 0, told.decode()
    assert [line for line in running.lines if "event=unexpected" in line] == []
