"""Mails that the cases send: each carries the mark and the id of the run in its subject."""

from typing import Any

from tests.contract.microsoft.mailbox import MARK
from tests.contract.microsoft.target import Target

RUN_HEADER = "X-Pillarbox-Certify"


class Mails:
    """Makes mail from the sender's mailbox to the recipient's."""

    def __init__(self, target: Target, run: str) -> None:
        self._target, self._run = target, run

    def subject(self, name: str) -> str:
        """The subject of a mail: mark, run, and what it is for."""
        return f"[{MARK} {self._run}] {name}"

    def json(self, name: str, *to: str, **more: Any) -> dict[str, Any]:
        """A message for sendMail or for a draft; without recipients named it goes to the recipient."""
        people = [{"emailAddress": {"address": each}} for each in to or (self._target.recipient_address,)]
        header = {"name": RUN_HEADER, "value": self._run}
        usual = {
            "subject": self.subject(name),
            "body": {"contentType": "text", "content": f"Sent by a test of Pillarbox, run {self._run}."},
            "toRecipients": people,
            "internetMessageHeaders": [header],
        }
        return usual | more

    def mime(self, name: str, *headers: str, to: str | None = None, body: str = "Sent by a test.") -> bytes:
        """A mail with further header lines; `to` as it stands in the header."""
        lines = [
            f"From: {self._target.sender_address}",
            f"To: {to or self._target.recipient_address}",
            f"Subject: {self.subject(name)}",
            f"{RUN_HEADER}: {self._run}",
            *headers,
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "",
            body,
            "",
        ]
        return "\r\n".join(lines).encode()
