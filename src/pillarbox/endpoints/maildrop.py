"""The fallback folder of `pillarbox-sendmail`: what was left while the service was down is handed in.

Everybody on this machine can write to the folder (1733), so nothing in it is believed. Who sends is the owner of the
file, as the kernel has it; a file is read only if it is a regular file with one name, and judged by the rules of the
local SMTP door. What is refused is moved to `refused`, never deleted; what cannot be taken now stays.

A file is deleted once its message is durable. A crash between the two leaves both: the file is handed in again, and as
this client has not been heard since, the duplicate window (delivery/window.py) knows the message by its Message-ID and
bytes. `pillarbox-sendmail` gives each message a Message-ID for that.
"""

import asyncio
import os
import stat
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

from pillarbox.core.accounts import Submitter
from pillarbox.core.content import Content
from pillarbox.core.errors import ConfigError, Forbidden, InvalidInput, PillarboxError, Unavailable
from pillarbox.core.mail import Arrival, Clock
from pillarbox.delivery.window import Handover
from pillarbox.endpoints.maildrop_file import Envelope, open_file, read_envelope, read_message
from pillarbox.endpoints.own_address import own_address
from pillarbox.endpoints.smtp.connection import Services
from pillarbox.endpoints.smtp.rules import Rules
from pillarbox.endpoints.smtp.transaction import Transaction

MODE: Final = 0o1733
"""All may put files in, nobody but the owner may list them, and none may touch another's."""
REFUSED: Final = "refused"
INTERVAL: Final = 5.0
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_AT_ONCE: Final = 1000
"""Names that are looked at before the oldest of them is taken."""
_FORGOTTEN: Final = 24 * 3600.0
"""Seconds after which a file that nobody finished writing is deleted: its program was told that it failed."""


