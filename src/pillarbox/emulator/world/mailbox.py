"""A mailbox: folders and the messages in them, one store behind Graph, SMTP and IMAP."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pillarbox.emulator.ids import Entropy, item_id
from pillarbox.emulator.mail.compose import compose, compose_headers
from pillarbox.emulator.mail.content import Content
from pillarbox.emulator.mail.headers import Headers, headers_of
from pillarbox.emulator.mail.parse import parse
from pillarbox.emulator.world.uploads import UploadSession

WELL_KNOWN = {
    "archive": "Archive",
    "clutter": "Clutter",
    "conflicts": "Conflicts",
    "conversationhistory": "Conversation History",
    "deleteditems": "Deleted Items",
    "drafts": "Drafts",
    "inbox": "Inbox",
    "junkemail": "Junk Email",
    "localfailures": "Local Failures",
    "outbox": "Outbox",
    "recoverableitemsdeletions": "Deletions",
    "scheduled": "Scheduled",
    "searchfolders": "Finder",
    "sentitems": "Sent Items",
    "serverfailures": "Server Failures",
    "syncissues": "Sync Issues",
}
"""Graph's well-known folder names (facts 3.5) and what people see; [I] for those that no list shows."""
HIDDEN = frozenset(("clutter", "syncissues"))
"""Those that lists show only to who asks for hidden folders."""
SYNC_ISSUES = frozenset(("conflicts", "localfailures", "serverfailures"))
"""Those that lie in syncissues."""
OUTSIDE = frozenset(("recoverableitemsdeletions", "scheduled", "searchfolders"))
"""Those that lie beside the root, not in it, and are reached by their names alone."""
ROOT = "msgfolderroot"

MAX_SEND_SIZE = 35 * 1024 * 1024
"""What a mailbox may send unless an administrator raises it, at most to 150 MB (facts 3.10)."""


@dataclass(eq=False)
class Folder:
    """A folder; `name` is the well-known one. `next_uid` and `uid_validity` are IMAP's (RFC 3501 section 2.3.1.1)."""

    id: str
    name: str
    title: str
    parent: "Folder | None" = None
    uid_validity: int = 1
    next_uid: int = 1
    hidden: bool = False


@dataclass(eq=False)
class Message:
    """One mail in one folder; times are seconds since 1970.

    `id` changes when the message moves, `immutable_id` never does. `serial` is the place in the order of changes of
    the mailbox and is new after each change; `arrival` is the first one and stays. MIME and Content are two faces of
    the same mail: one is stored, the other made when it is asked for, so that MIME that nobody edits stays as it came,
    byte for byte.
    """

    id: str
    immutable_id: str
    serial: int
    uid: int
    folder: Folder
    internet_message_id: str
    received: float
    created: float
    modified: float
    visible_from: float
    arrival: int = 0
    read: bool = False
    draft: bool = False
    categories: list[str] = field(default_factory=list)
    flag: dict[str, Any] = field(default_factory=lambda: {"flagStatus": "notFlagged"})
    inference: str = "focused"
    _written: bool = False
    _mime: bytes | None = field(default=None, repr=False)
    _content: Content | None = field(default=None, repr=False)

    @property
    def mime(self) -> bytes:
        """The mail as RFC 5322 bytes."""
        if self._mime is None:
            self._mime = compose(self._content or Content())
        return self._mime

    @property
    def content(self) -> Content:
        """The mail's parts, to look at; who changes them hands them to `Mailbox.edit`."""
        if self._content is None:
            self._content = parse(self._mime or b"")
        return self._content

    @property
    def headers(self) -> Headers:
        """The header block, without a look at the rest."""
        if self._mime is None:
            return headers_of(compose_headers(self._content or Content()))
        return headers_of(self._mime)

    @property
    def original(self) -> Content | bytes:
        """The face that is stored."""
        return self.content if self._written else self.mime

    def replace(self, mail: Content | bytes) -> None:
        """Put another mail in place; the face that is not given is made anew when it is asked for."""
        self._written = isinstance(mail, Content)
        self._content, self._mime = (None, mail) if isinstance(mail, bytes) else (mail, None)


