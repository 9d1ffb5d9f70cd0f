"""The fallback folder: whatever anybody puts there, nothing is believed, nothing is lost, nobody waits."""

import asyncio
import ctypes
import io
import json
import os
import socket
import stat
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pillarbox.core.accounts import AppRegistration, Mailbox, Submitter
from pillarbox.core.content import PIECE, Content
from pillarbox.core.errors import ConfigError, Forbidden, Unavailable
from pillarbox.core.log import make_logger
from pillarbox.core.mail import Arrival, Dsn, Envelope
from pillarbox.delivery.window import Handover
from pillarbox.endpoints import maildrop_folder
from pillarbox.endpoints.maildrop import Maildrop
from pillarbox.endpoints.maildrop_file import open_file
from pillarbox.endpoints.smtp.connection import Services
from pillarbox.sendmail import maildrop as client
from pillarbox.sendmail.envelope import Envelope as ClientEnvelope
from pillarbox.sendmail.message import Message
from tests.unit.endpoints.smtp.parts import rules, text

OPS = Mailbox(1, "ops@contoso.example", AppRegistration(1, "contoso", "tenant", "client"))
CRON = Submitter(1, "cron", {OPS.address: OPS})
MAIL = b"From: ops@contoso.example\r\nSubject: hi\r\nMessage-ID: <1@x>\r\n\r\nhello\r\n"
NOW = 1_795_176_000.0
ENVELOPE = ClientEnvelope((None,), ("alice@contoso.example",))


@dataclass
class Accepted:
    """What the house was given."""

    envelope: Envelope
    mime: bytes
    submitter: str
    arrival: Arrival
    handover: Handover