class Maildrop:
    """The folder, looked at by the service when it starts and every `interval` seconds.

    `rules` and `services` are those of the local SMTP door; `clock` is the time of day.
    """

    def __init__(
        self, folder: Path, rules: Rules, services: Services, clock: Clock, interval: float = INTERVAL
    ) -> None:
        self._path = folder
        self._rules = rules
        self._services = services
        self._log = services.log
        self._clock = clock
        self._interval = interval
        self._told: set[tuple[str, str]] = set()
        """Names of files that stay, with the code of the reason that the log has."""
        self._stopping = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._folder = self._refused = -1

    async def start(self) -> None:
        """Make the folder where there is none, and begin to look. Raises ConfigError `maildrop.folder`."""
        self.open()
        self._work = asyncio.create_task(self._run(), name="maildrop")

    async def stop(self) -> None:
        """End after the message that is being taken; a second call does nothing."""
        self._stopping.set()
        if self._work is not None:
            await self._work
            self._work = None
        for opened in (self._folder, self._refused):
            if opened >= 0:
                os.close(opened)
        self._folder = self._refused = -1

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.pick_up()
            except OSError as error:
                self._log.error("maildrop.unusable", folder=str(self._path), reason=error.strerror)
            except Exception:
                self._log.exception("unexpected", folder=str(self._path))
            try:
                await asyncio.wait_for(self._stopping.wait(), self._interval)
            except TimeoutError:
                pass

    # ---- the folder

    def open(self) -> None:
        """Make the folder, and the one for what is refused. Raises ConfigError for one that is another's."""
        try:
            _make(self._path.parent, 0o755)
            _make(self._path, MODE)
            self._folder = self._own(self._path, None, MODE)
            try:
                os.mkdir(REFUSED, 0o700, dir_fd=self._folder)
            except FileExistsError:
                pass
            self._refused = self._own(Path(REFUSED), self._folder, 0o700)
        except OSError as error:
            raise ConfigError("maildrop.folder", path=self._path, reason=error.strerror) from error

    def _own(self, path: Path, folder: int | None, mode: int) -> int:
        """Open a folder that must be ours: whoever owns it could read and take away what others leave in it."""
        opened = os.open(path, _FOLDER, dir_fd=folder)
        if os.fstat(opened).st_uid != os.geteuid():
            os.close(opened)
            raise ConfigError("maildrop.folder", path=self._path, reason=f"{path.name} belongs to another user")
        os.fchmod(opened, mode)
        return opened

    def _names(self) -> Iterator[list[str]]:
        with os.scandir(self._folder) as entries:
            while batch := list(islice(entries, _AT_ONCE)):
                # Names of our client begin with the time.
                yield sorted(entry.name for entry in batch if entry.name != REFUSED)

    async def pick_up(self) -> None:
        """Look at the folder once. Raises OSError where that is not possible."""
        seen: set[str] = set()
        for names in self._names():
            for name in names:
                if self._stopping.is_set():
                    return
                seen.add(name)
                await self._look_at(name)
        self._told = {(name, code) for name, code in self._told if name in seen}

    async def _look_at(self, name: str) -> None:
        if name.startswith("."):
            self._forget(name)
            return
        try:
            file = open_file(name, self._folder)
        except FileNotFoundError:
            return  # its owner took it back
        except PillarboxError as error:
            self._turn_away(name, None, error)
            return
        try:
            await self._judge(name, file, os.fstat(file))
        finally:
            os.close(file)

    async def _judge(self, name: str, file: int, found: os.stat_result) -> None:
        try:
            await self._hand_in(name, file, found)
        except PillarboxError as error:
            self._turn_away(name, found.st_uid, error)
        except OSError as error:
            self._turn_away(name, found.st_uid, Unavailable("maildrop.io", reason=error.strerror or error))
        except Exception:
            # The others are not to wait for it.
            self._log.exception("unexpected", file=_shown(name), uid=found.st_uid)

    def _forget(self, name: str) -> None:
        """A file that is being written, or was when its program ended."""
        try:
            if self._clock() - os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_mtime > _FORGOTTEN:
                os.unlink(name, dir_fd=self._folder)
        except OSError:
            pass

    def _turn_away(self, name: str, uid: int | None, error: PillarboxError) -> None:
        """What is wrong for ever is moved; what may be right later stays. The log hears of each once."""
        if (name, error.code) in self._told:
            return
        later = isinstance(error, Unavailable)
        if later or not self._move(name):
            self._told.add((name, error.code))
        words = {"file": _shown(name), "uid": uid, "code": error.code, "reason": error.sentence}
        if later:
            self._log.warning("maildrop.waiting", **words)
        else:
            self._log.warning("maildrop.refused", **words)

    def _move(self, name: str) -> bool:
        try:
            os.rename(name, name, src_dir_fd=self._folder, dst_dir_fd=self._refused)
            return True
        except OSError:
            return False  # another user's folder cannot be moved

    # ---- one file

    async def _hand_in(self, name: str, file: int, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            # By a second name, one user could hand in another's file.
            raise Forbidden("maildrop.not_a_file")
        submitter = self._services.of_unix(found.st_uid)
        if submitter is None:
            raise Forbidden("maildrop.nobody", uid=found.st_uid)
        submitter = self._rules.current(submitter)
        envelope, rest = read_envelope(file, found.st_size)
        transaction = self._transaction(submitter, envelope)
        spool = self._rules.spool()
        with closing(spool):
            if not envelope.has_from and (author := transaction.sender or own_address(submitter)):
                spool.write(f"From: <{author}>\r\n".encode())
            await read_message(file, rest, found.st_size, transaction.max_size, spool)
            now = os.fstat(file)
            if (now.st_size, now.st_mtime_ns) != (found.st_size, found.st_mtime_ns):
                raise Unavailable("maildrop.changing")
            await self._accept(name, found, transaction, spool)

    def _transaction(self, submitter: Submitter, envelope: Envelope) -> Transaction:
        """Judged as MAIL and RCPT are. Of the senders, the first that this submitter may be."""
        ourselves = own_address(submitter)
        dsn = "".join(f" {key}={value}" for key, value in (("RET", envelope.ret), ("ENVID", envelope.envid)) if value)
        for number, sender in enumerate(envelope.senders, 1):
            address = ourselves if sender is None else sender
            try:
                transaction = Transaction(
                    self._rules, submitter, f"FROM:<{address}> SIZE={envelope.size} SMTPUTF8{dsn}"
                )
                break
            except Forbidden:
                if number == len(envelope.senders):
                    raise
        notify = f" NOTIFY={envelope.notify}" if envelope.notify else ""
        for recipient in envelope.recipients:
            # A name without a domain is whoever sends: what /etc/aliases says, the client has put in its place.
            transaction.add_recipient(f"TO:<{recipient if '@' in recipient else ourselves}>{notify}")
        if not transaction.has_recipients:
            raise InvalidInput("mail.no_recipients")
        return transaction

    async def _accept(self, name: str, found: os.stat_result, transaction: Transaction, content: Content) -> None:
        handover = Handover()
        arrival = Arrival(
            door="sendmail", listener="maildrop", peer=f"uid={found.st_uid}", notes=tuple(transaction.notes)
        )
        try:
            await self._services.accept(
                transaction.envelope, content, transaction.submitter, arrival=arrival, handover=handover
            )
            self._delete(name, found)
        except BaseException:
            # As long as the file is there, it is a client that has not heard our 250.
            handover.lost()
            raise
        handover.heard()

    def _delete(self, name: str, found: os.stat_result) -> None:
        try:
            now = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
            if (now.st_dev, now.st_ino) == (found.st_dev, found.st_ino):
                os.unlink(name, dir_fd=self._folder)
        except FileNotFoundError:
            return  # its owner was faster
        os.fsync(self._folder)


def _make(folder: Path, mode: int) -> None:
    """Make a folder where there is none, with this mode whatever the umask is."""
    try:
        folder.mkdir()
    except FileExistsError:
        return
    folder.chmod(mode)


def _shown(name: str) -> str:
    """A file's name for the log: its bytes may be anything."""
    return os.fsencode(name).decode("ascii", "backslashreplace")
