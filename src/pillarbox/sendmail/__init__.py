"""The sendmail drop-in `pillarbox-sendmail`, also under the names sendmail, mailq and newaliases.

It speaks SMTP to the service's local door, where the kernel says who it is, and leaves the mail in a folder while the
service is down. The standard library only, and of that little: cron, PHP and the like start it for each mail.
Nothing here is trusted by anybody: it runs with the rights of who called it.
"""

import signal
import sys


def main() -> None:
    """The program `pillarbox-sendmail`, under any of its names."""
    # A signal ends it as it ends a program in C: at once and in silence. A message is handed in whole or not at all.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from pillarbox.sendmail import command

    sys.exit(command.run(sys.argv))