@dataclass
class Office:
    """A folder, the service that looks at it, and a house that takes everything."""

    folder: Path
    users: dict[int, Submitter]
    accepted: list[Accepted] = field(default_factory=list)
    log: io.StringIO = field(default_factory=io.StringIO)
    failing: Callable[[], None] = lambda: None
    """Called before a message is durable; `dying` after it is."""
    dying: Callable[[], None] = lambda: None
    max_size: int = 1000
    later: float = 0.0
    """Seconds that have gone by: the kernel's time of a file cannot be set."""
    disabled: bool = False

    def __post_init__(self) -> None:
        self.maildrop = self.another()

    def another(self, interval: float = 0.01) -> Maildrop:
        log = make_logger(self.log, "info", "json", lambda: NOW)
        services = Services(
            authenticate=_nobody,
            accept=self._accept,
            of_network=lambda _peer: None,
            of_unix=self._of_unix,
            is_banned=lambda _peer: False,
            log=log,
            clock=lambda: 0.0,
        )
        given = rules(max_size=self.max_size, check_mail=_check_mail, check_recipient=_check_recipient)
        return Maildrop(self.folder, given, services, lambda: time.time() + self.later, interval)

    def _of_unix(self, uid: int) -> Submitter | None:
        if self.disabled:
            raise Forbidden("submitter.disabled", name="cron")
        return self.users.get(uid)

    async def _accept(
        self, envelope: Envelope, content: Content, submitter: Submitter, *, arrival: Arrival, handover: Handover
    ) -> str:
        self.failing()
        self.accepted.append(Accepted(envelope, text(content), submitter.name, arrival, handover))
        self.dying()
        return "0123456789ABCDEF"

    def leave(self, mime: bytes = MAIL, envelope: ClientEnvelope = ENVELOPE) -> Path:
        """As pillarbox-sendmail does it."""
        return client.leave(self.folder, envelope, Message(io.BytesIO(mime), dot_ends=False))

    def put(self, content: bytes, name: str = "file") -> Path:
        """As anybody can do it."""
        place = self.folder / name
        place.write_bytes(content)
        return place

    @property
    def names(self) -> list[str]:
        """What lies in the folder."""
        return sorted(entry.name for entry in self.folder.iterdir() if entry.name != "refused")

    @property
    def refused(self) -> list[str]:
        return sorted(entry.name for entry in (self.folder / "refused").iterdir())

    @property
    def told(self) -> list[tuple[str, str]]:
        """Event and code of the log's lines."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [(line["event"], line.get("code", "")) for line in lines]


async def _nobody(_login: object) -> NoReturn:
    raise AssertionError


def _check_mail(submitter: Submitter, sender: str, size: int) -> None:
    if sender not in ("", *submitter.senders):
        raise Forbidden("mail.sender_not_allowed", submitter=submitter.name, sender=sender)


def _check_recipient(submitter: Submitter, address: str) -> None:
    if address.endswith("@fabrikam.example"):
        raise Forbidden("mail.recipient_not_allowed", submitter=submitter.name, recipient=address)


def line(size: int, **other: Any) -> bytes:
    """The first line of a file."""
    usual: dict[str, Any] = {
        "senders": [None],
        "recipients": ["a@b"],
        "notify": "",
        "ret": "",
        "envid": "",
        "size": size,
        "has_from": True,
    }
    return json.dumps(usual | other).encode() + b"\n"


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """We are cron."""
    made = Office(tmp_path / "spool" / "maildrop", {os.geteuid(): CRON})
    made.maildrop.open()
    yield made
    await made.maildrop.stop()


# ---- what is taken


async def test_what_was_left_is_handed_in_and_deleted(office: Office) -> None:
    office.leave()
    await office.maildrop.pick_up()
    (one,) = office.accepted
    assert one.mime == MAIL
    assert one.envelope == Envelope("ops@contoso.example", ("alice@contoso.example",))
    assert (one.submitter, one.arrival.door, one.arrival.peer) == ("cron", "sendmail", f"uid={os.geteuid()}")
    assert (office.names, office.refused, office.told) == ([], [], [])


async def test_the_envelope_means_what_it_means_to_the_local_door(office: Office) -> None:
    senders = ("stranger@contoso.example", None)
    office.leave(envelope=ClientEnvelope(senders, ("root", "zoë@b.example"), "NEVER", "HDRS", "id+3D1"))
    office.leave(envelope=ClientEnvelope(("",), ("a@b",)))
    await office.maildrop.pick_up()
    mine, null = office.accepted
    recipients = ("ops@contoso.example", "zoë@b.example")
    dsn = Dsn("HDRS", "id+3D1", dict.fromkeys(recipients, "NEVER"))
    assert mine.envelope == Envelope("ops@contoso.example", recipients, dsn)
    assert null.envelope.sender == ""


async def test_newlines_are_put_right_wherever_the_file_is_cut(office: Office) -> None:
    await office.maildrop.stop()
    office.max_size = 10**6
    office.maildrop = office.another()
    office.maildrop.open()
    size = 600_000
    body = b"x" * (2 * PIECE - len(line(size)) - 1) + b"\r\n" + b"y\rz\n"
    body += b"w" * (size - len(body))
    office.put(line(len(body)) + body)
    await office.maildrop.pick_up()
    assert office.accepted[0].mime == body.replace(b"\rz\n", b" z\r\n")


async def test_it_is_looked_at_when_the_service_starts_and_then_again_and_again(tmp_path: Path) -> None:
    office = Office(tmp_path / "maildrop", {os.geteuid(): CRON})
    office.maildrop.open()
    office.leave()
    await office.maildrop.stop()
    taken = asyncio.Event()
    office.failing = taken.set
    running = office.another()
    await running.start()
    await taken.wait()
    taken.clear()
    office.leave()
    await taken.wait()
    await running.stop()
    assert len(office.accepted) == 2
    assert office.names == []


async def test_without_a_from_it_is_from_who_sends_it(office: Office) -> None:
    bare = MAIL.partition(b"\r\n")[2]
    office.leave(bare)
    office.leave(bare, ClientEnvelope(("",), ("a@b",)))
    await office.maildrop.pick_up()
    assert [one.mime for one in office.accepted] == [b"From: <ops@contoso.example>\r\n" + bare] * 2


# ---- crashes and bad days


async def test_what_cannot_be_taken_now_stays_and_is_told_once(office: Office) -> None:
    def full() -> None:
        raise Unavailable("store.full")

    left = office.leave()
    office.failing = full
    await office.maildrop.pick_up()
    await office.maildrop.pick_up()
    assert office.names == [left.name]
    assert office.told == [("maildrop.waiting", "store.full")]
    office.failing = lambda: None
    await office.maildrop.pick_up()
    assert (len(office.accepted), office.names) == (1, [])


async def test_a_file_that_is_still_there_is_a_client_that_has_not_heard(office: Office) -> None:
    office.leave()

    def die() -> None:
        raise asyncio.CancelledError

    office.dying = die
    with pytest.raises(asyncio.CancelledError):
        await office.maildrop.pick_up()
    office.dying = lambda: None
    await office.maildrop.pick_up()
    assert [one.handover.is_lost for one in office.accepted] == [True, False]
    assert office.names == []


async def test_a_mistake_in_one_file_does_not_hold_up_the_others(office: Office) -> None:
    calls: list[int] = []

    def first_fails() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError

    office.failing = first_fails
    office.leave()
    office.leave()
    await office.maildrop.pick_up()
    assert len(office.accepted) == 1
    assert [event for event, _ in office.told] == ["unexpected"]


# ---- what is refused


async def test_another_users_file_is_another_submitters(office: Office) -> None:
    office.users[os.geteuid()] = Submitter(2, "backup", {OPS.address: OPS})
    office.put(line(2, uid=0, submitter="cron") + b"x\n", "cron")
    await office.maildrop.pick_up()
    assert office.accepted[0].submitter == "backup"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "maildrop.broken"),
        (b"Subject: hi\n\nx\n", "maildrop.broken"),
        (b"[" * 200_000 + b"\n", "maildrop.broken"),
        (b"7" * 100_000 + b"\n", "maildrop.broken"),
        (b" " * 600_000, "maildrop.broken"),
        (b"null\n", "maildrop.broken"),
        (line(2, senders=[1]) + b"x\n", "maildrop.broken"),
        (line(2, senders=[]) + b"x\n", "maildrop.broken"),
        (line(2, senders=[""] * 3) + b"x\n", "maildrop.broken"),
        (line(2, recipients=[None]) + b"x\n", "maildrop.broken"),
        (line(2, recipients=["\ud800@b"]) + b"x\n", "maildrop.broken"),
        (line(2, recipients={"a@b": 1}) + b"x\n", "maildrop.broken"),
        (line(2, recipients="a@b") + b"x\n", "maildrop.broken"),
        (line(2, recipients=[""]) + b"x\n", "maildrop.broken"),
        (line(2, recipients=["a@b> NOTIFY=NEVER <x@y"]) + b"x\n", "maildrop.broken"),
        (line(2, recipients=["a @b"]) + b"x\n", "maildrop.broken"),
        (line(2, recipients=["a@b\t"]) + b"x\n", "maildrop.broken"),
        (line(2, senders=["ops@contoso.example> SIZE=0 <"]) + b"x\n", "maildrop.broken"),
        (line(2, senders=["<>"]) + b"x\n", "maildrop.broken"),
        (line(2, envid="a SIZE=1") + b"x\n", "maildrop.broken"),
        (line(2, notify=["NEVER"]) + b"x\n", "maildrop.broken"),
        (line(2, notify="NEVER <x@y>") + b"x\n", "maildrop.broken"),
        (line(2, recipients=7) + b"x\n", "maildrop.broken"),
        (line(True) + b"x", "maildrop.broken"),
        (line(2, has_from=None) + b"x\n", "maildrop.broken"),
    ],
)
async def test_what_our_client_does_not_write_is_kept_apart(office: Office, content: bytes, code: str) -> None:
    """It may be mail all the same, that of a client of another version."""
    office.put(content)
    await office.maildrop.pick_up()
    assert (office.accepted, office.names, office.refused) == ([], [], ["file"])
    assert office.told == [("maildrop.refused", code)]
    assert json.loads(office.log.getvalue())["uid"] == os.geteuid()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (line(3) + b"x\n", "maildrop.truncated"),
        (line(0).rstrip(), "maildrop.truncated"),
        (line(2, recipients=[]) + b"x\n", "mail.no_recipients"),
        (line(2, recipients=["a@b"] * 4) + b"x\n", "mail.too_many_recipients"),
        (line(2, recipients=["bob@fabrikam.example"]) + b"x\n", "mail.recipient_not_allowed"),
        (line(2, senders=["stranger@contoso.example"]) + b"x\n", "mail.sender_not_allowed"),
        (line(2) + b"\0\n", "smtp.nul"),
        (line(1001) + b"x" * 1001, "mail.too_large"),
        (line(1000) + b"\n" * 1000, "mail.too_large"),
        (line(2, recipients=["a@@b"]) + b"x\n", "mail.bad_recipient"),
        (line(2, ret="SOME") + b"x\n", "smtp.syntax"),
        (line(2, notify="NEVER,DELAY") + b"x\n", "smtp.syntax"),
        (line(2, envid="+1F") + b"x\n", "smtp.syntax"),
        (line(2, envid="x" * 101) + b"x\n", "smtp.syntax"),
    ],
)
async def test_what_can_never_be_sent_is_kept_apart(office: Office, content: bytes, code: str) -> None:
    office.put(content)
    await office.maildrop.pick_up()
    assert (office.accepted, office.names, office.refused) == ([], [], ["file"])
    assert office.told == [("maildrop.refused", code)]
    assert (office.folder / "refused" / "file").read_bytes() == content


async def test_a_first_line_without_end_is_not_read_to_its_end(office: Office) -> None:
    os.truncate(office.put(b""), maildrop_folder.LARGEST)
    await office.maildrop.pick_up()
    assert (office.told, office.names, office.refused) == ([("maildrop.refused", "maildrop.broken")], [], ["file"])


async def test_a_file_that_is_larger_than_any_mail_is_deleted(office: Office) -> None:
    os.truncate(office.put(line(7)), 1 << 40)
    await office.maildrop.pick_up()
    assert (office.told, office.names, office.refused) == ([("maildrop.deleted", "maildrop.not_a_file")], [], [])


@pytest.mark.parametrize("mode", [0o664, 0o646])
async def test_of_what_others_may_write_to_the_owner_need_not_be_the_author(
    office: Office, tmp_path: Path, mode: int
) -> None:
    """They can give it a name in the folder, and it has but that one when its owner deletes the other."""
    letter = tmp_path / "log of another user"
    letter.write_bytes(line(len(MAIL)) + MAIL)
    letter.chmod(mode)
    (office.folder / "file").hardlink_to(letter)
    letter.unlink()
    await office.maildrop.pick_up()
    assert (office.accepted, office.names, office.refused) == ([], [], ["file"])
    assert office.told == [("maildrop.refused", "maildrop.writable")]


async def test_a_user_who_is_no_submitter_sends_nothing(office: Office) -> None:
    office.users.clear()
    left = office.leave()
    await office.maildrop.pick_up()
    assert (office.accepted, office.names, office.refused) == ([], [left.name], [])


@pytest.mark.parametrize("code", ["maildrop.nobody", "submitter.disabled"])
async def test_mail_that_an_administrator_can_let_in_waits_five_days_for_that(office: Office, code: str) -> None:
    office.disabled = code == "submitter.disabled"
    office.users.clear()
    left = office.leave()
    office.later = 4 * 86400
    await office.maildrop.pick_up()
    await office.maildrop.pick_up()
    assert (office.names, office.refused, office.told) == ([left.name], [], [("maildrop.waiting", code)])
    office.later = 6 * 86400
    await office.maildrop.pick_up()
    assert (office.names, office.refused) == ([], [left.name])
    assert office.told[1:] == [("maildrop.refused", code)]


async def test_mail_of_who_becomes_a_submitter_is_sent(office: Office) -> None:
    office.users.clear()
    office.leave()
    await office.maildrop.pick_up()
    office.users[os.geteuid()] = CRON
    await office.maildrop.pick_up()
    assert (len(office.accepted), office.names) == (1, [])


def symlink(place: Path, _letter: Path) -> None:
    place.symlink_to(_letter)


def hard_link(place: Path, letter: Path) -> None:
    place.hardlink_to(letter)


def fifo(place: Path, _letter: Path) -> None:
    os.mkfifo(place)


def directory(place: Path, _letter: Path) -> None:
    place.mkdir()


def unix_socket(place: Path, _letter: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        os.chdir(place.parent)
        made.bind(place.name)


def test_a_symbolic_link_is_not_opened_whatever_was_there_a_moment_before(tmp_path: Path) -> None:
    (tmp_path / "letter").write_bytes(MAIL)
    (tmp_path / "link").symlink_to("letter")
    with pytest.raises(Forbidden) as refused:
        open_file("link", lambda name, flags: os.open(tmp_path / name, flags))
    assert refused.value.code == "maildrop.not_a_file"


@pytest.mark.parametrize("make", [symlink, hard_link, fifo, directory, unix_socket])
async def test_only_a_file_with_one_name_is_read(
    office: Office, tmp_path: Path, make: Callable[[Path, Path], None]
) -> None:
    letter = tmp_path / "letter of another user"
    letter.write_bytes(line(len(MAIL)) + MAIL)
    make(office.folder / "file", letter)
    await asyncio.wait_for(office.maildrop.pick_up(), 10)
    assert (office.accepted, office.names, office.refused) == ([], [], [])
    assert office.told == [("maildrop.deleted", "maildrop.not_a_file")]
    assert letter.read_bytes() == line(len(MAIL)) + MAIL


async def test_a_file_that_somebody_writes_to_stays(office: Office) -> None:
    place = office.put(line(2) + b"x\n")

    class Growing(dict[int, Submitter]):
        """The folder is looked at, and then somebody writes on."""

        def get(self, uid: int, default: Any = None) -> Any:
            with place.open("ab") as file:
                file.write(b"more\n")
            return super().get(uid, default)

    growing = Office(office.folder, Growing(office.users))
    growing.maildrop.open()
    await growing.maildrop.pick_up()
    await growing.maildrop.stop()
    assert (growing.accepted, growing.names) == ([], ["file"])
    assert growing.told == [("maildrop.waiting", "maildrop.changing")]


@contextmanager
def as_user(uid: int) -> Iterator[None]:
    """Open files with another user's rights (setfsuid(2)); of root, so that a mode counts."""
    libc = ctypes.CDLL(None)
    libc.setfsuid(uid)
    try:
        yield
    finally:
        libc.setfsuid(os.geteuid())


