"""A file of rules: what it may hold, and that an error names file, place and key."""

import asyncio
import json
import os
import signal
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pillarbox.emulator import Fault, Faults, World
from pillarbox.emulator.rule_file import read
from pillarbox.emulator.run import Options, serve

TOML = """
[[fault]]
path = "/sendMail"
nth = 2
times = 1
status = 429
retry_after = 2.5

[[fault]]
command = "DATA"
cut = true
when = "after"

[[fault]]
mailbox = "alice@contoso.example"
rewrite_message_id = true
second_send = "accept"
sent_copy_delay = 900

[switches]
rewrites_message_ids = true
sent_copy_delay = 900

[limits]
concurrent_requests = false
messages_per_minute = 5
"""
JSON = '{"fault": [{"cut": true}], "limits": {"concurrent_requests": null}}'


def write(folder: Path, content: str, name: str = "rules.toml") -> Path:
    path = folder / name
    path.write_text(content)
    return path


def test_rules_switches_and_limits_are_read_from_toml(tmp_path: Path) -> None:
    world, faults = World(), Faults()
    read(write(tmp_path, TOML)).apply(world, faults)
    first = Fault(path="/sendMail", nth=2, times=1, status=429, retry_after=2.5)
    third = Fault(mailbox="alice@contoso.example", rewrite_message_id=True, second_send="accept", sent_copy_delay=900)
    assert list(faults) == [first, Fault(command="DATA", cut=True, when="after"), third]
    assert (world.rewrites_message_ids, world.sent_copy_delay) == (True, 900)
    assert (world.limits.concurrent_requests, world.limits.messages_per_minute) == (None, 5)


def test_json_will_do(tmp_path: Path) -> None:
    world, faults = World(), Faults()
    read(write(tmp_path, JSON, "rules.json")).apply(world, faults)
    assert (list(faults), world.limits.concurrent_requests) == ([Fault(cut=True)], None)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[[fault]]\ncut = true\n[[fault]]\nstauts = 429\n", "rules.toml: fault 2: unknown: stauts"),
        ("[[fault]]\nstatus = 99\n", "rules.toml: fault 1: status is 200 to 599"),
        ("[[faults]]\ncut = true\n", "rules.toml: unknown: faults; there are fault, switches and limits"),
        ("fault = 7\n", r"rules.toml: fault is a list of tables"),
        ("limits = 7\n", r"rules.toml: switches and limits are tables"),
        ("[[fault]\n", r"rules.toml: .*line 1"),
        ("\x00", "rules.toml: "),
    ],
)
def test_an_error_names_file_place_and_key(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(write(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[switches]\nrewrites = true\n", "rules.toml: switches: unknown switch: rewrites"),
        ("[limits]\nrequests = 1\n", "rules.toml: limits: unknown limit: requests"),
        ("[limits]\nmessages_per_minute = true\n", "rules.toml: limits: messages_per_minute is a whole number"),
    ],
)
def test_wrong_switches_and_limits_are_named(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(write(tmp_path, content)).apply(World(), Faults())


@pytest.mark.parametrize("content", ["[]", "[" * 100_000, "\N{REPLACEMENT CHARACTER}"])
def test_broken_json_is_an_error_too(tmp_path: Path, content: str) -> None:
    with pytest.raises(ValueError, match=r"rules\.json: "):
        read(write(tmp_path, content, "rules.json"))


def test_bytes_that_are_no_text_are_an_error_too(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"rules\.toml: "):
        read(path)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"rules\.toml"):
        read(tmp_path / "rules.toml")


async def ask_process(folder: Path, *paths: str, **options: Any) -> list[Any]:
    """Run the emulator as its command does, and ask its control API."""
    said: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(serve(Options(folder / "ca", **options), said.set_result, as_json=True))
    facts = json.loads(await said)
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=facts["ca_file"]))
    answers = []
    async with aiohttp.ClientSession(connector=connector) as session:
        for path in paths:
            async with session.get(f"{facts['url']}/_emulator/{path}") as answer:
                answers.append(await answer.json())
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    return answers


async def test_the_command_takes_the_file(tmp_path: Path) -> None:
    rules, switches, limits = await ask_process(
        tmp_path, "faults", "switches", "limits", faults=write(tmp_path, TOML), limits=False
    )
    assert [rule["id"] for rule in rules] == [1, 2, 3]
    assert switches["rewrites_message_ids"] is True
    assert (limits["messages_per_minute"], limits["recipients_per_day"]) == (5, None)


async def test_the_command_has_limits_unless_told_otherwise(tmp_path: Path) -> None:
    (limits,) = await ask_process(tmp_path, "limits")
    assert limits["concurrent_requests"] == 4


async def test_the_command_refuses_a_wrong_file(tmp_path: Path) -> None:
    path = write(tmp_path, "[[fault]]\nstauts = 1\n")
    with pytest.raises(ValueError, match="fault 1: unknown: stauts"):
        await serve(Options(tmp_path / "ca", faults=path), print, as_json=True)
    assert not (tmp_path / "ca").exists()