class Mailbox:
    """Folders and messages of one user.

    `full` refuses to store more. `smtp_auth` and `imap` open the old protocols; `smtp_auth` None takes the tenant's
    setting. `full_access`, `send_as` and `send_on_behalf` hold ids of users and service principals with these rights.
    `max_send_size` is in bytes of MIME. `uploads` are the sessions under way, by id.
    """

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self.root = Folder(item_id(entropy), ROOT, "Top of Information Store")
        self.folders = {
            name: Folder(item_id(entropy), name, title, self.root, hidden=name in HIDDEN)
            for name, title in WELL_KNOWN.items()
        }
        for name in OUTSIDE:
            self.folders[name].parent = None
        for name in SYNC_ISSUES:
            self.folders[name].parent = self.folders["syncissues"]
        self.full = False
        self.smtp_auth: bool | None = None
        self.imap = True
        self.full_access: set[str] = set()
        self.send_as: set[str] = set()
        self.send_on_behalf: set[str] = set()
        self.max_send_size = MAX_SEND_SIZE
        self.uploads: dict[str, UploadSession] = {}
        self._messages: dict[str, Message] = {}
        self._by_immutable_id: dict[str, Message] = {}
        self._formerly: dict[str, Message] = {}
        # The look-up that a sender makes before it sends again must stay cheap in a full mailbox.
        self._by_internet_id: dict[str, list[Message]] = {}
        self._serial = 0

    def add(
        self,
        folder: str | Folder,
        mail: bytes | Content,
        internet_message_id: str,
        now: float,
        *,
        delay: float = 0.0,
        read: bool = False,
        draft: bool = False,
    ) -> Message:
        """Put a mail into a folder (or the well-known one of that name); it can be seen `delay` seconds after `now`."""
        place = self.folders[folder] if isinstance(folder, str) else folder
        message = Message(
            id=item_id(self._entropy),
            immutable_id=item_id(self._entropy),
            serial=self._next_serial(),
            uid=_next_uid(place),
            folder=place,
            internet_message_id=internet_message_id,
            received=now,
            created=now,
            modified=now,
            visible_from=now + delay,
            read=read,
            draft=draft,
        )
        message.replace(mail)
        message.arrival = message.serial
        self._messages[message.id] = message
        self._by_immutable_id[message.immutable_id] = message
        self._by_internet_id.setdefault(internet_message_id, []).append(message)
        return message

    def edit(self, message: Message, now: float, mail: Content | bytes | None = None) -> None:
        """Note a change of a message: of its parts or its MIME if they are given, else of what stands beside them."""
        if mail is not None:
            message.replace(mail)
        if isinstance(mail, Content):
            self.rename(message, mail.message_id)
        message.serial, message.modified = self._next_serial(), now

    def rename(self, message: Message, internet_message_id: str) -> None:
        """Give a message another Message-ID to be found by."""
        if internet_message_id != message.internet_message_id:
            self._by_internet_id[message.internet_message_id].remove(message)
            message.internet_message_id = internet_message_id
            self._by_internet_id.setdefault(internet_message_id, []).append(message)

    def move(self, message: Message, folder: Folder, now: float, *, delay: float = 0.0) -> None:
        """Put a message into another folder: it gets another id and another uid, its immutable id stays."""
        self._formerly[message.id] = message
        del self._messages[message.id]
        message.id = item_id(self._entropy)
        message.folder, message.uid = folder, _next_uid(folder)
        message.visible_from = now + delay
        self.edit(message, now)
        self._messages[message.id] = message

    def formerly(self, ident: str) -> Message | None:
        """The message that had that id before it moved."""
        return self._formerly.get(ident)

    def remove(self, message: Message) -> None:
        """Take a message away for good."""
        del self._messages[message.id]
        del self._by_immutable_id[message.immutable_id]
        self._by_internet_id[message.internet_message_id].remove(message)

    def folder(self, key: str) -> Folder | None:
        """The folder with that well-known name (in any case) or id (case-sensitive)."""
        if key.lower() == ROOT or key == self.root.id:
            return self.root
        found = self.folders.get(key.lower())
        return found or next((each for each in self.folders.values() if each.id == key), None)

    def message(self, ident: str, now: float) -> Message | None:
        """The message with that id, mutable or immutable, if it can be seen by now."""
        found = self._messages.get(ident) or self._by_immutable_id.get(ident)
        return found if found and found.visible_from <= now else None

    def messages(self, now: float, folder: Folder | None = None, internet_id: str | None = None) -> Iterator[Message]:
        """The messages that can be seen by now, by arrival, the last first."""
        # Of these two only the immutable id keeps its place when a message moves.
        candidates = (
            self._by_immutable_id.values() if internet_id is None else self._by_internet_id.get(internet_id, [])
        )
        for message in reversed(candidates):
            if message.visible_from <= now and (folder is None or message.folder is folder):
                yield message

    def empty(self) -> None:
        """Throw all messages away; serials go on, so that old paging links stay harmless."""
        self._messages.clear()
        self._by_immutable_id.clear()
        self._formerly.clear()
        self._by_internet_id.clear()
        self.uploads.clear()

    def _next_serial(self) -> int:
        self._serial += 1
        return self._serial


def _next_uid(folder: Folder) -> int:
    uid, folder.next_uid = folder.next_uid, folder.next_uid + 1
    return uid
