"""The command line: one file per noun, imported when it is used. Argument -> call -> printout, no logic."""

import sys


def main() -> None:
    """The entry point `pillarbox`."""
    if sys.argv[1:] == ["--version"]:
        # Before anything is imported: scripts ask for this often.
        from pillarbox import __version__

        print(f"pillarbox {__version__}")
        return
    from pillarbox.cli.root import run

    sys.exit(run(sys.argv[1:]))
