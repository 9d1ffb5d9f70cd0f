"""Who sends to whom, as far as it is known here."""

import os
from pathlib import Path
from typing import NamedTuple

from pillarbox.sendmail import addresses, aliases
from pillarbox.sendmail.message import Message
from pillarbox.sendmail.options import Options
from pillarbox.sendmail.problem import Problem


class Envelope(NamedTuple):
    """`senders` are tried in order; None among them, and a recipient without a domain, are whoever sends: the address
    that the service knows the user by. The rest is for DSN parameters (RFC 3461)."""

    senders: tuple[str | None, ...]
    recipients: tuple[str, ...]
    notify: str = ""
    ret: str = ""
    envid: str = ""


def address(message: Message, options: Options, aliases_file: Path = aliases.PLACE) -> Envelope:
    """The envelope; Bcc is taken out of the message. Raises Problem (64, 65)."""
    # One operand may hold several, with commas between, as with Sendmail.
    names = [name for word in options.recipients for name in addresses.listed(os.fsencode(word), os.EX_USAGE)]
    if options.from_header:
        names += message.recipients()
    if not names:
        where = "neither on the command line nor in To, Cc and Bcc" if options.from_header else "on the command line"
        code = os.EX_DATAERR if options.from_header else os.EX_USAGE
        raise Problem(
            code, f"no recipients {where}" + ("" if options.from_header else " (-t reads them in the header)")
        )
    message.remove(b"bcc", b"resent-bcc")
    recipients = aliases.resolve(tuple(names), aliases_file)
    return Envelope(_senders(message, options), recipients, options.notify, options.ret, options.envid)


def _senders(message: Message, options: Options) -> tuple[str | None, ...]:
    """What -f says; without it, From, where the service lets this user be that; else whoever sends."""
    said = addresses.checked(options.sender, os.EX_USAGE) if options.sender else options.sender
    if said is not None and (said == "" or _is_anywhere(said)):
        return (said,)
    author = message.author()
    return (author, None) if _is_anywhere(author) else (None,)


def _is_anywhere(address: str) -> bool:
    """Whether it is the same in all the world: `root` and `root@localhost` are not, nor is a user of this machine."""
    domain = address.rpartition("@")[2].lower() if "@" in address else ""
    return "." in domain and domain != os.uname().nodename.lower()
