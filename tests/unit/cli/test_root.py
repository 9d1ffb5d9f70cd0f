"""The root command: what is said of arguments and variables that are no text."""

import json
from pathlib import Path

import pytest

from tests.service import pillarbox

BYTES = "p\udce4ssword"
"""As Python shows the bytes that a terminal in Latin-1 sends: PEP 383."""


async def test_a_variable_of_ours_that_is_no_text_is_named() -> None:
    code, output, errors = await pillarbox("app", "list", environ={"PILLARBOX_CLIENT_SECRET": BYTES})
    assert (code, output) == (78, "")
    assert errors.startswith("pillarbox: PILLARBOX_CLIENT_SECRET holds bytes that are no UTF-8.")
    assert (len(errors.splitlines()), "ssword" in errors) == (1, False)


async def test_a_variable_of_somebody_else_may_hold_what_it_likes() -> None:
    code, _, errors = await pillarbox("config", "show", environ={"OTHER": BYTES})
    assert (code, errors) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["app", "list", "--set", f"state_dir=/{BYTES}"],
        ["mailbox", "add", f"{BYTES}@contoso.example", "--app", "contoso"],
        ["mailbox", "remove", f"{BYTES}@contoso.example"],
        ["outbox", "show", BYTES],
        ["graph", "get", f"/users/{BYTES}"],
        ["token", "get", "--mailbox", f"{BYTES}@contoso.example"],
    ],
)
async def test_an_argument_that_is_no_text_is_one_line_and_no_traceback(arguments: list[str], tmp_path: Path) -> None:
    environ = {"PILLARBOX_STATE_DIR": str(tmp_path / "state"), "PILLARBOX_SOCKET": str(tmp_path / "nobody.sock")}
    code, output, errors = await pillarbox(*arguments, environ=environ)
    assert (code in (2, 3), output, len(errors.splitlines())) == (True, "", 1)
    code, output, errors = await pillarbox(*arguments, "--json", environ=environ)
    assert (code in (2, 3), output) == (True, "")
    assert json.loads(errors)["title"]
