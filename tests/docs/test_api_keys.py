"""The commands and options of docs/how-to/api-keys.md do what the page says, run as they stand there."""

import asyncio
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from pillarbox.access.guard import DEFAULT_PATIENCE
from pillarbox.admin import mailboxes
from pillarbox.core.caller import USUAL_SCOPES, WHOLE, Scope
from pillarbox.core.settings import Http
from tests.conftest import House
from tests.http_api import ask, make_key
from tests.service import pillarbox

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "api-keys.md").read_text("utf-8")
SCRIPTS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
ROWS = [line.split(" | ")[0] for line in PAGE.splitlines() if line.startswith("| `")]
OPTIONS = [option for row in ROWS for option in re.findall(r"`((?:change )?--[^`]+)`", row)]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_the_examples_work_one_after_the_other(house: House) -> None:
    await mailboxes.add(house.gateway.accounts, "sales@contoso.example", "contoso")
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PILLARBOX_SOCKET": str(house.gateway.settings.socket),
        "PILLARBOX_API_KEY": await make_key(house, "reader"),
    }
    told = []
    for script in SCRIPTS:
        # Our own commands would take it as the service to ask.
        url = {"PILLARBOX_URL": f"http://{house.gateway.http_address}"} if script.startswith("curl") else {}
        shell = await asyncio.create_subprocess_exec(
            *("sh", "-euc", script), env=environ | url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        output, errors = await shell.communicate()
        assert shell.returncode == 0, (script, output, errors)
        told.append(output.decode())
    added, sends, ended, audit = told
    assert "pbx_" in added
    assert json.loads(sends) == {"data": [], "next": None}
    assert "pbx_" in ended
    assert "crm" in audit
    assert [key.name for key in house.gateway.keys.list()] == ["reader"]


@pytest.mark.parametrize("option", OPTIONS)
async def test_an_option_of_the_table_is_taken(house: House, option: str) -> None:
    await make_key(house)
    words = ["change", "crm", *shlex.split(option.removeprefix("change "))]
    place = {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}
    before = house.gateway.keys.get("crm")
    code, output, errors = await pillarbox("key", *words, environ=place)
    assert (code, errors) == (0, ""), output
    assert (house.gateway.keys.get("crm") != before) == (option != "--enable")


def test_the_page_names_all_scopes_and_these_numbers() -> None:
    assert [row.strip("| `") for row in ROWS if "--" not in row] == [scope.value for scope in Scope]
    usual = PAGE[PAGE.index("Without `--scope`") :].partition(".\n")[0].replace("\n", " ")
    assert set(re.findall(r"`([a-z.]+)`", usual.partition(". Nobody")[0])) == set(USUAL_SCOPES)
    whole = PAGE[PAGE.index("Such a key cannot have") :].partition("(`key.whole_scope`)")[0]
    assert set(re.findall(r"`([a-z.]+)`", whole)) == set(WHOLE)
    assert f"`http.rate` ({Http().rate})" in PAGE
    assert (DEFAULT_PATIENCE.of_site, DEFAULT_PATIENCE.ban) == (10, 600)


async def test_how_a_key_stands_is_told_as_the_page_says(house: House) -> None:
    key = await make_key(house)
    for _ in range(2):
        answer = await ask(house, "GET", "/api/v1/sends", key=key)
        fields = answer.headers["ratelimit-policy"], answer.headers["ratelimit"]
    assert f"`RateLimit-Policy: {fields[0]}` and `RateLimit: {re.sub('r=[0-9]+', 'r=598', fields[1])}`" in PAGE
