"""The sendmail drop-in `pillarbox-sendmail`, also under the names sendmail, mailq and newaliases.

It speaks SMTP to the service's local door, where the kernel says who it is, and leaves the mail in a folder while the
service is down. The standard library only, and of that little: cron, PHP and the like start it for each mail.
Nothing here is trusted by anybody: it runs with the rights of who called it.
"""

import os
import signal
import sys


def main() -> None:
    """The program `pillarbox-sendmail`, under any of its names."""
    _open_all()
    # A signal ends it as it ends a program in C: at once and in silence. A message is handed in whole or not at all.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from pillarbox.sendmail import command

    sys.exit(command.run(sys.argv))


def _open_all() -> None:
    """Of 0 to 2, what is closed would be the next file's number: what is told to people would stand in the mail.

    To write alone, so that a mail without an input is not an empty one.
    """
    # The lowest free one is taken, so that the first beyond 2 says that all are there.
    while (opened := os.open(os.devnull, os.O_WRONLY)) <= 2:
        pass
    os.close(opened)
