"""The conversation with a service that hangs."""

import contextlib
import io
import socket
import threading

import pytest

from pillarbox.sendmail.envelope import Envelope
from pillarbox.sendmail.message import Message
from pillarbox.sendmail.problem import NotNow
from pillarbox.sendmail.smtp import Conversation

YES = b"220 x ESMTP\r\n250 x\r\n250 OK\r\n250 OK\r\n354 go\r\n"
MAIL = b"Subject: x\n\n" + b"\n" * 400_000


def test_nothing_follows_a_message_that_was_sent_in_part() -> None:
    """A dot after it would end it in its middle, and the service would take the half of it for the whole."""
    ours, theirs = socket.socketpair()
    received = bytearray()
    goes_on = threading.Event()

    def serve() -> None:
        theirs.sendall(YES)
        goes_on.wait()
        while data := theirs.recv(1 << 20):
            received.extend(data)

    message = Message(io.BytesIO(MAIL), dot_ends=False)
    service = threading.Thread(target=serve)
    service.start()
    with contextlib.closing(Conversation(ours, lambda _line: None)) as conversation:
        ours.settimeout(0.2)
        threading.Timer(0.5, goes_on.set).start()
        with pytest.raises(NotNow, match="does not read on"):
            conversation.submit(Envelope(("",), ("bob@contoso.example",)), message)
    service.join()
    theirs.close()
    assert b"DATA\r\n" in received
    assert b"\r\n.\r\n" not in received
