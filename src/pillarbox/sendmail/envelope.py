"""Who sends to whom, as far as it is known here."""

import os
from pathlib import Path
from typing import Final, NamedTuple

from pillarbox.sendmail import addresses, aliases
from pillarbox.sendmail.message import Message
from pillarbox.sendmail.options import Options
from pillarbox.sendmail.problem import Problem

_ONLY_HERE: Final = (".localdomain", ".local", ".localhost", ".internal")
"""Names that no two machines understand alike (RFC 6761, RFC 6762)."""
_MAIL_NAME: Final = Path("/etc/mailname")
_LONGEST_NAME: Final = 255


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
    names = [name for word in options.recipients for name in addresses.given(word)]
    if options.from_header:
        names += message.recipients()
    if not names:
        if options.from_header:
            raise Problem(os.EX_DATAERR, "no recipients on the command line or in To, Cc and Bcc")
        raise Problem(os.EX_USAGE, "no recipients on the command line (-t reads them in the header)")
    message.remove(b"bcc", b"resent-bcc")
    recipients = aliases.resolve(tuple(names), aliases_file)
    return Envelope(_senders(message, options), recipients, options.notify, options.ret, options.envid)


def _senders(message: Message, options: Options) -> tuple[str | None, ...]:
    """What -f says; without it, From, where the service lets this user be that; else whoever sends.

    An address at this machine's own name is mostly nobody's, but may be one of the submitter's: the service knows.
    """
    said = _said(options.sender)
    if said is not None and (said == "" or _is_anywhere(said)):
        return (said,)
    author = said if said and _is_ours(said) else message.author()
    return (author, None) if _is_anywhere(author) or _is_ours(author) else (None,)


def _said(sender: str | None) -> str | None:
    """The address in the value of -f, which may be `Name <address>`; empty for the null sender, `<>` or nothing."""
    if sender is None or sender in ("", "<>"):
        return sender and ""
    found = addresses.given(sender)
    if len(found) != 1:
        raise Problem(os.EX_USAGE, f"-f takes one address, not {sender[:80]!a}")
    return found[0]


def _is_anywhere(address: str) -> bool:
    """Whether it is the same in all the world: `root` and `root@localhost` are not, nor is a user of this machine."""
    return _has_domain(address) and not _is_ours(address)


def _has_domain(address: str) -> bool:
    domain = address.rpartition("@")[2].lower() if "@" in address else ""
    return "." in domain and not domain.endswith(_ONLY_HERE)


def _is_ours(address: str) -> bool:
    """Whether its domain is this machine: its name, with any domain behind it, or its name in mail (mailname(5)).

    Nobody asks DNS, as that may wait.
    """
    domain = address.rpartition("@")[2].lower()
    own = os.uname().nodename.lower()
    return _has_domain(address) and (domain in (own, _mail_name()) or domain.partition(".")[0] == own)


def _mail_name() -> str:
    try:
        with _MAIL_NAME.open("rb") as file:
            return file.readline(_LONGEST_NAME).decode("utf-8", "replace").strip().lower()
    except OSError:
        return ""