async def test_a_file_that_the_service_may_not_read_is_kept_apart(office: Office) -> None:
    place = office.leave()
    place.chmod(0)
    user = os.geteuid() or 65534
    for folder in (office.folder, office.folder / "refused"):
        os.chown(folder, user, -1)
    with as_user(user):
        await office.maildrop.pick_up()
    assert (office.accepted, office.refused) == ([], [place.name])
    assert office.told == [("maildrop.refused", "maildrop.unreadable")]


async def test_what_cannot_be_deleted_is_told_once(office: Office) -> None:
    (office.folder / "file").mkdir()
    (office.folder / "file" / "x").touch()
    await office.maildrop.pick_up()
    await office.maildrop.pick_up()
    assert office.told == [("maildrop.deleted", "maildrop.not_a_file")]
    assert office.names == ["file"]


LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
async def test_what_a_user_mounts_there_does_not_end_the_look(office: Office) -> None:
    """As with fusermount(1): to all others it cannot even be looked at."""
    (office.folder / "a").mkdir()
    driver = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={driver},rootmode=40000,user_id=4242,group_id=4242"
    assert LIBC.mount(b"fuse", bytes(office.folder / "a"), b"fuse", 0, options.encode()) == 0
    try:
        office.leave()
        await office.maildrop.pick_up()
        assert len(office.accepted) == 1
    finally:
        assert LIBC.umount2(bytes(office.folder / "a"), 2) == 0
        os.close(driver)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
