"""How a mailbox sends, as a person chooses it by command: shown everywhere, and never lost to the next test."""

import json
from pathlib import Path

import pytest

from tests.conftest import House, MakeHouse
from tests.service import pillarbox

SCANNER = "scanner@contoso.example"
ERP = "erp@contoso.example"


@pytest.fixture
async def environ(make_house: MakeHouse, tmp_path: Path) -> dict[str, str]:
    """The environment of commands for a store with the mailboxes scanner@ and erp@, which no service has open."""
    house: House = await make_house(start=False)
    await house.furnish(SCANNER, ERP)
    for address in (SCANNER, ERP):
        mailbox = await house.gateway.accounts.mailbox(address)
        assert mailbox is not None
        assert await house.gateway.accounts.set_assurance(mailbox, "verify")
    await house.gateway.stop()
    return {
        "PILLARBOX_STATE_DIR": str(tmp_path / "state"),
        "PILLARBOX_SOCKET": str(tmp_path / "run" / "api.sock"),
    }


async def run(environ: dict[str, str], *arguments: str) -> str:
    code, output, errors = await pillarbox("mailbox", *arguments, environ=environ)
    assert (code, errors) == (0, "")
    return output


async def test_what_was_chosen_counts_until_it_is_taken_back(environ: dict[str, str]) -> None:
    told = await run(environ, "change", SCANNER, "--assurance", "draft", "--on-uncertain", "hold")
    assert "mode draft, on_uncertain hold" in told
    shown = json.loads(await run(environ, "show", SCANNER, "--json"))
    assert (shown["mode"], shown["chosen_assurance"], shown["assurance"], shown["on_uncertain"]) == (
        *("draft", "draft", "verify", "hold"),
    )
    await run(environ, "change", SCANNER, "--assurance", "found")
    shown = json.loads(await run(environ, "show", SCANNER, "--json"))
    assert (shown["mode"], shown["on_uncertain"]) == ("verify", "hold")


async def test_a_mode_that_asks_for_more_than_the_test_found_is_told_of(environ: dict[str, str]) -> None:
    told = await run(environ, "change", SCANNER, "--assurance", "draft")
    assert "takes Mail.ReadWrite. Graph refuses each message then, and they are held." in told
    assert f"`pillarbox mailbox change {SCANNER} --assurance found`" in told
    assert "takes Mail.ReadWrite" in await run(environ, "show", SCANNER)
    assert "Mail.Read" not in await run(environ, "change", SCANNER, "--assurance", "found")
    assert "Mail.Read" not in await run(environ, "show", SCANNER)


async def test_a_choice_is_of_one_mailbox_and_the_list_shows_it(environ: dict[str, str]) -> None:
    await run(environ, "change", SCANNER, "--assurance", "send-only")
    lines = {line.split("\t")[0]: line.split("\t") for line in (await run(environ, "list")).splitlines()}
    assert ("send-only" in lines[SCANNER], "verify" in lines[ERP]) == (True, True)


async def test_another_app_registration_keeps_what_was_chosen(environ: dict[str, str]) -> None:
    await run(environ, "change", SCANNER, "--on-uncertain", "hold")
    told = await run(environ, "change", SCANNER, "--app", "contoso", "--assurance", "draft")
    assert "contoso acts for" in told
    shown = json.loads(await run(environ, "show", SCANNER, "--json"))
    assert (shown["assurance"], shown["mode"], shown["on_uncertain"]) == ("", "draft", "hold")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([SCANNER], "say what to change"),
        ([SCANNER, "--assurance", "sure"], "Invalid value"),
        (["nobody@contoso.example", "--assurance", "draft"], "There is no mailbox nobody@contoso.example."),
    ],
)
async def test_what_cannot_be_chosen_is_said(environ: dict[str, str], words: list[str], said: str) -> None:
    code, _, errors = await pillarbox("mailbox", "change", *words, environ=environ)
    assert code != 0
    assert said in errors
