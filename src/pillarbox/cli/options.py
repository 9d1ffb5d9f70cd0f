"""Options that several commands share, and how settings and secrets are read."""

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from pillarbox.cli import show
from pillarbox.core.errors import InvalidInput
from pillarbox.core.places import ENV_PREFIX, find_settings_file
from pillarbox.core.vault import Secret

if TYPE_CHECKING:
    from pillarbox.core.settings import Settings

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Value = TypeVar("_Value")


class _Duration(click.ParamType[float]):
    """Seconds, as a number and a letter: 90s, 15m, 2h, 3d, 1w."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See click."""
        found = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            self.fail(f"{value!r} is no duration such as 90s, 15m, 2h, 3d", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


_DURATION: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
DURATION: Final = _Duration()


class _Moment(click.ParamType[float]):
    """A time as ISO 8601 with its offset; without one it is this machine's. Seconds since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See click."""
        try:
            return datetime.fromisoformat(value).timestamp()
        except (ValueError, OverflowError, OSError):
            self.fail(f"{value!r} is no time such as 2027-01-31T08:00Z", param, ctx)


MOMENT: Final = _Moment()


def lists_given(options: Mapping[str, Any], names: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """The lists that were given, or emptied by `--no-NAME`, as the API takes them. Raises UsageError for both."""
    for name in names:
        emptied = options.get(f"no_{name}", False)
        if emptied and options[name]:
            raise click.UsageError(f"either {name}, or none")
        if emptied or options[name]:
            yield name, list(options[name])


def switch_given(options: Mapping[str, Any], yes: str, no: str) -> bool | None:
    """Which of two options was given, None for neither. Raises UsageError for both."""
    if options.get(yes) and options.get(no):
        raise click.UsageError(f"either --{yes.replace('_', '-')} or --{no.replace('_', '-')}")
    return bool(options.get(yes)) if options.get(yes) or options.get(no) else None


def settings_options(command: _Command) -> _Command:
    """--config and --set."""
    command = click.option(
        "settings",
        "--set",
        metavar="KEY=VALUE",
        multiple=True,
        help="Set a setting, such as --set smtp.listen=127.0.0.1:2525; may be repeated.",
    )(command)
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        help="Settings file; otherwise PILLARBOX_CONFIG, ~/.config/pillarbox/pillarbox.toml, "
        "/etc/pillarbox/pillarbox.toml.",
    )(command)


def json_option(command: _Command) -> _Command:
    """--json."""
    return click.option("as_json", "--json", is_flag=True, help="Print JSON, for scripts; errors too.")(command)


def holder_options(command: _Command) -> _Command:
    """--app and --mailbox: for whom a token is."""
    command = click.option("--mailbox", help="Address of the mailbox; needless where there is just one.")(command)
    return click.option("--app", help="Name of the app registration, for a token of its own.")(command)


def load_settings(config: Path | None, settings: tuple[str, ...]) -> "Settings":
    """The settings that the options name. Raises ConfigError."""
    from pillarbox.core.settings import load

    flags = dict(_pair(setting) for setting in settings)
    return load(config or find_settings_file(os.environ), os.environ, flags)


def _pair(setting: str) -> tuple[str, str]:
    key, equals, value = setting.partition("=")
    if not equals:
        raise click.UsageError(f"--set takes KEY=VALUE, not {setting!r}")
    return key, value


def read_value(what: str, option: str, given: str | None, variable: str) -> str:
    """A value that is no secret: as the option gave it, from PILLARBOX_<variable>, or asked for at a terminal.

    Raises InvalidInput where none is given and nobody can be asked.
    """
    name = ENV_PREFIX + variable
    if value := given or os.environ.get(name):
        return value
    if sys.stdin.isatty():
        return str(click.prompt(what, err=True))
    raise InvalidInput("cli.value_expected", what=what, option=option, variable=name)


def ask_for_more(what: str) -> str:
    """Something that may be left out, asked for at a terminal; empty where nobody can be asked."""
    return str(click.prompt(what, default="", show_default=False, err=True)) if sys.stdin.isatty() else ""


def ask_until_good(ask: Callable[[], _Value], *, again: bool) -> _Value:
    """What `ask` gives; where it refuses and a person can be asked `again`, that is told at once, and it is asked anew.

    So one bad answer costs no other: a secret that was pasted before is shown by the portal only once.
    """
    while True:
        try:
            return ask()
        except InvalidInput as error:
            if not (again and sys.stdin.isatty()):
                raise
            show.complain(error, as_json=False)


def read_secret(what: str, variable: str, check: Callable[[Secret], object] = bool) -> Secret:
    """A secret from PILLARBOX_<variable>, from the file that PILLARBOX_<variable>_FILE names, or typed unseen.

    Raises InvalidInput where none is given and nobody can be asked; secrets are never arguments. `check` raises it for
    one that cannot be right: what was typed is asked for again.
    """
    name = ENV_PREFIX + variable
    value = os.environ.get(name) or _of_file(name + "_FILE")
    if value is not None:
        check(Secret(value))
        return Secret(value)
    if not sys.stdin.isatty():
        raise InvalidInput("cli.secret_expected", what=what, variable=name)

    def typed() -> Secret:
        secret = Secret(click.prompt(what, hide_input=True, err=True))
        check(secret)
        return secret

    return ask_until_good(typed, again=True)


def _of_file(variable: str) -> str | None:
    from pillarbox.core.settings import read_secret_file

    return read_secret_file(Path(file), variable) if (file := os.environ.get(variable)) else None