async def test_of_a_disk_that_is_read_only_nothing_is_taken_as_it_would_be_taken_again(office: Office) -> None:
    left = office.leave()
    place = bytes(office.folder)
    bind, read_only = 4096, 4096 | 32 | 1
    assert LIBC.mount(place, place, None, bind, None) == 0
    office.maildrop.open()
    try:
        assert LIBC.mount(None, place, None, read_only, None) == 0
        with pytest.raises(OSError, match="Read-only file system"):
            await office.maildrop.pick_up()
    finally:
        assert LIBC.umount2(place, 2) == 0
    office.maildrop.open()
    assert (office.accepted, office.names) == ([], [left.name])
    await office.maildrop.pick_up()
    assert (len(office.accepted), office.names) == (1, [])


async def test_a_folder_that_somebody_puts_in_its_place_is_the_folder(office: Office) -> None:
    """As where a disk is mounted there after the service has started; the one before can be unmounted."""
    before = office.folder.rename(office.folder.with_name("before"))
    office.folder.mkdir()
    office.folder.chmod(0o1733)
    office.leave()
    await office.maildrop.pick_up()
    assert len(office.accepted) == 1
    opened = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    assert not [path for path in opened if Path(path).is_relative_to(before)]


async def test_a_folder_that_somebody_deletes_is_made_again(office: Office) -> None:
    (office.folder / "refused").rmdir()
    office.folder.rmdir()
    await office.maildrop.pick_up()
    office.leave()
    await office.maildrop.pick_up()
    assert len(office.accepted) == 1


