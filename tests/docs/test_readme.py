"""README and pages name only what exists: make targets, commands with their options, files, links and headings."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from pillarbox.cli.root import root
from pillarbox.core import catalogue
from tests.unit.core.test_catalogue import rows

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^|[\s/=])pillarbox (?=[a-z])")
PATH = re.compile(r"(?:[\w.*-]+/)*[\w*-][\w.*-]*/?")
SUFFIXES = {".py", ".md", ".csv", ".sql", ".sh", ".smtp", ".txt", ".toml"}
PLACES = (ROOT, ROOT / "src" / "pillarbox", ROOT / "tests")
THEIRS = {"pillarbox.toml", "letter.eml"}
"""Files of the reader's, not of the repository."""


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(text: str, *languages: str) -> Iterator[str]:
    """The lines of fenced blocks in these languages; continued lines are one."""
    for language, body in FENCE.findall(text):
        if language in languages:
            yield from body.replace("\\\n", " ").splitlines()


def spans(text: str) -> list[str]:
    """Code within sentences."""
    return SPAN.findall(FENCE.sub("", text))


def words(line: str) -> list[str]:
    """The words of a shell command, up to a comment or an operator."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
    lexer.whitespace_split = True
    found: list[str] = []
    for word in lexer:
        if set(word) <= set("&|;<>"):
            break
        found.append(word)
    return found


def resolve(given: list[str]) -> tuple[click.Command, list[str]]:
    """The command that these words name, and the words that are left; a group only if nothing is left."""
    command: click.Command = root
    context = click.Context(root)
    while isinstance(command, click.Group) and given:
        found = command.get_command(context, given[0])
        assert found is not None, f"there is no command {given[0]!r}"
        command, given = found, given[1:]
    return command, given


def check_names(line: str) -> None:
    """Noun, verb and options exist; it need not be complete."""
    command, given = resolve(words(line))
    known = {"--help", "-h"} | {name for parameter in command.params for name in parameter.opts}
    unknown = [word for word in given if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known]
    assert not unknown


def check_needed(line: str) -> None:
    """Where it says of what (`NAME`, `{name}`), it says all options without which click takes none."""
    command, given = resolve(words(line))
    options = [one for one in command.params if isinstance(one, click.Option) and one.required]
    needed = {one.opts[0] for one in options}
    assert not given or needed <= set(given)


def check_whole(line: str) -> None:
    """It is a whole command line: click takes it."""
    command, given = resolve(words(line))
    if "--help" not in given:
        command.make_context(line, given)


@cache
def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))


def made(text: str) -> Iterator[str]:
    """The targets that a page asks to make."""
    lines = [part for line in blocks(text, "sh") for part in re.split(r"&&|;|#", line)] + spans(text)
    for line in lines:
        if line.strip().startswith("make "):
            yield from (word for word in words(line)[1:] if "=" not in word and re.fullmatch(r"[a-z-]+", word))


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text("utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def exists(path: str, page: Path) -> bool:
    if "/" not in path and "." in path:
        # A bare file name: the sentence says in which folder.
        return (ROOT / path).exists() or any(any((ROOT / top).rglob(path)) for top in ("src", "tests", "tools", "docs"))
    return any(any(place.glob(path.rstrip("/"))) for place in (*PLACES, page.parent))


def named_paths(text: str) -> Iterator[str]:
    """What looks like a file or folder of the repository."""
    for span in spans(text):
        first = span.partition("/")[0]
        inside = "/" in span and first and any((place / first).is_dir() for place in PLACES)
        if PATH.fullmatch(span) and span not in THEIRS and (inside or Path(span).suffix in SUFFIXES):
            yield span
    yield from re.findall(r"(?<![\w/.])(?:docs|tests|tools|src|bench)/[\w./*-]*\w", FENCE.sub("", text))
    yield from (
        path for line in blocks(text, "sh") for path in re.findall(r"(?<![\w/.])(?:docs|tests|tools)/[\w./-]*\w", line)
    )


pages = pytest.mark.parametrize("page", PAGES, ids=name)


def test_the_scan_sees_the_pages() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert {"demo", "test", "setup", "bench"} <= set(made(text))
    assert sum(bool(COMMAND.search(line)) for line in blocks(text, "sh")) >= 6
    assert "docs/how-to/run-as-a-service.md" in set(named_paths(text))


@pages
def test_every_make_target_exists(page: Path) -> None:
    assert set(made(page.read_text("utf-8"))) <= targets()


@pages
def test_every_command_exists_with_its_options(page: Path) -> None:
    text = page.read_text("utf-8")
    # A decision may name what does not exist yet.
    if page.parent.name != "decisions":
        for line in spans(text):
            if line.removeprefix(".venv/bin/").startswith("pillarbox ") and (found := COMMAND.search(line)):
                check_names(line[found.end() :])
    for line in blocks(text, "sh", "ini"):
        if not line.lstrip().startswith("#") and (found := COMMAND.search(line)):
            check_whole(line[found.end() :])


def test_every_command_in_a_cure_exists_with_its_options() -> None:
    cures = [entry.cure for entry in catalogue.entries().values()]
    tables = ("aadsts.csv", "oauth-errors.csv", "graph-errors.csv", "exchange-replies.csv")
    cures += [row["remedy"] for file in tables for row in rows(file)]
    found = [span for cure in cures for span in SPAN.findall(cure) if span.startswith("pillarbox ")]
    assert len(found) > 20
    for line in set(found):
        check_names(line.removeprefix("pillarbox "))
        check_needed(line.removeprefix("pillarbox "))


@pages
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in slugs(target), link


@pages
def test_every_named_path_exists(page: Path) -> None:
    assert [path for path in named_paths(page.read_text("utf-8")) if not exists(path, page)] == []


@pytest.mark.parametrize("line", ["pilar", "outbox shew QUEUE_ID", "outbox list --stat held", "app add --tenant=x"])
def test_a_wrong_command_is_seen(line: str) -> None:
    with pytest.raises(AssertionError):
        check_names(line)


@pytest.mark.parametrize("line", ["outbox show", "mailbox add scanner@contoso.example", "outbox list --state hold"])
def test_an_incomplete_command_is_seen(line: str) -> None:
    with pytest.raises(click.ClickException):
        check_whole(line)
