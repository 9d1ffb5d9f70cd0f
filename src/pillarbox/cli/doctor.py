"""pillarbox doctor: what is wrong with the installation, and what to do about it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from pillarbox.admin import support_archive
from pillarbox.cli import show
from pillarbox.cli.check import wrapped
from pillarbox.cli.local import Api, Refused, with_api
from pillarbox.cli.options import DURATION, json_option, load_settings
from pillarbox.core.errors import Forbidden, InvalidInput, PillarboxError

_MARKS: Final = {"ok": "ok", "warning": "warn", "problem": "FAIL", "skipped": "skip"}
_INDENT: Final = " " * 20
_SLACK: Final = 120.0
"""Seconds that the doctor may take beside the mailboxes."""


@click.command()
@click.option(
    "--patience", type=DURATION, default="60s", show_default=True, help="How long mailboxes are tested, such as 10m."
)
@click.option("bundle", "--bundle", type=click.Path(path_type=Path), help="Write a support archive (.tar.gz) there.")
@click.option("--with-addresses", is_flag=True, help="In the archive addresses stay as they are.")
@json_option
@with_api
def command(patience: float, bundle: Path | None, with_addresses: bool, as_json: bool, api: Api) -> int:
    """Look at everything that can be wrong: clock, disk, store, doors, credentials, queue, and each mailbox.

    No mail is sent. Without a running service it looks at the store itself, and says what it could not look at.
    """
    if with_addresses and bundle is None:
        raise click.UsageError("--with-addresses is for --bundle")
    report, facts = _examined(api, patience)
    if as_json:
        show.as_json(report)
    else:
        _print(report["findings"])
    if bundle is not None:
        # A file that cannot be written does not cost what was found.
        _write(bundle, report, facts, with_addresses=with_addresses)
        if not as_json:
            show.line(f"The support archive is {bundle}. Look into it before you give it away.")
    return 0 if report["ok"] else 1


def _examined(api: Api, patience: float) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What was found, and the facts for an archive; where there is no store to look into, of the machine alone."""
    try:
        # Who only looks makes no store: the first of the two says that there is none.
        facts = api.get("/api/v1/doctor/facts")
        return api.post("/api/v1/doctor", {"patience": patience}, timeout=patience + _SLACK), facts
    except (Refused, Forbidden):
        raise
    except PillarboxError as error:
        if api.remote is not None or api.socket is not None:
            raise
        from pillarbox.cli.inprocess import examine

        return examine(load_settings(api.config, api.settings), error)


def _print(findings: Sequence[Mapping[str, Any]]) -> None:
    """The findings for a person, 80 columns wide, and how many there are of each kind."""
    for one in findings:
        mark = _MARKS[one["severity"]]
        for line in wrapped(f"{mark:<5}{one['name']:<14} ", one["title"], _INDENT):
            show.line(line)
        for line in wrapped(f"{_INDENT}-> ", one["hint"], f"{_INDENT}   ") if one["hint"] else ():
            show.line(line)
    counted = {mark: sum(one["severity"] == mark for one in findings) for mark in ("problem", "warning")}
    show.line("")
    show.line(", ".join(f"{number} {mark}{'' if number == 1 else 's'}" for mark, number in counted.items()) + ".")


def _write(file: Path, report: Mapping[str, Any], facts: Mapping[str, Any], *, with_addresses: bool) -> None:
    """A support archive, readable by its owner alone. Raises InvalidInput where it cannot be written."""
    try:
        with open(file, "xb", opener=_private) as archive:
            archive.write(support_archive.pack(report, facts, with_addresses=with_addresses))
    except OSError as error:
        raise InvalidInput("cli.bundle_not_written", path=file, reason=error.strerror or error) from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