async def test_a_folder_that_cannot_be_used_is_tried_again(office: Office) -> None:
    aside = office.folder.rename(office.folder.with_name("aside"))
    office.folder.symlink_to(aside)
    with pytest.raises(ConfigError):
        await office.maildrop.pick_up()
    office.folder.unlink()
    aside.rename(office.folder)
    office.leave()
    await office.maildrop.pick_up()
    assert len(office.accepted) == 1


async def test_a_name_that_is_no_text_is_shown_as_its_bytes(office: Office) -> None:
    (office.folder / os.fsdecode(b"\xff\n")).touch()
    await office.maildrop.pick_up()
    assert json.loads(office.log.getvalue())["file"] == "\\xff\n"


async def test_a_file_that_was_replaced_is_not_deleted(office: Office) -> None:
    left = office.leave()

    def replace() -> None:
        left.unlink()
        left.write_bytes(b"another")

    office.failing = replace
    await office.maildrop.pick_up()
    assert (len(office.accepted), office.names) == (1, [left.name])


async def test_what_nobody_finished_writing_is_deleted_after_a_while(office: Office) -> None:
    os.utime(office.put(b"half", ".half"), (2**31, 2**31))  # the time that its owner can set does not count
    office.later = 300
    await office.maildrop.pick_up()
    assert office.names == [".half"]
    office.later = 900
    await office.maildrop.pick_up()
    assert (office.names, office.refused, office.told) == ([], [], [])


