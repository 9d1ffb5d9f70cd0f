"""The fallback folder as a folder: made, looked through, tidied up.

Everybody on this machine can put into it whatever they like and as much of it. So it is looked through in a thread,
each user's files are counted by themselves, and what can be no mail is deleted at once.
"""

import heapq
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Final, NamedTuple

from pillarbox.core.errors import ConfigError
from pillarbox.core.mail import Clock

MODE: Final = 0o1733
"""All may put files in, nobody but the owner may list them, and none may touch another's."""
REFUSED: Final = "refused"
LARGEST: Final = 160_000_000
"""Bytes. pillarbox-sendmail writes no larger file: its message ends at 150,000,000."""
EACH: Final = 1000
"""Most files of one user that are taken in one pass: its oldest."""
MOST: Final = 5_000
"""Files of all users that are remembered in one pass, or one of each user where there are more users."""
SHOWN: Final = 5
"""Files of one sort that have a line of their own in the log, in one pass."""
KEPT_FOR: Final = 30 * 86400.0
"""Seconds that a refused file is kept, for a person who looks."""
KEPT_BYTES: Final = 1 << 30
_LEAST_BYTES: Final = 64 * 1024
"""What a file counts at least, so that small ones come to an end too."""
_HALF_DONE: Final = 600.0
"""Seconds after which a file that nobody finished writing is deleted. Who finishes it later is told that it failed."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Entry(NamedTuple):
    """A name in the folder, and what the kernel says about the file (lstat)."""

    name: str
    stat: os.stat_result


@dataclass
class Heap:
    """What lay in the folder: files that may be mail, by user, and what could be none."""

    files: dict[int, list[Entry]] = field(default_factory=dict)
    each: int = EACH
    """Files that are taken of each user: fewer where many have many, as one may own 65,536 numbers (subuid(5))."""
    count: int = 0
    """Files that are remembered."""
    more: bool = False
    """Whether a user has more than `each`."""
    junk: list[Entry] = field(default_factory=list)
    """The first SHOWN of those that were deleted, or cannot be; `junk_count` is how many there were."""
    junk_count: int = 0
    seconds: float = 0.0
    """How long it took to look."""

    def keep(self, found: Entry) -> None:
        """Remember a file, if it is one of its user's oldest: memory is bounded by who, not how many."""
        files = self.files.setdefault(found.stat.st_uid, [])
        files.append(found)
        self.count += 1
        if len(files) > 2 * self.each:
            self._keep_oldest(files)
        while self.count > MOST and self.each > 1:
            self.each //= 2
            self.keep_oldest()

    def keep_oldest(self) -> None:
        """Forget the younger ones of each user until the next pass; names begin with the time."""
        for files in self.files.values():
            self._keep_oldest(files)

    def _keep_oldest(self, files: list[Entry]) -> None:
        files.sort()
        self.more = self.more or len(files) > self.each
        self.count -= len(files[self.each :])
        del files[self.each :]

    def in_turn(self) -> Iterator[Entry]:
        """One file of each user, then the next of each: a heap of one does not hold up another's mail."""
        for row in zip_longest(*self.files.values()):
            yield from (entry for entry in row if entry is not None)


