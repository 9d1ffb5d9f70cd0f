"""The fallback folder of `pillarbox-sendmail`: what was left while the service was down is handed in.

Everybody on this machine can write to the folder (1733), so nothing in it is believed. Who sends is the owner of the
file, as the kernel has it; a file is read only if it is a regular file with one name, and judged by the rules of the
local SMTP door. What can be no mail is deleted, what is refused is put apart, what cannot be taken now stays.

A file is deleted once its message is durable. A crash between the two leaves both: the file is handed in again, and as
this client has not been heard since, the duplicate window (delivery/window.py) knows the message by its Message-ID and
bytes. `pillarbox-sendmail` gives each message a Message-ID for that.
"""

import asyncio
import os
import stat
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Final

from pillarbox.core.accounts import Submitter
from pillarbox.core.content import Content
from pillarbox.core.errors import ConfigError, Forbidden, InvalidInput, PillarboxError, Unavailable
from pillarbox.core.mail import Arrival, Clock, is_address
from pillarbox.delivery.window import Handover
from pillarbox.endpoints.maildrop_file import Envelope, open_file, read_envelope, read_message
from pillarbox.endpoints.maildrop_folder import SHOWN, Entry, Folder, Heap
from pillarbox.endpoints.own_address import own_address
from pillarbox.endpoints.smtp.connection import Services
from pillarbox.endpoints.smtp.rules import Rules
from pillarbox.endpoints.smtp.transaction import Transaction

INTERVAL: Final = 5.0
_RESTS: Final = 9
"""Times as long as looking through the folder took: whoever fills it gets a tenth of one core."""
_LONGEST_PASS: Final = 10.0
"""Seconds after which the folder is looked through anew, so that one user's large files do not hold up another's."""
_PATIENCE: Final = 5 * 86400.0
"""Seconds that mail waits for an administrator: to its program it was answered with 0."""
_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH
"""Of a file with one of these its owner need not be the author. Who may write to a file may also give it a name in here
(protected_hardlinks in proc(5)), and it has but one when its owner deletes the other."""
_MENDABLE: Final = frozenset({"maildrop.nobody", "submitter.disabled"})


