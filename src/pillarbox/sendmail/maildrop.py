"""The fallback folder: mail waits there while the service does not answer (like Postfix's maildrop).

A file is one line of JSON, the envelope, and then the message. Its owner is who sends: the service asks the kernel, and
believes neither the name nor what stands in it.
"""

import errno
import json
import os
import stat
import time
from pathlib import Path

from pillarbox.sendmail.envelope import Envelope
from pillarbox.sendmail.message import Message

_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY | os.O_CLOEXEC


def leave(folder: Path, envelope: Envelope, message: Message) -> Path:
    """Leave a message in the folder; it is on the disk when this returns. Raises OSError."""
    _check(folder)
    # Sorted by name they are sorted by age. The random part is what keeps others from reading them: the folder can be
    # written to by all and listed by none (1733), and the service, which is another user, must be able to read.
    name = f"{time.time_ns():016x}-{os.urandom(16).hex()}"
    place, final = folder / f".{name}", folder / name
    file = os.open(place, _NEW, 0o644)
    try:
        os.fchmod(file, 0o644)  # whatever the umask takes away
        with open(file, "wb", closefd=False) as opened:
            # Without a From it gets the address by which the service knows the sender; only the service knows that now.
            facts = {"size": message.size, "has_from": bool(message.values(b"from"))}
            opened.write(json.dumps(envelope._asdict() | facts).encode() + b"\n")
            for piece in message.pieces():
                opened.write(piece)
        os.fsync(file)
        os.rename(place, final)
        place = final
        # The folder cannot be opened to sync it, as it cannot be read. That a file is synced under its new name makes
        # the name durable on ext4, XFS and Btrfs: it was changed in the same transaction of the file system.
        os.fsync(file)
    except BaseException:
        _remove(place)
        raise
    finally:
        os.close(file)
    return final


def shown(left: Path) -> str:
    """A file that was left, for people: without the part of its name that nobody is to know."""
    return f"{left.parent}/{left.name.partition('-')[0]}-..."


def _check(folder: Path) -> None:
    """Raises OSError where others could list what is in the folder, or take it away: a service makes none like that."""
    mode = os.stat(folder).st_mode
    if not stat.S_ISDIR(mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not mode & stat.S_ISVTX or mode & (stat.S_IRGRP | stat.S_IROTH):
        raise PermissionError(errno.EPERM, "it is not private: its mode must be 1733, as the service makes it")


def _remove(place: Path) -> None:
    try:
        os.unlink(place)
    except OSError:
        pass  # the service has tidied up: this program was stopped for long