class Folder:
    """The folder. `clock` is the time of day; `open` must have been called."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._folder = self._refused = -1
        self._stuck: set[str] = set()
        """Junk that cannot be deleted, such as another user's folder with something in it; it was told."""

    # ---- made

    def open(self) -> None:
        """Make the folder, and the one for what is refused. Raises ConfigError for one that is another's."""
        self.close()
        try:
            _make(self.path.parent, 0o755)
            _make(self.path, MODE)
            self._folder = self._own(self.path, None, MODE)
            try:
                os.mkdir(REFUSED, 0o700, dir_fd=self._folder)
            except FileExistsError:
                pass
            self._refused = self._own(Path(REFUSED), self._folder, 0o700)
        except OSError as error:
            raise ConfigError("maildrop.folder", path=self.path, reason=error.strerror) from error

    def close(self) -> None:
        """Let go of it; a second call does nothing."""
        for opened in (self._folder, self._refused):
            if opened >= 0:
                os.close(opened)
        self._folder = self._refused = -1

    def _own(self, path: Path, folder: int | None, mode: int) -> int:
        """Open a folder that must be ours: whoever owns it could read and take away what others leave in it."""
        opened = os.open(path, _FOLDER, dir_fd=folder)
        if os.fstat(opened).st_uid != os.geteuid():
            os.close(opened)
            raise ConfigError("maildrop.folder", path=self.path, reason=f"{path.name} belongs to another user")
        os.fchmod(opened, mode)
        return opened

    # ---- looked through, in a thread

    def look_through(self, stopping: Callable[[], bool]) -> Heap:
        """What lies there; what can be no mail is deleted. Ends early when told to. Raises OSError, ConfigError."""
        began = time.monotonic()
        self._follow()
        heap = Heap()
        stuck: set[str] = set()
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if stopping():
                    break
                try:
                    found = Entry(entry.name, entry.stat(follow_symlinks=False))
                except OSError:
                    continue  # its owner took it back, or has mounted on it what lets nobody else look (FUSE)
                if found.name == REFUSED:
                    continue
                if self._is_junk(found):
                    self._throw_away(found, heap, stuck)
                elif not found.name.startswith("."):
                    heap.keep(found)
        heap.keep_oldest()
        if heap.files:
            # Where this cannot be done, as on a disk that has become read-only, no file can be deleted either: each
            # would be taken again and again.
            os.fchmod(self._folder, MODE)
        self._stuck = stuck
        self._tidy_refused()
        heap.seconds = time.monotonic() - began
        return heap

    def _follow(self) -> None:
        """Look where programs put their mail now: a disk may have been mounted there since, or somebody tidied up."""
        if self._refused < 0 or not self._is_there():
            self.open()

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.lstat(self.path), os.fstat(self._folder))
        except FileNotFoundError:
            return False
        except PermissionError:
            return True  # the way to it is closed, and what is open stays open

    def _is_junk(self, found: Entry) -> bool:
        """Whether it can be no mail, by what the kernel says.

        A second name of a file is junk: by it one user could hand in another's. The change time is the one of the times
        that nobody can set.
        """
        is_file = stat.S_ISREG(found.stat.st_mode) and found.stat.st_nlink == 1
        half_done = found.name.startswith(".") and self._clock() - found.stat.st_ctime > _HALF_DONE
        return not is_file or half_done or found.stat.st_size > LARGEST

    def _throw_away(self, found: Entry, heap: Heap, stuck: set[str]) -> None:
        """Delete a name; of a link never the target."""
        try:
            if stat.S_ISDIR(found.stat.st_mode):
                os.rmdir(found.name, dir_fd=self._folder)
            else:
                os.unlink(found.name, dir_fd=self._folder)
        except OSError:
            if len(stuck) >= EACH:
                return
            stuck.add(found.name)
            if found.name in self._stuck:
                return
        if stat.S_ISREG(found.stat.st_mode) and found.name.startswith("."):
            return  # its program was told that it failed: no news
        heap.junk_count += 1
        if len(heap.junk) < SHOWN:
            heap.junk.append(found)

    def _tidy_refused(self) -> None:
        """Delete what was refused long ago; where it is too much, the oldest of the user who has most."""
        now = self._clock()
        kept: dict[int, list[tuple[float, str, int]]] = {}
        with os.scandir(self._refused) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # somebody put it back
                if now - found.st_ctime > KEPT_FOR or found.st_size > LARGEST or not stat.S_ISREG(found.st_mode):
                    self._forget(entry.name)
                else:
                    size = max(_LEAST_BYTES, found.st_size)
                    kept.setdefault(found.st_uid, []).append((found.st_ctime, entry.name, size))
        total = sum(size for files in kept.values() for _, _, size in files)
        users = [(-sum(size for _, _, size in files), uid) for uid, files in kept.items()]
        heapq.heapify(users)
        for files in kept.values() if total > KEPT_BYTES else ():
            files.sort(reverse=True)
        while total > KEPT_BYTES:
            most, uid = users[0]
            _, name, size = kept[uid].pop()
            total -= size
            heapq.heapreplace(users, (most + size, uid))
            self._forget(name)

    def _forget(self, name: str) -> None:
        try:
            os.unlink(name, dir_fd=self._refused)
        except OSError:
            pass  # a folder: nothing of ours

    # ---- one file

    def open_file(self, name: str, flags: int) -> int:
        """Open a file in the folder. Raises OSError."""
        return os.open(name, flags, dir_fd=self._folder)

    def delete(self, name: str, found: os.stat_result) -> None:
        """Delete this file, durably; not what has taken its name since. Raises OSError."""
        try:
            now = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
            if (now.st_dev, now.st_ino) == (found.st_dev, found.st_ino):
                os.unlink(name, dir_fd=self._folder)
        except FileNotFoundError:
            return  # its owner was faster
        os.fsync(self._folder)

    def refuse(self, name: str) -> None:
        """Put a file apart. Raises OSError."""
        os.rename(name, name, src_dir_fd=self._folder, dst_dir_fd=self._refused)


def _make(folder: Path, mode: int) -> None:
    """Make a folder where there is none, with this mode whatever the umask is."""
    try:
        folder.mkdir()
    except FileExistsError:
        return
    folder.chmod(mode)
