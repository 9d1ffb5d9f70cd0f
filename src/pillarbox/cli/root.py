"""The root command: finds the file of a noun when it is used, and turns errors into one line and an exit code.

With --json among the arguments the line is a JSON document.
"""

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from pillarbox import __version__
from pillarbox.cli import show
from pillarbox.core import core_dumps
from pillarbox.core.errors import ConfigError, InvalidInput, PillarboxError
from pillarbox.core.places import ENV_PREFIX

COMMANDS: Final = {
    "app": "App registrations in Entra ID.",
    "audit": "Who did what.",
    "connect-link": "Links by which people connect their mailboxes.",
    "config": "The settings: show them, check them.",
    "demo": "See it work: emulator, gateway and a legacy application.",
    "doctor": "Look at everything that can be wrong.",
    "emulator": "Run the emulator of Entra ID, Graph mail and Exchange Online.",
    "events": "What happened: to messages, mailboxes, credentials, links.",
    "explain": "Explain an error of Microsoft's: cause, cure, who must act.",
    "graph": "Any call of Microsoft Graph, with the token of an app or mailbox.",
    "key": "API keys, by which programs come in.",
    "mailbox": "Mailboxes that mail leaves from.",
    "outbox": "Messages: where they are, and send again or give up.",
    "person": "People who may sign in: administrators, operators, auditors.",
    "send": "Send a message.",
    "serve": "Run the gateway.",
    "submitter": "Printers and programs that hand in mail.",
    "token": "Access tokens of apps and mailboxes: what stands in them.",
    "vault": "The master key: under which one the secrets lie, and its rotation.",
}


class _Lazy(click.Group):
    """A group whose commands lie in files of their names."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"pillarbox.cli.{name.replace('-', '_')}").command
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        # From the table, so that help imports nothing.
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pillarbox", message="%(prog)s %(version)s")
def root() -> None:
    """Pillarbox: mail in by SMTP, out through Microsoft Graph."""


def run(arguments: Sequence[str]) -> int:
    """Run a command line; return its exit code (docs/reference/errors.md)."""
    # Before anything is asked for or read: commands hold secrets too.
    core_dumps.forbid()
    try:
        _check_environment()
        result = root.main(list(arguments), prog_name="pillarbox", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except PillarboxError as error:
        show.complain(error, as_json="--json" in arguments)
        return error.entry.exit
    except UnicodeEncodeError as error:
        if not _holds_bytes(error.object):
            raise
        refused = InvalidInput("cli.not_utf8")
        show.complain(refused, as_json="--json" in arguments)
        return refused.entry.exit
    except click.ClickException as error:
        usage = InvalidInput("cli.usage", reason=error.format_message())
        if "--json" in arguments:
            show.complain(usage, as_json=True)
        else:
            error.show()
        return usage.entry.exit
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        # `pillarbox outbox list | head`: the reader has enough. Nothing may be written at exit either.
        _write_no_more()
        return 0
    except OSError as error:
        if error.errno not in _OUTPUT_FULL:
            raise
        _write_no_more()
        failed = PillarboxError("cli.not_written", reason=error.strerror)
        show.complain(failed, as_json="--json" in arguments)
        return failed.entry.exit


_OUTPUT_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def _write_no_more() -> None:
    """What is left in the buffers of standard output goes nowhere, at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _check_environment() -> None:
    """Raises ConfigError for a variable of ours that is no text, such as a password that was typed in another code."""
    for name, value in os.environ.items():
        if name.startswith(ENV_PREFIX) and _holds_bytes(name + value):
            raise ConfigError("config.not_utf8", variable=name)


def _holds_bytes(text: str) -> bool:
    """Whether there are bytes in it that are no UTF-8: Python hides them as lone surrogates (PEP 383)."""
    return any("\ud800" <= character <= "\udfff" for character in text)
