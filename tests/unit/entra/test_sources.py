"""Credentials are read anew from where they are kept, and it is told in words where they are not."""

import os
from pathlib import Path

import pytest

from pillarbox.core.errors import ConfigError
from pillarbox.entra.sources import Sources

SECRET = "abc8Q" + "~a-secret-that-nobody-sees"


def test_a_variable_is_read_each_time(sources: Sources) -> None:
    for value in (SECRET, "another"):
        os.environ["GATEWAY_SECRET"] = value
        assert sources.read("env:GATEWAY_SECRET").reveal() == value


def test_a_file_is_read_each_time_without_what_editors_add(sources: Sources, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    for content in (SECRET, f"\ufeff{SECRET}\r\n", f"  {SECRET}\n"):
        file.write_text(content, "utf-8")
        assert sources.read(f"file:{file}").reveal() == SECRET


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("env:NOT_SET", "source.unset"),
        ("env:EMPTY", "source.empty"),
        ("file:/nowhere/at/all", "config.unreadable_file"),
        ("file:/dev/null", "source.empty"),
        ("ftp:x", "source.unknown"),
    ],
)
def test_what_cannot_be_read_is_told(sources: Sources, source: str, code: str) -> None:
    os.environ["EMPTY"] = " "
    with pytest.raises(ConfigError) as caught:
        sources.read(source)
    assert caught.value.code == code


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x" * 70_000], ids=["not UTF-8", "too long"])
def test_a_file_that_holds_something_else_is_told_and_not_shown(
    sources: Sources, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        sources.read(f"file:{file}")
    assert (caught.value.code, "xxx" in caught.value.sentence) == ("config.unreadable_file", False)