# ---- who fills the folder


async def test_a_heap_of_links_is_deleted_with_a_few_lines_and_nobody_waits(office: Office) -> None:
    for number in range(20_000):
        (office.folder / f"{number}").symlink_to("/etc/passwd")
    longest = 0.0

    async def others() -> None:
        nonlocal longest
        while True:
            began = time.monotonic()
            await asyncio.sleep(0)
            longest = max(longest, time.monotonic() - began)

    waiting = asyncio.create_task(others())
    await asyncio.sleep(0)
    await office.maildrop.pick_up()
    await asyncio.sleep(0)
    waiting.cancel()
    assert longest < 0.25
    assert office.names == []
    assert office.told == [("maildrop.deleted", "maildrop.not_a_file")] * maildrop_folder.SHOWN + [
        ("maildrop.more", "")
    ]
    assert json.loads(office.log.getvalue().splitlines()[-1])["deleted"] == 20_000 - maildrop_folder.SHOWN


async def test_a_heap_that_waits_is_a_few_lines_and_a_number(office: Office) -> None:
    office.users.clear()
    for number in range(20):
        office.put(line(2) + b"x\n", f"{number}")
    await office.maildrop.pick_up()
    await office.maildrop.pick_up()
    assert office.told == [("maildrop.waiting", "maildrop.nobody")] * maildrop_folder.SHOWN + [("maildrop.more", "")]
    assert json.loads(office.log.getvalue().splitlines()[-1])["waiting"] == 20 - maildrop_folder.SHOWN


async def test_others_are_served_after_each_file(office: Office) -> None:
    for number in range(50):
        office.put(line(7) + b"%06d\n" % number, f"{number:016x}-x")
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    office.disabled = True
    waiting = asyncio.create_task(others())
    await office.maildrop.pick_up()
    waiting.cancel()
    assert turns >= 50


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to write as another user")
async def test_a_heap_of_one_user_does_not_hold_up_another(office: Office) -> None:
    for number in range(30):
        office.put(line(7) + b"%06d\n" % number, f"{number:016x}-x")
    os.chown(office.put(line(7) + b"other!\n", "z"), 4242, -1)
    office.users[4242] = Submitter(2, "backup", {OPS.address: OPS})
    await office.maildrop.pick_up()
    assert "backup" in [one.submitter for one in office.accepted[:2]]


