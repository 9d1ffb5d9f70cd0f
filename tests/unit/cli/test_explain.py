"""pillarbox explain: offline, quick, and readable for who has never seen it."""

import asyncio
import json
import sys

import pytest

from tests.service import pillarbox


async def explained(data: bytes, *more: str) -> tuple[int | None, bytes, bytes]:
    """`pillarbox explain -` with these bytes on standard input."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pillarbox", "explain", "-", *more),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaints = await process.communicate(data)
    return process.returncode, output, complaints


async def test_a_code_is_explained_in_five_lines() -> None:
    exit_code, output, complaints = await pillarbox("explain", "7000222")
    assert (exit_code, complaints) == (0, "")
    lines = output.splitlines()
    assert lines[0] == "AADSTS7000222"
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["cause", "cure", "who acts", "more"]
    assert "expired" in lines[1]
    assert "pillarbox app secret NAME" in lines[2]


async def test_of_a_text_the_line_is_shown_that_was_understood() -> None:
    _, output, _ = await pillarbox("explain", "it says: 550 5.1.8 Access denied, bad outbound sender [AM0]")
    assert output.splitlines()[1] == "  found in: it says: 550 5.1.8 Access denied, bad outbound sender [AM0]"


async def test_words_need_no_quotation_marks() -> None:
    assert (await pillarbox("explain", "why", "401?"))[1].startswith("HTTP 401\n")


async def test_several_errors_are_parted_by_an_empty_line() -> None:
    _, output, _ = await pillarbox("explain", "7000215", "ErrorAccessDenied")
    assert [part.splitlines()[0] for part in output.split("\n\n")] == ["AADSTS7000215", "ErrorAccessDenied"]


async def test_json_has_all_of_it() -> None:
    _, output, _ = await pillarbox("explain", "--json", "AADSTS53003")
    (finding,) = json.loads(output)
    assert finding["code"] == "AADSTS53003"
    assert (finding["kind"], finding["who"], finding["who_acts"]) == (
        "aadsts",
        "admin",
        "an administrator of the tenant",
    )
    assert {"found", "meaning", "cure", "page"} < finding.keys()


@pytest.mark.parametrize("arguments", [["hello"], ["hello", "--json"]])
async def test_where_nothing_is_found_it_says_what_can_be(arguments: list[str]) -> None:
    exit_code, output, complaints = await pillarbox("explain", *arguments)
    assert (exit_code, output) == (3, "")
    assert "AADSTS" in complaints
    assert "docs/reference/microsoft-errors.md" in complaints


async def test_without_a_text_it_says_how_it_is_used() -> None:
    exit_code, _, complaints = await pillarbox("explain")
    assert exit_code == 2
    assert "TEXT|CODE|-" in complaints


async def test_a_text_may_begin_with_a_dash() -> None:
    assert (await pillarbox("explain", "--535 5.7.3 no"))[0] == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "latin-1"])
async def test_standard_input_may_have_any_encoding(encoding: str) -> None:
    exit_code, output, _ = await explained("é: AADSTS7000215: Ungültiger Schlüssel\r\n".encode(encoding))
    assert (exit_code, output.splitlines()[0]) == (0, b"AADSTS7000215")


async def test_of_many_codes_the_first_are_explained_and_one_line_counts_the_rest() -> None:
    text = " ".join(f"AADSTS1{number:06}" for number in range(16_000)).encode()
    _, output, complaints = await explained(text)
    assert (output.count(b"cause:"), complaints) == (50, b"")
    assert output.splitlines()[-1] == b"15950 more codes stand in this text: explain a part of it."
    _, output, complaints = await explained(text, "--json")
    assert len(json.loads(output)) == 50
    assert complaints == b"15950 more codes stand in this text: explain a part of it.\n"


async def test_binary_input_with_a_code_in_it_does_not_steer_the_terminal() -> None:
    _, output, complaints = await explained(b"\x00\xff\x1b]0;owned\x07 AADSTS50126 \x9b31m\xf0\x9f")
    assert b"AADSTS50126" in output
    assert not {0, 7, 27} & set(output)
    assert complaints == b""


async def test_a_secret_in_the_input_is_not_printed_again() -> None:
    for more in ([], ["--json"]):
        _, output, _ = await explained(b"client_secret=HushHush&x AADSTS7000215", *more)
        assert b"AADSTS7000215" in output
        assert b"Hush" not in output


async def test_it_imports_neither_server_nor_client() -> None:
    program = (
        "import sys; from pillarbox.cli.root import run; run(['explain', '401']); print(*sys.modules, file=sys.stderr)"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, modules = await process.communicate()
    loaded = set(modules.decode().split())
    assert "pillarbox.core.explain" in loaded
    slow = {"asyncio", "pydantic", "msal", "requests", "aiohttp", "fastapi", "apsw", "rich"}
    assert loaded & slow == set()
