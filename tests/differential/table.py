"""differences.md: read, and written anew by `python -m tests.differential.write`, which keeps the reasons."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.differential.peers import Message, Result
from tests.differential.streams import TEXT

FILE: Final = Path(__file__).with_name("differences.md")
HEAD: Final = "| stream | ours | aiosmtpd | Postfix | why ours is right |"
SAME: Final = "same"
_SHOWN: Final = 44


class Row(NamedTuple):
    """What is listed of one stream."""

    ours: str
    aiosmtpd: str
    postfix: str
    why: str


def cell(result: Result, ours: Result | None = None) -> str:
    """A result for people; `same` where it is as `ours`."""
    if result == ours:
        return SAME
    return ", ".join([f"`{result.replies}`", *map(_shown, result.messages)])


def _shown(message: Message) -> str:
    envelope = "" if "@" not in message.sender else message.sender.partition("@")[0]
    to = " ".join(each.removesuffix("@contoso.example") for each in message.recipients)
    text = repr(message.content.removeprefix(TEXT))[1:].replace("|", "\\x7c").replace("`", "\\x60")
    short = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…({len(message.content)} bytes)"
    return ascii(f"{envelope[:20] or '<>'} to {to[:30]}")[1:-1] + f" `{short}`"


def read() -> dict[str, Row]:
    """The rows by stream."""
    lines = FILE.read_text("utf-8").splitlines()
    rows = {}
    for line in lines[lines.index(HEAD) + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split(" | "))
        rows[name] = Row(*cells)
    return rows


def write(rows: Mapping[str, Row]) -> None:
    """Put these rows in the place of those that are there."""
    before, _, behind = FILE.read_text("utf-8").partition(HEAD)
    after = behind.partition("\n\n")[2]
    body = [HEAD, "|---|---|---|---|---|", *(f"| {name} | {' | '.join(row)} |" for name, row in rows.items())]
    FILE.write_text(before + "\n".join(body) + "\n" + (f"\n{after}" if after else ""), "utf-8")
