"""The command line as Sendmail and Postfix take it (docs/reference/sendmail.md has the table).

Values may be joined or stand alone, letters without a value may be bundled, the first operand ends the options. What we
do not know is ignored, as msmtp does: nobody's mail must be lost for a flag of another sendmail.
"""

import os
import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from pillarbox.sendmail.problem import Problem

Mode = Literal["send", "smtp", "queue", "nothing", "verify", "help", "version"]

_WITH_VALUE: Final = frozenset("ABCDFLMNOPRVXbefhopr")
_WITH_JOINED_VALUE: Final = frozenset("dqQ")
"""Perhaps a value, and then joined: `-q30m`."""
_MODES: Final[dict[str, Mode]] = {
    "m": "send", "q": "send", "s": "smtp", "p": "queue", "i": "nothing", "v": "verify",
}  # fmt: skip
_OF_A_SERVER: Final = frozenset("dDhHltP")
"""Who calls it in one of these modes waits for a server, or for its answer."""
_LONG: Final[dict[str, Mode]] = {"--help": "help", "--version": "version"}
_NAMES: Final[dict[str, Mode]] = {"mailq": "queue", "newaliases": "nothing"}
_EVENTS: Final = frozenset({"SUCCESS", "FAILURE", "DELAY"})


class Options(NamedTuple):
    """What was asked for. `sender` is None where nobody said it; `notify`, `ret` and `envid` are for DSN parameters."""

    mode: Mode = "send"
    recipients: tuple[str, ...] = ()
    from_header: bool = False
    dot_ends: bool = True
    sender: str | None = None
    full_name: str = ""
    notify: str = ""
    ret: str = ""
    envid: str = ""
    verbose: bool = False


def parse(name: str, arguments: Sequence[str]) -> Options:
    """The options of a call under this name. Raises Problem (64)."""
    options = Options(mode=_NAMES.get(os.path.basename(name), "send"))
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        if word in _LONG:
            options = options._replace(mode=_LONG[word])
        elif not word.startswith("--"):
            options = _word(options, word[1:], rest)
    return options._replace(recipients=tuple(rest))


def _word(options: Options, letters: str, rest: list[str]) -> Options:
    """One word of letters, of which the last one may have a value: joined, or the next word."""
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter in _WITH_VALUE:
            if not letters and not rest:
                raise Problem(os.EX_USAGE, f"-{letter} needs a value")
            return _option(options, letter, letters or rest.pop(0))
        if letter in _WITH_JOINED_VALUE:
            return _option(options, letter, letters)
        options = _option(options, letter, "")
    return options


def _option(options: Options, letter: str, value: str) -> Options:
    match letter:
        case "t":
            return options._replace(from_header=True)
        case "i":
            return options._replace(dot_ends=False)
        case "o":
            return options._replace(dot_ends=False) if value == "i" else options
        case "f" | "r":
            return options._replace(sender=value.strip())
        case "F":
            return options._replace(full_name=value)
        case "v":
            return options._replace(verbose=True)
        case "q" | "I":
            return options._replace(mode="nothing")
        case "b":
            return options._replace(mode=_mode(value, options.mode))
        case "N":
            return options._replace(notify=_notify(value))
        case "R":
            return options._replace(ret=_ret(value))
        case "V":
            return options._replace(envid=_xtext(value))
        case _:
            return options


def _mode(value: str, mode: Mode) -> Mode:
    if value in _OF_A_SERVER:
        raise Problem(os.EX_USAGE, f"-b{value} is not done here: this is no mail server, pillarbox serve is")
    return _MODES.get(value, mode)


def _notify(value: str) -> str:
    """RFC 3461 section 4.1: NEVER alone, or a list of events."""
    words = value.upper().split(",")
    if words != ["NEVER"] and not _EVENTS.issuperset(words):
        raise Problem(os.EX_USAGE, "-N takes never, or success, failure and delay with commas between")
    return ",".join(words)


def _ret(value: str) -> str:
    if value.upper() not in ("FULL", "HDRS"):
        raise Problem(os.EX_USAGE, "-R takes full or hdrs")
    return value.upper()


def _xtext(value: str) -> str:
    """RFC 3461 sections 4 and 4.4: printable ASCII, at most 100 letters, those with a meaning of their own escaped."""
    if not 0 < len(value) <= 100 or not (value.isascii() and value.isprintable()):
        raise Problem(os.EX_USAGE, "-V takes up to 100 printable letters of ASCII")
    return re.sub(r"[+= ]", lambda found: f"+{ord(found[0]):02X}", value)
