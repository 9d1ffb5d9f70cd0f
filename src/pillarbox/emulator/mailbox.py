"""A mailbox: well-known folders and the messages in them, newest last."""

from collections.abc import Iterator
from dataclasses import dataclass

from pillarbox.emulator.ids import Entropy, item_id

WELL_KNOWN = {
    "archive": "Archive",
    "deleteditems": "Deleted Items",
    "drafts": "Drafts",
    "inbox": "Inbox",
    "junkemail": "Junk Email",
    "outbox": "Outbox",
    "sentitems": "Sent Items",
}
"""Graph's well-known folder names (facts 3.5) and what people see."""


@dataclass(frozen=True)
class Folder:
    """A folder; `name` is the well-known one."""

    id: str
    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Message:
    """One mail in one folder. `serial` grows within the mailbox; times are seconds since 1970."""

    id: str
    serial: int
    folder: Folder
    mime: bytes
    internet_message_id: str
    received: float
    visible_from: float
    read: bool = False
    draft: bool = False


class Mailbox:
    """Folders and messages of one user."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self.folders = {name: Folder(item_id(entropy), name, title) for name, title in WELL_KNOWN.items()}
        self._messages: dict[str, Message] = {}
        # The look-up that a sender makes before it sends again must stay cheap in a full mailbox.
        self._by_internet_id: dict[str, list[Message]] = {}
        self._serial = 0

    def add(
        self, folder: str, mime: bytes, internet_message_id: str, now: float, *, delay: float = 0.0, read: bool = False
    ) -> Message:
        """Put a mail into a well-known folder; it can be seen `delay` seconds after `now`."""
        self._serial += 1
        place = self.folders[folder]
        ident = item_id(self._entropy)
        message = Message(ident, self._serial, place, mime, internet_message_id, now, now + delay, read)
        self._messages[ident] = message
        self._by_internet_id.setdefault(internet_message_id, []).append(message)
        return message

    def folder(self, key: str) -> Folder | None:
        """The folder with that well-known name (in any case) or id (case-sensitive)."""
        found = self.folders.get(key.lower())
        return found or next((each for each in self.folders.values() if each.id == key), None)

    def message(self, ident: str, now: float) -> Message | None:
        """The message with that id, if it can be seen by now."""
        found = self._messages.get(ident)
        return found if found and found.visible_from <= now else None

    def messages(self, now: float, folder: Folder | None = None, internet_id: str | None = None) -> Iterator[Message]:
        """The messages that can be seen by now, newest first."""
        candidates = self._messages.values() if internet_id is None else self._by_internet_id.get(internet_id, [])
        for message in reversed(candidates):
            if message.visible_from <= now and (folder is None or message.folder is folder):
                yield message

    def empty(self) -> None:
        """Throw all messages away; serials go on, so that old paging links stay harmless."""
        self._messages.clear()
        self._by_internet_id.clear()