async def test_of_a_user_with_a_heap_the_oldest_go_first_and_the_rest_without_a_pause(office: Office) -> None:
    count = 2 * maildrop_folder.EACH + 50
    for number in range(count):
        office.put(line(7) + b"%06d\n" % number, f"{number:016x}-x")
    pauses = [await office.maildrop.pick_up() for _ in range(3)]
    assert pauses[2] > 0
    assert [one.mime for one in office.accepted] == [b"%06d\r\n" % number for number in range(count)]
    assert office.names == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to write as another user")
def test_of_more_users_fewer_files_each_are_remembered(office: Office) -> None:
    """A user may own 65,536 numbers, and files of each."""
    folder = maildrop_folder.Folder(office.folder, time.time)
    folder.open()
    users = 100
    for number in range(maildrop_folder.MOST + 100):
        descriptor = os.open(office.folder / f"{number:06d}", os.O_CREAT | os.O_WRONLY)
        os.fchown(descriptor, 10_000 + number % users, -1)
        os.close(descriptor)
    heap = folder.look_through(lambda: False)
    folder.close()
    assert heap.more
    assert 10 < heap.each < maildrop_folder.EACH
    for user in range(users):
        kept = [int(entry.name) for entry in heap.files[10_000 + user]]
        assert kept == [user + users * turn for turn in range(heap.each)]


async def test_looking_is_a_tenth_of_the_time(office: Office) -> None:
    for number in range(3000):
        office.put(b"", f".{number}")
    began = time.monotonic()
    pause = await office.maildrop.pick_up()
    assert 0.01 <= pause < 10 * (time.monotonic() - began)


async def test_what_was_refused_is_kept_for_a_month(office: Office) -> None:
    office.put(line(3) + b"x\n")
    await office.maildrop.pick_up()
    office.later = 29 * 86400
    await office.maildrop.pick_up()
    assert office.refused == ["file"]
    office.later = 31 * 86400
    await office.maildrop.pick_up()
    assert office.refused == []


async def test_of_too_much_that_was_refused_the_oldest_goes(office: Office) -> None:
    refused = office.folder / "refused"
    for number in range(9):
        (refused / f"{number}").touch()
        os.truncate(refused / f"{number}", maildrop_folder.KEPT_BYTES // 8)
    await office.maildrop.pick_up()
    assert office.refused == [str(number) for number in range(1, 9)]


async def test_who_writes_on_in_what_was_refused_loses_it(office: Office) -> None:
    place = office.put(line(3) + b"x\n")
    with place.open("ab") as writer:
        await office.maildrop.pick_up()
        assert office.refused == ["file"]
        os.truncate(writer.fileno(), maildrop_folder.LARGEST + 1)
        await office.maildrop.pick_up()
    assert office.refused == []


# ---- the folder


async def test_all_may_put_files_in_and_none_may_list_them(office: Office) -> None:
    assert stat.S_IMODE(office.folder.stat().st_mode) == 0o1733
    assert stat.S_IMODE((office.folder / "refused").stat().st_mode) == 0o700
    assert stat.S_IMODE(office.folder.parent.stat().st_mode) == 0o755


def elsewhere(tmp_path: Path) -> Path:
    """A link instead of the folder."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "maildrop").symlink_to(tmp_path / "mine")
    return tmp_path / "maildrop"


def a_file(tmp_path: Path) -> Path:
    (tmp_path / "maildrop").touch()
    return tmp_path / "maildrop"


def a_refused_link(tmp_path: Path) -> Path:
    (tmp_path / "maildrop").mkdir()
    (tmp_path / "maildrop" / "refused").symlink_to(tmp_path)
    return tmp_path / "maildrop"


def another_users(tmp_path: Path) -> Path:
    if os.geteuid():
        return Path("/usr")
    (tmp_path / "maildrop").mkdir()
    os.chown(tmp_path / "maildrop", 65534, -1)
    return tmp_path / "maildrop"


@pytest.mark.parametrize("make", [elsewhere, a_file, a_refused_link, another_users])
def test_a_folder_that_is_not_its_own_is_a_mistake_in_the_set_up(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    office = Office(make(tmp_path), {})
    with pytest.raises(ConfigError) as raised:
        office.maildrop.open()
    assert raised.value.code == "maildrop.folder"
