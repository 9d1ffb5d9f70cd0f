"""What differs between our engine, aiosmtpd and Postfix is in differences.md, all of it and nothing else."""

import os
import random
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.differential import streams, table
from tests.differential.peers import Aiosmtpd, Message, Ours, PostfixPeer, Result, Server, aiosmtpd, ended, postfix_peer
from tests.postfix import needs_postfix, needs_root

SEED = int(os.environ.get("PILLARBOX_SEED", "0")) or 20261121
NAMED = streams.named()
CHANCE = random.Random(SEED)
CONTENTS = [streams.contents(CHANCE) for _ in range(250)]
TRANSCRIPTS = [streams.transcript(CHANCE) for _ in range(100)]

BARE, DROPPED = "bare line ends stay", "a lone dot at a bare LF is dropped"
UNSTEADY = {"dialog line-sasl", "dialog line-sasl-too-long"}
"""aiosmtpd reads a long line of AUTH in as many pieces as it comes in: its answer depends on how it is cut."""

# aiosmtpd warns of its own attributes.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture
async def second(tmp_path: Path) -> AsyncIterator[Aiosmtpd]:
    """aiosmtpd, listening."""
    async with aiosmtpd(tmp_path) as peer:
        yield peer


@pytest.fixture
async def third() -> AsyncIterator[PostfixPeer]:
    """A Postfix of its own."""
    async with postfix_peer() as peer:
        yield peer


# ---- named streams


def test_every_row_has_a_stream_a_difference_and_a_reason() -> None:
    rows = table.read()
    assert rows.keys() <= NAMED.keys()
    for name, row in rows.items():
        assert (row.aiosmtpd, row.postfix) != (table.SAME, table.SAME), name
        assert len(row.why) > 10, name


def test_most_dialogs_are_played() -> None:
    assert sum(name.startswith("dialog ") for name in NAMED) >= 40


async def test_our_engine_answers_alike_however_the_bytes_are_cut() -> None:
    print(f"PILLARBOX_SEED={SEED}")
    chance = random.Random(SEED)
    for name, stream in NAMED.items():
        whole = await ended(stream)
        expected = await Ours().play([whole])
        ways = [streams.cuts(whole, chance) for _ in range(3)] + [[whole[i : i + 1] for i in range(len(whole))]]
        for pieces in ways:
            assert await Ours().play(pieces) == expected, (name, pieces[:20])


async def _differences(peer: Server, column: Callable[[table.Row], str]) -> dict[str, tuple[str, str]]:
    """By stream: what is listed and what is so, where these are not the same."""
    rows, chance, wrong = table.read(), random.Random(SEED), {}
    for name, stream in NAMED.items():
        whole = await ended(stream)
        ours = await Ours().play([whole])
        row = rows.get(name, table.Row(table.cell(ours), table.SAME, table.SAME, ""))
        theirs = await peer.play([whole])
        found = table.cell(theirs, ours)
        if (row.ours, column(row)) != (table.cell(ours), found):
            wrong[name] = (f"{row.ours} / {column(row)}", f"{table.cell(ours)} / {found}")
        elif name not in UNSTEADY and (cut := await peer.play(streams.cuts(whole, chance))) != theirs:
            wrong[name] = ("the same when cut", table.cell(cut))
    return wrong


async def test_aiosmtpd_differs_where_the_table_says_so(second: Aiosmtpd) -> None:
    assert await _differences(second, lambda row: row.aiosmtpd) == {}


@needs_postfix
@needs_root
async def test_postfix_differs_where_the_table_says_so(third: PostfixPeer) -> None:
    assert await _differences(third, lambda row: row.postfix) == {}


# ---- streams made by chance


def taken(content: bytes, rule: str = "") -> bytes:
    """What a server makes of a message's content: ours, or one that differs by a rule of differences.md."""
    if rule == BARE:
        return b"".join(line.removeprefix(b".") for line in re.findall(rb"(?s).*?\r\n", content))
    result, before = b"", b"\r\n"
    for line, end in re.findall(rb"(?s)(.*?)(\r\n|\n)", content):
        alone = line == b"." and b"\n" in (before, end)
        dotless = line if line == b"." and before == b"\n" else line.removeprefix(b".")
        if not (alone and rule == DROPPED):
            result += dotless.replace(b"\r", b" ") + b"\r\n"
        before = end
    return result


async def _play_contents(server: Server, rule: str) -> int:
    """Each content as a message of its own; how often the rule counted."""
    print(f"PILLARBOX_SEED={SEED}")
    chance, counted = random.Random(SEED), 0
    for content in CONTENTS:
        stream = streams.TO_DATA + streams.TEXT + content + b".\r\n" + streams.QUIT
        expected = Message("scanner@contoso.example", ("alice@contoso.example",), streams.TEXT + taken(content, rule))
        found = await server.play(streams.cuts(stream, chance))
        assert found == Result("2 2 2 2 2 3 2 2", (expected,)), content
        counted += taken(content, rule) != taken(content)
    return counted


async def _play_transcripts(server: Server) -> None:
    print(f"PILLARBOX_SEED={SEED}")
    chance = random.Random(SEED)
    for stream in TRANSCRIPTS:
        whole = await ended(stream)
        assert _once(await server.play(streams.cuts(whole, chance))) == _once(await Ours().play([whole])), stream


def _once(result: Result) -> Result:
    """With equal recipients once, as we and Postfix keep them."""
    return Result(
        result.replies, tuple(each._replace(recipients=tuple(sorted({*each.recipients}))) for each in result.messages)
    )


async def test_our_engine_takes_any_content_as_the_rules_say() -> None:
    assert await _play_contents(Ours(), "") == 0


async def test_aiosmtpd_takes_any_content_alike_but_for_bare_line_ends(second: Aiosmtpd) -> None:
    assert await _play_contents(second, BARE) > 0


@needs_postfix
@needs_root
async def test_postfix_takes_any_content_alike_but_for_lone_dots(third: PostfixPeer) -> None:
    assert await _play_contents(third, DROPPED) > 0


async def test_aiosmtpd_answers_any_commands_alike(second: Aiosmtpd) -> None:
    await _play_transcripts(second)


@needs_postfix
@needs_root
async def test_postfix_answers_any_commands_alike(third: PostfixPeer) -> None:
    await _play_transcripts(third)


def test_the_rules_are_in_the_table() -> None:
    text = table.FILE.read_text("utf-8")
    rules = re.findall(r"(?m)^\| ([^|]+) \| (?:aiosmtpd|Postfix) \|", text.partition("## Streams with a name")[0])
    assert rules == [BARE, DROPPED]


def test_the_streams_by_chance_are_many() -> None:
    assert len({*CONTENTS, *TRANSCRIPTS}) > 300