class Maildrop:
    """The folder, looked at by the service when it starts and every `interval` seconds.

    `rules` and `services` are those of the local SMTP door; `clock` is the time of day.
    """

    def __init__(
        self, folder: Path, rules: Rules, services: Services, clock: Clock, interval: float = INTERVAL
    ) -> None:
        self._folder = Folder(folder, clock)
        self._rules = rules
        self._services = services
        self._log = services.log
        self._clock = clock
        self._interval = interval
        self._told: set[tuple[str, str]] = set()
        """Names of files that stay, with the code of the reason that the log has."""
        self._lines: Counter[str] = Counter()
        """Lines of each event in this pass, also those that were not written."""
        self._stopping = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make the folder where there is none, and begin to look. Raises ConfigError `maildrop.folder`."""
        self.open()
        self._work = asyncio.create_task(self._run(), name="maildrop")

    def open(self) -> None:
        """Make the folder. Raises ConfigError for one that is another's."""
        self._folder.open()

    async def stop(self) -> None:
        """End after the message that is being taken; a second call does nothing."""
        self._stopping.set()
        if self._work is not None:
            await self._work
            self._work = None
        self._folder.close()

    async def _run(self) -> None:
        while not self._stopping.is_set():
            pause = self._interval
            try:
                pause = await self.pick_up()
            except (OSError, ConfigError) as error:
                reason = error.strerror if isinstance(error, OSError) else error.sentence
                self._log.error("maildrop.unusable", folder=str(self._folder.path), reason=reason)
            except Exception:
                self._log.exception("unexpected", folder=str(self._folder.path))
            try:
                await asyncio.wait_for(self._stopping.wait(), pause)
            except TimeoutError:
                pass

    async def pick_up(self) -> float:
        """Look at the folder once; seconds until it may be looked at again. Raises OSError, ConfigError."""
        heap = await asyncio.to_thread(self._folder.look_through, self._stopping.is_set)
        self._lines.clear()
        for entry in heap.junk:
            self._tell("maildrop.deleted", entry, Forbidden("maildrop.not_a_file"))
        self._lines["maildrop.deleted"] = heap.junk_count
        taken = await self._take(heap)
        names = {entry.name for files in heap.files.values() for entry in files}
        self._told = {(name, code) for name, code in self._told if name in names}
        if unsaid := {event: count - SHOWN for event, count in self._lines.items() if count > SHOWN}:
            self._log.warning("maildrop.more", **{event.partition(".")[2]: count for event, count in unsaid.items()})
        return max(0.0 if heap.more and taken else self._interval, _RESTS * heap.seconds)

    async def _take(self, heap: Heap) -> int:
        """Hand in what can be handed in; how many."""
        until = self._services.clock() + _LONGEST_PASS
        taken = 0
        for entry in heap.in_turn():
            if self._stopping.is_set() or self._services.clock() > until:
                break
            taken += await self._look_at(entry)
            await asyncio.sleep(0)  # others are served in between
        return taken

    async def _look_at(self, entry: Entry) -> bool:
        """Whether it was taken. What goes wrong with one file does not hold up the others."""
        try:
            return await self._judge(entry)
        except PillarboxError as error:
            await self._turn_away(entry, error)
        except OSError as error:
            await self._turn_away(entry, Unavailable("maildrop.io", reason=error.strerror or error))
        except Exception:
            self._log.exception("unexpected", file=_shown(entry.name), uid=entry.stat.st_uid)
        return False

    async def _judge(self, entry: Entry) -> bool:
        submitter = self._submitter(entry.stat.st_uid)
        try:
            file = open_file(entry.name, self._folder.open_file)
        except FileNotFoundError:
            return False  # its owner took it back
        try:
            found = os.fstat(file)
            if _state(found) != _state(entry.stat):
                raise Unavailable("maildrop.changing")
            await self._hand_in(entry.name, file, found, submitter)
            return True
        finally:
            os.close(file)

    def _submitter(self, uid: int) -> Submitter:
        """Raises Forbidden where it is none, or disabled."""
        submitter = self._services.of_unix(uid)
        if submitter is None:
            raise Forbidden("maildrop.nobody", uid=uid)
        return self._rules.current(submitter)

    # ---- what is not taken

    async def _turn_away(self, entry: Entry, error: PillarboxError) -> None:
        """What may be right later stays, what can be no mail is deleted, all else is put apart."""
        if isinstance(error, Unavailable) or (
            error.code in _MENDABLE and self._clock() - entry.stat.st_ctime < _PATIENCE
        ):
            self._leave(entry, error)
            return
        try:
            if error.code == "maildrop.not_a_file":
                await asyncio.to_thread(self._folder.delete, entry.name, entry.stat)
                self._tell("maildrop.deleted", entry, error)
            else:
                self._folder.refuse(entry.name)
                self._tell("maildrop.refused", entry, error)
        except OSError as failure:
            self._leave(entry, Unavailable("maildrop.io", reason=failure.strerror or failure))

    def _leave(self, entry: Entry, error: PillarboxError) -> None:
        """The log hears of each once."""
        if (entry.name, error.code) not in self._told:
            self._told.add((entry.name, error.code))
            self._tell("maildrop.waiting", entry, error)

    def _tell(self, event: str, entry: Entry, error: PillarboxError) -> None:
        """A line for each of the first; how many more there were is told at the end of the pass."""
        self._lines[event] += 1
        if self._lines[event] <= SHOWN:
            self._log.warning(
                event, file=_shown(entry.name), uid=entry.stat.st_uid, code=error.code, reason=error.sentence
            )

    # ---- one file

    async def _hand_in(self, name: str, file: int, found: os.stat_result, submitter: Submitter) -> None:
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            # It was another one when the folder was looked through.
            raise Forbidden("maildrop.not_a_file")
        if found.st_mode & _WRITABLE:
            raise Forbidden("maildrop.writable")
        envelope, rest = read_envelope(file, found.st_size)
        transaction = self._transaction(submitter, envelope)
        spool = self._rules.spool()
        with closing(spool):
            if not envelope.has_from and (author := transaction.sender or own_address(submitter)):
                spool.write(f"From: <{author}>\r\n".encode())
            await read_message(file, rest, found.st_size, transaction.max_size, spool)
            if _state(os.fstat(file)) != _state(found):
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
            address = recipient if "@" in recipient else ourselves
            if not is_address(address):
                raise InvalidInput("mail.bad_recipient", address=recipient)
            transaction.add_recipient(f"TO:<{address}>{notify}")
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
            # In a thread, as the disk may be busy.
            await asyncio.to_thread(self._folder.delete, name, found)
        except BaseException:
            # As long as the file is there, it is a client that has not heard our 250.
            handover.lost()
            raise
        handover.heard()


def _state(found: os.stat_result) -> tuple[int, int, int, int]:
    """Something else when it is another file, another user's, or somebody has written to it."""
    return found.st_ino, found.st_uid, found.st_size, found.st_mtime_ns


def _shown(name: str) -> str:
    """A file's name for the log: its bytes may be anything."""
    return os.fsencode(name).decode("ascii", "backslashreplace")
